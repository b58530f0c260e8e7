"""Answers with a token, kept until a minute before it expires."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from livekit_token_api_client.access_token import AccessToken
from livekit_token_api_client.credentials import Credential
from livekit_token_api_client.operations import Operation

_MARGIN_SECONDS = 60.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key(Generic[T]):
    """What was asked, and by whom."""

    operation: Operation[T]
    request: str
    credential: Credential | None

    @classmethod
    def of(
        cls, operation: Operation[T], request: Mapping[str, object], credential: Credential | None
    ) -> "Key[T]":
        """Write a request as a key: in whatever order it was written, it is the same."""
        return cls(operation, json.dumps(request, sort_keys=True), credential)


class KeptAnswers:
    """Answers, by what was asked and by whom; the oldest leave where there are too many."""

    def __init__(self, clock: Callable[[], float], capacity: int) -> None:
        """Keep nothing yet; `clock` tells the seconds since whenever."""
        self.clock = clock
        self._capacity = capacity
        self._answers: dict[Key[Any], tuple[Any, float, float]] = {}

    def find(self, key: Key[T]) -> T | None:
        """Find a copy of an answer whose token is valid for more than a minute."""
        answer, asked_at, until = self._answers.get(key, (None, 0.0, 0.0))
        # Before it was asked for, somebody has set the clock back: who knows what is left of it.
        if asked_at <= self.clock() < until:
            return cast("T", copy.copy(answer))
        self._answers.pop(key, None)
        return None

    def keep(self, key: Key[T], answer: T, asked_at: float) -> None:
        """Keep an answer for as long as its token lives, but for a minute.

        Its life is counted from when it was asked for: the service's clock may differ from this machine's.
        """
        token = cast("dict[str, AccessToken]", answer)[key.operation.token or ""]
        self._answers.pop(key, None)
        self._answers[key] = (answer, asked_at, asked_at + token.lifetime_seconds - _MARGIN_SECONDS)
        while len(self._answers) > self._capacity:
            del self._answers[next(iter(self._answers))]
