"""The image that the Dockerfile makes, on a Debian that is made here, run as operators are told to run it."""

import asyncio
import json
import os
import re
import signal
import tarfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import jwt
import pytest

from tests.e2e.livekit_server import LiveKitServer
from tests.e2e.podman import (
    Container,
    Podman,
    PodmanFailed,
    PodmanUnavailable,
    base_image,
    find_podman,
    running,
)
from tests.support import run_log
from tests.support.collector import collecting
from tests.support.load import READY, Client, Tally, ask_on
from tests.support.process import DEADLINE_SECONDS, ROOT, free_port
from tests.support.server import KEY, SECRET

USER = 10001
MEGABYTE = 1_000_000
# As in deploy/container/compose.yaml.
HARDENED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
)
VALID = {"roomName": "my-room", "participantIdentity": "alice"}
KEYS = "/run/secrets/livekit_keys"
CLIENTS, ENOUGH = 8, 500
# Lists programs that build or install, programs with another's rights, and what whoever runs it can write.
# Links are as writable as what they lead to.
PROBE = """
import importlib.util, json, os, stat
found = {"tools": [], "privileged": [], "files": [], "folders": []}
tools = {"apt", "apt-get", "cc", "gcc", "ld", "make", "perl", "pip", "pip3", "strip"}
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/dev", "/proc", "/sys")]
    if os.access(folder, os.W_OK):
        found["folders"].append(folder)
    for name in files:
        path = os.path.join(folder, name)
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode):
            continue
        if name in tools and os.access(path, os.X_OK):
            found["tools"].append(name)
        if mode & (stat.S_ISUID | stat.S_ISGID):
            found["privileged"].append(path)
        if os.access(path, os.W_OK):
            found["files"].append(path)
for name in ("ensurepip", "pip", "setuptools"):
    if importlib.util.find_spec(name):
        found["tools"].append(name)
print(json.dumps(found))
"""


def key_file(path: Path, key: str, secret: str, owner: int = USER) -> str:
    """Write a key file as LiveKit wants it, for nobody but its owner; return the flag that mounts it."""
    path.touch(0o600)
    path.write_text(f"{key}: {secret}\n")
    os.chown(path, owner, owner)
    return f"--volume={path}:{KEYS}:ro"


@contextmanager
def service(
    podman: Podman, image: str, *options: str, **variables: str
) -> Iterator[tuple[Container, httpx.Client]]:
    """Run the image on the loopback interface, and be its client, relative to `/api`."""
    port = free_port()
    environment = {"HOST": "127.0.0.1", "PORT": str(port), **variables}
    flags = [f"--env={name}={value}" for name, value in environment.items()]
    with (
        running(podman, image, *HARDENED, "--network=host", *flags, *options) as container,
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api") as api,
    ):
        try:
            wait_until_it_serves(api, container)
            yield container, api
        finally:
            run_log.add(container.logged())


def wait_until_it_serves(api: httpx.Client, container: Container) -> None:
    """Wait for the first answer."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            assert api.get("/health/live").status_code == 200
        except httpx.TransportError:
            assert time.monotonic() < deadline, container.logged()
            time.sleep(0.1)
        else:
            return


def signer_of(token: str) -> str:
    """Find the key that a token names; LiveKit checks the signature."""
    return str(jwt.decode(token, options={"verify_signature": False})["iss"])


def probe(podman: Podman, image: str, *options: str) -> dict[str, list[str]]:
    """Tell what a container's user finds in it; see PROBE."""
    found = podman("run", "--rm", "--network=none", "--entrypoint=python3", *options, image, "-c", PROBE)
    return dict(json.loads(found))


def test_without_podman_the_reason_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A PATH with nothing in it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PodmanUnavailable, match="no podman and no runc and no debootstrap: install it"):
        find_podman()


def test_a_build_that_fails_is_reported_with_its_last_words(podman: Podman, tmp_path: Path) -> None:
    """That is a failure, never a reason to skip."""
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {base_image(podman)}\nRUN echo out of luck; exit 3\n")
    with pytest.raises(PodmanFailed, match=r"podman ended with status 3:\n(?s:.*)out of luck"):
        podman("build", "--file", dockerfile, tmp_path)


