"""What the peers need to run, built on demand from their pinned versions."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache" / "bench"

_PACKAGES = {
    "wrk": "wrk",
    "taskset": "util-linux",
    "node": "nodejs",
    "npm": "npm",
    "go": "golang-go",
}


@dataclass(frozen=True, slots=True)
class Builds:
    """What was built.

    Attributes:
        python: the interpreter that has the packages of the peers in Python.
        express: the folder of the peer for Node.
        go: the peer in Go.
        plots: the interpreter that has what draws the plots.
    """

    python: Path
    express: Path
    go: Path
    plots: Path


def need(*programs: str) -> None:
    """Stop, with the names of the Debian packages to install, if a program is not there."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        packages = " ".join(_PACKAGES[program] for program in missing)
        sys.exit(f"The benchmark needs {', '.join(missing)}; on Debian: apt-get install {packages}")


def build() -> Builds:
    """Build what is not built yet, or has other versions by now."""
    need(*_PACKAGES)
    return Builds(
        _environment("python", HERE / "peers" / "python" / "requirements.txt"), _express(), _go(), plots()
    )


def plots() -> Path:
    """Build the interpreter that draws the plots."""
    return _environment("plots", HERE / "requirements.txt")


def checkout(commit: str) -> Path:
    """Take the files of an older commit out of the repository, with the packages that it locked."""
    target = CACHE / "before"

    def extract() -> None:
        command = ["git", "-C", str(HERE.parent), "archive", commit]
        archive = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603  # as written above
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            files.extractall(target, filter="data")
        _install(target / ".venv", target / "requirements.lock")

    _once(target, [commit.encode()], extract)
    return target


def _environment(name: str, requirements: Path) -> Path:
    target = CACHE / name
    _once(target, [requirements.read_bytes()], lambda: _install(target, requirements))
    return target / "bin" / "python"


def _install(target: Path, requirements: Path) -> None:
    _run([sys.executable, "-m", "venv", str(target)])
    python = str(target / "bin" / "python")
    _run([python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements)])


def _express() -> Path:
    source, target = HERE / "peers" / "express", CACHE / "express"
    pins = [source / "package.json", source / "package-lock.json"]

    def install() -> None:
        for pin in pins:
            shutil.copy(pin, target)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], target)

    _once(target, [pin.read_bytes() for pin in pins], install)
    shutil.copy(source / "server.js", target)
    return target


def _go() -> Path:
    source, target = HERE / "peers" / "go", CACHE / "go"
    program = target / "peer"
    sources = [(source / name).read_bytes() for name in ("go.mod", "go.sum", "main.go")]
    _once(target, sources, lambda: _run(["go", "build", "-trimpath", "-o", str(program), "."], source))
    return program


def _once(target: Path, sources: Iterable[bytes], make: Callable[[], None]) -> None:
    """Make something in an empty folder, unless it was made from the same sources."""
    stamp = target / ".made-from"
    digest = hashlib.sha256(sys.version.encode())
    for source in sources:
        digest.update(source)
    if stamp.is_file() and stamp.read_text() == digest.hexdigest():
        return
    sys.stderr.write(f"building {os.path.relpath(target)}\n")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    make()
    stamp.write_text(digest.hexdigest())


def _run(command: list[str], directory: Path | None = None) -> None:
    subprocess.run(command, cwd=directory, check=True, stdout=sys.stderr)  # noqa: S603  # as written above
