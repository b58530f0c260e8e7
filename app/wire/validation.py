"""Validation of requests: the query, then the body, by rules that are compiled once."""

from typing import Any

from connexion.middleware.request_validation import (
    RequestValidationAPI,
    RequestValidationMiddleware,
    RequestValidationOperation,
)
from connexion.operations import AbstractOperation
from starlette.types import ASGIApp, Receive, Scope, Send

from app.callers.caller import ANYBODY
from app.wire.contract import BodyRule, Contract
from app.wire.participants import fitting
from app.wire.query import QueryValidator
from app.wire.request_body import BodyReader


class _Operation(RequestValidationOperation):  # type: ignore[misc]  # connexion ships no types
    """Connexion's validation of one operation, but that the validators are not made for each request."""

    def __init__(
        self,
        next_app: ASGIApp,
        *,
        operation: AbstractOperation,
        rule: BodyRule | None,
        timeout_seconds: float,
    ) -> None:
        super().__init__(next_app, operation=operation, strict_validation=True)
        self._query = QueryValidator(
            operation.parameters,
            uri_parser=operation.uri_parser_class(operation.parameters, operation.body_definition()),
            strict_validation=self.strict_validation,
            security_query_params=self.security_query_params,
        )
        self._body = None if rule is None else BodyReader(rule, timeout_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._query.validate(scope)
        if self._body is not None:
            state = scope["state"]
            state["caller"] = fitting(state.get("caller", ANYBODY), self._body.rule)
            state["body"] = await self._body.read(receive, scope)
        await self.next_app(scope, receive, send)


class _Operations(RequestValidationAPI):  # type: ignore[misc]
    def __init__(self, *args: Any, contract: Contract, body_timeout_seconds: float, **kwargs: Any) -> None:
        self._contract, self._timeout_seconds = contract, body_timeout_seconds
        super().__init__(*args, **kwargs)

    def make_operation(self, operation: AbstractOperation) -> _Operation:
        rule = self._contract.operations[operation.operation_id].body
        return _Operation(
            self.next_app, operation=operation, rule=rule, timeout_seconds=self._timeout_seconds
        )


class RequestValidation(RequestValidationMiddleware):  # type: ignore[misc]
    """Connexion's middleware that checks requests; the value of a body is left in the scope's state."""

    api_cls = _Operations
