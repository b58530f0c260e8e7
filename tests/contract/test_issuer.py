"""The issuer's keys: fetched once, kept while it is away, and asked for again, but not too often."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from tests.support.contract import assert_fits
from tests.support.issuer import AUDIENCE, Issuer, encoded
from tests.support.server import make_settings, serve

DISCOVERY, JWKS = "/.well-known/openid-configuration", "/jwks"
BODY = {"roomName": "room-1"}
# 1,024 bits, which joserfc would warn of.
WEAK = {"kty": "RSA", "kid": "RS256", "e": "AQAB", "n": encoded(b"\xc1" * 128)}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer of caller tokens that no other test uses."""
    with Issuer().serving() as serving:
        yield serving


@pytest.fixture
def api(issuer: Issuer) -> Iterator[httpx.Client]:
    """Client of a service whose callers have tokens of the issuer."""
    yield from client_of(issuer)


def client_of(issuer: Issuer) -> Iterator[httpx.Client]:
    """Serve, and make a client."""
    settings = make_settings(auth="oidc", oidc_issuer=issuer.url, oidc_audience=AUDIENCE)
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as client:
        yield client


def ask(api: httpx.Client, token: str) -> int:
    """Ask for a token."""
    answer = api.post("/token", json=BODY, headers={"Authorization": f"Bearer {token}"})
    if answer.status_code != 200:
        assert_fits("ErrorResponse", answer.json())
    return answer.status_code


def until_ready(api: httpx.Client) -> None:
    """Wait until the service is ready."""
    deadline = time.monotonic() + 10
    while api.get("/health/ready").status_code != 200:
        assert time.monotonic() < deadline, "not ready"
        time.sleep(0.02)


def rotate(issuer: Issuer) -> None:
    """Sign with another key from now on."""
    issuer.keys["RS256"] = RSAKey.generate_key(2048)
    issuer.published = [issuer.public("RS256", kid="new")]


def test_keys_are_fetched_once(api: httpx.Client, issuer: Issuer) -> None:
    """However many callers there are."""
    until_ready(api)
    for alg in ("RS256", "ES256", "RS256"):
        assert ask(api, issuer.token(alg)) == 200
    assert issuer.requests == {DISCOVERY: 1, JWKS: 1}


def test_callers_at_once_share_one_fetch(issuer: Issuer) -> None:
    """On a cold cache as well."""
    issuer.delay_seconds = 0.2
    for api in client_of(issuer):
        with ThreadPoolExecutor(20) as pool:
            statuses = set(pool.map(partial(ask, api), [issuer.token()] * 20))
        assert statuses == {200}
        # What the service fetches at its start, and what its first caller made it ask again.
        assert issuer.requests[JWKS] <= 2


def test_a_rotated_key_is_fetched_at_once(api: httpx.Client, issuer: Issuer) -> None:
    """And the old one is no longer accepted, for the issuer no longer publishes it."""
    until_ready(api)
    old = issuer.token()
    assert ask(api, old) == 200
    rotate(issuer)
    assert ask(api, issuer.token(header={"kid": "new"})) == 200
    assert ask(api, old) == 401


def test_a_storm_of_unknown_keys_costs_the_issuer_two_requests(api: httpx.Client, issuer: Issuer) -> None:
    """One look at its metadata, one at its keys."""
    until_ready(api)
    issuer.requests.clear()
    with ThreadPoolExecutor(10) as pool:
        statuses = set(pool.map(lambda n: ask(api, issuer.token(header={"kid": f"k{n}"})), range(300)))
    assert statuses == {401}
    assert issuer.requests == {DISCOVERY: 1, JWKS: 1}


def test_hostile_tokens_do_not_make_the_service_ask(api: httpx.Client, issuer: Issuer) -> None:
    """What is refused without a key needs none."""
    until_ready(api)
    issuer.requests.clear()
    for token in ("x", "a.b.c", issuer.token(header={"alg": "HS256", "kid": "k"}), f"{encoded('{}')}.e30.AA"):
        assert ask(api, token) == 401
    assert not issuer.requests


