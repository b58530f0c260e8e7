"""An answer that no cache keeps, nearly always in JSON."""

from collections.abc import Mapping
from types import MappingProxyType

from starlette.types import Send

MEDIA_TYPE = "application/json"
_CONTENT_TYPE = (b"content-type", MEDIA_TYPE.encode())
_NO_STORE = (b"cache-control", b"no-store")
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


async def send_json(send: Send, status: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> None:
    """Send an answer, with further `headers`."""
    await _send(send, status, _CONTENT_TYPE, body, headers)


async def send_text(send: Send, status: int, media_type: str, body: bytes) -> None:
    """Send an answer in UTF-8 that is not JSON."""
    await _send(send, status, (b"content-type", f"{media_type}; charset=utf-8".encode()), body, NO_HEADERS)


async def _send(
    send: Send, status: int, content_type: tuple[bytes, bytes], body: bytes, headers: Mapping[str, str]
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                content_type,
                _NO_STORE,
                (b"content-length", b"%d" % len(body)),
                *((name.lower().encode(), value.encode()) for name, value in headers.items()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
