"""The token service, without HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from livekit.api import AccessToken, TokenVerifier, VideoGrants

from app.tokens import (
    Credentials,
    MissingCredentials,
    TokenGenerationFailed,
    TokenOrder,
    TokenService,
)

CREDENTIALS = Credentials("key", "a-throw-away-secret-of-the-unit-tests-012345")
ORDER = TokenOrder(room="room-1", identity="alice", name="Alice", ttl=timedelta(seconds=90))


def claims_of(token: str) -> dict[str, Any]:
    """Read the claims of a token, its signature checked."""
    return dict(jwt.decode(token, CREDENTIALS.api_secret, algorithms=["HS256"]))


@pytest.mark.parametrize("can_publish_data", [True, False])
def test_a_token_is_the_one_livekit_api_would_write(*, can_publish_data: bool) -> None:
    """Reusing written claims saves time only: livekit-api, asked the long way, writes the same."""
    service = TokenService(CREDENTIALS, can_publish_data=can_publish_data)
    long_way = (
        AccessToken(CREDENTIALS.api_key, CREDENTIALS.api_secret)
        .with_identity(ORDER.identity)
        .with_name(ORDER.name)
        .with_ttl(ORDER.ttl)
        .with_grants(
            VideoGrants(
                room_join=True,
                room=ORDER.room,
                can_publish=True,
                can_subscribe=True,
                can_publish_data=can_publish_data,
                can_publish_sources=["microphone"],
            )
        )
        .to_jwt()
    )
    times = {"nbf", "exp"}
    issued = claims_of(service.issue(ORDER).jwt)
    assert times <= issued.keys()
    assert {k: v for k, v in issued.items() if k not in times} == {
        k: v for k, v in claims_of(long_way).items() if k not in times
    }


def test_tokens_do_not_leak_into_each_other() -> None:
    """Each token has its own room, identity and name, in any order of issuing."""
    service = TokenService(CREDENTIALS)
    orders = [TokenOrder(f"room-{i}", f"id-{i}", f"name-{i}", timedelta(minutes=i)) for i in (3, 1, 2)]
    for order, issued in [(order, service.issue(order)) for order in orders]:
        claims = claims_of(issued.jwt)
        assert (claims["video"]["room"], claims["sub"], claims["name"]) == (
            order.room,
            order.identity,
            order.name,
        )


def test_livekit_verifies_the_token() -> None:
    """livekit-api's own verifier accepts the token, and reads the grants from it."""
    token = TokenService(CREDENTIALS).issue(ORDER).jwt
    claims = TokenVerifier(CREDENTIALS.api_key, CREDENTIALS.api_secret).verify(token)
    assert (claims.identity, claims.name) == ("alice", "Alice")
    assert claims.video is not None
    assert (claims.video.room, claims.video.room_join) == ("room-1", True)


def test_expires_at_is_read_from_the_token() -> None:
    """The expiry is the second of `exp`, whatever the clock did while the token was made."""
    for _ in range(200):
        issued = TokenService(CREDENTIALS).issue(ORDER)
        assert issued.expires_at == datetime.fromtimestamp(claims_of(issued.jwt)["exp"], UTC)


def test_without_credentials_nothing_is_issued(monkeypatch: pytest.MonkeyPatch) -> None:
    """livekit-api would fall back to the environment; the service does not."""
    monkeypatch.setenv("LIVEKIT_API_KEY", "from-the-environment")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "from-the-environment-too-0123456789")
    service = TokenService(None)
    assert not service.ready
    with pytest.raises(MissingCredentials):
        service.issue(ORDER)


def test_a_failure_of_livekit_api_is_wrapped() -> None:
    """What livekit-api raises is kept as the cause."""
    with pytest.raises(TokenGenerationFailed) as caught:
        TokenService(CREDENTIALS).issue(TokenOrder("", "alice", "Alice", timedelta(seconds=60)))
    assert isinstance(caught.value.__cause__, ValueError)


def test_credentials_do_not_show_the_secret() -> None:
    """Credentials may end up in a traceback."""
    assert CREDENTIALS.api_secret not in repr(CREDENTIALS)
