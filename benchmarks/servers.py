"""A server: what it is, and how it is started and stopped."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.processes import HOST, SERVER_CORE, START_SECONDS, accepts_connections, free_port, stopping

KEY, SECRET = "bench-key", "a-throw-away-secret-of-the-benchmark-0123"
LIVEKIT_URL = "wss://livekit.example.com"

_LOG_SECONDS, _POLL_SECONDS = 2, 0.01

Form = Literal["full", "bare", "unmeasured", "verified", "key", "limited", "redis"]


@dataclass(frozen=True, slots=True)
class Guard:
    """How a server knows who asks, and how often.

    Attributes:
        credentials: the headers that say who asks.
        audited: what an audit line says of who asked.
        identity: the only one that the caller may have tokens for; empty: any.
        limits: whether answers say what is left of a limit.
    """

    credentials: Mapping[str, str] = field(default_factory=dict)
    audited: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""
    limits: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """A program that serves `POST /api/token`.

    Attributes:
        name: of the peer, or `ours`, or `before`.
        form: `full`: with audit line, request id, CORS and Cache-Control; `bare`: without; of ours alone:
            `full` without metrics, or that verifies tokens, or keys, or counts in the process, or in Redis.
        title: what it is made of.
        command: how to start it.
        directory: where.
        environment: what it needs to know beside its port and the credentials.
        added_claims: what its LiveKit library writes into a token beside what ours does.
        guard: how it knows who asks; by default, it does not.
    """

    name: str
    form: Form
    title: str
    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    added_claims: frozenset[str] = frozenset()
    guard: Guard = Guard()

    @property
    def label(self) -> str:
        """The name and the form."""
        return f"{self.name} {self.form}"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs.

    Attributes:
        server: which one.
        process: its process.
        port: where it listens on the loopback interface.
        log: the file that its standard output goes to.
        started: when its process was started, by `time.perf_counter()`.
    """

    server: Server
    process: subprocess.Popen[bytes]
    port: int
    log: Path
    started: float

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self.process.pid

    def forget_log(self) -> None:
        """Empty its log, which else fills the disk."""
        os.truncate(self.log, 0)

    def wait_for_log(self, requests: int) -> None:
        """Wait until its log has a line for each request: writing it late is work for that request, too.

        Stop if lines are missing: who leaves them out does not do the same job.
        """
        deadline = time.perf_counter() + _LOG_SECONDS
        while (lines := self.log.read_bytes().count(b"\n")) < requests:
            if time.perf_counter() > deadline:
                sys.exit(f"{self.server.label} has logged {lines} of {requests} requests.")
            time.sleep(_POLL_SECONDS)

    def wait_for_socket(self) -> None:
        """Wait until it accepts connections."""
        if not accepts_connections(self.process, self.port):
            if self.process.poll() is not None:
                sys.exit(f"{self.server.label} ended: {self.log.read_text()[-2000:]}")
            sys.exit(f"{self.server.label} does not listen after {START_SECONDS} s.")


@contextmanager
def run(server: Server, folder: Path) -> Iterator[Running]:
    """Start a server on its core, and stop it in the end.

    Args:
        server: what to start.
        folder: where its log goes.
    """
    port = free_port()
    log = folder / f"{server.name}-{server.form}-{port}.log"
    environment = {
        "PATH": os.environ["PATH"],
        "HOST": HOST,
        "PORT": str(port),
        "UVICORN_PORT": str(port),
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "LIVEKIT_URL": LIVEKIT_URL,
        **server.environment,
    }
    # taskset becomes the server; a runtime that counts its cores at the start counts one.
    command = ["taskset", "--cpu-list", str(SERVER_CORE), *server.command]
    with log.open("ab") as output:
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  # as written above
            command, cwd=server.directory, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    with stopping(process):
        yield Running(server, process, port, log, started)
