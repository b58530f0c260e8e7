"""npm packages of the repository: installed as their lock files say, and made to do what they do."""

import os
import shutil
import subprocess
from pathlib import Path

DEADLINE_SECONDS = 300

_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund")


class NpmUnavailable(Exception):
    """There is no npm here, or it cannot fetch what a lock file names; the message says so."""


def install(folder: Path) -> None:
    """Install what a folder's lock file names, unless that is there already.

    Raises:
        NpmUnavailable: npm is not here, or it failed.
    """
    if shutil.which("npm") is None:
        raise NpmUnavailable("npm is not on the PATH: install Node 20 or newer")
    installed = folder / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= (folder / "package-lock.json").stat().st_mtime:
        return
    answer = _start(folder, "npm", "ci", *_QUIET)
    if answer.returncode != 0:
        raise NpmUnavailable(f"`npm ci` failed in {folder}:\n{answer.stdout[-2000:]}")
    installed.touch()


def add(folder: Path, package: Path) -> None:
    """Install a package's tarball, and what it depends on; neither package.json nor lock file change."""
    npm(folder, "install", "--no-save", "--no-package-lock", "--prefer-offline", *_QUIET, package)


def npm(folder: Path, *arguments: str | Path, **variables: str) -> str:
    """Run npm in a folder until it ends well, and tell what was written."""
    return _succeed(folder, "npm", *arguments, **variables)


def node(folder: Path, *arguments: str | Path, **variables: str) -> str:
    """Run Node in a folder until it ends well, and tell what was written."""
    return _succeed(folder, "node", *arguments, **variables)


def _succeed(folder: Path, *command: str | Path, **variables: str) -> str:
    answer = _start(folder, *command, **variables)
    assert answer.returncode == 0, answer.stdout[-8000:]
    return answer.stdout


def _start(folder: Path, *command: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
