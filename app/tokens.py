"""LiveKit access tokens. The only module that knows livekit-api; it knows nothing of HTTP."""

import base64
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict
from livekit.api import AccessToken, VideoGrants
from livekit.api.access_token import Claims
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.room import RoomConfiguration

from app.orders import Agent, TokenOrder


class MissingCredentials(Exception):
    """The service has no API key or no API secret to sign with."""


class TokenGenerationFailed(Exception):
    """livekit-api did not make a token; the cause is chained."""


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
class Credentials:
    """A LiveKit project's API key and the secret that signs for it."""

    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"Credentials(api_key={self.api_key!r})"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A signed token, whom it admits to which room, and the second of its `exp` claim in UTC."""

    jwt: str
    room: str
    identity: str
    name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """What the operator lets tokens do.

    Attributes:
        ttl: how long a token is valid whose order does not say.
        publish_sources: the tracks that may be published, by LiveKit's names.
        can_publish_data: whether data may be sent.
        agents: the agents that may be dispatched; None: any.
        max_bytes: how long a token may be.
    """

    ttl: timedelta = timedelta(hours=1)
    publish_sources: Sequence[str] = ("microphone",)
    can_publish_data: bool = True
    agents: Collection[str] | None = None
    max_bytes: int = 8000


class TokenService:
    """Issues access tokens with the least that a voice session needs."""

    def __init__(self, credentials: Credentials | None, policy: TokenPolicy | None = None) -> None:
        """Sign with `credentials`; without them the service is not ready and issues nothing."""
        self._credentials = credentials
        self._policy = policy or TokenPolicy()
        self._claims = Claims(
            video=VideoGrants(
                room_join=True,
                can_subscribe=True,
                can_publish=True,
                can_publish_sources=list(self._policy.publish_sources),
                can_publish_data=self._policy.can_publish_data,
            )
        ).asdict()

    @property
    def ready(self) -> bool:
        """Whether there are credentials to sign with."""
        return self._credentials is not None

    def issue(self, order: TokenOrder) -> IssuedToken:
        """Issue a token.

        Raises:
            AgentNotAllowed: the operator does not let callers dispatch an agent of the order.
            MissingCredentials: the service is not ready.
            TokenGenerationFailed: livekit-api failed.
            TokenTooLong: the order asks for more than a token may carry.
        """
        self._check_agents(order.agents)
        if self._credentials is None:
            raise MissingCredentials
        completed = order.completed()
        try:
            jwt = self._sign(completed, self._credentials)
            expires_at = _expiry(jwt)
        except Exception as error:
            raise TokenGenerationFailed from error
        if len(jwt) > self._policy.max_bytes:
            raise TokenTooLong(_longest_part(order), len(jwt), self._policy.max_bytes)
        return IssuedToken(jwt, completed.room, completed.identity, completed.name, expires_at)

    def _check_agents(self, agents: Sequence[Agent]) -> None:
        allowed = self._policy.agents
        refused = [i for i, agent in enumerate(agents) if allowed is not None and agent.name not in allowed]
        if refused:
            raise AgentNotAllowed(refused)

    def _sign(self, order: TokenOrder, credentials: Credentials) -> str:
        token = AccessToken(credentials.api_key, credentials.api_secret)
        token.with_identity(order.identity).with_ttl(order.ttl or self._policy.ttl)
        token.claims = _WrittenClaims(
            video=VideoGrants(room_join=True, room=order.room), written=self._written(order)
        )
        return token.to_jwt()

    def _written(self, order: TokenOrder) -> dict[str, Any]:
        claims = {**self._claims, "name": order.name, "video": {**self._claims["video"], "room": order.room}}
        if order.metadata:
            claims["metadata"] = order.metadata
        if order.attributes:
            claims["attributes"] = dict(order.attributes)
        if order.agents:
            claims["roomConfig"] = _room_config(order.agents)
        return claims


@dataclass
class _WrittenClaims(Claims):
    """Claims whose JSON is known: having livekit-api write it for each token costs more than signing."""

    written: dict[str, Any] = field(default_factory=dict)

    def asdict(self) -> dict[str, Any]:
        return self.written


def _room_config(agents: Sequence[Agent]) -> dict[str, Any]:
    dispatches = [
        RoomAgentDispatch(agent_name=agent.name, metadata=agent.metadata, deployment=agent.deployment)
        for agent in agents
    ]
    return MessageToDict(RoomConfiguration(agents=dispatches))


def _longest_part(order: TokenOrder) -> str:
    parts = {
        "name": order.name,
        "metadata": order.metadata,
        "attributes": dict(order.attributes),
        "agents": _room_config(order.agents),
    }
    # As PyJWT writes them: what is not ASCII takes six bytes or twelve.
    return max(parts, key=lambda part: len(json.dumps(parts[part], separators=(",", ":"))))


def _expiry(jwt: str) -> datetime:
    # livekit-api reads the clock itself, so only the token knows the second it ended up with.
    payload = jwt.split(".")[1]
    claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return datetime.fromtimestamp(claims["exp"], UTC)
