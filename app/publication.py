"""The contract, published as deployed."""

from typing import ClassVar

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.contract import Contract

_RANGES = {b"range", b"if-range"}


class PublishedContract:
    """ASGI middleware that serves the contract as JSON, below its own base path.

    Connexion would serve it with every reference replaced by a copy, eight times as long and
    without the names that code generators and reviewers go by.
    """

    PATH: ClassVar = "/openapi.json"

    def __init__(self, app: ASGIApp, contract: Contract) -> None:
        """Serve `contract`, and leave every other path to `app`."""
        self._app = app
        self._contract = contract

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the document, or pass the request on.

        Raises:
            HTTPException: 405, the method is neither GET nor HEAD.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        root = scope.get("root_path", "")
        if scope["path"] != f"{root}{self._contract.base_path}{self.PATH}":
            # Starlette's static files, which are the UI, would refuse a range in plain text.
            scope["headers"] = [header for header in scope["headers"] if header[0] not in _RANGES]
            await self._app(scope, receive, send)
            return
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        document = self._contract.document
        (server,) = document["servers"]
        deployed = {**document, "servers": [{**server, "url": f"{root}{server['url']}"}]}
        await JSONResponse(deployed)(scope, receive, send)
