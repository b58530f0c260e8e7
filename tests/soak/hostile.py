"""Bytes that no honest client sends, each on a connection of its own."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from tests.support.raw_http import JSON, chunked, request

_HEAD = b"POST /api/token HTTP/1.1\r\nHost: localhost\r\n"
_PATIENCE_SECONDS = 0.5

BYTES = {
    "half a head": _HEAD + b"Content-Ty",
    "half a body": request("POST", "/api/token", JSON, "Content-Length: 100") + b'{"roomName"',
    "half a chunk": request("POST", "/api/token", JSON, "Transfer-Encoding: chunked") + b"10\r\n{",
    "nothing": b"",
    "garbage": bytes(range(256)) * 16,
    "the start of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    "a header of 64 KiB": _HEAD + b"a: " + b"b" * 65_536 + b"\r\n\r\n",
    "10,000 headers": _HEAD + b"a: b\r\n" * 10_000 + b"\r\n",
    "a body of 1 MB": request("POST", "/api/token", JSON, body=b"x" * 1_000_000),
    "chunks of 1 MB": request("POST", "/api/token", JSON, "Transfer-Encoding: chunked")
    + chunked(*[b"x" * 1000] * 1000),
    "two lengths": request("POST", "/api/token", JSON, "Content-Length: 5", "Content-Length: 6") + b"{}   ",
    "deep JSON": request("POST", "/api/token", JSON, body=b"[" * 10_000),
    "no JSON": request("POST", "/api/token", JSON, body=b"\xff\xfe\x00"),
}


async def send(url: str, content: bytes) -> int | None:
    """Send bytes, wait a moment for an answer, and go away; return its status, if there was one."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    line = b""
    with suppress(OSError):  # Among them TimeoutError: the service waits for the rest, as it should.
        writer.write(content)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            line = await reader.readline()
    # As a client that crashes: what it has not sent yet is not waited for.
    writer.transport.abort()
    return int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else None
