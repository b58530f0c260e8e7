"""The service as a process of its own, as an operator starts it: from the environment alone."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support import run_log

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "app")
DEADLINE_SECONDS = 30


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**variables: str) -> dict[str, str]:
    """Make an environment without the settings of whoever runs the tests; a process ends without delay."""
    # COVERAGE_PROCESS_CONFIG has the process measured as well.
    kept = {"PATH", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"}
    return {**{k: v for k, v in os.environ.items() if k in kept}, "DRAIN_SECONDS": "0", **variables}


def run(
    *arguments: str, command: Sequence[str] = COMMAND, given: str | None = None, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command line until it ends by itself; `given` is its standard input."""
    return subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env=environment(**variables),
        input=given,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


@dataclass
class Service:
    """A running service, and what it has logged once it is stopped."""

    url: str
    process: "subprocess.Popen[str]"
    file: int
    output: str = ""

    def logged(self) -> str:
        """Read what it has logged so far."""
        return os.pread(self.file, os.fstat(self.file).st_size, 0).decode()

    def wait_for_log(self, text: str, times: int = 1) -> None:
        """Wait until it has logged something so often."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.logged().count(text) < times:
            assert time.monotonic() < deadline, f"it does not say: {text}"
            time.sleep(0.02)

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many have come to serve."""
        self.wait_for_log(" serves.", count)

    def workers(self) -> set[int]:
        """List the processes that it has started to serve."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(pid) for pid in children if b"spawn_main" in _command_of(pid)}

    def log(self) -> list[dict[str, object]]:
        """Parse the log, every line of which is JSON."""
        return [json.loads(line) for line in self.output.splitlines()]


def _command_of(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # It has ended meanwhile.
        return b""


@contextmanager
def running(
    command: Sequence[str | Path] = COMMAND, cwd: Path = ROOT, /, **variables: str
) -> Iterator[Service]:
    """Start the service, wait until it serves, and stop it by SIGTERM."""
    with _running(command, cwd, None, variables) as service:
        yield service


@contextmanager
def logging_into(stdout: int, **variables: str) -> Iterator[Service]:
    """Do as `running`, with the log going elsewhere: the output is what stands on standard error."""
    with _running(COMMAND, ROOT, stdout, variables) as service:
        yield service


@contextmanager
def _running(
    command: Sequence[str | Path], cwd: Path, stdout: int | None, variables: Mapping[str, str]
) -> Iterator[Service]:
    port = free_port()
    # A file, for a pipe that nobody reads until the end would fill up.
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(PORT=str(port), **variables),
            stdout=output if stdout is None else stdout,
            stderr=subprocess.STDOUT if stdout is None else output,
            text=True,
        )
        service = Service(f"http://127.0.0.1:{port}/api", process, output.fileno())
        try:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not serves(service):
                assert process.poll() is None, "the service ended"
                assert time.monotonic() < deadline, "the service did not start"
                time.sleep(0.05)
            yield service
        finally:
            process.terminate()
            process.wait(timeout=DEADLINE_SECONDS)
            output.seek(0)
            service.output = output.read()
            run_log.add(service.output)


def serves(service: Service) -> bool:
    """Tell whether the service answers yet."""
    try:
        return httpx.get(f"{service.url}/health/live").status_code == 200
    except httpx.TransportError:
        return False
