"""Copies of the checkout, to change something in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.process import ROOT

_LEFT_OUT = (
    ".git", "dist", ".venv*", ".env", ".cache", ".*_cache", ".coverage*", ".hypothesis", ".schemathesis",
    "__pycache__", "node_modules",
)  # fmt: skip
_DEADLINE_SECONDS = 120


def copy_checkout(folder: Path) -> None:
    """Copy the checkout into a new folder, without what is installed or made."""
    shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))


class Copy:
    """A copy of the checkout, with what is installed in the original."""

    def __init__(self, folder: Path) -> None:
        """Make the copy in a new folder."""
        copy_checkout(folder)
        self.folder = folder
        (folder / ".venv").symlink_to(sys.prefix)
        for name in ("node_modules", ".cache"):
            if (ROOT / name).exists():
                (folder / name).symlink_to((ROOT / name).resolve())

    def run(self, *command: str, given: str | None = None) -> tuple[int, str]:
        """Run a command there; its exit status, and all that it wrote."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_DEADLINE_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    def make(self, *arguments: str) -> tuple[int, str]:
        """Make a target; what is installed is neither looked at, nor installed anew."""
        return self.run("make", "-o", ".venv/bin/.dev", "-o", "node_modules/.package-lock.json", *arguments)

    def apply(self, patch: str, *options: str) -> None:
        """Apply a patch of the page."""
        status, output = self.run("git", "apply", *options, given=patch)
        assert status == 0, output
