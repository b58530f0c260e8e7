"""How connections are used: bodies in pieces, bodies that never end, HEAD, keep-alive."""

import json
import socket
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.support.contract import assert_fits
from tests.support.raw_http import connect, read_answer, request
from tests.support.server import make_settings, serve

JSON = "Content-Type: application/json"
VALID = json.dumps({"roomName": "room-1", "participantIdentity": "alice"}).encode()
HEAD = request("POST", "/api/token", JSON, f"Content-Length: {len(VALID)}")


@pytest.fixture(scope="module")
def hasty_url() -> Iterator[str]:
    """Address of a service that waits 0.2 s for a body."""
    with serve(make_settings(body_timeout_seconds=0.2)) as url:
        yield url


def test_a_body_may_arrive_byte_by_byte(api_url: str) -> None:
    """TCP may cut a request anywhere."""
    with connect(api_url) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(HEAD + VALID)):
            connection.sendall((HEAD + VALID)[i : i + 1])
        assert read_answer(connection).status == 200


def test_a_body_may_wait_for_100_continue(api_url: str) -> None:
    """A client that asks before it sends is told to go on."""
    head = request("POST", "/api/token", JSON, f"Content-Length: {len(VALID)}", "Expect: 100-continue")
    with connect(api_url) as connection:
        connection.sendall(head)
        assert connection.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(VALID)
        assert read_answer(connection).status == 200


def test_a_large_body_is_not_asked_for(api_url: str) -> None:
    """A client that asks before it sends a large body is refused at once."""
    head = request("POST", "/api/token", JSON, "Content-Length: 1000000", "Expect: 100-continue")
    with connect(api_url) as connection:
        connection.sendall(head)
        assert read_answer(connection).status == 413


def test_a_connection_serves_one_request_after_the_other(api_url: str) -> None:
    """A refused request does not spoil the connection for the next one."""
    with connect(api_url) as connection:
        for body, status in ((VALID, 200), (b"{", 400), (b" " * 20_000, 413), (VALID, 200)):
            connection.sendall(request("POST", "/api/token", JSON, body=body))
            assert read_answer(connection).status == status


def test_pipelined_requests_are_answered_in_order(api_url: str) -> None:
    """Two requests sent at once get two answers."""
    with connect(api_url) as connection:
        connection.sendall(HEAD + VALID + request("GET", "/api/health/live", "Connection: close"))
        content = b"".join(iter(lambda: connection.recv(65536), b""))
    assert content.count(b"HTTP/1.1 200 OK") == 2
    assert content.index(b'"token"') < content.index(b'"live"')


def test_a_body_that_never_ends_times_out(hasty_url: str) -> None:
    """Half a body is answered with 408 after the deadline, and the connection is closed."""
    with connect(hasty_url) as connection:
        connection.sendall(HEAD + VALID[:10])
        answer = read_answer(connection)
        assert answer.status == 408
        assert answer.headers["Connection"] == "close"
        assert connection.recv(1) == b""
    assert_fits("ErrorResponse", answer.json())
    assert answer.json()["errorCode"] == "REQUEST_TIMEOUT"


def test_a_client_that_leaves_does_no_harm(api_url: str) -> None:
    """A connection that closes within a body leaves the service serving."""
    with connect(api_url) as connection:
        connection.sendall(HEAD + VALID[:10])
    with connect(api_url) as connection:
        connection.sendall(HEAD + VALID)
        assert read_answer(connection).status == 200


def test_a_large_body_is_not_kept_in_memory(api_url: str) -> None:
    """Of 64 MiB that keep coming after a 413, the service keeps next to nothing."""
    chunk = b"%x\r\n%b\r\n" % (2**16, b" " * 2**16)
    with connect(api_url) as connection:
        connection.sendall(request("POST", "/api/token", JSON, "Transfer-Encoding: chunked"))
        tracemalloc.start()
        for _ in range(1024):
            connection.sendall(chunk)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert read_answer(connection).status == 413
    assert peak < 2**23


@pytest.mark.parametrize("path", ["/api/health/live", "/api/health/ready", "/api/openapi.json", "/api/ui/"])
def test_head_answers_as_get_without_content(api_url: str, path: str) -> None:
    """HEAD on a GET has the same status and headers, and no content."""
    answers = {}
    for method in ("GET", "HEAD"):
        with connect(api_url) as connection:
            connection.sendall(request(method, path, "X-Request-Id: same", "Connection: close"))
            answers[method] = read_answer(connection, method)
            assert connection.recv(1) == b""
    assert answers["HEAD"].status == answers["GET"].status == 200
    assert answers["GET"].content
    without_date = [
        sorted((n.lower(), v) for n, v in a.headers.items() if n != "date") for a in answers.values()
    ]
    assert without_date[0] == without_date[1]
