"""Routing, asked once for each operation: what is remembered, and what is not."""

from typing import Any

import pytest
from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.resolver import Resolver
from connexion.spec import Specification
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.wire.routing import Routing

OPERATION = {"responses": {"200": {"description": "Fine."}}}
NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Rooms", "version": "1"},
    "paths": {
        "/rooms": {
            "get": {"operationId": "listRooms", **OPERATION},
            "post": {"operationId": "openRoom", **OPERATION},
        },
        "/rooms/{name}": {"get": {"operationId": "showRoom", "parameters": [NAME], **OPERATION}},
    },
}


class Asked:
    """A router, and how often Connexion was asked for the way."""

    def __init__(self) -> None:
        """Route by `DOCUMENT`, below `/api`."""
        self.times = 0
        self._led_to: Any = None
        self._routing = Routing(self._arrive)
        specification = Specification.load(DOCUMENT)
        self._routing.add_api(specification, base_path="/api", resolver=Resolver(lambda _: object))
        self._connexion, self._routing.router = self._routing.router, self._ask

    async def __call__(self, method: str, path: str, root_path: str = "") -> Any:
        """Find the operation of a request, and the parameters of its path."""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "root_path": root_path,
            "headers": [],
            "app": self,
        }
        await self._routing(scope, _unused, _unused)
        return self._led_to

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.times += 1
        await self._connexion(scope, receive, send)

    async def _arrive(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        self._led_to = scope["extensions"][ROUTING_CONTEXT]["operation_id"], scope["path_params"]


async def _unused(*_message: Any) -> Any:
    raise AssertionError("routing neither reads nor answers")


async def test_the_way_to_an_operation_is_asked_for_once() -> None:
    """The second time the same operation is found without asking, each method's own."""
    asked = Asked()
    for _ in range(3):
        assert await asked("GET", "/api/rooms") == ("listRooms", {})
        assert await asked("POST", "/api/rooms") == ("openRoom", {})
    assert asked.times == 2


async def test_a_method_that_is_not_allowed_stays_so() -> None:
    """What is known of a path by one method says nothing of another one."""
    asked = Asked()
    await asked("GET", "/api/rooms")
    for _ in range(2):
        with pytest.raises(HTTPException, match="405"):
            await asked("DELETE", "/api/rooms")


async def test_a_path_with_parameters_is_asked_for_each_time() -> None:
    """Each room is shown by its own name."""
    asked = Asked()
    for name in ("a", "b", "a"):
        assert await asked("GET", f"/api/rooms/{name}") == ("showRoom", {"name": name})
    assert asked.times == 3


async def test_a_path_that_leads_nowhere_is_not_remembered() -> None:
    """Callers can make up as many paths as they like: the memory does not grow by them."""
    asked = Asked()
    for _ in range(3):
        assert await asked("GET", "/api/nothing") == (None, {})
    assert asked.times == 3


async def test_a_path_is_known_by_its_prefix_as_well() -> None:
    """A path that was found behind a prefix is not taken for one without."""
    asked = Asked()
    assert await asked("GET", "/voice/api/rooms", "/voice") == ("listRooms", {})
    assert await asked("GET", "/voice/api/rooms") == (None, {})
