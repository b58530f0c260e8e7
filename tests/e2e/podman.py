"""Podman with a store of its own, and a Debian that images can be built on. Knows nothing of pytest."""

import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent.parent / ".cache" / "containers"
"""Images stay here from one run to the next."""
RUNTIME = "runc"
"""crun refuses machines that have both versions of cgroups."""

_PROGRAMS = ("podman", RUNTIME, "debootstrap")
# Podman runs these itself, from folders of its own.
_HELPERS = ("netavark", "aardvark-dns")
_FOLDERS_OF_HELPERS = "/usr/lib/podman:/usr/libexec/podman"
_PACKAGES = "python3,ca-certificates"
# What Debian's slim images leave out.
_LEFT_OUT = (
    *("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man"),
    *("var/cache", "var/lib/apt/lists", "var/log"),
)
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# Not those that name folders of this machine.
_SETTINGS_OF_PIP = {"extra-index-url", "index-url", "proxy", "timeout", "trusted-host"}
# Podman would ask for more than a machine may allow; keep no journal; write logs where it can read them.
_CONFIGURATION = f"""
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "{RUNTIME}"
[network]
network_backend = "netavark"
network_config_dir = "{FOLDER / "networks"}"
"""
_BUILD_SECONDS = 900
_SECONDS = 120


class PodmanUnavailable(Exception):
    """No container can be run here; the message says why."""


class PodmanFailed(Exception):
    """A program ended with another status than 0; the message ends in what it wrote."""


@dataclass(frozen=True, slots=True)
class Podman:
    """Podman with a store of its own.

    Attributes:
        environment: the variables by which any program finds that store.
    """

    environment: Mapping[str, str] = field(repr=False)

    def __call__(self, *arguments: str | Path, seconds: float = _SECONDS) -> str:
        """Run a command of Podman's, and return what it has written on standard output.

        Raises:
            PodmanFailed: it ended with another status than 0.
        """
        return _run(["podman", *arguments], self.environment, seconds).stdout

    def status(self, *arguments: str | Path) -> int:
        """Run a command of Podman's, and return its exit status."""
        command = ["podman", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, timeout=_SECONDS, check=False
        ).returncode

    def facts(self, name: str) -> dict[str, Any]:
        """Tell what Podman knows of an image or a container."""
        (facts,) = json.loads(self("inspect", name))
        return dict(facts)


@dataclass(frozen=True, slots=True)
class Container:
    """A container that was started.

    Attributes:
        podman: has it.
        name: by which Podman knows it.
    """

    podman: Podman
    name: str

    @property
    def pid(self) -> int:
        """The process id of its first process, on this machine."""
        return int(self.podman.facts(self.name)["State"]["Pid"])

    def logged(self) -> str:
        """Read what it has logged so far, on either stream."""
        command = ["podman", "logs", self.name]
        return subprocess.run(
            command,
            env=self.podman.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=True,
        ).stdout

    def execute(self, *command: str) -> str:
        """Run a command in it; see Podman."""
        return self.podman("exec", self.name, *command)

    def is_healthy(self) -> bool:
        """Run the health check of its image, as an engine does every so many seconds."""
        return self.podman.status("healthcheck", "run", self.name) == 0

    def stop(self, seconds: int) -> int:
        """Send SIGTERM, and after so many seconds SIGKILL; return the exit status."""
        self.podman("stop", "--time", str(seconds), self.name)
        return int(self.podman.facts(self.name)["State"]["ExitCode"])


def find_podman() -> Podman:
    """Find Podman, and give it a store.

    Raises:
        PodmanUnavailable: a program is missing, or whoever asks is not root.
    """
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    missing += [program for program in _HELPERS if shutil.which(program, path=_FOLDERS_OF_HELPERS) is None]
    if missing:
        raise PodmanUnavailable(f"there is no {' and no '.join(missing)}: install it")
    if os.geteuid() != 0:
        raise PodmanUnavailable("only root can make a Debian with debootstrap")
    FOLDER.mkdir(parents=True, exist_ok=True)
    configuration, storage = FOLDER / "containers.conf", FOLDER / "storage.conf"
    configuration.write_text(_CONFIGURATION, encoding="utf-8")
    storage.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{FOLDER / "store"}"\nrunroot = "{FOLDER / "run"}"\n',
        encoding="utf-8",
    )
    return Podman(
        {
            **os.environ,
            "CONTAINERS_CONF": str(configuration),
            "CONTAINERS_STORAGE_CONF": str(storage),
        }
    )


