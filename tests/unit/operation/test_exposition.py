"""Metrics on a port of their own."""

import logging
import socket
import threading
import time
from contextlib import ExitStack

import httpx
import pytest

from app.operation import exposition
from app.operation.exposition import PortTaken, check, exposed
from tests.support.raw_http import connect, request, reset_at_close, send

HOST = "127.0.0.1"


def test_the_port_answers_with_the_metrics_as_they_are_then() -> None:
    """Each scrape asks anew; HEAD answers without the text."""
    texts = iter(["first\n", "second\n", "third\n"])
    with exposed(HOST, 0, lambda: next(texts)) as port:
        answers = [httpx.get(f"http://{HOST}:{port}/metrics{query}") for query in ("", "?name[]=x")]
        head = httpx.head(f"http://{HOST}:{port}/metrics")
    assert [answer.text for answer in answers] == ["first\n", "second\n"]
    for answer in (*answers, head):
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
    assert (head.content, head.headers["Content-Length"]) == (b"", "6")


@pytest.mark.parametrize("line", ["GET /", "GET /metrics/", "GET /api/metrics", "GET /api/token", "HEAD /x"])
def test_nothing_else_is_shown(line: str) -> None:
    """Any other path is 404, and empty."""
    with exposed(HOST, 0, lambda: "text") as port:
        answer = send(f"http://{HOST}:{port}", request(*line.split()))
    assert (answer.status, answer.content) == (404, b"")


def test_another_method_is_refused() -> None:
    """There is nothing to post, and no metric in the answer; nor does it say which Python refuses."""
    with exposed(HOST, 0, lambda: "metrics-text") as port:
        answer = send(f"http://{HOST}:{port}", request("POST", "/metrics", body=b"x"))
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert b"metrics-text" not in answer.content
    assert "Python" not in str(answer.headers)


def test_a_port_that_is_taken_is_said_to_be() -> None:
    """Whether it is only asked for, or to be listened at."""
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match="in use"):
            check(HOST, port)
        with pytest.raises(PortTaken, match="in use"), exposed(HOST, port, str):
            pass


def test_a_port_is_free_again_in_the_end() -> None:
    """Also where somebody is still connected, and says nothing."""
    with exposed(HOST, 0, str) as port:
        silent = connect(f"http://{HOST}:{port}")
        assert httpx.get(f"http://{HOST}:{port}/metrics").status_code == 200
    with silent:
        check(HOST, port)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{HOST}:{port}/metrics")


def test_the_port_is_on_the_address_that_is_named() -> None:
    """An IPv6 address is one as well."""
    with exposed("::1", 0, lambda: "text") as port:
        assert httpx.get(f"http://[::1]:{port}/metrics").text == "text"


def test_metrics_that_cannot_be_written_are_in_the_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """One record, with its cause; nothing by itself on standard error, and the next scrape is answered."""
    causes = [ValueError("broken")]

    def render() -> str:
        if causes:
            raise causes.pop()
        return "text"

    with exposed(HOST, 0, render) as port:
        assert httpx.get(f"http://{HOST}:{port}/metrics").status_code == 500
        assert httpx.get(f"http://{HOST}:{port}/metrics").text == "text"
    (record,) = [record for record in caplog.records if record.name.startswith("app.")]
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert "broken" in str(record.exc_info[1])
    assert not capfd.readouterr().err


def test_a_client_that_leaves_is_no_news(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A reset in the middle of an answer leaves no record, and nothing on standard error."""
    written = []

    def render() -> str:
        # So that there is nobody to write to.
        time.sleep(0.2)
        written.append(True)
        return "x" * 10_000_000

    with exposed(HOST, 0, render) as port:
        connection = connect(f"http://{HOST}:{port}")
        connection.sendall(request("GET", "/metrics"))
        reset_at_close(connection)
        connection.close()
        deadline = time.monotonic() + 5
        while not written and time.monotonic() < deadline:
            time.sleep(0.01)
        # The next is answered after the write above has failed, or while it fails.
        assert httpx.head(f"http://{HOST}:{port}/metrics").status_code == 200
    assert not [record for record in caplog.records if record.name.startswith("app.")]
    assert not capfd.readouterr().err


def test_connections_that_say_nothing_keep_nobody_out() -> None:
    """The oldest give way, and all of them are one thread."""
    threads = threading.active_count()
    with exposed(HOST, 0, lambda: "text") as port, ExitStack() as stack:
        silent = [stack.enter_context(connect(f"http://{HOST}:{port}")) for _ in range(200)]
        assert httpx.get(f"http://{HOST}:{port}/metrics", timeout=2).text == "text"
        assert threading.active_count() == threads + 1
        for early in (silent[0], silent[136]):
            early.settimeout(2)
            assert early.recv(1) == b""
        # The scrape took the place of one more.
        silent[-1].settimeout(0)
        with pytest.raises(BlockingIOError):
            silent[-1].recv(1)


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\n", request("GET", "/metrics")])
def test_nobody_stays_for_long(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """Whether no request comes, or half of one, or nobody reads the answer."""
    monkeypatch.setattr(exposition, "_PATIENCE_SECONDS", 0.3)
    with exposed(HOST, 0, lambda: "x" * 50_000_000) as port, connect(f"http://{HOST}:{port}") as slow:
        slow.sendall(sent)
        time.sleep(0.6)
        received = 0
        try:
            while chunk := slow.recv(1 << 20):
                received += len(chunk)
        except ConnectionResetError:
            pass
        assert received < 50_000_000


def test_a_head_has_an_end() -> None:
    """Whoever sends one for ever is cut off."""
    begun = time.monotonic()
    with exposed(HOST, 0, lambda: "text") as port, connect(f"http://{HOST}:{port}") as endless:
        with pytest.raises((ConnectionResetError, BrokenPipeError)):  # noqa: PT012  # whichever fails first
            while True:
                endless.sendall(b"x" * 10_000)
        assert time.monotonic() < begun + 5
        assert httpx.get(f"http://{HOST}:{port}/metrics").text == "text"
