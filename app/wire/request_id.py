"""The request id: joins an answer to the log."""

import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.operation import logs
from app.wire.contract import Contract

HEADER = "X-Request-Id"
_NAME = HEADER.lower().encode()


class RequestId:
    """ASGI middleware that takes the caller's id or makes one, sends it back, and hands it to the log."""

    def __init__(self, app: ASGIApp, contract: Contract) -> None:
        """Take the ids that `contract` allows."""
        self._app = app
        self._contract = contract

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its id in the context."""
        request_id = ""
        for name, value in scope["headers"]:
            if name == _NAME:
                request_id = value.decode("latin-1")
                break
        if not self._contract.is_request_id(request_id):
            request_id = new_id()
        logs.request_id.set(request_id)
        header = (_NAME, request_id.encode())

        async def identify(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append(header)
            await send(message)

        await self._app(scope, receive, identify)


def new_id() -> str:
    """Make an id that no other request has: 32 hexadecimal digits."""
    return secrets.token_hex(16)
