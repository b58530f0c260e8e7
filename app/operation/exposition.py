"""Metrics on a port of their own, where nothing else is served."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from socket import AI_PASSIVE, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, getaddrinfo, socket

logger = logging.getLogger(__name__)

PATH = "/metrics"
_METHODS = ("GET", "HEAD")
_PATIENCE_SECONDS = 10
_MOST_CONNECTIONS = 64
_MOST_HEAD_BYTES = 16_384
_END_OF_HEAD = b"\r\n\r\n"
_HEADERS = (
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Cache-Control: no-store\r\n"
    f"Allow: {', '.join(_METHODS)}\r\n"
    "Connection: close\r\n"
)

_Open = dict[asyncio.Transport, None]  # the oldest first


class PortTaken(Exception):
    """The port cannot be listened at; the message says why not."""


def check(host: str, port: int) -> None:
    """Find out whether a port can be listened at.

    Raises:
        PortTaken: it cannot.
    """
    _bound(host, port).close()


@contextmanager
def exposed(host: str, port: int, render: Callable[[], str]) -> Iterator[int]:
    """Answer `GET /metrics` with what `render` writes, in a thread, until the end; yield the port.

    Raises:
        PortTaken: the port cannot be listened at.
    """
    listener = _bound(host, port)
    end = asyncio.Event()
    # A loop of its own: the thread that supervises workers has none, and a busy one would not answer.
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()
    thread = threading.Thread(target=_run, args=(runner, listener, render, end), name="metrics", daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


def _bound(host: str, port: int) -> socket:
    try:
        family, kind, *_, address = getaddrinfo(host, port, type=SOCK_STREAM, flags=AI_PASSIVE)[0]
        listener = socket(family, kind)
        try:
            listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise PortTaken(error.strerror) from None
    return listener


def _run(runner: asyncio.Runner, listener: socket, render: Callable[[], str], end: asyncio.Event) -> None:
    with runner:
        runner.run(_serve(listener, render, end))


async def _serve(listener: socket, render: Callable[[], str], end: asyncio.Event) -> None:
    connections: _Open = {}
    factory = partial(_Connection, render, connections)
    server = await asyncio.get_running_loop().create_server(factory, sock=listener)
    await end.wait()
    server.close()
    for transport in list(connections):
        transport.abort()


class _Connection(asyncio.Protocol):
    """One request, and its answer: in one thread, however many there are."""

    def __init__(self, render: Callable[[], str], connections: _Open) -> None:
        self._render, self._connections = render, connections
        self._head = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, transport.abort)
        if len(self._connections) >= _MOST_CONNECTIONS:
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.abort()
        self._connections[transport] = None

    def connection_lost(self, _error: Exception | None) -> None:
        self._deadline.cancel()
        self._connections.pop(self._transport, None)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if _END_OF_HEAD in self._head:
            status, text = self._answer()
            self._send(status, text.encode())
        elif len(self._head) > _MOST_HEAD_BYTES:
            self._transport.abort()

    def _answer(self) -> tuple[HTTPStatus, str]:
        method, _, rest = self._head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        if method not in _METHODS:
            return HTTPStatus.METHOD_NOT_ALLOWED, ""
        if rest.partition(" ")[0].partition("?")[0] != PATH:
            return HTTPStatus.NOT_FOUND, ""
        try:
            return HTTPStatus.OK, self._render()
        except Exception:
            logger.exception("The metrics cannot be written.")
            return HTTPStatus.INTERNAL_SERVER_ERROR, ""

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        head = f"HTTP/1.1 {status} {status.phrase}\r\n{_HEADERS}Content-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + (b"" if self._head.startswith(b"HEAD ") else body))
        self._transport.close()
