"""Metrics on a port of their own, where nothing else is served."""

import logging
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socket import AI_PASSIVE, SOCK_STREAM, getaddrinfo

logger = logging.getLogger(__name__)

PATH = "/metrics"
_CONTENT_TYPE = "text/plain; charset=utf-8"
_PATIENCE_SECONDS = 10
_POLL_SECONDS = 0.1


class PortTaken(Exception):
    """The port cannot be listened at; the message says why not."""


def check(host: str, port: int) -> None:
    """Find out whether a port can be listened at.

    Raises:
        PortTaken: it cannot.
    """
    _bound(host, port, str).server_close()


@contextmanager
def exposed(host: str, port: int, render: Callable[[], str]) -> Iterator[int]:
    """Answer `GET /metrics` with what `render` writes, in a thread, until the end; yield the port.

    Raises:
        PortTaken: the port cannot be listened at.
    """
    server = _bound(host, port, render)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bound(host: str, port: int, render: Callable[[], str]) -> "_Server":
    try:
        return _Server(host, port, partial(_Request, render))
    except OSError as error:
        raise PortTaken(error.strerror) from None


class _Server(socketserver.ThreadingTCPServer):
    """Not `http.server`'s own, which would ask the name service who it is."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self.address_family, *_, address = getaddrinfo(host, port, type=SOCK_STREAM, flags=AI_PASSIVE)[0]
        super().__init__(address, handler)  # type: ignore[arg-type]

    def handle_error(self, _request: object, _client: object) -> None:
        """Keep to the log's own form; the library would write a traceback on standard error."""
        error = sys.exception()
        if not isinstance(error, OSError):  # That is a client who left.
            logger.error("The metrics cannot be written.", exc_info=error)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE_SECONDS

    def __init__(self, render: Callable[[], str], *args: object) -> None:
        self._render = render
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer a scrape."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer as GET does, without the body."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        is_known = self.path.partition("?")[0] == PATH
        body = self._render().encode() if is_known else b""
        self.send_response_only(HTTPStatus.OK if is_known else HTTPStatus.NOT_FOUND)
        for name, value in (
            ("Content-Type", _CONTENT_TYPE),
            ("Cache-Control", "no-store"),
            ("Content-Length", str(len(body))),
            # A connection would keep its thread.
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def version_string(self) -> str:
        """Tell nobody which Python this is."""
        return "livekit-token-api"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Keep quiet: scrapes are no news."""
