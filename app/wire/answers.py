"""An answer in JSON that no cache keeps."""

from collections.abc import Mapping
from types import MappingProxyType

from starlette.types import Send

MEDIA_TYPE = "application/json"
_CONTENT_TYPE = (b"content-type", MEDIA_TYPE.encode())
_NO_STORE = (b"cache-control", b"no-store")
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


async def send_json(send: Send, status: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> None:
    """Send an answer, with further `headers`."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                _CONTENT_TYPE,
                _NO_STORE,
                (b"content-length", b"%d" % len(body)),
                *((name.lower().encode(), value.encode()) for name, value in headers.items()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
