"""The handlers translate between the wire and the domain, and decide nothing."""

import time
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import jwt
import pytest

from app.callers.caller import ANYBODY, Caller, ClaimNames, Profile
from app.handlers import Handlers
from app.operation.readiness import AUTHENTICATION_OFF, MISSING_CREDENTIALS, NotReady, Readiness, Reason
from app.tokens.admission import UNRESTRICTED, Entitlement, IdentityMismatch, RoomNotListed, RoomOutsidePrefix
from app.tokens.credentials import Credentials
from app.tokens.orders import Agent, TokenOrder
from app.tokens.policy import AgentNotAllowed, TokenTooLong
from app.tokens.service import IssuedToken, MissingServerUrl, TokenService
from app.wire.faults import AgentRefused, ContractViolation, Fault, IdentityRefused, RoomRefused

URL = "wss://livekit.example.com"
CREDENTIALS = Credentials("key", "a-throw-away-secret-of-the-unit-tests-012345")
TOKEN_BODY = {
    "roomName": "room", "participantIdentity": "alice", "participantName": "Alice", "expirationSeconds": 90
}  # fmt: skip
DETAILS_BODY = {
    "room_name": "room",
    "participant_identity": "alice",
    "participant_name": "Alice",
    "participant_metadata": "metadata",
    "participant_attributes": {"key": "value"},
    "room_config": {"agents": [{"agent_name": "a", "metadata": "m", "deployment": "d"}, {}]},
}
PROFILE = Profile("alice", "Alice", ("room",), ClaimNames("uid", "nick", "rooms"))
# Every part is another one than was asked for: an answer is made from what was issued.
ISSUED = IssuedToken("issued.jwt", "issued-room", "issued-identity", "issued-name", 1_000_000_000)
EXPIRY = "2001-09-09T01:46:40Z"


class Tokens(TokenService):
    """A token service that keeps the orders, and issues the same token for each, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        """Fail with `error`, if there is one."""
        super().__init__(None)
        self.error = error
        self.orders: list[TokenOrder] = []
        self.entitlements: list[Entitlement] = []

    def issue(self, order: TokenOrder, entitlement: Entitlement = UNRESTRICTED) -> IssuedToken:
        """Issue the token."""
        self.orders.append(order)
        self.entitlements.append(entitlement)
        if self.error:
            raise self.error
        return ISSUED


def handlers_of(tokens: TokenService, url: str | None = URL, *reasons: Reason) -> Handlers:
    """Make handlers, with something to mend."""
    return Handlers(tokens, url, Readiness([(reason, lambda: True) for reason in reasons]), str, "1.2.3")


def test_a_token_is_ordered_as_it_was_asked_for() -> None:
    """Each property of the request is a part of the order, and what is left out is left to the policy."""
    tokens = Tokens()
    handlers = handlers_of(tokens)
    handlers.generate_token(TOKEN_BODY, {}, ANYBODY)
    handlers.generate_token(
        {"roomName": "r", "participantIdentity": "i", "expirationSeconds": 60}, {}, ANYBODY
    )
    handlers.create_connection_details(DETAILS_BODY, {}, ANYBODY)
    handlers.create_connection_details({}, {}, ANYBODY)
    assert tokens.orders == [
        TokenOrder("room", "alice", "Alice", timedelta(seconds=90)),
        TokenOrder("r", "i", "", timedelta(seconds=60)),
        TokenOrder(
            "room", "alice", "Alice", None, "metadata", {"key": "value"}, [Agent("a", "m", "d"), Agent()]
        ),
        TokenOrder("", "", "", None, "", {}, []),
    ]


def test_what_was_issued_is_answered_and_audited() -> None:
    """The answer and the audit line speak of the token, not of what was asked for."""
    handlers = handlers_of(Tokens())
    audits: list[dict[str, Any]] = [
        {"room": "room", "method": "POST"},
        {"identity": "alice", "method": "POST"},
    ]
    assert handlers.generate_token(TOKEN_BODY, audits[0], ANYBODY) == {
        "token": "issued.jwt",
        "expiresAt": EXPIRY,
        "roomName": "issued-room",
        "participantIdentity": "issued-identity",
        "serverUrl": URL,
    }
    assert handlers.create_connection_details(DETAILS_BODY, audits[1], ANYBODY) == {
        "server_url": URL,
        "participant_token": "issued.jwt",
        "room_name": "issued-room",
        "participant_name": "issued-name",
    }
    noted = {"room": "issued-room", "identity": "issued-identity", "expiresAt": EXPIRY, "method": "POST"}
    assert audits == [noted, noted]


def test_a_server_that_is_not_known_is_left_out_or_missed() -> None:
    """A token alone needs no server; connection details do, and nothing is issued without one."""
    tokens = Tokens()
    handlers = handlers_of(tokens, None)
    assert "serverUrl" not in handlers.generate_token(TOKEN_BODY, {}, ANYBODY)
    with pytest.raises(MissingServerUrl):
        handlers.create_connection_details({}, {}, ANYBODY)
    assert len(tokens.orders) == 1


def test_the_expiry_that_is_answered_and_audited_is_that_of_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a clock that jumps at each reading, wherever it is read, they are the same second."""
    readings = count(1_000_000_000, 5)
    monkeypatch.setattr(time, "time", lambda: next(readings))
    handlers, audit = handlers_of(TokenService(CREDENTIALS)), dict[str, Any]()
    answer = handlers.generate_token(TOKEN_BODY, audit, ANYBODY)
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert datetime.fromisoformat(answer["expiresAt"]).timestamp() == claims["exp"] == claims["nbf"] + 90
    assert audit["expiresAt"] == answer["expiresAt"]


