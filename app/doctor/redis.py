"""Whether requests can be counted in Redis."""

import asyncio

from limits import parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from app.callers.counters import Redis
from app.doctor.finding import Finding
from app.doctor.network import obstacle

_CHECK = "RATE_LIMIT_STORAGE"
_TIMEOUT_SECONDS = 3.0


async def examine(url: str) -> Finding:
    """Count once, as the service does, what is nobody's request."""
    redis = Redis(url)
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await SlidingWindowCounterRateLimiter(redis.storage).hit(parse("1/second"), "probe")
    except Exception as failure:  # noqa: BLE001  # Whatever it answers is a finding.
        words, fix = _explained(getattr(failure, "storage_error", failure), url)
        return Finding(_CHECK, "problem", f"nobody is limited, for Redis does not count: {words}", fix)
    finally:
        await redis.close()
    return Finding(_CHECK, "ok", "Redis counts")


def _explained(failure: Exception, url: str) -> tuple[str, str]:
    # Not in its own words: they may hold an address with a password.
    if isinstance(failure, NoPermissionError):
        return "its user may not", f"let the user of {_CHECK} run scripts, and read and write keys"
    if isinstance(failure, AuthenticationError) or "NOAUTH" in str(failure):
        return "it refuses user or password", f"correct both in {_CHECK}"
    if isinstance(failure, ResponseError):
        return "it answers with an error", f"correct the number of the database in {_CHECK}, or read its log"
    stage, words, fix = obstacle(failure, _CHECK)
    # It waits for the rest of what it does not understand.
    without_tls = stage == "answer" and url.startswith("rediss:")
    return words, f"{fix}; if it has no TLS, write redis:// into {_CHECK}" if without_tls else fix
