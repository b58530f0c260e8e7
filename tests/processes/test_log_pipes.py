"""What becomes of the service when its log is not read: over real processes, and real pipes."""

import json
import os
import pty
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.support import run_log
from tests.support.process import COMMAND, DEADLINE_SECONDS, ROOT, Service, logging_into, running
from tests.support.raw_http import JSON, connect, read_answers, request
from tests.support.server import KEY, SECRET

VALID = {"roomName": "room-1", "participantIdentity": "alice"}
CREDENTIALS = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
REQUIRED = {**CREDENTIALS, "AUDIT_REQUIRED": "true"}
AT_ONCE = 50
LOST = "app.operation.log_writer"


class Pipe:
    """A named pipe, whose reader may go and come back."""

    def __init__(self, path: Path) -> None:
        """Make it, with a reader."""
        self.path = path
        os.mkfifo(path)
        self.reader = self._reader()
        self.end = os.open(path, os.O_WRONLY)

    def close_reader(self) -> None:
        """Leave the pipe without a reader."""
        os.close(self.reader)

    def open_reader(self) -> None:
        """Come back."""
        self.reader = self._reader()

    def _reader(self) -> int:
        return os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def read_until(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Read lines, each of which is whole, until they are as wanted."""
        deadline, content = time.monotonic() + DEADLINE_SECONDS, b""
        while True:
            with suppress(BlockingIOError):
                content += os.read(self.reader, 1 << 20)
            *whole, rest = content.split(b"\n")
            lines = [json.loads(line) for line in whole]
            if not rest and holds(lines):
                run_log.add(content.decode())
                return lines
            assert time.monotonic() < deadline, lines[-3:]
            time.sleep(0.02)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    """A pipe with a reader that does not read."""
    made = Pipe(tmp_path / "pipe")
    yield made
    os.close(made.end)
    with suppress(OSError):
        os.close(made.reader)


def get_tokens(service: Service, count: int) -> list[int]:
    """Ask for tokens over one connection, and list the statuses of the answers."""
    asking = request("POST", "/api/token", JSON, body=json.dumps(VALID).encode())
    statuses: list[int] = []
    with connect(service.url) as connection:
        for _ in range(count // AT_ONCE):
            connection.sendall(asking * AT_ONCE)
            statuses += [answer.status for answer in read_answers(connection, AT_ONCE)]
    return statuses


def ready(service: Service) -> Any:
    """Ask for the readiness."""
    return httpx.get(f"{service.url}/health/ready").json()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


def issued(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """List the audit lines of tokens."""
    return [line for line in lines if line.get("outcome") == "issued"]


def lost(lines: list[dict[str, Any]]) -> int:
    """Sum up how many lines were reported as lost."""
    return sum(line["lost"] for line in lines if line["logger"] == LOST)


def test_a_pipe_that_nobody_reads_stops_nothing(pipe: Pipe) -> None:
    """Tokens go on; whoever reads at last finds whole lines, and how many were lost."""
    with logging_into(pipe.end, **CREDENTIALS) as service:
        assert set(get_tokens(service, 6000)) == {200}
        assert "log_unwritable" in ready(service)["reasons"]
        lines = pipe.read_until(lambda lines: len(issued(lines)) + lost(lines) >= 6000)
        assert {line["level"] for line in lines if line["logger"] == LOST} == {"WARNING"}
        assert lost(lines) > 0
        assert "log_unwritable" not in ready(service)["reasons"]
    pipe.read_until(lambda lines: lines[-1]["message"].startswith("Finished"))
    assert service.output == ""


def test_a_service_whose_log_is_stuck_can_be_stopped(pipe: Pipe) -> None:
    """It does not wait for a reader for ever."""
    with logging_into(pipe.end, **CREDENTIALS) as service:
        assert set(get_tokens(service, 500)) == {200}
    assert service.process.returncode == 0
    assert service.output == ""


def test_a_pipe_without_a_reader_stops_nothing(pipe: Pipe) -> None:
    """Nothing is written on standard error; the reader that comes back is told what it missed."""
    with logging_into(pipe.end, **CREDENTIALS) as service:
        pipe.read_until(lambda lines: len(lines) > 3)
        pipe.close_reader()
        assert set(get_tokens(service, 500)) == {200}
        until(lambda: "log_unwritable" in ready(service)["reasons"])
        pipe.open_reader()
        lines = pipe.read_until(lambda lines: len(issued(lines)) + lost(lines) >= 500)
        assert lost(lines) > 0
        assert set(get_tokens(service, AT_ONCE)) == {200}
        assert "log_unwritable" not in ready(service)["reasons"]
        pipe.read_until(lambda lines: len(issued(lines)) == AT_ONCE)
    assert service.output == ""


def test_a_full_disk_stops_nothing() -> None:
    """It is a warning of the readiness."""
    with Path("/dev/full").open("wb") as full, logging_into(full.fileno(), **CREDENTIALS) as service:
        assert set(get_tokens(service, 500)) == {200}
        assert ready(service)["reasons"] == ["log_unwritable", "authentication_off"]
    assert service.output == ""
    assert service.process.returncode == 0


@pytest.mark.parametrize("required", [False, True])
def test_a_disk_that_has_room_again_is_written_to(tmp_path: Path, *, required: bool) -> None:
    """What broke off in the middle of a line is followed by whole ones, and the report of what is lost."""
    path = tmp_path / "log"
    variables = REQUIRED if required else CREDENTIALS
    with path.open("ab") as file, logging_into(file.fileno(), **variables) as service:
        # A limit of the process is as good as a full disk: a write takes what fits, and the next one fails.
        pid = service.process.pid
        room = path.stat().st_size + 1000
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        statuses = get_tokens(service, 200)
        assert set(statuses) == ({200, 503} if required else {200})
        until(lambda: any("able" in reason for reason in ready(service)["reasons"]))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        until(lambda: not any("able" in reason for reason in ready(service)["reasons"]))
        assert set(get_tokens(service, AT_ONCE)) == {200}
    content = path.read_bytes()
    assert content[room - 1 : room] != b"\n"
    torn = content[:room].count(b"\n")
    lines = [json.loads(line) for i, line in enumerate(content.splitlines()) if i != torn]
    assert lost(lines) > 0
    assert "finished" in lines[-1]["message"].lower()
    if required:
        # The line that broke off belongs to a token that was not issued.
        assert len(issued(lines)) == statuses.count(200) + AT_ONCE
    assert service.output == ""


def test_without_standard_output_the_service_serves() -> None:
    """Nothing is written to whatever has its number then."""
    closed = ("/bin/sh", "-c", f"exec {sys.executable} -m app >&-")
    with running(closed, ROOT, **CREDENTIALS) as service:
        assert set(get_tokens(service, AT_ONCE)) == {200}
        assert "log_unwritable" in ready(service)["reasons"]
    assert service.output == ""


def test_no_token_is_issued_that_cannot_be_recorded(pipe: Pipe) -> None:
    """Once the pipe is full, the answer is 503; there is a line for each token, before and after."""
    with logging_into(pipe.end, **REQUIRED) as service:
        statuses = get_tokens(service, 500)
        assert set(statuses) == {200, 503}
        assert statuses == sorted(statuses)
        refused = httpx.post(f"{service.url}/token", json=VALID, headers={"X-Request-Id": "refused"})
        assert (refused.status_code, refused.json()["errorCode"]) == (503, "AUDIT_UNAVAILABLE")
        assert refused.headers["Retry-After"] == "5"
        # What is wrong with a request is said as ever.
        assert httpx.post(f"{service.url}/token", json={}).status_code == 400
        assert ready(service)["reasons"] == ["audit_unavailable", "authentication_off"]
        lines = pipe.read_until(lambda lines: any(line["requestId"] == "refused" for line in lines))
        assert len(issued(lines)) == statuses.count(200)
        refusals = [line for line in lines if line.get("errorCode") == "AUDIT_UNAVAILABLE"]
        assert len(refusals) == statuses.count(503) + 1
        assert not [line for line in refusals if "expiresAt" in line]
        (line,) = [line for line in lines if line["requestId"] == "refused"]
        assert (line["outcome"], line["status"], line["errorCode"]) == ("refused", 503, "AUDIT_UNAVAILABLE")
        until(lambda: ready(service).get("status") == "ready")
        assert set(get_tokens(service, AT_ONCE)) == {200}
        assert len(issued(pipe.read_until(lambda lines: len(issued(lines)) >= AT_ONCE))) == AT_ONCE
    assert service.output == ""


def test_no_token_is_issued_without_a_reader(pipe: Pipe) -> None:
    """Until there is one again."""
    with logging_into(pipe.end, **REQUIRED) as service:
        pipe.close_reader()
        assert set(get_tokens(service, AT_ONCE)) == {503}
        pipe.open_reader()
        until(lambda: ready(service).get("status") == "ready")
        assert set(get_tokens(service, AT_ONCE)) == {200}
        lines = pipe.read_until(lambda lines: len(issued(lines)) >= AT_ONCE)
        assert len(issued(lines)) == AT_ONCE


def test_no_token_is_issued_on_a_full_disk() -> None:
    """The service says so, and is not ready."""
    with Path("/dev/full").open("wb") as full, logging_into(full.fileno(), **REQUIRED) as service:
        assert set(get_tokens(service, AT_ONCE)) == {503}
        assert ready(service)["reasons"] == ["audit_unavailable", "authentication_off"]
    assert service.output == ""


def test_the_line_of_a_token_can_be_read_before_the_token() -> None:
    """Where the audit is required; and there is one for each, however many ask at once."""
    with running(COMMAND, ROOT, **REQUIRED) as service:
        threads = [Thread(target=get_tokens, args=(service, 200)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ids = [line["requestId"] for line in issued(service.log())]
    assert len(ids) == len(set(ids)) == 1600


def test_no_line_is_longer_than_two_kilobytes() -> None:
    """Whatever a caller sends: the longest path, the longest names, the longest address."""
    name = "x" * 255
    headers = {b"X-Forwarded-For": "ü".encode() * 4000, b"X-Request-Id": b"r" * 128}
    variables = {**CREDENTIALS, "FORWARDED_ALLOW_IPS": "*", "ROOT_PATH": f"/{'p' * 300}"}
    with running(COMMAND, ROOT, **variables) as service:
        body = {"room_name": name, "participant_identity": name}
        for path in ("/connection-details", f"/{'%F0%9F%8E%99' * 300}", f"/{'%00' * 3000}"):
            httpx.post(f"{service.url}{path}", json=body, headers=list(headers.items()))
    assert len([line for line in service.log() if line["requestId"] == "r" * 128]) == 3
    assert max(len(line.encode()) + 1 for line in service.output.splitlines()) <= 2048


def test_a_terminal_shows_text() -> None:
    """One line for each request; nothing that a caller sent moves the cursor."""
    ours, theirs = pty.openpty()
    try:
        with logging_into(theirs, **CREDENTIALS) as service:
            httpx.post(f"{service.url}/token", json=VALID, headers={"X-Request-Id": "id-1"})
            httpx.get(f"{service.url}/%1B%5B2J%C2%9B31m")
        content = os.read(ours, 1 << 16).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    lines = content.split("\r\n")
    (line,) = [line for line in lines if "requestId=id-1" in line]
    assert "INFO    POST /api/token 200 issued" in line
    assert "room=room-1 identity=alice" in line
    assert all(line.isprintable() for line in lines)
    assert "WARNING app.main: AUTH is none: anybody" in content


@pytest.mark.parametrize(("log_format", "is_json"), [("json", True), ("text", False)])
def test_the_format_can_be_chosen(log_format: str, *, is_json: bool) -> None:
    """Wherever the log goes, in all workers alike."""
    with running(COMMAND, ROOT, **CREDENTIALS, LOG_FORMAT=log_format, WORKERS="2") as service:
        httpx.get(f"{service.url}/health/live")
    assert {line.startswith("{") for line in service.output.splitlines()} == {is_json}
