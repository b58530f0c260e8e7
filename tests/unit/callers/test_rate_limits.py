"""Counting in the process: as much as is allowed, and in bounded memory."""

import asyncio
from contextlib import suppress

import pytest

from app.callers import counters, rate_limits
from app.callers.rate_limits import RateLimits


async def test_a_caller_gets_what_the_limit_says() -> None:
    """And another one as much."""
    limits = RateLimits("2/hour", None, "memory://")
    for caller in ("a", "b"):
        quotas = [(await limits.count(caller))[0] for _ in range(3)]
        assert [quota.remaining for quota in quotas] == [1, 0, 0]
        assert [quota.is_exceeded for quota in quotas] == [False, False, True]
        assert all((q.name, q.amount, q.window_seconds) == ("caller", 2, 3600) for q in quotas)
        assert all(1 <= quota.reset_seconds <= 7200 for quota in quotas)


async def test_memory_is_bounded_whatever_addresses_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest counters go first, and the count of all callers together does not."""
    monkeypatch.setattr(counters, "_MAX_COUNTERS", 100)
    limits = RateLimits("1/hour", "1000/hour", "memory://")
    for number in range(500):
        quotas = await limits.count(f"caller-{number}")
    assert quotas[1].remaining == 500
    storage = limits._here[0].counters.storage  # noqa: SLF001  # there is no other way to look
    assert isinstance(storage, counters.BoundedMemory)
    assert len(storage.storage) == len(storage.expirations) == 100
    assert not storage.locks
    assert not storage.events
    assert (await limits.count("caller-499"))[0].is_exceeded
    assert not (await limits.count("caller-0"))[0].is_exceeded


async def test_a_long_name_takes_no_more_memory() -> None:
    """A subject may be as long as a token."""
    limits = RateLimits("1/hour", None, "memory://")
    await limits.count("x" * 8000)
    (key,) = limits._here[0].counters.storage.storage  # type: ignore[attr-defined]  # noqa: SLF001
    assert len(key) < 100


async def test_nobody_is_told_to_ask_again_at_once() -> None:
    """Retry-After is never 0."""
    limits = RateLimits("1/second", None, "memory://")
    assert all([1 <= (await limits.count("a"))[0].reset_seconds <= 2 for _ in range(3)])


async def test_counters_in_memory_are_always_there() -> None:
    """Nothing has to answer."""
    limits = RateLimits("1/hour", None, "memory://")
    await limits.prepare()
    assert limits.is_enforced


NOBODY = "redis://127.0.0.1:9"


async def test_a_service_without_redis_starts(caplog: pytest.LogCaptureFixture) -> None:
    """It says so once, limits nobody, and does not ask again and again."""
    limits = RateLimits("1/hour", None, NOBODY)
    await limits.prepare()
    assert not limits.is_enforced
    assert [await limits.count("caller") for _ in range(3)] == [()] * 3
    await limits.close()
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == ["Requests cannot be counted"]


@pytest.mark.parametrize("url", ["redis://redis", "rediss://:secret@redis.example.com/1", "redis://[::1]"])
async def test_a_url_needs_no_port(url: str) -> None:
    """Redis has one of its own: what the settings take is a place to count at."""
    limits = RateLimits("1/hour", None, url)
    assert limits.is_enforced
    await limits.close()


async def test_several_requests_that_find_redis_away_say_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever comes first; a fault of Redis is nobody's fault."""
    limits = RateLimits("9/hour", "9/hour", NOBODY)
    assert await asyncio.gather(*(limits.count(f"caller-{n}") for n in range(5))) == [()] * 5
    assert not limits.is_enforced
    await limits.close()
    assert len(caplog.records) == 1


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a connection, and answer nothing."""
    with suppress(ConnectionError):
        await reader.read()
    writer.close()


async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what Redis would not."""
    with suppress(ConnectionError):
        while await reader.read(4096):
            writer.write(b":abc\r\n")
    writer.close()


async def test_a_redis_that_is_silent_holds_up_nobody() -> None:
    """The process counts for itself until Redis is given up: a burst does not get past the limit."""
    server = await asyncio.start_server(silence, "127.0.0.1")
    async with server:
        limits = RateLimits("2/hour", None, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        found = await asyncio.gather(*(limits.count("caller") for _ in range(50)))
        assert sum(not quotas[-1].is_exceeded for quotas in found) == 2
        assert not limits.is_enforced
        await limits.close()
        await asyncio.sleep(0.05)


async def test_a_redis_that_talks_nonsense_is_as_good_as_away() -> None:
    """Nothing that it answers is an error of the service."""
    server = await asyncio.start_server(nonsense, "127.0.0.1")
    async with server:
        limits = RateLimits("2/hour", None, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await limits.prepare()
        assert not limits.is_enforced
        assert await limits.count("caller") == ()
        await limits.close()
        await asyncio.sleep(0.05)


async def test_redis_lets_nobody_past_what_one_process_may() -> None:
    """Of a burst, Redis and the process would each let other requests through."""
    limits = RateLimits("2/hour", None, NOBODY)
    limits._there = RateLimits("100/hour", None, "memory://")._here  # noqa: SLF001  # a Redis that is generous
    found = [(await limits.count("caller"))[0].is_exceeded for _ in range(4)]
    assert found == [False, False, True, True]
    await limits.close()


async def recovered(limits: RateLimits) -> None:
    """Wait until requests are counted."""
    while not limits.is_enforced:  # noqa: ASYNC110  # there is nothing else to wait for
        await asyncio.sleep(0.01)


async def test_it_recovers_by_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is looked for again and again, and that is said once."""
    caplog.set_level("INFO")
    monkeypatch.setattr(rate_limits, "_RETRY_SECONDS", 0.01)
    limits = RateLimits("2/hour", None, NOBODY)
    await limits.prepare()
    await asyncio.sleep(0.1)
    assert not limits.is_enforced
    # Redis comes back, as far as anybody can tell.
    limits._there = limits._here  # noqa: SLF001
    await asyncio.wait_for(recovered(limits), 5)
    assert [quota.remaining for quota in await limits.count("caller")] == [0]
    await limits.close()
    assert caplog.messages[-1] == "Requests are counted again."
    assert len(caplog.messages) == 2


async def test_what_was_late_is_forgotten_once_redis_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service says that it counts again, also where nobody asks for a token meanwhile."""
    monkeypatch.setattr(rate_limits, "_RETRY_SECONDS", 0.01)
    # So that an answer is late before Redis is given up, however busy the machine is.
    monkeypatch.setattr(rate_limits, "_PATIENCE_SECONDS", 0)
    server = await asyncio.start_server(silence, "127.0.0.1")
    async with server:
        limits = RateLimits("2/hour", None, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await limits.count("caller")
        assert not limits.is_enforced
        limits._there = limits._here  # noqa: SLF001  # as far as anybody can tell
        await asyncio.wait_for(recovered(limits), 5)
        await limits.close()
        await asyncio.sleep(0.05)
