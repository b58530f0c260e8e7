"""What a token is asked for: who wants to join which room, and which agents shall be there."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import NamedTuple

_FRESH_BYTES = 16  # 128 random bits


class Agent(NamedTuple):
    """An agent to dispatch to the room when it is created.

    Attributes:
        name: what the agent's workers registered as; empty: those without a name.
        metadata: what the agent gets to know about its job.
        deployment: which deployment of the agent to take, where there are several.
    """

    name: str = ""
    metadata: str = ""
    deployment: str = ""


class TokenOrder(NamedTuple):
    """One participant who wants to join one room.

    Attributes:
        room: the room; empty: a fresh one that nobody can guess.
        identity: identifies the participant in the room; empty: a fresh one.
        name: what others see; empty: the identity.
        ttl: how long the token may be used to join; None: as the policy says.
        metadata: what others may know of the participant.
        attributes: likewise, by key.
        agents: the agents to dispatch to the room.
    """

    room: str = ""
    identity: str = ""
    name: str = ""
    ttl: timedelta | None = None
    metadata: str = ""
    attributes: Mapping[str, str] = MappingProxyType({})
    agents: Sequence[Agent] = ()

    def completed(self, room_prefix: str = "") -> "TokenOrder":
        """Copy the order, with a fresh room and identity, and a name, where it has none."""
        identity = self.identity or _fresh("user")
        return TokenOrder(
            self.room or f"{room_prefix}{_fresh('room')}",
            identity,
            self.name or identity,
            self.ttl,
            self.metadata,
            self.attributes,
            self.agents,
        )


def _fresh(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(_FRESH_BYTES)}"
