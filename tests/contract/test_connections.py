"""How connections are used: bodies in pieces, bodies that never end, HEAD, keep-alive."""

import json
import socket
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support import run_log
from tests.support.contract import assert_fits
from tests.support.raw_http import JSON, chunked, connect, read_answer, request, reset_at_close, send
from tests.support.server import make_settings, serve
from tests.support.service_log import audit_lines

VALID = json.dumps({"roomName": "room-1", "participantIdentity": "alice"}).encode()
ID = "X-Request-Id: ends-badly"
UPGRADE = request(
    "POST", "/api/token", JSON, "Connection: Upgrade", "Upgrade: h2c", f"Content-Length: {len(VALID)}"
)
HEAD = request("POST", "/api/token", JSON, f"Content-Length: {len(VALID)}")


@pytest.fixture(scope="module")
def hasty_url() -> Iterator[str]:
    """Address of a service that waits 0.2 s for a body."""
    with serve(make_settings(body_timeout_seconds=0.2)) as url:
        yield url


def test_a_body_may_arrive_byte_by_byte(api_url: str) -> None:
    """TCP may cut a request anywhere."""
    with connect(api_url) as connection:
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


@pytest.mark.parametrize(
    "sent",
    [HEAD + VALID, request("GET", "/api/health/live"), request("GET", "/nothing"), (HEAD + VALID) * 10],
    ids=["token", "health", "404", "pipelined"],
)
def test_a_client_that_sends_no_more_is_answered(api_url: str, sent: bytes) -> None:
    """Whoever closes its side of the connection may still read."""
    for _ in range(20):
        with connect(api_url) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            content = b"".join(iter(partial(connection.recv, 65536), b""))
        assert content.startswith(b"HTTP/1.1 ")
        assert content.endswith(b"}")


def test_a_body_that_ends_with_the_connection_is_answered(api_url: str) -> None:
    """The last bytes of a body and the end of what the client sends may arrive together."""
    for _ in range(20):
        with connect(api_url) as connection:
            connection.sendall(HEAD)
            time.sleep(0.01)
            connection.sendall(VALID)
            connection.shutdown(socket.SHUT_WR)
            assert read_answer(connection).status == 200


def test_connections_that_are_reset_leave_no_traceback(api_url: str) -> None:
    """A caller cannot fill the log by giving up."""
    for i in range(100):
        with connect(api_url) as connection:
            reset_at_close(connection)
            connection.sendall((HEAD + VALID) * (1 + i % 3))
            time.sleep(0.001 * (i % 3))
    with connect(api_url) as connection:
        connection.sendall(request("GET", "/api/health/live", "X-Request-Id: after-the-resets"))
        assert read_answer(connection).status == 200
    assert audit_lines("after-the-resets")
    assert '"level":"ERROR","logger":"asyncio"' not in run_log.PATH.read_text(encoding="utf-8")


def test_a_client_that_leaves_does_no_harm(api_url: str) -> None:
    """A connection that closes within a body leaves the service serving."""
    with connect(api_url) as connection:
        connection.sendall(HEAD + VALID[:10])
    with connect(api_url) as connection:
        connection.sendall(HEAD + VALID)
        assert read_answer(connection).status == 200


@pytest.mark.parametrize("cut", [len(UPGRADE), len(UPGRADE) - 4])
def test_an_upgrade_is_ignored_wherever_the_network_cuts(api_url: str, cut: int) -> None:
    """The body of a request that asks for another protocol may arrive later than its headers."""
    with connect(api_url) as connection:
        connection.sendall(UPGRADE[:cut])
        time.sleep(0.05)
        connection.sendall(UPGRADE[cut:] + VALID)
        assert read_answer(connection).status == 200
        connection.sendall(request("GET", "/api/health/live"))
        assert read_answer(connection).json()["status"] == "live"


@pytest.mark.parametrize(
    "sent",
    [
        request("POST", "/api/token", JSON, ID, "Transfer-Encoding: chunked", body=b"zz\r\n", length=False),
        request(
            "POST", "/api/token", JSON, ID, "Transfer-Encoding: chunked",
            body=chunked(VALID)[:-5] + b"zz\r\n", length=False,
        ),
    ],
    ids=["malformed chunk", "malformed last chunk"],
)  # fmt: skip
def test_a_request_that_ends_badly_is_answered_once(api_url: str, sent: bytes) -> None:
    """The caller's id is kept, the connection is closed, and the log has one line, of that answer."""
    with connect(api_url) as connection:
        connection.sendall(sent)
        answer = read_answer(connection)
        assert connection.recv(1) == b""
    assert (answer.status, answer.json()["requestId"]) == (400, "ends-badly")
    assert_fits("ErrorResponse", answer.json())
    lines = audit_lines("ends-badly")
    assert {line["status"] for line in lines} == {400}


def test_a_trailer_is_no_header(api_url: str) -> None:
    """What follows a chunked body cannot change what the request is."""
    body = chunked(VALID)[:-2] + b"Content-Type: text/plain\r\nX-Request-Id: trailer\r\n\r\n"
    sent = request("POST", "/api/token", JSON, "Transfer-Encoding: chunked", body=body, length=False)
    answer = send(api_url, sent)
    assert answer.status == 200
    assert answer.headers["X-Request-Id"] != "trailer"


@pytest.mark.parametrize("value", ["bytes=0-1", "bytes=abc", "items=0-1", "bytes=5-2", "bytes=99999999-"])
def test_a_range_of_the_ui_is_ignored(api_url: str, value: str) -> None:
    """A whole file is a proper answer to a wish for a part of it."""
    answer = send(api_url, request("GET", "/api/ui/swagger-ui.css", f"Range: {value}"))
    assert answer.status == 200
    assert len(answer.content) > 10_000


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
