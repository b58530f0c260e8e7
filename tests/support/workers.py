"""Real workers that do as a test says: `python -m tests.support.workers FOLDER COUNT STOP_SECONDS`.

What happens to them is written to standard output, an event a line: a process id, and a word. What a worker
is to do, it finds in the folder when it starts, in the file `plan`.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from app import workers
from app.workers import Workers

FOLDER = "FOLDER_OF_WORKERS"
SERVE, FAIL, WAIT, DEAF, UNABLE = "serve", "fail", "wait", "deaf", "unable"
"""Plans: serve until told to stop; end before that; serve at SIGUSR2 only; do not stop; serve, but badly."""
DEADLINE_SECONDS = 20
_MARGIN_SECONDS = 0.5
_ROOT = Path(__file__).parent.parent.parent


def serve(_listener: socket.socket, on_start: Callable[[bool], None], must_be_able: bool) -> None:  # noqa: FBT001
    """Do as the plan says: it is what a worker does here."""
    plan = (Path(os.environ[FOLDER]) / "plan").read_text()

    def told(number: int, _frame: FrameType | None) -> None:
        _say(os.getpid(), signal.Signals(number).name)
        if plan != DEAF:
            os._exit(0)

    def begin(*_signal: object) -> None:
        on_start(plan != UNABLE)
        _say(os.getpid(), SERVE)

    signal.signal(signal.SIGUSR2, begin)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, told)
    _say(os.getpid(), plan)
    if plan == FAIL or (plan == UNABLE and must_be_able):
        sys.exit(3)
    if plan != WAIT:
        on_start(plan != UNABLE)
    while True:
        signal.pause()


def _say(pid: int, word: str) -> None:
    # In one write: several processes do so.
    os.write(sys.stdout.fileno(), f"{pid} {word}\n".encode())


def main() -> None:
    """Supervise, with less patience than in earnest."""
    folder, count, stop_seconds = sys.argv[1:]
    os.environ[FOLDER] = folder
    logging.basicConfig(stream=sys.stdout, level="INFO", format="log %(message)s")
    for name in ("_MARGIN_SECONDS", "_SECONDS_AT_ONCE"):
        setattr(workers, name, _MARGIN_SECONDS)
    with socket.socket() as listener:
        found = Workers(serve, listener, int(count), float(stop_seconds), lambda pid: _say(pid, "forgotten"))
        sys.exit(found.run())


@dataclass
class Supervised:
    """Some workers, and what has happened to them so far."""

    process: "subprocess.Popen[str]"
    folder: Path

    def plan(self, plan: str) -> None:
        """Say what workers do that start from now on."""
        fresh = self.folder / "fresh"
        fresh.write_text(plan)
        fresh.replace(self.folder / "plan")

    def lines(self) -> list[str]:
        """List what has happened."""
        return (self.folder / "events").read_text().splitlines()

    def pids(self, *words: str) -> list[int]:
        """List the processes that one of the words was said of, in their order."""
        events = [line.split(" ", 1) for line in self.lines()]
        return [int(pid) for pid, word in events if word in words and pid != "log"]

    def logged(self, part: str) -> list[str]:
        """List the log messages that a text is part of."""
        return [line for line in self.lines() if line.startswith("log ") and part in line]

    def wait(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, self.lines()
            time.sleep(0.02)

    def end(self) -> int:
        """Wait until all is over; return the exit status."""
        return self.process.wait(DEADLINE_SECONDS)


@contextmanager
def supervised(count: int, plan: str = SERVE, stop_seconds: float = 60) -> Iterator[Supervised]:
    """Have workers started, and killed at the end."""
    with TemporaryDirectory() as name, (Path(name) / "events").open("w") as events:
        command = [sys.executable, "-m", __name__, name, str(count), str(stop_seconds)]
        (Path(name) / "plan").write_text(plan)
        process = subprocess.Popen(
            command, cwd=_ROOT, stdout=events, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        found = Supervised(process, Path(name))
        try:
            yield found
        finally:
            # All of them, whatever they were told.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    main()
