"""Counting in the process: as much as is allowed, and in bounded memory."""

import pytest

from app.callers import counters
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
    storage = limits._limits[0].counters.storage  # noqa: SLF001  # there is no other way to look
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
    (key,) = limits._limits[0].counters.storage.storage  # type: ignore[attr-defined]  # noqa: SLF001
    assert len(key) < 100


async def test_counters_in_memory_are_always_there() -> None:
    """Nothing has to answer."""
    limits = RateLimits("1/hour", None, "memory://")
    await limits.prepare()
    assert limits.is_enforced
