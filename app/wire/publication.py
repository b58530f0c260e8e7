"""The contract, published as deployed: the document and the Swagger UI."""

from typing import ClassVar

from connexion.middleware.swagger_ui import SwaggerUIMiddleware
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.wire.contract import Contract

_RANGES = {b"range", b"if-range"}
_TEMPLATE = ".j2"  # of the UI's page, which Connexion would serve as it is


class PublishedContract(SwaggerUIMiddleware):  # type: ignore[misc]  # connexion ships no types
    """Connexion's Swagger UI, asked for its own paths only, and the contract as JSON.

    Connexion would serve it with every reference replaced by a copy, eight times as long and
    without the names that code generators and reviewers go by.
    """

    DOCUMENT: ClassVar = "/openapi.json"
    UI: ClassVar = "/ui"

    def __init__(self, app: ASGIApp, contract: Contract) -> None:
        """Serve `contract`, and leave every other path to `app`."""
        super().__init__(app)
        self._document = contract.document
        self._ui_path = contract.base_path + self.UI
        self._document_path = contract.base_path + self.DOCUMENT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the document or the UI, or pass the request on.

        Raises:
            HTTPException: 405, the method is neither GET nor HEAD; 404, a file of the UI is not for callers.
        """
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root)
        if path == self._document_path:
            if scope["method"] not in {"GET", "HEAD"}:
                raise HTTPException(405, headers={"Allow": "GET, HEAD"})
            (server,) = self._document["servers"]
            deployed = {**server, "url": f"{root}{server['url']}"}
            await JSONResponse({**self._document, "servers": [deployed]})(scope, receive, send)
        elif path == self._ui_path or path.startswith(f"{self._ui_path}/"):
            if path.endswith(_TEMPLATE):
                raise HTTPException(404)
            # Starlette's static files would refuse a range in plain text.
            scope["headers"] = [header for header in scope["headers"] if header[0] not in _RANGES]
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)
