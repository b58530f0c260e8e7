"""Too many requests at once are refused, in the order in which they came."""

from contextlib import nullcontext
from typing import Any

import pytest

from app.operation.load import Load
from app.wire.contract import Contract
from app.wire.shedding import Overloaded, Shedding

LIMIT = 2


async def passes(scope: dict[str, Any], load: Load | None = None) -> bool:
    """Tell whether a request gets beyond the layer."""
    passed = []

    async def app(*_arguments: object) -> None:
        passed.append(True)

    layer = Shedding(app, Contract.load(), load or Load(), LIMIT)
    try:
        await layer({"path": "/api/token", **scope}, None, None)  # type: ignore[arg-type]
    except Overloaded:
        assert not passed
    return bool(passed)


@pytest.mark.parametrize(("at_work", "expected"), [(1, True), (2, True), (3, False), (300, False)])
async def test_as_many_as_the_limit_are_answered(at_work: int, *, expected: bool) -> None:
    """Those who came first, whatever came after them; the limit itself is not too many."""
    load = Load()
    for _ in range(300):
        load.begin()
    assert await passes({"state": {"at_work": at_work}}, load) == expected


async def test_a_request_that_is_not_all_there_goes_by_what_there_is_to_do() -> None:
    """It is not at work itself: who sends bodies slowly keeps nobody out."""
    load = Load()
    assert await passes({"state": {}}, load)
    for _ in range(LIMIT + 1):
        load.begin()
    assert not await passes({"state": {}}, load)


@pytest.mark.parametrize(("at_work", "expected"), [(2, True), (3, False)])
async def test_a_body_that_comes_when_there_is_too_much_is_not_read(at_work: int, *, expected: bool) -> None:
    """Its request was let in when there was nothing to do, and is at work only now."""
    state: dict[str, Any] = {}
    read = []

    async def receive() -> dict[str, Any]:
        state["at_work"] = at_work
        return {"type": "http.request"}

    async def app(_scope: object, receive: Any, _send: object) -> None:
        read.append(await receive())

    layer = Shedding(app, Contract.load(), Load(), LIMIT)
    refusal = nullcontext() if expected else pytest.raises(Overloaded)
    with refusal:
        await layer({"path": "/api/token", "state": state}, receive, None)  # type: ignore[arg-type]
    assert bool(read) == expected


@pytest.mark.parametrize("root", ["", "/voice"])
@pytest.mark.parametrize("path", ["/api/health/live", "/api/health/ready", "/api/metrics"])
async def test_what_watches_the_service_is_always_answered(root: str, path: str) -> None:
    """An orchestrator would take the process for dead; behind a path prefix as well."""
    scope = {"path": f"{root}{path}", "root_path": root, "state": {"at_work": 300}}
    assert await passes(scope)
    assert not await passes({**scope, "path": f"{root}{path}/"})


def test_the_peak_is_of_the_time_since_it_was_taken() -> None:
    """What is still at work counts for the next time."""
    load = Load()
    assert [load.begin(), load.begin()] == [1, 2]
    load.end()
    assert (load.at_work, load.take_peak(), load.take_peak()) == (1, 2, 1)