def test_keys_are_kept_while_the_issuer_is_away(api: httpx.Client, issuer: Issuer) -> None:
    """Callers with its tokens do not notice; the service stays ready."""
    until_ready(api)
    issuer.stop()
    assert ask(api, issuer.token()) == 200
    assert ask(api, issuer.token(header={"kid": "unknown"})) == 401
    assert ask(api, issuer.token("ES256")) == 200
    assert api.get("/health/ready").status_code == 200


def test_an_issuer_that_hangs_holds_up_no_refusal(api: httpx.Client, issuer: Issuer) -> None:
    """Whoever sends an unknown key is refused within two seconds, and nobody else waits."""
    until_ready(api)
    issuer.delay_seconds = 4
    started = time.monotonic()
    assert ask(api, issuer.token(header={"kid": "unknown"})) == 401
    assert time.monotonic() - started < 2
    assert ask(api, issuer.token()) == 200
    issuer.delay_seconds = 0


def test_without_its_issuer_the_service_starts_and_recovers(issuer: Issuer) -> None:
    """It is live but not ready, tells why, and becomes ready by itself."""
    issuer.stop()
    for api in client_of(issuer):
        assert api.get("/health/live").status_code == 200
        answer = api.get("/health/ready")
        assert_fits("ErrorResponse", answer.json())
        assert (answer.status_code, answer.json()["reasons"]) == (503, ["issuer_unreachable"])
        answer = api.post("/token", json=BODY, headers={"Authorization": f"Bearer {issuer.token()}"})
        assert (answer.status_code, answer.json()["errorCode"]) == (503, "NOT_READY")
        assert answer.json()["reasons"] == ["issuer_unreachable"]
        assert answer.headers["Retry-After"]
        assert ask(api, "x.y.z") == 401
        issuer.start()
        until_ready(api)
        assert ask(api, issuer.token()) == 200


@pytest.mark.parametrize(
    "published",
    [
        pytest.param([], id="no key"),
        pytest.param("keys", id="no list"),
        pytest.param(
            [7, None, [], {}, {"kty": "RSA"}, {"kid": "RS256"}, {"kty": [], "kid": "x"}], id="no keys"
        ),
        pytest.param([WEAK], id="a weak key"),
        pytest.param([{"kty": "oct", "kid": "RS256", "k": "AAAA"}], id="a secret"),
        pytest.param([{"kty": "RSA", "kid": "RS256", "n": "!", "e": "AQAB"}], id="a broken key"),
        pytest.param(
            [{"kty": "EC", "crv": "P-521", "kid": "ES256", "x": "AA", "y": "AA"}], id="another curve"
        ),
    ],
)
def test_an_issuer_without_a_usable_key_is_as_good_as_away(issuer: Issuer, published: Any) -> None:
    """The service says that it is not ready, and goes on."""
    issuer.published = published
    for api in client_of(issuer):
        assert ask(api, issuer.token()) == 503
        assert api.get("/health/ready").json()["reasons"] == ["issuer_unreachable"]


def test_a_key_for_encryption_verifies_nothing(issuer: Issuer) -> None:
    """Its use is what the issuer says."""
    issuer.published = [issuer.public("ES256"), issuer.public("RS256", use="enc")]
    for api in client_of(issuer):
        assert ask(api, issuer.token("ES256")) == 200
        assert ask(api, issuer.token("RS256")) == 401


def test_keys_that_cannot_be_used_do_not_spoil_the_others(issuer: Issuer) -> None:
    """An issuer may publish what this service does not know."""
    issuer.published = [
        {"kty": "AKP", "kid": "x", "alg": "ML-DSA-44"},
        7,
        issuer.public("RS256", alg="RS256"),
    ]
    for api in client_of(issuer):
        assert ask(api, issuer.token()) == 200


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_issuer_is_what_it_calls_itself(
    issuer: Issuer, slash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Auth0's ends in a slash: the address of its metadata does not have two."""
    name = f"http://127.0.0.1:{issuer.port}{slash}"
    monkeypatch.setattr(Issuer, "url", name)
    monkeypatch.setattr(
        issuer,
        "document",
        lambda path: (
            {"issuer": name, "jwks_uri": f"{name}jwks"}
            if path == DISCOVERY
            else {"keys": issuer.published}
            if path == JWKS
            else {}
        ),
    )
    for api in client_of(issuer):
        assert ask(api, issuer.token()) == (200 if slash else 503)
