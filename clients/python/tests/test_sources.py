"""Token sources keep tokens, and share them."""

import asyncio
import inspect
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import jwt
import pytest

from livekit_token_api_client import (
    AsyncTokenApi,
    AsyncTokenSource,
    ConnectionDetails,
    InternalError,
    Patience,
    TokenApi,
    TokenSource,
)
from scripted_server import Deed, ScriptedServer, error, says
from tests.support.server import SECRET

ONCE = Patience(retries=0)


class Clock:
    """Tells what a test says."""

    now = 5_000_000_000.0

    def __call__(self) -> float:
        """Tell it."""
        return self.now


def issues(lifetime: float = 3600, **claims: Any) -> Iterator[Deed]:
    """Answer each request with another token, for both operations; by a clock of the server's own."""
    n = 0
    while True:
        n += 1
        times = {"nbf": 1_000_000, "exp": 1_000_000 + lifetime, **claims}
        told = {name: value for name, value in times.items() if value is not None}
        token = jwt.encode({**told, "jti": str(n)}, SECRET)
        shared = {"expiresAt": "2026-11-23T14:10:00Z", "roomName": "r", "participantIdentity": "i"}
        details = {"server_url": "ws://h", "room_name": "r", "participant_name": "n"}
        yield says(200, {"token": token, "participant_token": token, **shared, **details})


class Issuing(list[Deed]):
    """Deeds without an end."""

    def __init__(self, deeds: Iterator[Deed]) -> None:
        """Take them one after another."""
        self._deeds = deeds

    def __len__(self) -> int:
        """There is always one more."""
        return 2

    def pop(self, _index: Any = 0) -> Deed:
        """Take the next."""
        return next(self._deeds)


class Source:
    """A source of either kind, as one thing to test."""

    def __init__(self, source: TokenSource | AsyncTokenSource, clock: Clock, runner: asyncio.Runner) -> None:
        """Have a runner run what is awaited."""
        self._source = source
        self.clock = clock
        self._runner = runner

    def get(self, method: str = "fetch", **request: Any) -> Any:
        """Get something."""
        answer = getattr(self._source, method)(**request)
        return self._runner.run(answer) if inspect.iscoroutine(answer) else answer


Make = Callable[..., Source]


@pytest.fixture(params=["TokenSource", "AsyncTokenSource"])
def make(request: pytest.FixtureRequest, server: ScriptedServer) -> Iterator[Make]:
    """Make a source of either kind, over a server that issues tokens for an hour."""
    server.deeds = Issuing(issues())
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())

        def made(bearer: Callable[[], str] | None = None, capacity: int = 1024) -> Source:
            clock = Clock()
            if request.param == "TokenSource":
                api = stack.enter_context(TokenApi(server.url, bearer=bearer))
                return Source(TokenSource(api, clock=clock, capacity=capacity), clock, runner)
            waiting = AsyncTokenApi(server.url, bearer=bearer)
            stack.callback(lambda: runner.run(waiting.aclose()))
            return Source(AsyncTokenSource(waiting, clock=clock, capacity=capacity), clock, runner)

        yield made


@pytest.mark.parametrize(
    ("method", "token", "request_"),
    [
        ("fetch", "participant_token", {}),
        ("fetch", "participant_token", {"room_name": "r", "participant_attributes": {"a": "b", "c": "d"}}),
        ("fetch_token", "token", {"roomName": "r"}),
    ],
)
def test_a_token_is_kept_until_a_minute_before_it_expires(
    make: Make, server: ScriptedServer, method: str, token: str, request_: dict[str, Any]
) -> None:
    """The service's clock may be years away from this machine's."""
    source = make()
    first = source.get(method, **request_)
    source.clock.now += 3539
    assert source.get(method, **request_) == first
    assert len(server.received) == 1
    source.clock.now += 1
    second = source.get(method, **request_)
    assert second[token] != first[token]
    assert source.get(method, **request_) == second
    assert len(server.received) == 2


def test_the_life_of_a_token_begins_when_it_is_asked_for(make: Make, server: ScriptedServer) -> None:
    """An answer that takes 100 seconds shortens it by as much: the token may be as old."""
    source = make()
    issue = next(issues())

    def late(connection: Any, ends: threading.Event) -> None:
        source.clock.now += 100
        issue(connection, ends)

    server.deeds = [late]
    source.get()
    source.clock.now += 3439
    source.get()
    assert len(server.received) == 1
    source.clock.now += 1
    source.get()
    assert len(server.received) == 2


def test_a_token_from_before_the_clock_was_set_back_is_not_kept(make: Make, server: ScriptedServer) -> None:
    """It would be given out for hours after its end."""
    source = make()
    source.get()
    source.clock.now -= 7200
    source.get()
    assert len(server.received) == 2


def test_the_order_of_what_is_asked_does_not_matter(make: Make, server: ScriptedServer) -> None:
    """It is the same request."""
    source = make()
    source.get(room_name="r", participant_name="n")
    source.get(participant_name="n", room_name="r")
    assert len(server.received) == 1


def test_another_request_gets_another_token(make: Make, server: ScriptedServer) -> None:
    """Another room, another participant, another operation."""
    source = make()
    for request in ({}, {"room_name": "r"}, {"room_name": "s"}, {"room_name": "r", "participant_name": "n"}):
        source.get(**request)
    source.get("fetch_token", roomName="r")
    assert len(server.received) == 5
    source.get(room_name="r")
    assert len(server.received) == 5


