"""Where requests are counted: in this process, in bounded memory, or in Redis."""

import asyncio
import time
from collections import OrderedDict

from limits.aio.storage import MemoryStorage, RedisStorage

_MAX_COUNTERS = 10_000
_MAX_CONNECTIONS = 16
_TIMEOUT_SECONDS = 0.5
# A key of another strategy would be of another type.
_PREFIX = "token-api-sliding"


class BoundedMemory(MemoryStorage):
    """Counters in this process, of which there are not more and more: the oldest go first.

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


class Redis:
    """Counters in a Redis server.

    Attributes:
        storage: where limits counts; what Redis does not do in time raises a StorageError.
        turns: as many at once as there are connections.
    """

    def __init__(self, url: str) -> None:
        """Count at a URL; connect to nothing yet."""
        from redis.asyncio import ConnectionPool  # noqa: PLC0415  # five megabytes, for who needs it
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415

        self._pool = ConnectionPool.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            # Once: a connection of before Redis was restarted fails when it is used.
            retry=Retry(NoBackoff(), 1),
        )
        self.storage = RedisStorage(
            # The pool knows where; limits would refuse a URL without a port.
            "async+redis://localhost:6379",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix=_PREFIX,
            connection_pool=self._pool,  # type: ignore[arg-type]  # limits says it may be one
        )
        # A burst would open as many connections as there are requests, and wait for all of them.
        self.turns = asyncio.Semaphore(_MAX_CONNECTIONS)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()
