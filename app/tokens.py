"""LiveKit access tokens. The only module that knows livekit-api; it knows nothing of HTTP."""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from livekit.api import AccessToken, VideoGrants
from livekit.api.access_token import Claims


class MissingCredentials(Exception):
    """The service has no API key or no API secret to sign with."""


class TokenGenerationFailed(Exception):
    """livekit-api did not make a token; the cause is chained."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A LiveKit project's API key and the secret that signs for it."""

    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"Credentials(api_key={self.api_key!r})"


@dataclass(frozen=True, slots=True)
class TokenOrder:
    """One participant who wants to join one room."""

    room: str
    identity: str
    name: str
    ttl: timedelta


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A signed token, and the second of its `exp` claim in UTC."""

    jwt: str
    expires_at: datetime


class TokenService:
    """Issues access tokens with the least that a voice session needs."""

    def __init__(self, credentials: Credentials | None, *, can_publish_data: bool = True) -> None:
        """Sign with `credentials`; without them the service is not ready and issues nothing."""
        self._credentials = credentials
        self._claims = Claims(
            video=VideoGrants(
                room_join=True,
                can_subscribe=True,
                can_publish=True,
                can_publish_sources=["microphone"],
                can_publish_data=can_publish_data,
            )
        ).asdict()

    @property
    def ready(self) -> bool:
        """Whether there are credentials to sign with."""
        return self._credentials is not None

    def issue(self, order: TokenOrder) -> IssuedToken:
        """Issue a token.

        Raises:
            MissingCredentials: the service is not ready.
            TokenGenerationFailed: livekit-api failed.
        """
        if self._credentials is None:
            raise MissingCredentials
        try:
            token = AccessToken(self._credentials.api_key, self._credentials.api_secret)
            token.with_identity(order.identity).with_ttl(order.ttl)
            token.claims = self._claims_of(order)
            jwt = token.to_jwt()
            return IssuedToken(jwt, _expiry(jwt))
        except Exception as error:
            raise TokenGenerationFailed from error

    def _claims_of(self, order: TokenOrder) -> Claims:
        video = {**self._claims["video"], "room": order.room}
        return _WrittenClaims(
            video=VideoGrants(room_join=True, room=order.room),
            written={**self._claims, "name": order.name, "video": video},
        )


@dataclass
class _WrittenClaims(Claims):
    """Claims whose JSON is known: having livekit-api write it for each token costs more than signing."""

    written: dict[str, Any] = field(default_factory=dict)

    def asdict(self) -> dict[str, Any]:
        return self.written


def _expiry(jwt: str) -> datetime:
    # livekit-api reads the clock itself, so only the token knows the second it ended up with.
    payload = jwt.split(".")[1]
    claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return datetime.fromtimestamp(claims["exp"], UTC)