def test_another_caller_gets_another_token(make: Make, server: ScriptedServer) -> None:
    """What one caller token got, the next one does not."""
    tokens = iter(["of-alice", "of-bob", "of-alice"])
    source = make(bearer=lambda: next(tokens))
    alice, bob, again = [source.get() for _ in range(3)]
    assert alice == again != bob
    assert [received.headers["Authorization"] for received in server.received] == [
        "Bearer of-alice",
        "Bearer of-bob",
    ]


def test_what_is_kept_need_not_do(make: Make) -> None:
    """What it answers is kept from then on."""
    source = make()
    first, forced = source.get(), source.get(force=True)
    assert first != forced == source.get()


@pytest.mark.parametrize(
    "claims", [{"exp": 1_000_060}, {"nbf": None}, {"exp": None}, {"exp": "x"}, {"exp": 10**400}]
)
def test_a_token_that_lives_for_a_minute_or_who_knows_is_not_kept(
    make: Make, server: ScriptedServer, claims: dict[str, Any]
) -> None:
    """Each time the service is asked."""
    source = make()
    server.deeds = Issuing(issues(**claims))
    assert source.get() != source.get()


def test_a_text_that_is_no_token_is_not_kept(make: Make, server: ScriptedServer) -> None:
    """It is handed on: the LiveKit server is to judge it."""
    source = make()
    details = {"server_url": "ws://h", "room_name": "r", "participant_name": "n"}
    for text in ("", "abc", "a.b.c", "a.W10.c", "a.é.c"):
        server.deeds = [says(201, {**details, "participant_token": text})]
        assert source.get()["participant_token"] == text


def test_a_failure_is_not_kept(make: Make, server: ScriptedServer) -> None:
    """Who asks after it gets a token."""
    source = make()
    server.deeds = [says(400, error("INTERNAL_ERROR", 400)), *[next(issues())] * 2]
    with pytest.raises(InternalError):
        source.get()
    assert source.get()


def test_what_a_caller_does_to_an_answer_is_its_own(make: Make) -> None:
    """The next one gets it as it was."""
    source = make()
    first = source.get()
    first["server_url"] = "ws://elsewhere"
    second = source.get()
    second["room_name"] = "another"
    assert source.get()["server_url"] == "ws://h"
    assert source.get()["room_name"] == "r"


def test_the_oldest_leave_where_there_are_too_many(make: Make, server: ScriptedServer) -> None:
    """Memory is bounded."""
    source = make(capacity=2)
    for room in ("a", "b", "c", "c", "b", "a"):
        source.get(room_name=room)
    asked = [json.loads(received.body)["room_name"] for received in server.received]
    assert asked == ["a", "b", "c", "a"]


def slowly(deed: Deed) -> Deed:
    """Do it after a while."""

    def late(connection: Any, ends: threading.Event) -> None:
        time.sleep(0.5)
        deed(connection, ends)

    return late


def test_threads_that_ask_for_the_same_share_an_answer(server: ScriptedServer) -> None:
    """Ten threads, one request; a failure is everybody's, too."""
    together = threading.Barrier(10)

    def failure_of(source: TokenSource) -> InternalError:
        together.wait(10)
        with pytest.raises(InternalError) as raised:
            source.fetch(force=True)
        return raised.value

    server.deeds = [slowly(next(issues()))]
    with TokenApi(server.url, patience=ONCE) as api, ThreadPoolExecutor(10) as pool:
        source = TokenSource(api)
        answers = list(pool.map(lambda _: source.fetch(), range(10)))
        assert all(answer == answers[0] for answer in answers)
        assert len({id(answer) for answer in answers}) == 10
        assert len(server.received) == 1
        server.deeds = [slowly(says(500, error("INTERNAL_ERROR", 500)))]
        failed = list(pool.map(failure_of, [source] * 10))
        assert len(failed) == 10
        assert len(server.received) == 2


async def test_tasks_that_ask_for_the_same_share_an_answer(server: ScriptedServer) -> None:
    """Ten tasks, one request; it goes on when the one who asked first leaves."""
    server.deeds = [slowly(next(issues()))]
    async with AsyncTokenApi(server.url, patience=ONCE) as api:
        source = AsyncTokenSource(api)
        tasks = [asyncio.create_task(source.fetch()) for _ in range(10)]
        await asyncio.sleep(0.1)
        tasks[0].cancel()
        answers: list[ConnectionDetails] = await asyncio.gather(*tasks[1:])
        assert tasks[0].cancelled()
        assert all(answer == answers[0] for answer in answers)
        assert len({id(answer) for answer in answers}) == 9
        server.deeds = [slowly(says(500, error("INTERNAL_ERROR", 500)))]
        failed = await asyncio.gather(*(source.fetch(force=True) for _ in range(10)), return_exceptions=True)
        assert [type(failure) for failure in failed] == [InternalError] * 10
        assert len(server.received) == 2


async def test_a_failure_that_nobody_waits_for_is_quiet(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Asyncio has nothing to say of it, and the next one asks anew."""
    server.deeds = [slowly(says(500, error("INTERNAL_ERROR", 500))), next(issues())]
    async with AsyncTokenApi(server.url, patience=ONCE) as api:
        source = AsyncTokenSource(api)
        task = asyncio.create_task(source.fetch())
        await asyncio.sleep(0.1)
        task.cancel()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others)
        assert (await source.fetch())["room_name"] == "r"
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_a_request_that_is_cancelled_as_it_begins_leaves_nothing_behind(server: ScriptedServer) -> None:
    """Whoever ends all tasks ends that one, too; the next one who asks is answered."""
    server.deeds = [next(issues())]
    async with AsyncTokenApi(server.url) as api:
        source = AsyncTokenSource(api)
        asyncio.create_task(source.fetch())  # noqa: RUF006  # it is found below
        await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.wait(others)
        assert server.received == []
        assert (await source.fetch())["room_name"] == "r"
