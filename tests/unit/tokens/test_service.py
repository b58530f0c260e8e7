"""The token service, without HTTP."""

import re
from datetime import timedelta
from typing import Any

import jwt
import pytest
from livekit.api import TokenVerifier

from app.tokens.admission import AdmissionPolicy, Entitlement, IdentityMismatch
from app.tokens.credentials import Credentials
from app.tokens.orders import Agent, TokenOrder
from app.tokens.policy import AgentNotAllowed, TokenPolicy, TokenTooLong
from app.tokens.service import MissingCredentials, TokenGenerationFailed, TokenService

CREDENTIALS = Credentials("key", "a-throw-away-secret-of-the-unit-tests-012345")
ORDER = TokenOrder(room="room-1", identity="alice", name="Alice", ttl=timedelta(seconds=90))


def claims_of(token: str) -> dict[str, Any]:
    """Read the claims of a token, its signature checked."""
    return dict(jwt.decode(token, CREDENTIALS.api_secret, algorithms=["HS256"]))


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
    assert "roomConfig" in claims_of(service.issue(ORDER._replace(agents=[Agent("a"), Agent("b")])).jwt)
    with pytest.raises(AgentNotAllowed) as caught:
        service.issue(ORDER._replace(agents=[Agent("c"), Agent("a"), Agent()]))
    assert caught.value.indexes == [0, 2]


def test_without_a_list_any_agent_is_dispatched() -> None:
    """An operator who lists no agents leaves the choice to the callers."""
    agents = claims_of(TokenService(CREDENTIALS).issue(ORDER._replace(agents=[Agent("any")])).jwt)
    assert agents["roomConfig"] == {"agents": [{"agentName": "any"}]}


@pytest.mark.parametrize(
    ("part", "order"),
    [
        ("name", ORDER._replace(name="n" * 800)),
        ("metadata", ORDER._replace(metadata="é" * 150, name="n" * 150)),
        ("attributes", ORDER._replace(attributes={str(i): "v" * 50 for i in range(16)})),
        ("agents", ORDER._replace(agents=[Agent(metadata="m" * 800)], name="n" * 100)),
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
        assert issued.expires_at == claims_of(issued.jwt)["exp"]


def test_without_credentials_nothing_is_issued(monkeypatch: pytest.MonkeyPatch) -> None:
    """livekit-api would fall back to the environment; the service does not."""
    monkeypatch.setenv("LIVEKIT_API_KEY", "from-the-environment")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "from-the-environment-too-0123456789")
    service = TokenService(None)
    assert not service.can_sign
    with pytest.raises(MissingCredentials):
        service.issue(ORDER)


def test_a_failure_is_wrapped() -> None:
    """What kept a token from being written is the cause."""
    with pytest.raises(TokenGenerationFailed) as caught:
        TokenService(CREDENTIALS).issue(ORDER._replace(metadata=object()))  # type: ignore[arg-type]
    assert isinstance(caught.value.__cause__, TypeError)


def test_credentials_do_not_show_the_secret() -> None:
    """Credentials may end up in a traceback."""
    assert CREDENTIALS.api_secret not in repr(CREDENTIALS)


def test_no_token_is_valid_for_longer_than_the_operator_says() -> None:
    """Neither by a wish, nor by default."""
    policy = TokenPolicy(ttl=timedelta(hours=2), max_ttl=timedelta(minutes=10))
    for wanted, seconds in ((None, 600), (timedelta(hours=1), 600), (timedelta(minutes=5), 300)):
        claims = claims_of(TokenService(CREDENTIALS, policy).issue(ORDER._replace(ttl=wanted)).jwt)
        assert claims["exp"] - claims["nbf"] == seconds


def test_a_caller_gets_what_it_is_entitled_to() -> None:
    """The token is for the caller, and rooms have the operator's prefix."""
    service = TokenService(CREDENTIALS, admission=AdmissionPolicy("voice-"))
    claims = claims_of(service.issue(TokenOrder(), Entitlement("alice", "Alice")).jwt)
    assert (claims["sub"], claims["name"]) == ("alice", "Alice")
    assert claims["video"]["room"].startswith("voice-room-")
    with pytest.raises(IdentityMismatch):
        service.issue(TokenOrder(identity="bob"), Entitlement("alice"))
