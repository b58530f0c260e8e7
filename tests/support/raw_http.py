"""Requests byte by byte over a socket, for what an HTTP client would not send."""

import json
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse, parse_headers
from io import BufferedReader
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from tests.support import run_log

JSON = "Content-Type: application/json"
AUTHORIZATION = f"Authorization: {run_log.AUTHORIZATION}".encode()
_DEADLINE_SECONDS = 10


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    content: bytes

    def json(self) -> Any:
        """Parse the content."""
        return json.loads(self.content)


def connect(url: str, address: str | None = None) -> socket.socket:
    """Open a connection to the server of a URL, from an address of this machine; each send is a packet."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    source = None if address is None else (address, 0)
    server = (parts.hostname, parts.port)
    connection = socket.create_connection(server, timeout=_DEADLINE_SECONDS, source_address=source)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def reset_at_close(connection: socket.socket) -> None:
    """Have the connection reset when it is closed, as by a client that crashes."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_answer(connection: socket.socket, method: str = "POST") -> Answer:
    """Read one answer; to a HEAD request it has no content, whatever its headers say."""
    response = HTTPResponse(connection, method=method)
    response.begin()
    return Answer(response.status, response.headers, response.read())


def read_answers(connection: socket.socket, count: int) -> list[Answer]:
    """Read answers that may come at once; each has its Content-Length."""
    with connection.makefile("rb") as file:
        return list(islice(answers_from(file), count))


def answers_from(file: BufferedReader) -> Iterator[Answer]:
    """Read answers, each of which has its Content-Length, from one file over a connection."""
    while True:
        status = int(file.readline().split()[1])
        headers = parse_headers(file)
        yield Answer(status, headers, file.read(int(headers["Content-Length"])))


def send(url: str, request: bytes) -> Answer:
    """Send bytes on a connection of their own, and read the first answer."""
    with connect(url) as connection:
        connection.sendall(request)
        return read_answer(connection, request.split(b" ", 1)[0].decode("latin-1"))


def request(
    method: str, target: str | bytes, *headers: str | bytes, body: bytes = b"", length: bool = True
) -> bytes:
    """Write a request.

    Args:
        method: of the request line.
        target: of the request line.
        headers: each a whole line, `Name: value`.
        body: what follows the headers, as it is.
        length: whether to announce the length of a body that is not empty.
    """
    lines = [
        f"{method} ".encode() + _bytes(target) + b" HTTP/1.1",
        b"Host: localhost",
        AUTHORIZATION,
        *map(_bytes, headers),
    ]
    if body and length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def chunked(*chunks: bytes) -> bytes:
    """Encode a body for `Transfer-Encoding: chunked`."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
