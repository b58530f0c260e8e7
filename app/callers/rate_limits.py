"""How often each caller may ask, and all of them together: counted here, or for many processes in Redis."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from typing import NamedTuple

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from app.callers.quotas import Quota

logger = logging.getLogger(__name__)

_MAX_COUNTERS = 10_000
_PATIENCE_SECONDS = 0.08
_RETRY_SECONDS = 1.0
# A key of another strategy would be of another type.
_PREFIX = "token-api-sliding"
_AWAY = (StorageError, TimeoutError)


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
    """The limits, and where they are counted; if that place is away, nobody is limited."""

    def __init__(self, per_caller: str | None, total: str | None, storage: str) -> None:
        """Limit each caller, and all together.

        Args:
            per_caller: as limits writes it: `60/minute`; None: not limited.
            total: likewise, of all callers together.
            storage: `memory://`, or the URL of a Redis server.
        """
        # Counted apart: however many callers there are, they do not drive out the count of all.
        self._limits = [
            _Limit(name, parse(text), SlidingWindowCounterRateLimiter(_storage_at(storage)))
            for name, text in (("caller", per_caller), ("total", total))
            if text
        ]
        self._recovery: asyncio.Task[None] | None = None

    @property
    def is_enforced(self) -> bool:
        """Whether the place where requests are counted answers."""
        return self._recovery is None

    async def prepare(self) -> None:
        """Find out whether requests can be counted."""
        try:
            await self._probe()
        except _AWAY as fault:
            self._suspend(fault)

    async def count(self, caller: str) -> Sequence[Quota]:
        """Count a request, and tell what is left; while none can be counted there is no quota."""
        if self._recovery is not None:
            return ()
        quotas: list[Quota] = []
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                for limit in self._limits:
                    quotas.append(await limit.hit(caller))
                    # What one caller is refused is not counted for all.
                    if quotas[-1].is_exceeded:
                        break
        except _AWAY as fault:
            self._suspend(fault)
            return ()
        return quotas

    def _suspend(self, fault: Exception) -> None:
        if self._recovery is None:
            logger.warning(
                "Requests cannot be counted (%s): nobody is limited until they can be.", type(fault).__name__
            )
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            with suppress(*_AWAY):
                await self._probe()
                break
        self._recovery = None
        logger.info("Requests are counted again.")

    async def _probe(self) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            # Of nobody; the total is not counted for it.
            await self._limits[0].counters.hit(self._limits[0].item, "probe")


class _BoundedMemory(MemoryStorage):
    """Counters in this process, of as many callers as were last heard of.

    MemoryStorage looks at all of its counters at each request, and keeps as many as there are addresses.
    """

    STORAGE_SCHEME = ["async+bounded"]  # noqa: RUF012  # as limits declares it

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__()
        # The oldest is found at once, however many were taken away before it.
        self.expirations = OrderedDict()

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to a counter, which lives for `expiry` seconds."""
        await self.get(key)
        self.storage[key] += amount
        if self.storage[key] == amount:
            self.expirations[key] = time.time() + expiry
            if len(self.expirations) > _MAX_COUNTERS:
                await self.clear(next(iter(self.expirations)))
        return int(self.storage[key])


def _storage_at(url: str) -> Storage:
    if url == "memory://":
        return _BoundedMemory()
    return RedisStorage(
        f"async+{url}",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix=_PREFIX,
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
    )
