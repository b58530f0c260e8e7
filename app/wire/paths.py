"""Exact paths: one resource, one spelling."""

from collections.abc import Collection

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

_MAX_LENGTH = 256  # Static files look into every folder of a path.


class ExactPaths:
    """ASGI middleware that answers 404 where Starlette would redirect, or see through a spelling.

    Starlette redirects a path to the one with or without a slash at its end, with an empty 307,
    servers decode `%2F` before it looks, and its static files resolve dot segments and doubled slashes.
    """

    def __init__(self, app: ASGIApp, base_path: str, with_slash: Collection[str]) -> None:
        """Let through paths below `base_path`, and of those with a slash at the end `with_slash` only."""
        self._app = app
        self._base_path = base_path
        self._with_slash = with_slash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on.

        Raises:
            HTTPException: 404, the path is not spelt as the contract spells it.
        """
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if (
            len(path) > _MAX_LENGTH
            or path == self._base_path
            or "/." in path
            or "//" in path
            or (path.endswith("/") and path not in self._with_slash)
            or b"%2f" in scope.get("raw_path", b"").lower()
        ):
            raise HTTPException(404)
        await self._app(scope, receive, send)
