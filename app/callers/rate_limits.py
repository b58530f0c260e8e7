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
from limits.errors import StorageError

from app.callers.counters import BoundedMemory, redis_at
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
    """The limits, and where requests are counted; while that place is away, nobody is limited."""

    def __init__(self, per_caller: str | None, total: str | None, storage: str) -> None:
        """Limit each caller, and all together.

        Args:
            per_caller: as limits writes it: `60/minute`; None: not limited.
            total: likewise, of all callers together.
            storage: `memory://`, or the URL of a Redis server.
        """
        self._redis = None if storage == _MEMORY else redis_at(storage)
        self._limits = [
            # Counted apart: however many callers there are, they do not drive out the count of all.
            _Limit(name, parse(text), SlidingWindowCounterRateLimiter(self._redis or BoundedMemory()))
            for name, text in (("caller", per_caller), ("total", total))
            if text
        ]
        self._late: set[asyncio.Task[Sequence[Quota]]] = set()
        self._recovery: asyncio.Task[None] | None = None

    @property
    def is_enforced(self) -> bool:
        """Whether the place where requests are counted answers."""
        return self._recovery is None

    async def prepare(self) -> None:
        """Find out whether requests can be counted."""
        try:
            await self._probe()
        except StorageError as fault:
            self._suspend(fault)

    async def count(self, caller: str) -> Sequence[Quota]:
        """Count a request, and tell what is left; if that cannot be told in time there is no quota."""
        if self._recovery is not None:
            return ()
        if self._redis is None:
            return await self._hit(caller)
        counting = asyncio.create_task(self._hit(caller))
        self._late.add(counting)
        counting.add_done_callback(self._late.discard)
        # What is not known in time is counted all the same: a burst of requests buys nobody more of them.
        await asyncio.wait({counting}, timeout=_PATIENCE_SECONDS)
        return counting.result() if counting.done() else ()

    async def _hit(self, caller: str) -> Sequence[Quota]:
        quotas: list[Quota] = []
        try:
            for limit in self._limits:
                quotas.append(await limit.hit(caller))
                # What one caller is refused is not counted for all.
                if quotas[-1].is_exceeded:
                    break
        except StorageError as fault:
            self._suspend(fault)
            return ()
        return quotas

    def _suspend(self, fault: StorageError) -> None:
        if self._recovery is None:
            reason = type(fault.storage_error).__name__
            logger.warning("Requests cannot be counted (%s): nobody is limited until they can be.", reason)
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        while self._recovery is not None:
            await asyncio.sleep(_RETRY_SECONDS)
            with suppress(StorageError):
                await self._probe()
                self._recovery = None
        logger.info("Requests are counted again.")

    async def _probe(self) -> None:
        # Of nobody: what all callers do together is not counted for it.
        limit = self._limits[0]
        await limit.counters.hit(limit.item, "probe")
