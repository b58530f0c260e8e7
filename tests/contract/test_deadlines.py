"""What does not arrive in time: heads, on each request of a connection anew, and the rest of bodies."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.process import running
from tests.support.raw_http import JSON, answers_from, connect, read_answer, request
from tests.support.server import KEY, SECRET, make_settings, serve

VALID = json.dumps({"roomName": "room-1", "participantIdentity": "alice"}).encode()
POST = request("POST", "/api/token", JSON, body=VALID)
LIVE = request("GET", "/api/health/live")
HALF_HEAD = b"POST /api/token HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: half\r\n"


@pytest.fixture(scope="module", params=["auto", "asyncio"])
def hasty_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a service that does not wait long for a head, in either event loop."""
    with serve(make_settings(head_timeout_seconds=0.3), loop=request.param) as url:
        yield f"{url}/api"


def assert_ends(connection: socket.socket) -> None:
    """Check that the service ends the connection, and says nothing else."""
    assert connection.recv(1) == b""


@pytest.mark.parametrize("sent", [b"", b"\r\n"], ids=["nothing", "a blank line"])
def test_a_connection_that_sends_nothing_is_closed(hasty_url: str, sent: bytes) -> None:
    """There is nobody to tell."""
    with connect(hasty_url) as connection:
        connection.sendall(sent)
        assert_ends(connection)


@pytest.mark.parametrize("step", [b"\r\n", b"a: b\r\n"], ids=["blank lines", "headers"])
def test_a_head_may_not_drip_for_ever(hasty_url: str, step: bytes) -> None:
    """Whatever arrives meanwhile does not begin the time anew."""
    with connect(hasty_url) as connection:
        connection.sendall(b"" if step.isspace() else HALF_HEAD)
        connection.settimeout(0.1)
        for _ in range(50):
            connection.sendall(step)
            try:
                got = connection.recv(1000)
            except TimeoutError:
                continue
            break
        else:
            pytest.fail("it drips on")
    assert got == b"" if step.isspace() else got.startswith(b"HTTP/1.1 408 ")


def test_half_a_head_is_told_that_it_is_late(hasty_url: str) -> None:
    """With the error body, and the end of the connection."""
    with connect(hasty_url) as connection:
        connection.sendall(HALF_HEAD)
        answer = read_answer(connection)
        assert (answer.status, answer.json()["errorCode"]) == (408, "REQUEST_TIMEOUT")
        assert answer.headers["Connection"] == "close"
        assert_ends(connection)


@pytest.mark.parametrize("first", [POST, LIVE, POST + LIVE])
@pytest.mark.parametrize("is_pipelined", [True, False])
def test_each_head_of_a_connection_has_its_time(hasty_url: str, first: bytes, *, is_pipelined: bool) -> None:
    """The second begins when it is there, and not while nobody asks."""
    with connect(hasty_url) as connection, connection.makefile("rb") as file:
        answers = answers_from(file)
        connection.sendall(first + HALF_HEAD if is_pipelined else first)
        for _ in range(first.count(b"HTTP/1.1")):
            assert next(answers).status == 200
        if not is_pipelined:
            time.sleep(0.6)
            connection.sendall(HALF_HEAD)
        assert next(answers).status == 408
        assert file.read(1) == b""


def test_a_head_that_was_refused_is_not_late_as_well() -> None:
    """A client that stays has one answer, and one line in the log."""
    variables = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET, "HEAD_TIMEOUT_SECONDS": "0.3"}
    with running(**variables) as service, connect(service.url) as connection:
        connection.sendall(b"GET /api/health/live HTTP/1.1\r\nno header\r\n")
        assert read_answer(connection).status == 400
        time.sleep(0.6)
        assert_ends(connection)
    refused = [line for line in service.log() if line["logger"] == "app.audit" and "errorCode" in line]
    assert [line["status"] for line in refused] == [400]


def test_a_head_that_has_begun_ends_the_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its own time, however long the connection has been idle before."""
    monkeypatch.setattr("app.server._KEEP_ALIVE_SECONDS", 0.3)
    with serve(make_settings(head_timeout_seconds=10)) as url, connect(url) as connection:
        answers = answers_from(connection.makefile("rb"))
        connection.sendall(LIVE)
        assert next(answers).status == 200
        connection.sendall(LIVE[:20])
        time.sleep(0.6)
        connection.sendall(LIVE[20:])
        assert next(answers).status == 200


def test_a_body_has_another_time(hasty_url: str) -> None:
    """It may take longer than the head."""
    with connect(hasty_url) as connection:
        connection.sendall(POST[:-5])
        time.sleep(0.6)
        connection.sendall(POST[-5:])
        assert read_answer(connection).status == 200


@pytest.mark.parametrize("target", ["/api/nothing", "/api/token"])
def test_the_rest_of_a_body_that_was_refused_is_not_waited_for(target: str) -> None:
    """One byte of it comes, or one after the other: the connection ends all the same."""
    with serve(make_settings(body_timeout_seconds=0.4)) as url, connect(url) as connection:
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