def test_the_image_is_small(podman: Podman, image: str) -> None:
    """All of it, base and service, unpacked."""
    size, base = (podman.facts(name)["Size"] / MEGABYTE for name in (image, base_image(podman)))
    print(f"image: {size:.0f} MB; the base, before anything is taken out of it: {base:.0f} MB")  # noqa: T201
    assert size < 200


def test_the_image_says_what_it_is(podman: Podman, image: str) -> None:
    """Its version is that of the package; it is not root, and its first process is the service."""
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    facts = podman.facts(image)
    labels = {name.rpartition(".")[2]: value for name, value in facts["Config"]["Labels"].items()}
    assert (labels["version"], labels["licenses"]) == (package["version"], package["license"])
    assert facts["Config"]["User"] == f"{USER}:{USER}"
    assert facts["Config"]["Entrypoint"] == ["/opt/livekit-token-api/bin/livekit-token-api"]
    assert podman("run", "--rm", image, "--version") == f"livekit-token-api {package['version']}\n"


def test_the_environment_of_the_image_says_where_to_listen_and_nothing_else(
    podman: Podman, image: str
) -> None:
    """No setting that an operator would have to know of, and nothing of the machine that built it."""
    environment = dict(line.split("=", 1) for line in podman.facts(image)["Config"]["Env"])
    assert environment.keys() == {"PATH", "LANG", "PYTHONDONTWRITEBYTECODE", "HOST", "PORT"}
    assert (environment["HOST"], environment["PORT"]) == ("0.0.0.0", "8080")  # noqa: S104  # in a container


def test_nothing_in_it_builds_installs_or_raises_rights(podman: Podman, image: str) -> None:
    """What its base has of that is gone."""
    base, found = probe(podman, base_image(podman)), probe(podman, image)
    assert {"apt", "perl"} <= set(base["tools"])
    assert "/usr/bin/su" in base["privileged"]
    assert (found["tools"], found["privileged"]) == ([], [])


def test_its_user_can_write_nothing(podman: Podman, image: str) -> None:
    """No file even where the root can be written, and then folders for temporary files; else `/tmp` alone."""
    lax = probe(podman, image)
    assert lax["files"] == []
    assert set(lax["folders"]) <= {"/run/lock", "/tmp", "/var/tmp"}  # noqa: S108
    strict = probe(podman, image, *HARDENED)
    assert (strict["files"], strict["folders"]) == ([], ["/tmp"])  # noqa: S108


def test_several_workers_that_can_write_nowhere_say_so(podman: Podman, image: str) -> None:
    """Their metrics meet in `/tmp`: without it they do not start."""
    said = "WORKERS: several share their metrics in a temporary folder"
    flags = [flag for flag in HARDENED if not flag.startswith("--tmpfs")]
    with pytest.raises(PodmanFailed, match=rf"status 1:\n(?s:.*){said}") as failure:
        podman("run", "--rm", "--network=none", *flags, "--env=WORKERS=2", image)
    assert "Traceback" not in str(failure.value)


def test_any_user_may_run_it(podman: Podman, image: str) -> None:
    """Some platforms choose the number themselves."""
    assert podman("run", "--rm", "--user=54321:0", *HARDENED, image, "--version").startswith(
        "livekit-token-api"
    )


def test_nothing_but_sources_is_sent_to_the_builder(podman: Podman, tmp_path: Path) -> None:
    """No environment, key, history or cache of the checkout: what is not listed is left out."""
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\nCOPY . /\n")
    name = "localhost/context:test"
    podman("build", "--file", dockerfile, "--tag", name, ROOT)
    container = podman("create", name, "/").strip()
    archive = tmp_path / "context.tar"
    podman("export", "--output", archive, container)
    podman("rm", container)
    podman("rmi", name)
    with tarfile.open(archive) as context:
        files = {member.name for member in context if member.isfile()}
    assert {"app/main.py", "spec/token-api.openapi.yaml", "pyproject.toml"} <= files
    others = {path for path in files if not path.startswith("app/")}
    assert others == {
        "LICENSE",
        "README.md",
        "deploy/container/build.lock",
        "deploy/container/healthcheck.py",
        "deploy/container/requirements.lock",
        "pyproject.toml",
        "spec/token-api.openapi.yaml",
    }
    assert not [
        path for path in files if not path.endswith((".py", ".lock", ".md", ".toml", ".yaml", "LICENSE"))
    ]


