"""Peers that do not behave: that never read, never end, or send what nobody asked for."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.contract import assert_fits
from tests.support.process import Service, running
from tests.support.raw_http import (
    JSON,
    answers_from,
    chunked,
    connect,
    read_answer,
    read_answers,
    request,
    reset_at_close,
    send,
)
from tests.support.server import KEY, SECRET, make_settings, serve
from tests.support.service_log import audit_lines

VALID = json.dumps({"roomName": "room-1", "participantIdentity": "alice"}).encode()
POST = request("POST", "/api/token", JSON, body=VALID)
LIVE = request("GET", "/api/health/live")
CHUNKED = request("POST", "/api/token", JSON, "Transfer-Encoding: chunked")
MIB = 2**20


@pytest.fixture(scope="module", params=["auto", "asyncio"])
def patient_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a service that waits 300 s for a client, longer than any test does; on each event loop."""
    with serve(make_settings(body_timeout_seconds=300), loop=request.param) as url:
        yield url


@pytest.fixture(scope="module")
def hasty_url() -> Iterator[str]:
    """Address of a service that waits 0.3 s for a client."""
    with serve(make_settings(body_timeout_seconds=0.3)) as url:
        yield url


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service in a process of its own that waits 1 s for a client, and has no more memory after it all."""
    with running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, BODY_TIMEOUT_SECONDS="1") as service:
        # What the first requests need is not what hostile ones cost.
        for _ in range(500):
            send(service.url, POST)
        with no_more_memory(service):
            yield service


def memory_of(service: Service) -> int:
    """Read how much memory a service has in use, in bytes."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def no_more_memory(service: Service) -> Iterator[None]:
    """See that a service has no more memory in use after something than before, give or take 10 MiB."""
    before = memory_of(service)
    yield
    assert memory_of(service) - before < 10 * MIB


def rest_of(connection: socket.socket) -> bytes:
    """Read to the end of a connection; a reset is an end as well."""
    content = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            content += part
    return content