@contextmanager
def running(podman: Podman, image: str, *options: str) -> Iterator[Container]:
    """Start a container, and remove it at the end, whatever it does."""
    container = Container(podman, podman("run", "--detach", *options, image).strip())
    try:
        yield container
    finally:
        podman("rm", "--force", "--time", "0", container.name)


def base_image(podman: Podman) -> str:
    """Find the image of a Debian as this machine's, with Python, else make it.

    Raises:
        PodmanFailed: it could not be made.
        PodmanUnavailable: nothing can be run in it.
    """
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    name = f"localhost/debian-with-python:{suite}"
    if podman.status("image", "exists", name) != 0:
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            root = Path(folder) / "root"
            command: list[str | Path] = [
                "debootstrap",
                "--variant=minbase",
                f"--include={_PACKAGES}",
                suite,
                root,
                _mirror(suite),
            ]
            _run(command, os.environ, _BUILD_SECONDS)
            for path in _LEFT_OUT:
                shutil.rmtree(root / path)
                (root / path).mkdir()
            archive = Path(folder) / "root.tar"
            _run(["tar", "--create", "--file", archive, "--directory", root, "."], os.environ, _SECONDS)
            podman("import", "--quiet", archive, name)
    try:
        podman("run", "--rm", "--network=none", name, "true")
    except PodmanFailed as failure:
        raise PodmanUnavailable(f"this machine runs no containers: {failure}") from None
    return name


def service_image(podman: Podman, folder: Path) -> str:
    """Build the image of the service as `make image` does, on base_image.

    Args:
        podman: builds it.
        folder: takes what is of this machine, and not in the image.

    Raises:
        PodmanFailed: it could not be built.
        PodmanUnavailable: see base_image.
    """
    name = "localhost/livekit-token-api:test"
    settings = (f"BASE={base_image(podman)}", f"IMAGE={name}", f"BUILD_FLAGS={_way_to_packages(folder)}")
    command = ["make", "--directory", str(FOLDER.parent.parent), "image", "ENGINE=podman", *settings]
    _run(command, podman.environment, _BUILD_SECONDS)
    # What is left of builds of other days; that of today makes the next one quick.
    podman("image", "prune", "--force", "--filter", "until=24h")
    return name


def _way_to_packages(folder: Path) -> str:
    # pip's settings may have a password in them.
    certificates = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile
    listed = _run([sys.executable, "-m", "pip", "config", "list"], os.environ, _SECONDS).stdout
    found = re.findall(r"^\S+\.([a-z-]+)=(['\"])(.*)\2$", listed, re.MULTILINE)
    settings = {name: value for name, _, value in found if name in _SETTINGS_OF_PIP} | {"cert": _CERTIFICATES}
    configuration = folder / "pip.conf"
    configuration.touch(0o600)
    lines = [f"{name} = {value}" for name, value in settings.items()]
    configuration.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    return (
        f"--network=host --volume={configuration}:/etc/pip.conf:ro --volume={certificates}:{_CERTIFICATES}:ro"
    )


def _mirror(suite: str) -> str:
    """Find where this machine's packages come from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    found = _run([*command, "Created-By: Packages", f"Release: {suite}"], os.environ, _SECONDS).stdout.split()
    if not found:
        raise PodmanFailed(f"apt has no source of {suite}")
    return found[0]


def _run(
    command: Sequence[str | Path], environment: Mapping[str, str], seconds: float
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode:
        raise PodmanFailed(
            f"{command[0]} ended with status {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}"
        )
    return done
