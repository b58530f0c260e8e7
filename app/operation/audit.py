"""The audit log: one line for every request, above all for every token issued or refused."""

import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.operation.log_writer import Receipt
from app.operation.text import printable

# Operators filter by the name: it stays, wherever the module goes.
logger = logging.getLogger("app.audit")

_MAX_PATH, _MAX_CLIENT = 256, 64

Observe = Callable[[Mapping[str, Any], int | None, float], None]
"""Is told of each request: its state, the status of its answer, if there was one, and the seconds it took."""


class AuditLog:
    """ASGI middleware that writes a line when a request has been answered, if nobody has written it before.

    Whoever learns something that the line should say puts it into `scope["state"]["audit"]`:
    `room`, `identity`, `expiresAt`, `errorCode`. Tokens, bodies and headers do not belong there.
    """

    def __init__(self, app: ASGIApp, observe: Observe | None = None) -> None:
        """Wrap the layers whose answers are to be logged, and tell `observe` of them as well."""
        self._app, self._observe = app, observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and write its line."""
        state = scope.setdefault("state", {})
        # The protocol knows it better: where there are many requests, one waits before it gets here.
        started = state.setdefault("started", time.perf_counter())
        client = scope.get("client")
        facts: dict[str, Any] = {
            "method": scope["method"],
            "path": printable(scope["path"], _MAX_PATH),
            # A proxy that is believed may hand on what its caller made up.
            "client": client and printable(client[0], _MAX_CLIENT),
        }
        # Connexion copies the scope; what its layers put into the state stays visible here.
        state["audit"] = facts
        status: int | None = None

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start" and status is None:
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            if "outcome" not in facts:
                record(facts, status, started)
            if self._observe:
                self._observe(state, status, time.perf_counter() - started)


def record(facts: dict[str, Any], status: int | None, started: float, receipt: Receipt | None = None) -> None:
    """Write one audit line.

    Args:
        facts: what is known of the request, by the names of the log; the next three are added.
        status: of the answer; None if there was none.
        started: when the request arrived, by `time.perf_counter()`.
        receipt: is told what became of the line.
    """
    if status is None or status >= HTTPStatus.BAD_REQUEST:
        outcome = "refused"
    else:
        outcome = "issued" if "expiresAt" in facts else "answered"
    facts["status"] = status
    facts["outcome"] = outcome
    facts["durationMs"] = round((time.perf_counter() - started) * 1000, 3)
    # Not logger.info: the audit log has no level at which it is silent, nor a place in the code to name.
    line = logging.LogRecord(logger.name, logging.INFO, __file__, 0, "request", None, None)
    line.facts = facts
    line.receipt = receipt
    logger.handle(line)
