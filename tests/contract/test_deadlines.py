"""No connection waits for ever: a head, and the rest of a request that was answered, come in time or not."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.raw_http import JSON, answers_from, connect, read_answer, request
from tests.support.server import make_settings, serve

BODY = b'{"roomName": "room-1", "participantIdentity": "alice"}'
WHOLE = request("POST", "/api/token", JSON, body=BODY)
HALF = WHOLE[:40]
LIVE = request("GET", "/api/health/live")
PATIENCE, LONG = 0.4, 60


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A service that waits for heads only briefly."""
    with serve(make_settings(head_timeout_seconds=PATIENCE, body_timeout_seconds=LONG)) as found:
        yield found


def is_closed(connection: socket.socket) -> bool:
    """Wait until the other side has closed; tell whether it did without a further answer."""
    with suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


def test_who_sends_nothing_is_not_waited_for(url: str) -> None:
    """There is nobody to answer."""
    with connect(url) as connection:
        assert is_closed(connection)


@pytest.mark.parametrize("part", [WHOLE[:1], HALF, WHOLE[: WHOLE.index(b"\r\n\r\n") + 2]], ids=len)
def test_half_a_head_is_answered_in_time(url: str, part: bytes) -> None:
    """Its sender is told that it was late, in the form of every error, and the connection ends."""
    with connect(url) as connection:
        connection.sendall(part)
        answer = read_answer(connection)
        assert (answer.status, answer.json()["errorCode"]) == (408, "REQUEST_TIMEOUT")
        assert answer.headers["connection"] == "close"
        assert is_closed(connection)


def test_a_head_that_trickles_has_no_more_time(url: str) -> None:
    """Each byte comes soon after the one before; the head as a whole does not come in time."""
    with connect(url) as connection:
        connection.settimeout(0.05)
        for byte in range(len(HALF)):
            try:
                connection.sendall(HALF[byte : byte + 1])
                found = connection.recv(12)
            except TimeoutError:
                continue
            assert found == b"HTTP/1.1 408"
            return
    raise AssertionError("it is waited for")


def test_blank_lines_are_no_head(url: str) -> None:
    """They may stand before one, but keep nobody connected."""
    with connect(url) as connection:
        connection.settimeout(0.05)
        for _ in range(100):
            try:
                connection.sendall(b"\r\n")
                assert connection.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                pass
            return
    raise AssertionError("it is waited for")


def test_each_request_of_a_connection_has_its_own_time(url: str) -> None:
    """Between requests a client may wait longer; a head that has begun may not."""
    with connect(url) as connection:
        answers = answers_from(connection.makefile("rb"))
        for _ in range(3):
            connection.sendall(LIVE)
            assert next(answers).status == 200
            time.sleep(PATIENCE * 1.5)
        connection.sendall(LIVE[:10])
        time.sleep(PATIENCE / 2)
        connection.sendall(LIVE[10:])
        assert next(answers).status == 200
        connection.sendall(LIVE[:10])
        assert next(answers).status == 408


def test_a_body_has_another_time(url: str) -> None:
    """It may take longer than the head."""
    with connect(url) as connection:
        connection.sendall(WHOLE[:-5])
        time.sleep(PATIENCE * 2)
        connection.sendall(WHOLE[-5:])
        assert read_answer(connection).status == 200


def test_half_a_head_behind_a_request_is_waited_for_as_long(url: str) -> None:
    """It came with the request before; its time begins when that is answered."""
    with connect(url) as connection:
        connection.sendall(LIVE + LIVE[:10])
        answers = answers_from(connection.makefile("rb"))
        assert [next(answers).status for _ in range(2)] == [200, 408]


@pytest.mark.parametrize("target", ["/api/nothing", "/api/token"])
def test_the_rest_of_a_body_that_was_refused_is_not_waited_for(target: str) -> None:
    """One byte of it comes, or one after the other: the connection ends all the same."""
    with serve(make_settings(body_timeout_seconds=PATIENCE)) as url, connect(url) as connection:
        connection.sendall(request("POST", target, "Content-Type: text/plain", "Content-Length: 900") + b"x")
        assert read_answer(connection).status in {404, 415}
        connection.settimeout(0.05)
        for _ in range(200):
            try:
                connection.sendall(b"x")
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:
                return
    raise AssertionError("it is waited for")
