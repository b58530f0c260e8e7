"""A server that answers as a test says, on a real socket: late, by half, or not at all."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.client import parse_headers
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, NamedTuple, Self

from tests.support.contract import document

Deed = Callable[[socket.socket, threading.Event], None]
"""What is done with the connection of a request, until an event has it end."""


class Received(NamedTuple):
    """A request."""

    line: str
    headers: Mapping[str, str]
    body: bytes


class ScriptedServer:
    """Does one deed for each request, each on a connection of its own; the last one again and again.

    Attributes:
        url: where the paths of the contract begin.
        deeds: what is still to be done.
        received: the requests that came.
    """

    def __init__(self) -> None:
        """Listen; serve nothing yet."""
        self.deeds: list[Deed] = []
        self.received: list[Received] = []
        self._ends = threading.Event()
        script = self

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                if line := self.rfile.readline():
                    headers = parse_headers(self.rfile)
                    body = self.rfile.read(int(headers["Content-Length"] or 0))
                    script.received.append(Received(line.decode().strip(), dict(headers), body))
                    deed = script.deeds.pop(0) if len(script.deeds) > 1 else script.deeds[0]
                    deed(self.connection, script._ends)

        class Server(ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, *_request: object) -> None:
                """Keep quiet of who goes away."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop, and let go of who waits."""
        self._ends.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def raw(status: int, content: bytes = b"", **headers: str) -> bytes:
    """Write an answer; `_` stands for `-` in the name of a header."""
    fields = {"Content_Length": str(len(content)), "Connection": "close", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Whatever", *lines, "", ""]).encode() + content


def says(status: int, body: Any = b"", **headers: str) -> Deed:
    """Answer with bytes, or with anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return sends(raw(status, content, **headers))


def sends(content: bytes) -> Deed:
    """Send bytes as they are, and close the connection."""
    return lambda connection, _ends: connection.sendall(content)


def resets(connection: socket.socket, _ends: threading.Event) -> None:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hangs(_connection: socket.socket, ends: threading.Event) -> None:
    """Never answer."""
    ends.wait(30)


def trickles(content: bytes, head: bytes = b"") -> Deed:
    """Send a byte each 20 ms, what comes first at once."""

    def deed(connection: socket.socket, ends: threading.Event) -> None:
        connection.sendall(head)
        for n in range(len(content)):
            connection.sendall(content[n : n + 1])
            if ends.wait(0.02):
                return

    return deed


def example(response: str, name: str) -> Any:
    """Find an example of an answer in the contract."""
    content = document()["components"]["responses"][response]["content"]["application/json"]
    return content["examples"][name]["value"]


def error(code: str, status: int) -> Any:
    """Write an answer that says what went wrong."""
    return {
        "statusCode": status,
        "errorCode": code,
        "message": "It went wrong.",
        "timestamp": "2026-11-23T13:00:00Z",
        "requestId": "0f2d",
    }
