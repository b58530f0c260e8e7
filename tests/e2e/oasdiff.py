"""oasdiff, as the Makefile builds it."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.support.process import ROOT

_BUILD_SECONDS = 600


class OasdiffUnavailable(Exception):
    """It is not there, and could not be built; the message says why."""


def find_oasdiff() -> Path:
    """Find oasdiff, or have it built once.

    Raises:
        OasdiffUnavailable: Go is not there.
        CalledProcessError: it could not be built.
        TimeoutExpired: likewise.
    """
    (version,) = re.findall(r"^OASDIFF_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    program = Path(".cache", "oasdiff", version, "oasdiff")
    if not (ROOT / program).exists():
        if shutil.which("go") is None:
            raise OasdiffUnavailable("go is not on the PATH: it builds oasdiff once")
        subprocess.run(["make", program], cwd=ROOT, check=True, timeout=_BUILD_SECONDS)  # noqa: S607
    return ROOT / program
