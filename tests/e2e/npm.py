"""npm packages of the repository: installed as their lock files say, and told to run their scripts."""

import os
import shutil
import subprocess
from pathlib import Path

INSTALL_SECONDS = 300
RUN_SECONDS = 180

_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund")


class NpmUnavailable(Exception):
    """There is no npm here, or it cannot fetch what a lock file names; the message says so."""


def install(folder: Path) -> None:
    """Install what a folder's lock file names, unless that is there already.

    Raises:
        NpmUnavailable: npm is not here, or it failed.
    """
    installed = folder / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= (folder / "package-lock.json").stat().st_mtime:
        return
    if shutil.which("npm") is None:
        raise NpmUnavailable("npm is not on the PATH: install Node 20 or newer")
    answer = _npm(folder, INSTALL_SECONDS, "ci", *_QUIET)
    if answer.returncode != 0:
        raise NpmUnavailable(f"`npm ci` failed in {folder}:\n{answer.stdout[-2000:]}")
    installed.touch()


def add(folder: Path, package: Path) -> None:
    """Install a package's tarball, and what it depends on; neither package.json nor lock file change."""
    answer = _npm(
        folder, INSTALL_SECONDS, "install", "--no-save", "--no-package-lock", "--prefer-offline", *_QUIET, package
    )
    assert answer.returncode == 0, answer.stdout


def run(folder: Path, *arguments: str | Path, **variables: str) -> str:
    """Run npm in a folder until it ends well, and tell what it has written."""
    answer = _npm(folder, RUN_SECONDS, *arguments, **variables)
    assert answer.returncode == 0, answer.stdout[-8000:]
    return answer.stdout


def _npm(
    folder: Path, seconds: int, *arguments: str | Path, **variables: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["npm", *arguments],  # noqa: S607  whichever is first on the PATH, as in the Makefile
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
