"""Tokens as livekit-api writes them, byte for byte."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.api import AccessToken, VideoGrants
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.room import RoomConfiguration

from app.tokens.claims import TokensDiffer, TokenWriter
from app.tokens.credentials import Credentials
from app.tokens.orders import Agent, TokenOrder
from app.tokens.policy import TokenPolicy
from app.tokens.service import TokenService

SOURCES = ("microphone", "camera", "screen_share", "screen_share_audio")
# livekit-api leaves out an empty name, but the service never asks for one.
TEXT = st.text(max_size=30)
NON_EMPTY = st.text(min_size=1, max_size=30)
ORDERS = st.builds(
    TokenOrder,
    room=NON_EMPTY,
    identity=NON_EMPTY,
    name=NON_EMPTY,
    ttl=st.integers(min_value=60, max_value=86400).map(lambda seconds: timedelta(seconds=seconds)),
    metadata=TEXT,
    attributes=st.dictionaries(TEXT, TEXT, max_size=3),
    agents=st.lists(st.builds(Agent, TEXT, TEXT, TEXT), max_size=3),
)
# PyJWT refuses what looks like a PEM key, which begins with dashes.
SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="-"), min_size=32, max_size=60)
CREDENTIALS = st.builds(Credentials, NON_EMPTY, SECRETS)
POLICIES = st.builds(
    TokenPolicy,
    publish_sources=st.lists(st.sampled_from(SOURCES), min_size=1, unique=True),
    can_publish_data=st.booleans(),
)


def written_by_livekit(order: TokenOrder, credentials: Credentials, policy: TokenPolicy) -> str:
    """Have livekit-api write the whole token."""
    token = (
        AccessToken(credentials.api_key, credentials.api_secret)
        .with_identity(order.identity)
        .with_name(order.name)
        .with_ttl(order.ttl or policy.ttl)
        .with_grants(
            VideoGrants(
                room_join=True,
                room=order.room,
                can_publish=True,
                can_subscribe=True,
                can_publish_data=policy.can_publish_data,
                can_publish_sources=list(policy.publish_sources),
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


def claims_of(token: str) -> dict[str, Any]:
    """Read the claims of a token; its signature is not checked."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


@given(order=ORDERS, credentials=CREDENTIALS, policy=POLICIES)
def test_a_token_is_the_one_that_livekit_api_would_write(
    order: TokenOrder, credentials: Credentials, policy: TokenPolicy
) -> None:
    """Whatever is asked for, by whichever credentials and policy: the same bytes, signature included."""
    expected = written_by_livekit(order, credentials, policy)
    claims = claims_of(expected)
    assert TokenWriter(credentials, policy).write(order, claims["nbf"], claims["exp"]) == expected


def test_a_livekit_api_that_writes_otherwise_keeps_the_service_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A release that adds a claim to every token is noticed before a token without it is issued."""
    to_jwt = AccessToken.to_jwt

    def with_a_kind(self: AccessToken) -> str:
        return to_jwt(self.with_kind("standard"))

    monkeypatch.setattr(AccessToken, "to_jwt", with_a_kind)
    with pytest.raises(TokensDiffer, match="kind"):
        TokenService(Credentials("key", "a-throw-away-secret-of-the-unit-tests-012345"))
