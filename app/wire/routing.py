"""Routing by Connexion, asked once for each operation."""

from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.middleware.routing import RoutingMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class Routing(RoutingMiddleware):  # type: ignore[misc]  # connexion ships no types
    """Connexion's router, which remembers where it led: a path without parameters leads there every time.

    The memory is as large as the contract: only what has an operation is remembered.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Route to `app`."""
        super().__init__(self._remember)
        self._routed = app
        self._known: dict[tuple[str, str, str], dict[str, str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its operation in the scope."""
        known = self._known.get(_key(scope))
        if known is None:
            await super().__call__(scope, receive, send)
        else:
            scope["path_params"] = {}
            _tell(scope, known)
            scope.setdefault("extensions", {})[ROUTING_CONTEXT] = known
            await self._routed(scope, receive, send)

    async def _remember(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = scope["extensions"][ROUTING_CONTEXT]
        _tell(scope, found)
        if found["operation_id"] is not None and not scope["path_params"]:
            self._known[_key(scope)] = found
        await self._routed(scope, receive, send)


def _tell(scope: Scope, found: dict[str, str]) -> None:
    # For whoever counts requests: what a caller wrote into the path is not what it is known by.
    scope.setdefault("state", {})["operation"] = found["operation_id"]


def _key(scope: Scope) -> tuple[str, str, str]:
    return scope["method"], scope.get("root_path", ""), scope["path"]