def test_agents_that_are_refused_are_named_by_their_places() -> None:
    """The places are those of the request, counted as a program does."""
    with pytest.raises(AgentRefused) as caught:
        handlers_of(Tokens(AgentNotAllowed([0, 2]))).create_connection_details({}, {}, ANYBODY)
    assert str(caught.value).startswith(
        "room_config.agents[0].agent_name, room_config.agents[2].agent_name is not an agent"
    )


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("name", "participant_name"),
        ("metadata", "participant_metadata"),
        ("attributes", "participant_attributes"),
        ("agents", "room_config.agents"),
    ],
)
def test_what_to_shorten_is_named_as_the_endpoint_names_it(part: str, field: str) -> None:
    """The advice has the token's length and its limit; nothing is noted for the audit line."""
    audit: dict[str, Any] = {}
    handlers = handlers_of(Tokens(TokenTooLong(part, 8001, 8000)))
    with pytest.raises(ContractViolation) as caught:
        handlers.create_connection_details({}, audit, ANYBODY)
    advice = "shorten it; the token would be 8001 bytes long, and may be 8000"
    assert caught.value.faults == (Fault(field, advice),)
    if part == "name":
        with pytest.raises(ContractViolation) as caught:
            handlers.generate_token(TOKEN_BODY, audit, ANYBODY)
        assert caught.value.faults == (Fault("participantName", advice),)
    assert audit == {}


def test_the_caller_of_a_token_is_entitled_to_what_it_says() -> None:
    """Whoever has none is entitled to anything."""
    tokens = Tokens()
    handlers = handlers_of(tokens)
    for caller in (ANYBODY, Caller("backend", "api-key"), Caller("4711", "oidc", PROFILE)):
        handlers.generate_token(TOKEN_BODY, {}, caller)
        handlers.create_connection_details(DETAILS_BODY, {}, caller)
    own = Entitlement("alice", "Alice", ("room",))
    assert tokens.entitlements == [UNRESTRICTED] * 4 + [own] * 2


@pytest.mark.parametrize(
    ("error", "refused", "begins", "claim"),
    [
        (IdentityMismatch(), IdentityRefused, "participant", "the claim uid"),
        (RoomOutsidePrefix("voice-"), RoomRefused, "room", "must begin with voice-"),
        (RoomNotListed(fresh=False), RoomRefused, "room", "the claim rooms"),
        (RoomNotListed(fresh=True), RoomRefused, "room", "is required"),
    ],
)
def test_what_is_refused_is_named_as_the_endpoint_names_it(
    error: Exception, refused: type[Exception], begins: str, claim: str
) -> None:
    """With the setting's or the claim's name."""
    handlers, caller = handlers_of(Tokens(error)), Caller("4711", "oidc", PROFILE)
    for call, suffix in ((handlers.generate_token, ""), (handlers.create_connection_details, "_")):
        with pytest.raises(refused, match=claim) as caught:
            call(TOKEN_BODY, {}, caller)
        field = str(caught.value).split()[0]
        assert field.startswith(begins)
        assert ("_" in field) == (suffix == "_")


def test_a_service_is_as_ready_as_it_finds() -> None:
    """Liveness asks nobody; readiness says what there is to mend."""
    ready, unready = (
        handlers_of(Tokens(), URL, AUTHENTICATION_OFF),
        handlers_of(Tokens(), URL, MISSING_CREDENTIALS),
    )
    assert ready.check_readiness() == {"status": "ready", "reasons": ["authentication_off"]}
    assert ready.check_liveness() == unready.check_liveness() == {"status": "live", "version": "1.2.3"}
    with pytest.raises(NotReady):
        unready.check_readiness()
