"""The client and the real service."""

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from asking import Ask
from livekit_token_api_client import (
    AsyncTokenApi,
    MissingCredentials,
    NotFound,
    NotReady,
    PayloadTooLarge,
    RateLimited,
    TokenApi,
    Unauthenticated,
    ValidationError,
    __version__,
)
from tests.support.contract import assert_fits, document
from tests.support.issuer import AUDIENCE, Issuer
from tests.support.server import LIVEKIT_URL, claims_of, make_settings, serve

ALICE = {"roomName": "support-4711", "participantIdentity": "alice"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An OpenID issuer."""
    with Issuer().serving() as serving:
        yield serving


def examples_of(name: str) -> list[Any]:
    """List the examples of a request in the contract, as parameters of a test."""
    content = document()["components"]["requestBodies"][name]["content"]["application/json"]
    return [pytest.param(example["value"], id=id_) for id_, example in content["examples"].items()]


@pytest.mark.parametrize("request_", examples_of("TokenRequest"))
def test_a_token_is_issued_for_what_was_asked(service_url: str, ask: Ask, request_: dict[str, Any]) -> None:
    """The answer fits the contract, and its token says every property of the request."""
    answer = ask(service_url, "generate_token", **request_)
    assert_fits("TokenResponse", answer)
    claims = claims_of(answer["token"])
    assert claims["video"]["room"] == answer["roomName"] == request_["roomName"]
    assert claims["sub"] == answer["participantIdentity"] == request_["participantIdentity"]
    assert claims["name"] == request_.get("participantName", "alice")
    assert claims["exp"] - claims["nbf"] == request_.get("expirationSeconds", 3600)
    assert answer["token"].lifetime_seconds == request_.get("expirationSeconds", 3600)
    assert answer["serverUrl"] == LIVEKIT_URL


@pytest.mark.parametrize("request_", examples_of("ConnectionDetailsRequest"))
def test_connection_details_are_created_for_what_was_asked(
    service_url: str, ask: Ask, request_: dict[str, Any]
) -> None:
    """The answer fits the contract, and its token says every property of the request."""
    answer = ask(service_url, "create_connection_details", **request_)
    assert_fits("ConnectionDetails", answer)
    claims = claims_of(answer["participant_token"])
    assert claims["video"]["room"] == answer["room_name"] == request_.get("room_name", answer["room_name"])
    assert claims["sub"] == request_.get("participant_identity", claims["sub"])
    assert claims["name"] == answer["participant_name"]
    assert claims.get("metadata") == request_.get("participant_metadata")
    assert claims.get("attributes") == request_.get("participant_attributes")
    agents = [
        {"agent_name": agent["agentName"], **{key: agent[key] for key in ("metadata", "deployment")}}
        for agent in claims.get("roomConfig", {}).get("agents", [])
    ]
    assert agents == request_.get("room_config", {}).get("agents", [])


def test_the_health_is_told(service_url: str, ask: Ask) -> None:
    """The service is alive, and of the client's own version; it is ready."""
    assert ask(service_url, "check_liveness") == {"status": "live", "version": __version__}
    ready = ask(service_url, "check_readiness")
    assert_fits("HealthResponse", ready)
    assert ready["status"] == "ready"


def test_every_fault_of_a_request_is_told(service_url: str, ask: Ask) -> None:
    """They are there at once, for a program and for a person."""
    with pytest.raises(ValidationError) as raised:
        ask(service_url, "generate_token", roomName="no blanks", participantName="a\nb")
    fields = [fault["field"] for fault in raised.value.validation_errors]
    assert fields == ["participantIdentity", "participantName", "roomName"]
    assert all(field in str(raised.value) for field in fields)


def test_a_request_that_is_too_long_is_told(service_url: str, ask: Ask) -> None:
    """It is the service that says so, and it is not asked again."""
    with pytest.raises(PayloadTooLarge):
        ask(service_url, "create_connection_details", participant_metadata="x" * 20_000)


def test_an_address_without_the_base_path_is_told(service_url: str, ask: Ask) -> None:
    """The service's own 404 says where to look."""
    with pytest.raises(NotFound, match="the paths are in the contract"):
        ask(service_url.removesuffix("/api"), "generate_token", **ALICE)


def test_a_service_without_credentials_says_so(ask: Ask) -> None:
    """A token is not issued, and the health check has the reason; each time the answer is raised."""
    with serve(make_settings(livekit_api_key="", livekit_api_secret="")) as url:
        pauses: list[float] = []
        with pytest.raises(MissingCredentials):
            ask(f"{url}/api", "generate_token", pauses, **ALICE)
        # A 5xx, which is asked again.
        assert len(pauses) == 2
        with pytest.raises(NotReady) as raised:
            ask(f"{url}/api", "check_readiness", pauses)
        assert "missing_credentials" in raised.value.reasons
        assert "missing_credentials" in str(raised.value)
        assert len(pauses) == 2, "how it is now is not asked twice"
        assert ask(f"{url}/api", "check_liveness")["status"] == "live"


def test_an_api_key_admits(ask: Ask) -> None:
    """Without it, or with another one, the service refuses."""
    key = "lktoken_of-a-backend-of-the-test-suite"
    digest = hashlib.sha256(key.encode()).hexdigest()
    with serve(make_settings(auth="api-key", api_key_digests=f"backend:{digest}")) as url:
        assert ask(f"{url}/api", "generate_token", api_key=key, **ALICE)["participantIdentity"] == "alice"
        for wrong in ({}, {"api_key": "another"}):
            with pytest.raises(Unauthenticated):
                ask(f"{url}/api", "generate_token", **wrong, **ALICE)


def test_a_caller_token_admits(ask: Ask, issuer: Issuer) -> None:
    """As it is, or got for each request; the identity is the token's, and may be left out."""
    with serve(make_settings(auth="oidc", oidc_issuer=issuer.url, oidc_audience=AUDIENCE)) as url:
        for bearer in (issuer.token(), issuer.token):
            answer = ask(f"{url}/api", "generate_token", bearer=bearer, roomName="support-4711")
            assert answer["participantIdentity"] == "alice"
        with pytest.raises(Unauthenticated):
            ask(f"{url}/api", "generate_token", bearer=lambda: issuer.token(exp=1), roomName="support-4711")


async def test_a_caller_token_may_be_awaited(issuer: Issuer) -> None:
    """A coroutine function gets it."""

    async def token() -> str:
        return issuer.token(sub="bob")

    with serve(make_settings(auth="oidc", oidc_issuer=issuer.url, oidc_audience=AUDIENCE)) as url:
        async with AsyncTokenApi(f"{url}/api", bearer=token) as api:
            assert (await api.generate_token(roomName="r"))["participantIdentity"] == "bob"


def test_who_asks_too_often_waits_as_long_as_the_service_says(ask: Ask) -> None:
    """The second request is answered after the window; who would wait for too long is told how long."""
    with serve(make_settings(rate_limit="1/2 seconds")) as url:
        ask(f"{url}/api", "generate_token", **ALICE)
        assert ask(f"{url}/api", "generate_token", **ALICE)["roomName"] == "support-4711"
    with serve(make_settings(rate_limit="1/hour")) as url:
        ask(f"{url}/api", "generate_token", **ALICE)
        with pytest.raises(RateLimited) as raised:
            ask(f"{url}/api", "generate_token", **ALICE)
        assert raised.value.retry_after
        assert 60 < raised.value.retry_after <= 3600


def test_a_client_of_one_s_own_is_used_and_left_open(service_url: str) -> None:
    """Its connections serve, and its headers are sent: here, an id of the request."""
    with httpx.Client(headers={"X-Request-Id": "of-my-own"}) as http:
        with TokenApi(f"{service_url}/", http=http) as api, pytest.raises(ValidationError) as raised:
            api.generate_token(roomName="")
        assert raised.value.request_id == "of-my-own"
        assert not http.is_closed
