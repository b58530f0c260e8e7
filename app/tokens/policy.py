"""What the operator lets tokens do."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.tokens.orders import Agent


class AgentNotAllowed(Exception):
    """The operator does not let callers dispatch some agents of the order.

    Attributes:
        indexes: which ones, from 0.
    """

    def __init__(self, indexes: Sequence[int]) -> None:
        """Say which ones."""
        super().__init__(indexes)
        self.indexes = indexes


class TokenTooLong(Exception):
    """The token would be longer than it may be.

    Attributes:
        part: the part of the order that most of the token is about: `name`, `metadata`,
            `attributes` or `agents`.
        length: of the token, in bytes.
        limit: likewise.
    """

    def __init__(self, part: str, length: int, limit: int) -> None:
        """Say what to shorten, and by how much."""
        super().__init__(part, length, limit)
        self.part, self.length, self.limit = part, length, limit


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """What the operator lets tokens do.

    Attributes:
        ttl: how long a token is valid whose order does not say.
        max_ttl: the longest that any token is valid.
        publish_sources: the tracks that may be published, by LiveKit's names.
        can_publish_data: whether data may be sent.
        agents: the agents that may be dispatched; None: any.
        max_bytes: how long a token may be.
    """

    ttl: timedelta = timedelta(hours=1)
    max_ttl: timedelta = timedelta(days=1)
    publish_sources: Sequence[str] = ("microphone",)
    can_publish_data: bool = True
    agents: Collection[str] | None = None
    max_bytes: int = 8000

    def lifetime(self, wanted: timedelta | None) -> timedelta:
        """Find how long a token is valid, of which its order says `wanted`."""
        return min(wanted or self.ttl, self.max_ttl)

    def check_agents(self, agents: Sequence[Agent]) -> None:
        """Let agents pass that may be dispatched.

        Raises:
            AgentNotAllowed: some may not.
        """
        allowed = self.agents
        refused = [i for i, agent in enumerate(agents) if allowed is not None and agent.name not in allowed]
        if refused:
            raise AgentNotAllowed(refused)
