"""Caller tokens of a real OpenID provider: issued, rotated, and gone."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.openid_provider import OpenIdProvider
from tests.support.server import claims_of, make_settings, serve

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")


@pytest.fixture
def api(openid_provider: OpenIdProvider) -> Iterator[httpx.Client]:
    """Client of a service whose callers have tokens of the provider; it knows the provider's keys."""
    settings = make_settings(
        auth="oidc",
        oidc_issuer=openid_provider.issuer,
        oidc_audience=openid_provider.audience,
        oidc_rooms_claim="rooms",
    )
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as client:
        until(client, 200)
        yield client


def until(api: httpx.Client, status: int) -> None:
    """Wait until readiness has a status."""
    deadline = time.monotonic() + 15
    while api.get("/health/ready").status_code != status:
        assert time.monotonic() < deadline, f"readiness is not {status}"
        time.sleep(0.05)


def ask(api: httpx.Client, token: str, room: str = "room-1") -> httpx.Response:
    """Ask for a token as the caller of another."""
    return api.post("/token", json={"roomName": room}, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_caller_of_the_provider_is_who_it_says(
    openid_provider: OpenIdProvider, api: httpx.Client, algorithm: str
) -> None:
    """Whatever it signs with; identity, name and rooms come from its token."""
    token = openid_provider.token(algorithm=algorithm, name="Ada Lovelace", rooms=["room-*"])
    claims = claims_of(ask(api, token).json()["token"])
    assert (claims["sub"], claims["name"]) == (openid_provider.client_id, "Ada Lovelace")
    refused = ask(api, token, room="other")
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "ROOM_NOT_ALLOWED")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"nbf": 4_000_000_000},
        {"aud": "https://other.example.com"},
        {"iss": "https://evil.example"},
        {"sub": None},
        {"exp": None},
    ],
)
def test_what_the_provider_did_not_mean_for_us_is_refused(
    openid_provider: OpenIdProvider, api: httpx.Client, claims: dict[str, object]
) -> None:
    """A good signature alone opens nothing."""
    assert ask(api, openid_provider.token(**{"rooms": ["*"], **claims})).status_code == 401  # type: ignore[arg-type]


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": None}])
def test_access_tokens_have_several_types(
    openid_provider: OpenIdProvider, api: httpx.Client, header: dict[str, object]
) -> None:
    """Not every provider follows RFC 9068."""
    assert ask(api, openid_provider.token(header=header, rooms=["*"])).status_code == 200


@pytest.mark.parametrize("header", [{"kid": None}, {"jku": "https://evil.example"}, {"typ": "logout+jwt"}])
def test_other_headers_are_refused(
    openid_provider: OpenIdProvider, api: httpx.Client, header: dict[str, object]
) -> None:
    """Even from the provider."""
    assert ask(api, openid_provider.token(header=header, rooms=["*"])).status_code == 401


def test_a_rotated_key_is_known_at_once(openid_provider: OpenIdProvider, api: httpx.Client) -> None:
    """The provider signs with another key; the old one ends with it."""
    old = openid_provider.token(rooms=["*"])
    assert ask(api, old).status_code == 200
    openid_provider.rotate_keys()
    assert ask(api, openid_provider.token(rooms=["*"])).status_code == 200
    assert ask(api, old).status_code == 401


def test_an_old_key_that_is_still_listed_is_still_good(
    openid_provider: OpenIdProvider, api: httpx.Client
) -> None:
    """As providers rotate: tokens of before live on."""
    old = openid_provider.token(rooms=["*"])
    openid_provider.rotate_keys(keep=True)
    assert ask(api, openid_provider.token(rooms=["*"])).status_code == 200
    assert ask(api, old).status_code == 200


def test_a_storm_of_unknown_keys_costs_the_provider_two_requests(
    openid_provider: OpenIdProvider, api: httpx.Client
) -> None:
    """And does not keep out who has a good token."""
    good = openid_provider.token(rooms=["*"])
    forged = [openid_provider.token(header={"kid": f"k{n}"}, rooms=["*"]) for n in range(20)] * 10
    before = openid_provider.jwks_requests() + openid_provider.discovery_requests()
    with ThreadPoolExecutor(10) as pool:
        statuses = set(pool.map(lambda token: ask(api, token).status_code, forged))
    assert statuses == {401}
    assert openid_provider.jwks_requests() + openid_provider.discovery_requests() - before == 2
    assert ask(api, good).status_code == 200


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_while_the_provider_is_away_its_callers_get_tokens(
    openid_provider: OpenIdProvider, api: httpx.Client, how: str
) -> None:
    """Its keys are kept; only an unknown one waits, and not for long."""
    good, unknown = (
        openid_provider.token(rooms=["*"]),
        openid_provider.token(header={"kid": "unknown"}, rooms=["*"]),
    )
    getattr(openid_provider, how)()
    assert ask(api, good).status_code == 200
    started = time.monotonic()
    assert ask(api, unknown).status_code == 401
    assert time.monotonic() - started < 2
    assert ask(api, good).status_code == 200
    assert api.get("/health/ready").status_code == 200


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_a_service_that_starts_without_its_provider_recovers(
    openid_provider: OpenIdProvider, how: str
) -> None:
    """It is live, not ready, and ready by itself once the provider is back."""
    good = openid_provider.token()
    getattr(openid_provider, how)()
    settings = make_settings(
        auth="oidc", oidc_issuer=openid_provider.issuer, oidc_audience=openid_provider.audience
    )
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api", timeout=10) as client:
        assert client.get("/health/live").status_code == 200
        until(client, 503)
        assert client.get("/health/ready").json()["reasons"] == ["issuer_unreachable"]
        answer = ask(client, good)
        assert (answer.status_code, answer.json()["errorCode"]) == (503, "NOT_READY")
        openid_provider.thaw()
        openid_provider.start()
        until(client, 200)
        assert ask(client, good).status_code == 200
