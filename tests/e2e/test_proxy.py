"""What only a reverse proxy can defend, by a real nginx with the configuration that operators are given."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socket import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.conftest import give_up
from tests.e2e.nginx import HEAD_SECONDS, PREFIX, Nginx, NginxUnavailable, run_nginx
from tests.support import raw_http, run_log
from tests.support.contract import assert_fits
from tests.support.process import Service, free_port, running
from tests.support.raw_http import JSON, connect, read_answer, request
from tests.support.server import KEY, SECRET

VALID = b'{"roomName": "room-1", "participantIdentity": "alice"}'
TOKEN = request("POST", f"{PREFIX}/api/token", JSON, body=VALID)
HALF = request("POST", f"{PREFIX}/api/token", JSON, "Content-Length: 99") + b"{"
LIVE = request("GET", f"{PREFIX}/api/health/live")

# As in nginx's configuration, for each address.
AT_ONCE, BURST = 32, 200
# The whole of 127.0.0.0/8 is this machine: each test has addresses of its own.
OTHER = "127.0.0.9"


@contextmanager
def proxied(*ports: int) -> Iterator[Nginx]:
    """Run nginx before services, and have its log searched for secrets as well."""
    with ExitStack() as stack:
        try:
            nginx = stack.enter_context(run_nginx(*ports))
        except NginxUnavailable as unavailable:
            give_up(str(unavailable))
        yield nginx
    run_log.add(nginx.log)


def port_of(service: Service) -> int:
    """Tell where a service listens."""
    port = urlsplit(service.url).port
    assert port
    return port


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """The service, which is patient: what is cut off here is so by nginx."""
    patience = {"HEAD_TIMEOUT_SECONDS": "300", "BODY_TIMEOUT_SECONDS": "300"}
    with running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, ROOT_PATH=PREFIX, **patience) as service:
        yield service


@pytest.fixture(scope="module")
def nginx(service: Service) -> Iterator[Nginx]:
    """The nginx before it."""
    with proxied(port_of(service)) as nginx:
        yield nginx


def status_for(nginx: Nginx, address: str) -> int:
    """Ask for a token from an address of this machine."""
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address)) as client:
        headers = {"Content-Type": "application/json"}
        return client.post(f"{nginx.url}{PREFIX}/api/token", content=VALID, headers=headers).status_code


def test_too_many_connections_of_one_address_are_refused(nginx: Nginx, service: Service) -> None:
    """In the contract's form, by nginx alone; others get their tokens, and later that address as well."""
    crowd = [connect(nginx.url, "127.0.0.2") for _ in range(AT_ONCE)]
    for connection in crowd:
        connection.sendall(HALF)
    with connect(nginx.url, "127.0.0.2") as late:
        deadline = time.monotonic() + 5
        # nginx reads one connection after the other, and this one may come before some of those.
        while (answer := ask(late, LIVE)).status == 200:
            assert time.monotonic() < deadline, "it is not refused"
            time.sleep(0.1)  # Else it would be refused for too many requests.
    assert (answer.status, answer.json()["errorCode"]) == (429, "RATE_LIMITED")
    assert_fits("ErrorResponse", answer.json())
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["requestId"] == answer.headers["X-Request-Id"]
    assert answer.json()["requestId"] not in service.logged()
    assert status_for(nginx, OTHER) == 200
    for connection in crowd:
        connection.close()
    while status_for(nginx, "127.0.0.2") != 200:
        assert time.monotonic() < deadline, "it is never let in again"
        time.sleep(0.05)


def ask(connection: socket, sent: bytes) -> raw_http.Answer:
    """Ask on a connection that stays open."""
    connection.sendall(sent)
    return read_answer(connection, sent.split(b" ", 1)[0].decode())


def test_too_many_requests_of_one_address_are_refused(nginx: Nginx) -> None:
    """A burst gets through, what is far beyond it does not; others get their tokens."""
    count = BURST * 3
    with connect(nginx.url, "127.0.0.3") as connection:
        connection.sendall(LIVE * count)
        answers = raw_http.read_answers(connection, count)
    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() == {200, 429}
    assert statuses[200] >= BURST
    refused = next(answer for answer in answers if answer.status == 429)
    assert_fits("ErrorResponse", refused.json())
    assert (refused.json()["errorCode"], refused.headers["Retry-After"]) == ("RATE_LIMITED", "1")
    assert status_for(nginx, OTHER) == 200


@pytest.mark.parametrize("sent", [b"", LIVE[:-2]], ids=["nothing", "a head that never ends"])
def test_a_head_that_trickles_in_ends_at_the_proxy(nginx: Nginx, service: Service, sent: bytes) -> None:
    """However often another byte comes: the connection is closed, and the service has not seen it."""
    before = service.logged()
    with connect(nginx.url) as connection:
        connection.sendall(sent)
        connection.settimeout(0.1)
        deadline = time.monotonic() + 10 * HEAD_SECONDS
        while (received := received_of(connection)) is None:
            assert time.monotonic() < deadline, "it stays open"
            if sent:
                connection.sendall(b"X")
    assert received == b""
    assert service.logged() == before


def received_of(connection: socket) -> bytes | None:
    """Read what has come; None if that is nothing yet, and nothing at all where the connection is closed."""
    try:
        return connection.recv(1024)
    except TimeoutError:
        return None
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "path",
    [
        "/voice/api/metrics",
        "/voice/api/metrics?x=1",
        "/voice/api/%6Detrics",
        "/voice/api%2Fmetrics",
        "/voice//api/metrics",
        "/voice/x/../api/metrics",
        "http://localhost/voice/api/metrics",
    ],
)
def test_metrics_are_kept_from_those_who_come_through_the_proxy(
    nginx: Nginx, service: Service, path: str
) -> None:
    """However they spell it they get the 404 of any other path; the service itself still tells."""
    for method in ("GET", "HEAD", "POST"):
        answer = raw_http.send(nginx.url, request(method, path))
        assert answer.status == 404
        assert b"livekit_token_api" not in answer.content
    assert_fits("ErrorResponse", answer.json())
    assert answer.json()["errorCode"] == "NOT_FOUND"
    assert "livekit_token_api_requests_total" in httpx.get(f"{service.url}/metrics").text


def test_another_instance_is_asked_where_one_is_gone(service: Service) -> None:
    """A request that could not be sent is not lost: there is no 502."""
    with proxied(free_port(), port_of(service)) as nginx:
        assert [raw_http.send(nginx.url, TOKEN).status for _ in range(10)] == [200] * 10
