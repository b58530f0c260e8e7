"""More requests at once than can be answered in time are refused at once: a layer before any work is done."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.operation.load import Load
from app.wire.contract import Contract


class Overloaded(Exception):
    """The process has too many requests at once."""


class Shedding:
    """ASGI middleware that refuses requests beyond a number, except those that are always answered."""

    def __init__(self, app: ASGIApp, contract: Contract, load: Load, limit: int) -> None:
        """Pass on at most `limit` requests at once, and what `contract` says is always answered."""
        self._app, self._load, self._limit = app, load, limit
        self._exempt = contract.always_answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on.

        Raises:
            Overloaded: there are too many.
        """
        # In the order in which they came: so those who came first are not late because of the others.
        state = scope["state"]
        self._check(scope, state.get("at_work", self._load.at_work))
        if "at_work" in state:
            await self._app(scope, receive, send)
            return

        async def receive_and_check() -> Message:
            # Many bodies may come at once, whose heads came one after the other.
            message = await receive()
            self._check(scope, state.get("at_work", 0))
            return message

        await self._app(scope, receive_and_check, send)

    def _check(self, scope: Scope, at_work: int) -> None:
        if at_work > self._limit:
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if path not in self._exempt:
                raise Overloaded
