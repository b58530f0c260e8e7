"""A server: what it is, and how it is started and stopped."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.processes import SERVER_CORE

HOST = "127.0.0.1"
KEY, SECRET = "bench-key", "a-throw-away-secret-of-the-benchmark-0123"
LIVEKIT_URL = "wss://livekit.example.com"

_START_SECONDS, _STOP_SECONDS = 20, 10
_POLL_SECONDS = 0.005

Form = Literal["full", "bare"]


@dataclass(frozen=True, slots=True)
class Server:
    """A program that serves `POST /api/token`.

    Attributes:
        name: of the peer, or `ours`, or `before`.
        form: `full`: with audit line, request id, CORS and Cache-Control; `bare`: without.
        title: what it is made of.
        command: how to start it.
        directory: where.
        environment: what it needs to know beside its port and the credentials.
        added_claims: what its LiveKit library writes into a token beside what ours does.
    """

    name: str
    form: Form
    title: str
    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    added_claims: frozenset[str] = frozenset()

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

    def wait_for_socket(self) -> None:
        """Wait until it accepts connections."""
        deadline = time.perf_counter() + _START_SECONDS
        while time.perf_counter() < deadline:
            if self.process.poll() is not None:
                sys.exit(f"{self.server.label} ended: {self.log.read_text()[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            time.sleep(_POLL_SECONDS)
        sys.exit(f"{self.server.label} does not listen after {_START_SECONDS} s.")


@contextmanager
def run(server: Server, folder: Path) -> Iterator[Running]:
    """Start a server on its core, and stop it in the end.

    Args:
        server: what to start.
        folder: where its log goes.
    """
    port = _free_port()
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
    try:
        yield Running(server, process, port, log, started)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