def test_it_issues_tokens_with_a_secret_from_a_file(
    podman: Podman, image: str, livekit: LiveKitServer, tmp_path: Path
) -> None:
    """The doctor in the container has a real LiveKit server accept one; a new secret needs no restart."""
    path = tmp_path / "livekit.keys"
    mount = key_file(path, livekit.key, livekit.secret)
    variables = {"LIVEKIT_KEYS_FILE": KEYS, "LIVEKIT_URL": livekit.url, "WORKERS": "2"}
    with service(podman, image, mount, **variables) as (container, api):
        assert api.get("/health/ready").status_code == 200
        answer = api.post("/token", json=VALID)
        assert signer_of(answer.json()["token"]) == livekit.key
        findings = json.loads(container.execute("livekit-token-api", "doctor", "--json"))
        assert findings["ok"], findings
        assert {"check": "token", "verdict": "ok"}.items() <= next(
            finding for finding in findings["findings"] if finding["check"] == "token"
        ).items()
        # In place, for the container has the file itself, not its folder.
        path.write_text(f"{KEY}: {SECRET}\n")
        deadline = time.monotonic() + 10
        while signer_of(api.post("/token", json=VALID).json()["token"]) != KEY:
            assert time.monotonic() < deadline, "the new key is not in use"
            time.sleep(0.1)
        assert "livekit_token_api_workers 2.0" in api.get("/metrics").text
        assert container.stop(25) == 0


def test_a_secret_that_its_user_may_not_read_is_named(podman: Podman, image: str, tmp_path: Path) -> None:
    """It is up, and not ready; the log has the variable."""
    mount = key_file(tmp_path / "livekit.keys", KEY, SECRET, owner=0)
    with service(podman, image, mount, LIVEKIT_KEYS_FILE=KEYS) as (container, api):
        reasons = api.get("/health/ready").json()["reasons"]
        assert {"keys_file_broken", "missing_credentials"} <= set(reasons)
        assert "LIVEKIT_KEYS_FILE" in container.logged()


def test_the_health_check_tells_whether_it_answers(podman: Podman, image: str) -> None:
    """Where the image itself listens; a process that hangs is not healthy, one that goes on is."""
    with running(podman, image, *HARDENED, "--network=none") as container:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not container.is_healthy():
            assert time.monotonic() < deadline, container.logged()
        os.kill(container.pid, signal.SIGSTOP)
        assert not container.is_healthy()
        os.kill(container.pid, signal.SIGCONT)
        assert container.is_healthy()
        run_log.add(container.logged())


def test_a_stop_loses_no_request(podman: Podman, image: str) -> None:
    """SIGTERM reaches the service: clients that look whether it is ready move in time; it ends with 0."""
    tally = Tally()

    async def stopped(url: str, container: Container) -> int:
        goes_on = True
        clients = [asyncio.create_task(ask_on(url, tally, lambda: goes_on)) for _ in range(CLIENTS)]
        while tally.asked < ENOUGH:
            await asyncio.sleep(0.05)
            assert not all(client.done() for client in clients)
        asked, begun = tally.asked, time.monotonic()
        stop = asyncio.create_task(asyncio.to_thread(container.stop, 25))
        watch = Client(url)
        while (await watch.ask(READY))[0] == 200:
            await asyncio.sleep(0.05)
            assert time.monotonic() < begun + 10, "it stays ready"
        await watch.leave()
        await asyncio.sleep(0.5)
        goes_on = False
        await asyncio.gather(*clients)
        assert tally.asked > asked
        return await stop

    variables = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET, "DRAIN_SECONDS": "4"}
    with service(podman, image, **variables) as (container, api):
        url = str(api.base_url).rstrip("/")
        assert asyncio.run(stopped(url, container)) == 0
        assert "Not ready from now on" in container.logged()
    assert tally.failures == []
    assert tally.statuses.keys() == {200}


def test_it_starts_from_bytecode(podman: Podman, image: str) -> None:
    """It cannot write any, so all that a start needs is there; tracing and its like, too."""
    with collecting() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with service(podman, image, "--env=PYTHONVERBOSE=1", **variables) as (container, api):
            api.post("/token", json=VALID)
            assert collector.spans()[0].name == "POST /api/token"
            imports = container.logged()
    assert imports.count(".pyc matches ") > 300
    assert re.findall(r"^# code object from '?(/\S+\.py)'?$", imports, re.MULTILINE) == []
