"""A real Redis on the loopback interface, which keeps nothing. Knows nothing of pytest."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.process import free_port

_PROGRAMS = ("redis-server", "valkey-server")
_LOOPBACK = "127.0.0.1"
_START_SECONDS = 10
_STOP_SECONDS = 5


class RedisUnavailable(Exception):
    """There is no Redis here; the message says what to install."""


class RedisFailed(Exception):
    """Redis did not start; the message ends in what it wrote."""


class RedisServer:
    """A Redis that can go away and come back, empty, on the same port.

    Attributes:
        url: its address, `redis://127.0.0.1:PORT/0`.
    """

    def __init__(self, binary: str, port: int, folder: Path) -> None:
        """Know how to run it; it does not run yet."""
        self.url = f"redis://{_LOOPBACK}:{port}/0"
        self._port = port
        self._output = folder / "output.log"
        self._command = [
            binary,
            *("--bind", _LOOPBACK),
            *("--port", str(port)),
            *("--dir", str(folder)),
            *("--save", ""),
            *("--appendonly", "no"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            ProcessLookupError: it does not run.
        """
        if self._process is None:
            raise ProcessLookupError("Redis does not run")
        return self._process.pid

    def start(self) -> None:
        """Run it, and wait until it answers; one that runs already is left alone.

        Raises:
            RedisFailed: it died, or did not answer in time.
        """
        if self._process is not None:
            return
        with self._output.open("wb") as stream:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, env={}
            )
        try:
            self._await_answer(self._process)
        except RedisFailed:
            self.kill()
            raise

    def stop(self) -> None:
        """End it as an operator would: it closes its connections."""
        if self._process is None:
            return
        # One that was frozen hears nothing else.
        self.thaw()
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Have it take connections and commands, and answer none of them."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on after `freeze`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _await_answer(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            with suppress(subprocess.TimeoutExpired):
                raise self._failure(f"Redis ended with status {process.wait(0.02)}")
            if time.monotonic() > deadline:
                raise self._failure(f"Redis did not answer within {_START_SECONDS} seconds")

    def _answers(self) -> bool:
        try:
            with socket.create_connection((_LOOPBACK, self._port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def _failure(self, what: str) -> RedisFailed:
        output = self._output.read_text(encoding="utf-8", errors="replace")
        return RedisFailed(f"{what}:\n{output[-4000:]}")


@contextmanager
def run_redis_server() -> Iterator[RedisServer]:
    """Run a Redis on a free port, and stop it at the end.

    Raises:
        RedisUnavailable: there is none.
        RedisFailed: it died, or did not answer in time.
    """
    binary = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if binary is None:
        raise RedisUnavailable(f"none of {', '.join(_PROGRAMS)} is on the PATH: install Redis or Valkey")
    with tempfile.TemporaryDirectory(prefix="redis-") as name:
        server = RedisServer(binary, free_port(), Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop()
