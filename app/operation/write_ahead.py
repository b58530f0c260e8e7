"""No token leaves before its audit line is written: for who must not issue what it cannot record."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.operation import audit
from app.operation.log_writer import LogWriter, Receipt

_PATIENCE_SECONDS = 1.0


class AuditUnavailable(Exception):
    """A token was not issued, because its audit line cannot be written."""


class WriteAhead:
    """ASGI middleware that holds an answer with a token back until the line of the request is written.

    It raises AuditUnavailable instead of the answer if that takes more than a second, or if the log is known
    to be unwritable: then before the token is signed.
    """

    def __init__(self, app: ASGIApp, log: LogWriter | None) -> None:
        """Hold back what `app` answers; without a writer, whatever else logs is taken at its word."""
        self._app, self._log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and record an answer with a token before it is sent."""
        state = scope["state"]
        facts = state["audit"]
        # What has a body asks for a token.
        if state.get("body") is not None and self._log and not self._log.is_writable:
            raise AuditUnavailable
        before = dict(facts)

        async def hold_back(message: Message) -> None:
            is_token = message["type"] == "http.response.start" and "expiresAt" in facts
            if is_token and not await self._is_written(scope, message["status"]):
                # The line of the refusal does not speak of a token.
                facts.clear()
                facts.update(before)
                raise AuditUnavailable
            await send(message)

        await self._app(scope, receive, hold_back)

    async def _is_written(self, scope: Scope, status: int) -> bool:
        loop = asyncio.get_running_loop()
        written: asyncio.Future[bool] = loop.create_future()

        def settle(is_written: bool) -> None:  # noqa: FBT001  # the one argument that it has
            with suppress(RuntimeError):  # The loop may have ended.
                loop.call_soon_threadsafe(_set, written, is_written)

        receipt = Receipt(settle) if self._log else None
        audit.record(scope["state"]["audit"], status, scope["state"]["started"], receipt)
        if receipt is None:
            return True
        try:
            return await asyncio.wait_for(written, _PATIENCE_SECONDS)
        except TimeoutError:
            return False
        finally:
            receipt.withdraw()


def _set(future: "asyncio.Future[bool]", value: bool) -> None:  # noqa: FBT001  # that of the future
    if not future.done():
        future.set_result(value)