def pour(connection: socket.socket, parts: Iterable[bytes], limit: int) -> int:
    """Send without reading until the connection breaks, or `limit` bytes are sent; count them."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        for part in parts:
            connection.sendall(part)
            sent += len(part)
            if sent >= limit:
                break
    return sent


def drip() -> Iterator[bytes]:
    """Make a byte every 20 ms."""
    while True:
        yield b" "
        time.sleep(0.02)


# --- Pipelines


def test_a_long_pipeline_is_answered_in_order(patient_url: str) -> None:
    """However many requests come at once, to whoever reads the answers."""
    count = 3000
    requests = b"".join(request("GET", "/api/health/live", f"X-Request-Id: {i}") for i in range(count))
    with connect(patient_url) as connection:
        sender = threading.Thread(
            target=connection.sendall, args=(requests + request("GET", "/", "Connection: close"),)
        )
        sender.start()
        content = rest_of(connection)
        sender.join()
    ids = [line[14:] for line in content.split(b"\r\n") if line.lower().startswith(b"x-request-id: ")]
    assert ids[:-1] == [b"%d" % i for i in range(count)]
    assert content.count(b"HTTP/1.1 200 OK") == count


@pytest.mark.parametrize(
    "sent",
    [request("GET", "/"), POST, request("GET", "/api/ui/swagger-ui-bundle.js")],
    ids=["404", "token", "a long answer"],
)
def test_a_pipeline_whose_answers_nobody_reads_is_cut_off(service: Service, sent: bytes) -> None:
    """It is read no further than it is answered, and takes no memory to speak of; others are served."""
    before = memory_of(service)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(service.url)) for _ in range(3)]
        pourers = [
            threading.Thread(target=pour, args=(connection, repeat(sent * 100), 24 * MIB))
            for connection in connections
        ]
        for pourer in pourers:
            pourer.start()
        for _ in range(10):
            assert send(service.url, LIVE).status == 200
        grown = memory_of(service) - before
        for pourer in pourers:
            pourer.join(20)
            assert not pourer.is_alive(), "the service still reads, or the connection was never closed"
    assert max(grown, memory_of(service) - before) < 10 * MIB


def test_a_pipeline_that_is_reset_leaves_nothing_behind(service: Service) -> None:
    """What waits to be read goes with its client, and so do the timers of its connection."""
    with no_more_memory(service):
        for _ in range(400):
            with connect(service.url) as connection:
                reset_at_close(connection)
                connection.sendall(POST + LIVE * 2000)
                connection.recv(100)
        assert send(service.url, LIVE).status == 200


def test_a_slow_reader_gets_all_of_its_long_answers(hasty_url: str) -> None:
    """Whoever reads, if slowly, is not cut off, neither on the way nor afterwards; much may wait unread."""
    long = request("GET", "/api/ui/swagger-ui-bundle.js")
    with connect(hasty_url) as connection:
        sender = threading.Thread(target=connection.sendall, args=(long * 4 + LIVE * 3000,))
        sender.start()
        with connection.makefile("rb") as file:
            for answer in answers_from(file):
                time.sleep(0.02)
                if answer.content.startswith(b'{"status":"live"'):
                    break
            rest = answers_from(file)
            assert [next(rest).status for _ in range(2999)] == [200] * 2999
            sender.join()
            time.sleep(0.6)
            connection.sendall(LIVE)
            assert next(rest).status == 200


def test_what_follows_an_answer_in_the_pipeline_does_not_spoil_it(patient_url: str) -> None:
    """Requests that are well-formed are answered; the first that is not gets its own answer, and the last."""
    with connect(patient_url) as connection:
        connection.sendall(POST + LIVE + b"garbage\r\n\r\n" + LIVE)
        answers = read_answers(connection, 3)
        assert rest_of(connection) == b""
    assert [answer.status for answer in answers] == [200, 200, 400]
    assert_fits("ErrorResponse", answers[2].json())
    (line,) = audit_lines(answers[2].json()["requestId"])
    assert (line["status"], line["errorCode"]) == (400, "VALIDATION_ERROR")


def test_nothing_after_the_last_request_of_a_connection_is_answered(patient_url: str) -> None:
    """`Connection: close` says that there is none."""
    with connect(patient_url) as connection:
        connection.sendall(request("GET", "/api/health/live", "Connection: close") + POST)
        assert read_answer(connection).json()["status"] == "live"
        assert rest_of(connection) == b""


UPGRADES = [
    request("POST", "/api/token", JSON, connection, "Upgrade: h2c", body=VALID)
    for connection in ("Connection: Upgrade, HTTP2-Settings", "Connection: upgrade")
]


def test_upgrades_in_a_pipeline_keep_their_bodies(patient_url: str) -> None:
    """The wish for another protocol is ignored in every request, not only in the first."""
    with connect(patient_url) as connection:
        connection.sendall(b"".join(UPGRADES) + LIVE)
        answers = read_answers(connection, 3)
    assert [answer.status for answer in answers] == [200, 200, 200]


def test_an_upgrade_may_be_cut_anywhere(patient_url: str) -> None:
    """The network may cut within the name of the header, and before its colon."""
    (sent, _), start = UPGRADES, UPGRADES[0].index(b"Upgrade: ")
    for cut in range(start - 3, start + 10):
        with connect(patient_url) as connection:
            connection.sendall(LIVE + sent[:cut])
            assert read_answer(connection).status == 200
            connection.sendall(sent[cut:] + LIVE)
            assert [answer.status for answer in read_answers(connection, 2)] == [200, 200], cut


@pytest.mark.parametrize(
    "first", [POST, CHUNKED + chunked(VALID[:20], VALID[20:])], ids=["length", "chunked"]
)
def test_the_network_may_cut_a_pipeline_anywhere(patient_url: str, first: bytes) -> None:
    """A body ends where it ends, whatever arrives with it, and however much of it at once."""
    sent = first + UPGRADES[0] + LIVE
    with connect(patient_url) as connection:
        for cut in range(first.index(b"\r\n\r\n"), len(first) + 5):
            connection.sendall(sent[:cut])
            time.sleep(0.003)
            connection.sendall(sent[cut:])
            assert [answer.status for answer in read_answers(connection, 3)] == [200] * 3, cut


# --- What comes after an answer


@pytest.mark.parametrize(
    "endless",
    [
        b"a: " + b"b" * 4093,
        b"a: b\r\n" * 1000,
        b"1;" + b"e" * 4093 + b"\r\nx\r\n",
        b"1;" + b"e" * 2**16,
        b"1\r\nx\r\n" * 1000,
        b"\r\n" * 2000,
    ],
    ids=["trailer", "trailers", "extensions", "extension", "chunks", "blank lines"],
)
@pytest.mark.parametrize(
    "start", [chunked(b" " * 20_000)[:-2], chunked(VALID)[:-2], chunked(b" " * 20_000)[:-5], b""]
)
def test_a_body_that_goes_on_for_ever_is_cut_off(service: Service, start: bytes, endless: bytes) -> None:
    """All bytes count, whatever they are called, before and after the answer; none of them is kept."""
    with no_more_memory(service), connect(service.url) as connection:
        connection.sendall(CHUNKED + start)
        assert pour(connection, repeat(endless), 128 * MIB) < 128 * MIB
        assert send(service.url, LIVE).status == 200


@pytest.mark.parametrize("length", [2 * MIB, 2**60])
def test_a_body_that_is_announced_too_long_is_cut_off(service: Service, length: int) -> None:
    """Without a look at it."""
    with no_more_memory(service), connect(service.url) as connection:
        connection.sendall(request("POST", "/api/token", JSON, f"Content-Length: {length}"))
        answer = read_answer(connection)
        assert (answer.status, answer.headers["Connection"]) == (413, "close")
        assert pour(connection, repeat(b" " * 2**16), 128 * MIB) < 128 * MIB


@pytest.mark.parametrize(
    "head",
    [
        request("POST", "/api/token", JSON, f"Content-Length: {20 * MIB}"),
        request("POST", "/nothing", JSON, f"Content-Length: {20 * MIB}"),
        CHUNKED + b"%x\r\n" % (20 * MIB),
        b"POST /api/token HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (20 * MIB),
    ],
    ids=["length", "404", "chunk", "no Host"],
)
def test_a_client_that_sends_20_mb_before_it_reads_is_answered(patient_url: str, head: bytes) -> None:
    """What it sends is thrown away, so that its answer is not lost in a reset."""
    with connect(patient_url) as connection:
        assert pour(connection, [head, *[b" " * MIB] * 20], 20 * MIB) >= 20 * MIB
        assert read_answer(connection).status in {400, 404, 413}
        assert rest_of(connection) == b""


@pytest.mark.parametrize(
    "head",
    [
        request("POST", "/nothing", JSON, "Content-Length: 1000"),
        request("PUT", "/api/token", JSON, "Content-Length: 1000"),
        request("POST", "/api/token", "Content-Length: 1000"),
        request("POST", "/api/token", JSON, "Content-Length: 1000000"),
        request("POST", "/nothing", JSON, "Transfer-Encoding: chunked") + b"400\r\n",
        CHUNKED + b"400\r\n" + b" " * 0x400 + b"\r\n400000\r\n" + b" " * 20_000,
        request("GET", "/api/ui/swagger-ui-bundle.js", "Content-Length: 1000"),
    ],
    ids=["404", "405", "415", "413", "chunked 404", "chunked 413", "a long answer"],
)
def test_the_rest_of_an_answered_body_may_not_drip_for_ever(hasty_url: str, head: bytes) -> None:
    """It arrives within the time that a body may take, or the connection is closed."""
    with connect(hasty_url) as connection:
        connection.sendall(head)
        answer = read_answer(connection)
        assert answer.content
        sent = pour(connection, drip(), 400)
    assert sent < 400


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"])
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (("POST", "/nothing", JSON), 404),
        (("PUT", "/api/token", JSON), 405),
        (("POST", "/api/token"), 415),
    ],
)
def test_after_a_body_that_came_late_the_connection_goes_on(
    patient_url: str, head: tuple[str, ...], status: int, end: bytes
) -> None:
    """What follows it is the next request, and if it is malformed, that one has its own answer and line."""
    framing, body = ("Transfer-Encoding: chunked", b"2\r\n{}\r\n") if end else ("Content-Length: 2", b"{}")
    with connect(patient_url) as connection:
        connection.sendall(request(*head, framing))
        assert read_answer(connection).status == status
        connection.sendall(body)
        time.sleep(0.02)
        connection.sendall(end + LIVE)
        assert read_answer(connection).json()["status"] == "live"
        connection.sendall(request(*head, framing))
        assert read_answer(connection).status == status
        connection.sendall(body + end + b"garbage\r\n\r\n")
        answer = read_answer(connection)
        assert rest_of(connection) == b""
    assert_fits("ErrorResponse", answer.json())
    assert audit_lines(answer.json()["requestId"])[0]["errorCode"] == "VALIDATION_ERROR"


def test_garbage_in_a_body_that_was_answered_is_not_answered_again(patient_url: str) -> None:
    """A refused body that goes on, and badly, ends the connection."""
    head = request("POST", "/api/token", JSON, "Transfer-Encoding: chunked")
    with connect(patient_url) as connection:
        connection.sendall(head + chunked(b" " * 20_000)[:-5])
        assert read_answer(connection).status == 413
        connection.sendall(b"zz\r\n")
        assert connection.recv(1) == b""


def test_a_connection_whose_body_came_late_is_kept(hasty_url: str) -> None:
    """The time that its rest may take does not run on."""
    with connect(hasty_url) as connection:
        connection.sendall(request("POST", "/nothing", "Content-Length: 2"))
        assert read_answer(connection).status == 404
        connection.sendall(b"{}")
        time.sleep(0.6)
        connection.sendall(LIVE)
        assert read_answer(connection).status == 200


def test_a_client_that_was_not_asked_for_its_body_may_send_it_or_not(patient_url: str) -> None:
    """Nobody can tell what it did, so that nothing after the refusal is read."""
    with connect(patient_url) as connection:
        connection.sendall(request("POST", "/nothing", "Content-Length: 9", "Expect: 100-continue"))
        answer = read_answer(connection)
        assert (answer.status, answer.headers["Connection"]) == (404, "close")
        connection.sendall(LIVE)
        assert rest_of(connection) == b""


@pytest.mark.parametrize("cut", [0, 10, len(VALID)])
def test_a_connection_is_kept_when_a_body_that_was_asked_for_has_come(patient_url: str, cut: int) -> None:
    """Whether the client waits to be told to go on, or not."""
    head = request("POST", "/api/token", JSON, "Expect: 100-continue", f"Content-Length: {len(VALID)}")
    with connect(patient_url) as connection:
        for _ in range(2):
            connection.sendall(head + VALID[:cut])
            if cut < len(VALID):
                assert connection.recv(64) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(VALID[cut:])
            answer = read_answer(connection)
            assert (answer.status, answer.headers["Connection"]) == (200, None)


@pytest.mark.parametrize("pause", [0, 0.02])
@pytest.mark.parametrize("body", [b"zz\r\n", chunked(*[b" " * 4096] * 17)], ids=["malformed", "too long"])
@pytest.mark.parametrize(
    ("head", "status"),
    [(("GET", "/api/health/live"), 200), (("POST", "/nothing"), 404), (("POST", "/api/token"), 415)],
)
def test_what_becomes_of_a_body_that_nobody_reads_changes_no_answer(
    patient_url: str, head: tuple[str, str], status: int, body: bytes, pause: float
) -> None:
    """An answer does not depend on how the network cuts its request."""
    with connect(patient_url) as connection:
        connection.sendall(request(*head, "Transfer-Encoding: chunked"))
        time.sleep(pause)
        connection.sendall(body)
        assert read_answer(connection).status == status
        assert rest_of(connection) == b""


@pytest.mark.parametrize("pause", [0, 0.02])
def test_a_chunked_body_that_is_too_long_is_told_the_limit_of_the_contract(
    patient_url: str, pause: float
) -> None:
    """Not that of its chunks, which would lead to the next refusal."""
    with connect(patient_url) as connection:
        connection.sendall(CHUNKED)
        time.sleep(pause)
        connection.sendall(chunked(*[b" " * 4096] * 100))
        assert "16384 bytes" in read_answer(connection).json()["message"]


# --- Heads


def test_a_trailer_does_not_end_the_connection(patient_url: str) -> None:
    """A header in a trailer is none: neither of this request nor of the next one."""
    trailers = b"0\r\nConnection: close\r\nX-Request-Id: trailer\r\nUpgrade: h2c\r\n\r\n"
    with connect(patient_url) as connection:
        connection.sendall(CHUNKED + chunked(VALID)[:-5] + trailers + LIVE + LIVE)
        answers = read_answers(connection, 3)
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert not [answer for answer in answers if answer.headers["X-Request-Id"] == "trailer"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_trailer_does_not_keep_the_connection_open(patient_url: str, version: str) -> None:
    """Whoever said that it is the last request waits for the end."""
    head = CHUNKED.replace(b"1.1", version.encode(), 1).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    with connect(patient_url) as connection:
        connection.sendall(head + chunked(VALID)[:-2] + b"Expect: 100-continue\r\n\r\n" + LIVE)
        answer = read_answer(connection)
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert rest_of(connection) == b""


def test_an_expectation_of_http_1_0_is_ignored(patient_url: str) -> None:
    """A client of 1.0 would take an interim answer for the answer."""
    head = b"POST /api/token HTTP/1.0\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    with connect(patient_url) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(VALID))
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(5)
        connection.sendall(VALID)
        assert read_answer(connection).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        request(
            "POST", "/api/token", JSON, "Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n", length=False
        ),
        request("POST", "/api/token", JSON, "Transfer-Encoding: gzip", body=VALID, length=False),
        b"GET /api/health/live HTTP/1.1\r\n\r\n",
        b"GET /api/health/live HTTP/2.0\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /" + b"a" * 70_000,
        b"GET / HTTP/1.1\r\n" + b"X-A: 1\r\n" * 10_000,
        b"GET / HTTP/1.1\r\n" + b"X:\r\n" * 201,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n",
    ],
    ids=[
        "gzip, chunked",
        "gzip",
        "no Host",
        "HTTP/2.0",
        "half a TLS greeting",
        "an endless line",
        "endless lines",
        "many lines",
        "SSH",
        "bare line feeds",
        "half a head with a bad line",
        "half a head with a bad length",
    ],
)
def test_nothing_is_read_after_what_cannot_be_read(patient_url: str, sent: bytes) -> None:
    """It is answered, with a line in the log, and the connection is closed."""
    with connect(patient_url) as connection:
        connection.sendall(sent)
        answer = read_answer(connection)
        assert (answer.status, answer.headers["Connection"]) == (400, "close")
        with contextlib.suppress(ConnectionError):
            connection.sendall(LIVE)
        assert rest_of(connection) == b""
    (line,) = audit_lines(answer.json()["requestId"])
    assert (line["status"], line["errorCode"]) == (400, "VALIDATION_ERROR")


def test_a_refusal_of_a_head_has_the_id_and_the_path_of_its_request(patient_url: str) -> None:
    """What could be read is in the log."""
    name = uuid4().hex
    sent = b"GET /api/health/live HTTP/1.1\r\nX-Request-Id: %b\r\n\r\n" % name.encode()
    assert send(patient_url, sent).headers["X-Request-Id"] == name
    (line,) = audit_lines(name)
    assert (line["method"], line["path"]) == ("GET", "/api/health/live")


# --- Ends


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (request("POST", "/api/token", JSON, "Content-Length: 60") + VALID[:10], "body"),
        (CHUNKED + chunked(VALID)[:-2], "body"),
        (b"GET /api/health/live HTTP/1.1\r\nHost: a\r\n", "request"),
        (b"GET", "request"),
    ],
)
def test_a_request_that_breaks_off_is_answered(patient_url: str, sent: bytes, field: str) -> None:
    """A client that sends no more may still read what was wrong."""
    with connect(patient_url) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = read_answer(connection)
        assert rest_of(connection) == b""
    assert answer.status == 400
    assert [fault["field"] for fault in answer.json()["validationErrors"]] == [field]


def test_a_pipeline_is_answered_to_its_end_though_nothing_more_is_sent(patient_url: str) -> None:
    """Whoever closes its side of the connection may still read all answers."""
    with connect(patient_url) as connection:
        connection.sendall((POST + LIVE) * 100)
        connection.shutdown(socket.SHUT_WR)
        content = rest_of(connection)
    assert content.count(b"HTTP/1.1 200 OK") == 200


def test_a_long_answer_reaches_a_client_that_sends_no_more(patient_url: str) -> None:
    """The answer need not fit into what the system takes at once."""
    with connect(patient_url) as connection:
        connection.sendall(request("GET", "/api/ui/swagger-ui-bundle.js"))
        connection.shutdown(socket.SHUT_WR)
        content = b"".join(iter(partial(connection.recv, 65536), b""))
    head, _, body = content.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head


def test_a_connection_that_sends_nothing_is_closed_with_its_client(patient_url: str) -> None:
    """A probe of a load balancer leaves nothing behind."""
    with connect(patient_url) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert rest_of(connection) == b""


@pytest.mark.parametrize(
    "sent",
    [POST, request("POST", "/api/token", JSON, "Content-Length: 60", "Expect: 100-continue")],
    ids=["answered", "half a request"],
)
def test_a_request_that_is_aborted_has_one_line(patient_url: str, sent: bytes) -> None:
    """The operator sees it, whether its answer was on the way or not."""
    for _ in range(10):
        name = uuid4().hex
        with connect(patient_url) as connection:
            reset_at_close(connection)
            connection.sendall(sent.replace(b"\r\n\r\n", b"\r\nX-Request-Id: %b\r\n\r\n" % name.encode()))
            # A request that the service has not seen would be lost in the reset.
            assert connection.recv(1)
        assert len(audit_lines(name)) == 1
