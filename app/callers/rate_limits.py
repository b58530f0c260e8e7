"""How often each caller may ask, and all of them together."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from typing import NamedTuple

from limits import RateLimitItem, parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from app.callers.counters import BoundedMemory, Redis
from app.callers.quotas import Quota

logger = logging.getLogger(__name__)

_MEMORY = "memory://"
_PATIENCE_SECONDS = 0.08
_RETRY_SECONDS = 1.0


class _Limit(NamedTuple):
    name: str
    item: RateLimitItem
    counters: SlidingWindowCounterRateLimiter

    async def hit(self, caller: str) -> Quota:
        # However long a subject is, its key is short.
        key = hashlib.blake2b(caller.encode(), digest_size=16).hexdigest() if self.name == "caller" else ""
        allowed = await self.counters.hit(self.item, self.name, key)
        reset, remaining = await self.counters.get_window_stats(self.item, self.name, key)
        seconds = max(1, ceil(reset - time.time()))
        return Quota(
            self.name, self.item.amount, self.item.get_expiry(), remaining, seconds, is_exceeded=not allowed
        )


class RateLimits:
    """The limits, by what this process counts, or Redis: while that is late, by what this process does."""

    def __init__(self, per_caller: str | None, total: str | None, storage: str) -> None:
        """Limit each caller, and all together.

        Args:
            per_caller: as limits writes it: `60/minute`; None: not limited.
            total: likewise, of all callers together.
            storage: `memory://`, or the URL of a Redis server.
        """
        # Each with a storage of its own: however many callers there are, they do not drive out the total.
        self._here = [
            _Limit(name, parse(text), SlidingWindowCounterRateLimiter(BoundedMemory()))
            for name, text in (("caller", per_caller), ("total", total))
            if text
        ]
        self._redis, self._there = None, list[_Limit]()
        if storage != _MEMORY:
            self._redis = Redis(storage)
            counters = SlidingWindowCounterRateLimiter(self._redis.storage)
            self._there = [limit._replace(counters=counters) for limit in self._here]
        self._late: set[asyncio.Task[Sequence[Quota]]] = set()
        self._is_late = False
        self._recovery: asyncio.Task[None] | None = None

    @property
    def is_enforced(self) -> bool:
        """Whether Redis, where there is one, answers in time."""
        return self._recovery is None and not self._is_late

    async def prepare(self) -> None:
        """Find out whether Redis answers."""
        if self._redis is not None:
            await self._hit_there("", self._redis)

    async def close(self) -> None:
        """Leave Redis alone."""
        tasks = {*self._late, *([self._recovery] if self._recovery else [])}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._redis is not None:
            await self._redis.close()

    async def count(self, caller: str) -> Sequence[Quota]:
        """Count a request, and tell what is left; while Redis is away, there is no quota."""
        if self._recovery is not None:
            return ()
        quotas = await _hit_all(self._here, caller)
        if self._redis is None:
            return quotas
        counting = asyncio.create_task(self._hit_there(caller, self._redis))
        self._late.add(counting)
        counting.add_done_callback(self._late.discard)
        await asyncio.wait({counting}, timeout=_PATIENCE_SECONDS)
        self._is_late = not counting.done()
        # What is too much for one process is too much for all: so a burst, or a slow Redis, opens nothing.
        if self._is_late or (self._recovery is None and quotas[-1].is_exceeded):
            return quotas
        return counting.result()

    async def _hit_there(self, caller: str, redis: Redis) -> Sequence[Quota]:
        async with redis.turns:
            if self._recovery is not None:
                return ()
            try:
                return await _hit_all(self._there, caller)
            except Exception as fault:  # noqa: BLE001  # Whatever Redis answers, the service goes on.
                self._suspend(fault)
                return ()

    def _suspend(self, fault: Exception) -> None:
        if self._recovery is None:
            # Of others' words only the kind: they may hold a password.
            reason = type(getattr(fault, "storage_error", fault)).__name__
            logger.warning("Requests cannot be counted (%s): nobody is limited until they can be.", reason)
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        while self._recovery is not None:
            await asyncio.sleep(_RETRY_SECONDS)
            with suppress(Exception):
                # A counter of nobody's: what all callers do together is not counted for it.
                await self._there[0].counters.hit(self._there[0].item, "probe")
                # What Redis counted may be lost: both begin anew.
                for limit in self._here:
                    await limit.counters.storage.reset()
                self._recovery, self._is_late = None, False
        logger.info("Requests are counted again.")


async def _hit_all(limits: Sequence[_Limit], caller: str) -> Sequence[Quota]:
    quotas: list[Quota] = []
    for limit in limits:
        quotas.append(await limit.hit(caller))
        # What one caller is refused is not counted for all.
        if quotas[-1].is_exceeded:
            break
    return quotas
