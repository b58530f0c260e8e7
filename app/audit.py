"""The audit log: one line for every request, above all for every token issued or refused."""

import logging
import time
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.text import printable

logger = logging.getLogger(__name__)

_MAX_PATH = 256


class AuditLog:
    """ASGI middleware that writes a line when a request has been answered.

    Whoever learns something that the line should say puts it into `scope["state"]["audit"]`:
    `room`, `identity`, `expiresAt`, `errorCode`. Tokens, bodies and headers do not belong there.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the layers whose answers are to be logged."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and write its line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        facts: dict[str, Any] = {}
        # Connexion copies the scope; what its layers put into the state stays visible here.
        scope.setdefault("state", {})["audit"] = facts
        status: int | None = None

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            record(scope["method"], scope["path"], status, started, facts)


def record(method: str, path: str, status: int | None, started: float, facts: dict[str, Any]) -> None:
    """Write one audit line.

    Args:
        method: of the request.
        path: of the request, without its query.
        status: of the answer; None if there was none.
        started: when the request arrived, by `time.perf_counter()`.
        facts: what else is known, by the names of the log.
    """
    if status is None or status >= HTTPStatus.BAD_REQUEST:
        outcome = "refused"
    else:
        outcome = "issued" if "expiresAt" in facts else "answered"
    logger.info(
        "request",
        extra={
            "method": method,
            "path": printable(path, _MAX_PATH),
            "status": status,
            "outcome": outcome,
            "durationMs": round((time.perf_counter() - started) * 1000, 3),
            **facts,
        },
    )
