"""What a token request costs in process, beside what the token alone costs: `make bench`.

The request goes through the whole application, audit line included, without a network or a
server. Both are measured in turn, so that a machine whose speed drifts gives a usable ratio.
"""

import asyncio
import json
import logging.config
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from livekit.api import AccessToken, VideoGrants

from app import logs
from app.main import create_app
from app.settings import Settings
from tests.support.server import KEY, ORIGIN, SECRET, make_settings

ROUNDS, REQUESTS = 60, 50
BODY = json.dumps({"roomName": "support-4711", "participantIdentity": "alice"}).encode()
SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/api/token",
    "raw_path": b"/api/token",
    "query_string": b"",
    "root_path": "",
    "server": ("127.0.0.1", 7071),
    "client": ("127.0.0.1", 50_000),
    "headers": [
        (b"host", b"127.0.0.1:7071"),
        (b"origin", ORIGIN.encode()),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}


def requester(settings: Settings) -> Callable[[], Awaitable[None]]:
    """Make a function that sends one request through the application."""
    app = create_app(settings)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200, message

    async def request() -> None:
        await app({**SCOPE, "state": {}}, receive, send)

    return request


async def mint() -> None:
    """Have livekit-api make one token."""
    grants = VideoGrants(room_join=True, room="support-4711", can_publish_sources=["microphone"])
    token = AccessToken(KEY, SECRET).with_identity("alice").with_name("alice")
    token.with_ttl(timedelta(hours=1)).with_grants(grants).to_jwt()


async def microseconds(work: Callable[[], Awaitable[None]]) -> float:
    """Measure one of many."""
    started = time.perf_counter()
    for _ in range(REQUESTS):
        await work()
    return (time.perf_counter() - started) / REQUESTS * 1e6


async def compare() -> None:
    """Print medians of both, and the median of their ratio."""
    with open(os.devnull, "w", encoding="utf-8") as devnull:  # noqa: ASYNC230, PTH123  # before the work
        configuration = logs.configuration("INFO")
        configuration["handlers"]["json"]["stream"] = devnull
        logging.config.dictConfig(configuration)
        request = requester(make_settings(validate_responses=False))
        await microseconds(request)
        rounds = [(await microseconds(request), await microseconds(mint)) for _ in range(ROUNDS)]
    requests, mints = zip(*rounds, strict=True)
    for name, figures in (("a token request", requests), ("livekit-api alone", mints)):
        sys.stdout.write(
            f"{name:18} median {statistics.median(figures):4.0f} us, least {min(figures):4.0f} us\n"
        )
    ratio = statistics.median(request / mint for request, mint in rounds)
    sys.stdout.write(f"{'ratio':18} median {ratio:.2f}\n")


if __name__ == "__main__":
    asyncio.run(compare())
