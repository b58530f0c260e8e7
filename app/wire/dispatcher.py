"""The innermost layer: calls the handler that Connexion resolved, and sends what it answers."""

from typing import Any

import orjson
from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.wire.answers import MEDIA_TYPE, NO_HEADERS, send_json, send_text
from app.wire.contract import Contract, Operation


class _Call:
    """One operation, with its handler."""

    def __init__(self, function: Any, rule: Operation) -> None:
        self._function, self._success_status, self._has_body = (
            function,
            rule.success_status,
            rule.body is not None,
        )
        self._media_type = rule.media_type

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        state = scope["state"]
        arguments = (state["body"], state["audit"], state["caller"]) if self._has_body else ()
        answer = self._function(*arguments)
        if self._media_type != MEDIA_TYPE:
            await send_text(send, self._success_status, self._media_type, answer.encode())
            return
        body = orjson.dumps(answer)
        await send_json(send, self._success_status, body, state.get("headers", NO_HEADERS))


class _Calls(RoutedAPI[_Call]):  # type: ignore[misc]  # connexion ships no types
    def __init__(self, *args: Any, contract: Contract, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._contract = contract
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> _Call:
        return _Call(operation.function, self._contract.operations[operation.operation_id])


class Dispatcher(RoutedMiddleware[_Calls]):  # type: ignore[misc]
    """Connexion's middleware that answers each operation by its handler."""

    api_cls = _Calls


async def not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """ASGI application for what is not in the contract: the end of the way of a request.

    Raises:
        HTTPException: 404.
    """
    raise HTTPException(404)
