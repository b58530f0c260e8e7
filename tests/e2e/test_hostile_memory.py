"""What hostile bytes cost a real process in memory: next to nothing, while they come and afterwards."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.process import COMMAND, ROOT, Service, running
from tests.support.raw_http import JSON, chunked, connect, read_answer, request, send
from tests.support.server import KEY, SECRET

VALID = b'{"roomName": "room-1", "participantIdentity": "alice"}'
POST = request("POST", "/api/token", JSON, body=VALID)
HEAD = b"POST /api/token HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = request("POST", "/api/token", JSON, "Transfer-Encoding: chunked")
MAX_GROWTH = 5_000_000


@pytest.fixture
def service() -> Iterator[Service]:
    """Run a service that has what its first requests need, and nothing of other tests."""
    # Who measures its coverage takes memory as well.
    alone = ("env", "--unset=COVERAGE_PROCESS_CONFIG", "--unset=COVERAGE_PROCESS_START", *COMMAND)
    with running(alone, ROOT, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET) as fresh:
        for _ in range(500):
            assert send(fresh.url, POST).status == 200
        yield fresh


def memory_of(service: Service) -> int:
    """Read how much memory a service has in use, in bytes."""
    status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def push(service: Service, content: bytes) -> int:
    """Send bytes on a connection of their own, and read the status of the answer."""
    with connect(service.url) as connection:
        connection.sendall(content)
        return read_answer(connection).status


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(HEAD + b"a: b\r\n" * 200_000 + b"\r\n", 400, id="200,000 headers"),
        pytest.param(HEAD + b"a: " + b"b" * 65_536 + b"\r\n\r\n", 400, id="a header of 64 KiB"),
        pytest.param(HEAD + (b"a: " + b"b" * 400 + b"\r\n") * 190 + b"\r\n", 400, id="headers of 75 KiB"),
        pytest.param(CHUNKED + chunked(b"x" * 20_000_000), 413, id="20 MB in a chunk"),
        pytest.param(CHUNKED + chunked(*[b"x" * 1000] * 20_000), 413, id="20 MB in chunks of 1,000"),
        pytest.param(CHUNKED + b"1\r\nx\r\n" * 3_300_000 + b"0\r\n\r\n", 413, id="20 MB in chunks of 1"),
    ],
)
def test_hostile_requests_cost_no_memory(service: Service, content: bytes, status: int) -> None:
    """Ten times over they are refused, and the process is hardly larger than before."""
    before = memory_of(service)
    assert {push(service, content) for _ in range(10)} == {status}
    assert memory_of(service) - before < MAX_GROWTH


@pytest.mark.parametrize(
    ("count", "content"),
    [
        pytest.param(1000, b"", id="idle connections"),
        pytest.param(1000, POST, id="idle connections that were answered"),
        pytest.param(200, HEAD, id="half heads"),
        pytest.param(20, HEAD + b"a: " + b"b" * 60_000, id="half heads of 60 KB"),
    ],
)
def test_connections_that_wait_cost_little_memory(service: Service, count: int, content: bytes) -> None:
    """While they are open others are answered, and the process is hardly larger than before."""
    before = memory_of(service)
    with ExitStack() as stack:
        waiting: list[socket.socket] = [stack.enter_context(connect(service.url)) for _ in range(count)]
        for connection in waiting:
            connection.sendall(content)
            if content == POST:  # A thousand requests at once would be another matter.
                assert read_answer(connection).status == 200
        # Connections are read in turn: what was sent before has been read when later ones are answered.
        for _ in range(10):
            assert send(service.url, POST).status == 200
        assert memory_of(service) - before < MAX_GROWTH
    assert send(service.url, POST).status == 200
    assert memory_of(service) - before < MAX_GROWTH
