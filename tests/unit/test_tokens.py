"""The token service, without HTTP."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from livekit.api import AccessToken, TokenVerifier, VideoGrants
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.room import RoomConfiguration

from app.orders import Agent, TokenOrder
from app.tokens import (
    AgentNotAllowed,
    Credentials,
    MissingCredentials,
    TokenGenerationFailed,
    TokenPolicy,
    TokenService,
    TokenTooLong,
)

CREDENTIALS = Credentials("key", "a-throw-away-secret-of-the-unit-tests-012345")
ORDER = TokenOrder(room="room-1", identity="alice", name="Alice", ttl=timedelta(seconds=90))


def claims_of(token: str) -> dict[str, Any]:
    """Read the claims of a token, its signature checked."""
    return dict(jwt.decode(token, CREDENTIALS.api_secret, algorithms=["HS256"]))


def written_the_long_way(order: TokenOrder, *, can_publish_data: bool, sources: list[str]) -> str:
    """Have livekit-api write the whole token."""
    token = (
        AccessToken(CREDENTIALS.api_key, CREDENTIALS.api_secret)
        .with_identity(order.identity)
        .with_name(order.name)
        .with_ttl(order.ttl or timedelta(hours=1))
        .with_grants(
            VideoGrants(
                room_join=True,
                room=order.room,
                can_publish=True,
                can_subscribe=True,
                can_publish_data=can_publish_data,
                can_publish_sources=sources,
            )
        )
    )
    if order.metadata:
        token.with_metadata(order.metadata)
    if order.attributes:
        token.with_attributes(dict(order.attributes))
    if order.agents:
        dispatches = [
            RoomAgentDispatch(agent_name=a.name, metadata=a.metadata, deployment=a.deployment)
            for a in order.agents
        ]
        token.with_room_config(RoomConfiguration(agents=dispatches))
    return token.to_jwt()


@pytest.mark.parametrize(
    "order",
    [
        ORDER,
        replace(ORDER, ttl=None),
        replace(ORDER, metadata='{"plan": "pro"}'),
        replace(ORDER, attributes={"lang": "de", "snake_case": "kept", "": ""}),
        replace(ORDER, agents=[Agent("concierge", "{}", "production"), Agent()]),
    ],
    ids=["plain", "default lifetime", "metadata", "attributes", "agents"],
)
@pytest.mark.parametrize("can_publish_data", [True, False])
@pytest.mark.parametrize("sources", [["microphone"], ["camera", "screen_share"]])
def test_a_token_is_the_one_livekit_api_would_write(
    order: TokenOrder, *, can_publish_data: bool, sources: list[str]
) -> None:
    """Reusing written claims saves time only: livekit-api, asked the long way, writes the same."""
    policy = TokenPolicy(can_publish_data=can_publish_data, publish_sources=sources)
    issued = claims_of(TokenService(CREDENTIALS, policy).issue(order).jwt)
    expected = claims_of(written_the_long_way(order, can_publish_data=can_publish_data, sources=sources))
    assert issued["exp"] - issued["nbf"] - (expected["exp"] - expected["nbf"]) in {-1, 0, 1}
    times = {"nbf", "exp"}
    assert {k: v for k, v in issued.items() if k not in times} == {
        k: v for k, v in expected.items() if k not in times
    }


def test_what_an_order_leaves_out_is_made_fresh() -> None:
    """An empty order gets a room and an identity of its own, which is its name as well."""
    issued = TokenService(CREDENTIALS).issue(TokenOrder())
    claims = claims_of(issued.jwt)
    assert (claims["video"]["room"], claims["sub"], claims["name"]) == (
        issued.room,
        issued.identity,
        issued.identity,
    )
    # 128 random bits in hexadecimal.
    assert re.fullmatch(r"room-[0-9a-f]{32}", issued.room)
    assert re.fullmatch(r"user-[0-9a-f]{32}", issued.identity)
    assert issued.name == issued.identity


def test_fresh_rooms_and_identities_are_never_shared() -> None:
    """In 100,000 orders no two get the same room or the same identity."""
    orders = [TokenOrder().completed() for _ in range(100_000)]
    assert len({order.room for order in orders}) == 100_000
    assert len({order.identity for order in orders}) == 100_000


def test_an_agent_that_is_not_listed_is_not_dispatched() -> None:
    """The policy lists the agents; those that are not on the list are named by their indexes."""
    service = TokenService(CREDENTIALS, TokenPolicy(agents={"a", "b"}))
    assert "roomConfig" in claims_of(service.issue(replace(ORDER, agents=[Agent("a"), Agent("b")])).jwt)
    with pytest.raises(AgentNotAllowed) as caught:
        service.issue(replace(ORDER, agents=[Agent("c"), Agent("a"), Agent()]))
    assert caught.value.indexes == [0, 2]


def test_without_a_list_any_agent_is_dispatched() -> None:
    """An operator who lists no agents leaves the choice to the callers."""
    agents = claims_of(TokenService(CREDENTIALS).issue(replace(ORDER, agents=[Agent("any")])).jwt)
    assert agents["roomConfig"] == {"agents": [{"agentName": "any"}]}


@pytest.mark.parametrize(
    ("part", "order"),
    [
        ("name", replace(ORDER, name="n" * 800)),
        ("metadata", replace(ORDER, metadata="é" * 150, name="n" * 150)),
        ("attributes", replace(ORDER, attributes={str(i): "v" * 50 for i in range(16)})),
        ("agents", replace(ORDER, agents=[Agent(metadata="m" * 800)], name="n" * 100)),
    ],
)
def test_a_token_that_is_too_long_is_refused(part: str, order: TokenOrder) -> None:
    """The part that takes most of it is named, and nothing is cut."""
    with pytest.raises(TokenTooLong) as caught:
        TokenService(CREDENTIALS, TokenPolicy(max_bytes=1000)).issue(order)
    assert (caught.value.part, caught.value.limit) == (part, 1000)
    assert caught.value.length > 1000


def test_a_token_may_be_as_long_as_the_limit() -> None:
    """The limit itself is allowed."""
    length = len(TokenService(CREDENTIALS).issue(ORDER).jwt)
    assert TokenService(CREDENTIALS, TokenPolicy(max_bytes=length)).issue(ORDER).jwt
    with pytest.raises(TokenTooLong):
        TokenService(CREDENTIALS, TokenPolicy(max_bytes=length - 1)).issue(ORDER)


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
        TokenService(CREDENTIALS).issue(replace(ORDER, ttl=timedelta.max))
    assert isinstance(caught.value.__cause__, OverflowError)


def test_credentials_do_not_show_the_secret() -> None:
    """Credentials may end up in a traceback."""
    assert CREDENTIALS.api_secret not in repr(CREDENTIALS)
