"""The innermost application: calls the handler that Connexion resolved, and sends what it answers."""

import orjson
from connexion.context import operation
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.contract import MEDIA_TYPE, Contract


class Dispatcher:
    """ASGI application behind Connexion's middleware, which has routed and validated the request."""

    def __init__(self, contract: Contract) -> None:
        """Answer with the success status that `contract` gives each operation."""
        self._contract = contract

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            HTTPException: 404, the path is not in the contract.
        """
        operation_id = scope["extensions"]["connexion_routing"]["operation_id"]
        # Connexion hands on what it has no route for.
        if operation_id is None:
            raise HTTPException(404)
        rule = self._contract.operations[operation_id]
        state = scope["state"]
        arguments = () if rule.body is None else (state["body"], state["audit"])
        response = Response(
            orjson.dumps(operation.function(*arguments)),
            rule.success_status,
            {"Cache-Control": "no-store"},
            MEDIA_TYPE,
        )
        await response(scope, receive, send)
