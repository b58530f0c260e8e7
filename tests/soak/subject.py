"""The service that is under soak: real processes, their keys, their log, their memory."""

import json
import os
import secrets
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import jwt

from tests.soak.log_reader import LogReader
from tests.support.process import Service, logging_into

WORKERS = 2
MAX_IN_FLIGHT = 128


class WrongToken(Exception):
    """A token is not signed with a key that was in the file."""


class KeyFile:
    """A key file that is replaced by one with another key."""

    def __init__(self, path: Path) -> None:
        """Write the first key to `path`."""
        self._path = path
        # Throw-away secrets, which nobody else has.
        self._secrets = {name: secrets.token_hex(20) for name in ("soak-a", "soak-b")}
        self.key = ""
        self.rotate()

    def rotate(self) -> None:
        """Have the other key in the file."""
        (self.key,) = sorted(self._secrets.keys() - {self.key})[:1]
        fresh = self._path.with_name("fresh")
        fresh.touch(0o600)
        fresh.write_text(f"{self.key}: {self._secrets[self.key]}\n")
        fresh.replace(self._path)

    def signers(self, bodies: Iterable[bytes]) -> set[str]:
        """Find which keys the tokens of some answers are signed with.

        Raises:
            WrongToken: one is not.
        """
        found = set()
        for body in bodies:
            token = json.loads(body)["token"]
            try:
                signer = str(jwt.decode(token, options={"verify_signature": False})["iss"])
                jwt.decode(token, self._secrets[signer], algorithms=["HS256"])
            except (KeyError, jwt.InvalidTokenError) as error:
                # Of the error, the kind alone: its words may have the key's name, or more.
                raise WrongToken(f"a token is wrong: {type(error).__name__}") from None
            found.add(signer)
        return found


class Subject:
    """The running service."""

    def __init__(self, service: Service, keys: KeyFile, log: LogReader) -> None:
        """Look at `service`."""
        self.url, self.process, self.keys, self.log = service.url, service.process, keys, log
        self._service = service

    @property
    def said(self) -> str:
        """What stands on standard error, once the service has ended."""
        return self._service.output

    def workers(self) -> set[int]:
        """List the processes that the service's own process has started, and that serve or will."""
        found = set()
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with suppress(OSError):  # It has ended meanwhile.
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.add(int(pid))
        return found

    def memory(self) -> dict[str, int]:
        """Read what is in use, in bytes, by the process that supervises, the largest worker, and all."""
        supervisor, workers = _memory_of(self.process.pid), [*map(_memory_of, self.workers())]
        return {
            "supervisor": supervisor,
            "largest worker": max(workers, default=0),
            "all": supervisor + sum(workers),
        }


def _memory_of(pid: int) -> int:
    with suppress(OSError):  # It has ended meanwhile.
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


@contextmanager
def subject() -> Iterator[Subject]:
    """Start the service with a log that is read, and stop it, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        keys = KeyFile(Path(folder) / "keys.yaml")
        reading, writing = os.pipe()
        try:
            with LogReader(reading).reading() as log, _running(writing, Path(folder)) as service:
                yield Subject(service, keys, log)
        finally:
            os.close(reading)
            os.close(writing)


@contextmanager
def _running(stdout: int, folder: Path) -> Iterator[Service]:
    started: Service | None = None
    try:
        with logging_into(
            stdout,
            LIVEKIT_KEYS_FILE=str(folder / "keys.yaml"),
            TMPDIR=str(folder),
            WORKERS=str(WORKERS),
            MAX_IN_FLIGHT=str(MAX_IN_FLIGHT),
            DRAIN_SECONDS="1",
            METRICS="true",
        ) as service:
            started = service
            yield service
    finally:
        # Its workers end with it.
        if started is not None and started.process.poll() is None:
            started.process.send_signal(signal.SIGKILL)
            started.process.wait()
