"""`make soak`, in seconds: it goes through all phases, notices what is wrong, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.soak.phases import PHASES
from tests.support.process import ROOT, environment

COMMAND = (sys.executable, "-m", "tests.soak", "--seconds")
DEADLINE_SECONDS = 60


@contextmanager
def soaking(seconds: int) -> Iterator["subprocess.Popen[str]"]:
    """Start a soak; kill what is left of it."""
    with subprocess.Popen(
        [*COMMAND, str(seconds)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(soak: "subprocess.Popen[str]", phase: str) -> None:
    """Read the soak's progress up to a phase."""
    assert soak.stderr
    assert any(phase in line for line in soak.stderr), "it ended before"


def descendants_of(pid: int) -> list[int]:
    """List the processes that a process has started, and those that they have, outermost first."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [each for child in children for each in descendants_of(child)]


def wait_until_gone(pids: list[int]) -> None:
    """Wait until there is none of the processes."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_a_short_soak_goes_through_all_phases() -> None:
    """Each is in the table, with requests, and has kept its rule; progress is told in plain lines."""
    with soaking(20) as soak:
        table, told = soak.communicate(timeout=4 * DEADLINE_SECONDS)
    assert soak.returncode == 0, table
    rows = {
        match[1]: (int(match[2].replace(",", "")), match[3])
        for match in re.finditer(r"^(\S+(?: \S+)*) {2,}([\d,]+) .* (ok|BROKEN)\b", table, re.MULTILINE)
    }
    assert list(rows) == list(PHASES), table
    for phase, (requests, verdict) in rows.items():
        assert requests > 0, phase
        assert verdict == "ok", phase
        assert re.search(rf"^ *\d+ of 20 s  {phase}$", told, re.MULTILINE)
    assert table.endswith("\nok\n")
    assert "\r" not in told


def test_a_service_that_dies_breaks_the_soak() -> None:
    """It ends at once, with 1, tells in which phase that was, and what became of the requests until then."""
    with soaking(20) as soak:
        wait_for(soak, "steady load")
        service, *workers = descendants_of(soak.pid)
        os.kill(service, signal.SIGKILL)
        table, _ = soak.communicate(timeout=DEADLINE_SECONDS)
        wait_until_gone(workers)
    assert soak.returncode == 1
    assert re.search(r"^steady load .* BROKEN: .*the service has ended with -9", table, re.MULTILINE), table
    assert "stop" not in table
    assert table.endswith("\nBROKEN\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_soak_that_is_stopped_stops_the_service(number: signal.Signals) -> None:
    """Ctrl-C, or whoever ends it from outside: no process and no file is left, and no traceback is shown."""
    with soaking(20) as soak:
        wait_for(soak, "steady load")
        started = descendants_of(soak.pid)
        soak.send_signal(number)
        table, told = soak.communicate(timeout=DEADLINE_SECONDS)
        wait_until_gone(started)
    assert len(started) >= 3
    assert (soak.returncode, table) == (1, "")
    assert told.endswith("Stopped.\n")
    assert "Traceback" not in told
    assert not (ROOT / ".cache" / f"test-run-{soak.pid}.log").exists()


@pytest.mark.parametrize("seconds", [9, 24 * 60 * 60 + 1])
def test_how_long_a_soak_takes_is_bounded(seconds: int) -> None:
    """What is too short to tell anything, or has no end, is refused."""
    with soaking(seconds) as soak:
        _, told = soak.communicate(timeout=DEADLINE_SECONDS)
    assert soak.returncode == 2
    assert "10 seconds at least, and 24 hours at most" in told
