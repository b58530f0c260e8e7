"""Prometheus' own program that checks rules and metrics. Knows nothing of pytest."""

import shutil
import subprocess
from pathlib import Path

_DEADLINE_SECONDS = 60


class PromtoolUnavailable(Exception):
    """There is no promtool here; the message says what to install."""


def promtool(*arguments: str | Path, text: str = "") -> "subprocess.CompletedProcess[str]":
    """Run promtool with a text on its standard input.

    Raises:
        PromtoolUnavailable: there is none.
    """
    binary = shutil.which("promtool")
    if binary is None:
        raise PromtoolUnavailable("promtool is not on the PATH: install prometheus")
    return subprocess.run(
        [binary, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_SECONDS,
        check=False,
    )
