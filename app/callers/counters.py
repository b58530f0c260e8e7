"""Where requests are counted: in this process, in bounded memory, or in Redis."""

import time
from collections import OrderedDict

from limits.aio.storage import MemoryStorage, RedisStorage

_MAX_COUNTERS = 10_000
_MAX_CONNECTIONS = 16
_TIMEOUT_SECONDS = 0.5
# A key of another strategy would be of another type.
_PREFIX = "token-api-sliding"


class BoundedMemory(MemoryStorage):
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


def redis_at(url: str) -> RedisStorage:
    """Count in the Redis server at a URL; what it does not do in half a second raises a StorageError."""
    from redis.asyncio import BlockingConnectionPool  # noqa: PLC0415  # five megabytes, for who needs it
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    return RedisStorage(
        f"async+{url}",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix=_PREFIX,
        # Of an ordinary pool, a burst would open as many as there are requests, and wait for all of them.
        connection_pool=BlockingConnectionPool.from_url(  # type: ignore[arg-type]  # limits says it may be one
            url,
            max_connections=_MAX_CONNECTIONS,
            timeout=_TIMEOUT_SECONDS,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            # Once: a connection of before Redis was restarted fails when it is used.
            retry=Retry(NoBackoff(), 1),
        ),
    )
