"""How long to wait for an answer, and how often to ask again."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from livekit_token_api_client.errors import TokenApiError, Unreachable

_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = range(500, 600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, and how often to ask again.

    Attributes:
        total_seconds: for all attempts of an operation together, with the pauses between them.
        attempt_seconds: for one attempt. `TokenApi`, which blocks, waits so long for each piece of an
            answer's headers, and for a name to be resolved as long as the system does: under asyncio all has
            an end.
        retries: how often to ask again: after 5xx, 429, or a failure of the network, and after nothing else.
        backoff_seconds: how long the first pause is at most; each further one is twice that. How long it is
            is random, so that those who failed together do not come back together. An answer's `Retry-After`
            comes before it.
        random: draws a number between 0 and 1.
        clock: tells the seconds since whenever; they do not go back.
    """

    total_seconds: float = 10.0
    attempt_seconds: float = 4.0
    retries: int = 2
    backoff_seconds: float = 0.5
    random: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic


class Attempts:
    """The attempts of one operation."""

    def __init__(self, patience: Patience, *, is_repeated: bool) -> None:
        """Begin now."""
        self._patience = patience
        self._retries_left = patience.retries if is_repeated else 0
        self._backoff = patience.backoff_seconds
        self._end = patience.clock() + patience.total_seconds

    def seconds(self) -> float:
        """Tell how long the next attempt may take."""
        return max(0.0, min(self._patience.attempt_seconds, self._end - self._patience.clock()))

    def pause(self, failure: TokenApiError) -> float | None:
        """Tell how many seconds to wait before the next attempt; None if there is none.

        There is none either where the time is up before: whoever asked learns it at once.
        """
        if self._retries_left <= 0 or not _may_pass(failure):
            return None
        self._retries_left -= 1
        seconds = (failure.retry_after or 0.0) + self._backoff * self._patience.random()
        self._backoff *= 2
        return seconds if self._patience.clock() + seconds < self._end else None


def _may_pass(failure: TokenApiError) -> bool:
    if failure.status_code is None:
        return isinstance(failure, Unreachable)
    return failure.status_code == _TOO_MANY_REQUESTS or failure.status_code in _SERVER_ERRORS
