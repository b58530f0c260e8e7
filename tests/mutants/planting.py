"""Copies of the checkout, with a fault planted in them, and what the tests say to it."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.faults import PlantedFault
from tests.support.checkout import copy_checkout
from tests.support.process import ROOT

ALL_TESTS = ("tests/unit", "tests/contract", "tests/processes", "tests/test_log_secrecy.py")
_PYTEST = (
    "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0",
    "--ignore=tests/contract/test_schemathesis.py",
)  # fmt: skip
_FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.MULTILINE)
# What pytest exits with.
_PASSED, _TESTS_FAILED = 0, 1


@dataclass(frozen=True)
class Report:
    """What the tests said to a fault: `killed`, `survived`, `hung` or `broken`."""

    outcome: str
    detail: str
    seconds: float


class Checkout:
    """A copy of the checkout, to plant one fault after the other in."""

    def __init__(self, folder: Path, deadline_seconds: float) -> None:
        """Copy the checkout into a new `folder`; give a run of its tests `deadline_seconds`."""
        self._folder = folder
        self._deadline_seconds = deadline_seconds
        copy_checkout(folder)

    def report(self, fault: PlantedFault | None) -> Report:
        """Run the tests with a fault planted, or with none."""
        started = time.monotonic()
        with self._planted(fault):
            outcome, detail = "survived", "no test failed"
            for tests in ((fault.tests,) if fault and fault.tests else ()) + (ALL_TESTS,):
                outcome, detail = self._run(tests)
                if outcome != "survived":
                    break
        if outcome == "hung" and fault and fault.hangs:
            outcome, detail = "killed", "no test, but they hang"
        return Report(outcome, detail, time.monotonic() - started)

    @contextmanager
    def _planted(self, fault: PlantedFault | None) -> Iterator[None]:
        if fault is None:
            yield
            return
        path = self._folder / fault.file
        sound = path.read_text(encoding="utf-8")
        # Python goes by the size of a file and the second of its last change: it would overlook the fault.
        bytecode = Path(importlib.util.cache_from_source(str(path)))
        try:
            path.write_text(planted(fault, sound), encoding="utf-8")
            bytecode.unlink(missing_ok=True)
            yield
        finally:
            path.write_text(sound, encoding="utf-8")
            bytecode.unlink(missing_ok=True)

    def _run(self, tests: Sequence[str]) -> tuple[str, str]:
        run = subprocess.Popen(
            [sys.executable, *_PYTEST, *tests],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = run.communicate(timeout=self._deadline_seconds)
        except subprocess.TimeoutExpired:
            # And the services that the tests have started.
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            return "hung", f"for {self._deadline_seconds:.0f} s"
        if run.returncode == _PASSED:
            return "survived", "no test failed"
        killer = _FAILED.search(output)
        if run.returncode == _TESTS_FAILED and killer:
            return "killed", killer[1]
        return "broken", f"pytest ended with {run.returncode}:\n{output[-2000:]}"


def planted(fault: PlantedFault, text: str) -> str:
    """Plant a fault in the text of its file.

    Raises:
        ValueError: the fault is stale.
    """
    found = text.count(fault.old)
    if found != fault.count:
        raise ValueError(f"{fault.file} has {found} times, not {fault.count}: {fault.old!r}")
    return text.replace(fault.old, fault.new)


def stale(faults: Sequence[PlantedFault]) -> list[str]:
    """Say which faults can no longer be planted, and why."""
    found = []
    for fault in faults:
        try:
            planted(fault, (ROOT / fault.file).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            found.append(f"{fault.name}: {error}")
    return found
