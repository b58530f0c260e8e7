"""Rate limits: for each caller, and for all together, counted in the process."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support import process
from tests.support.contract import assert_fits, document
from tests.support.issuer import AUDIENCE, Issuer
from tests.support.server import make_settings, serve

BODY = {"roomName": "room-1", "participantIdentity": "alice"}


@contextmanager
def limited(**changes: Any) -> Iterator[httpx.Client]:
    """Serve with limits, and make a client."""
    with serve(make_settings(**changes)) as url, httpx.Client(base_url=f"{url}/api") as client:
        yield client


def statuses(client: httpx.Client, count: int, **arguments: Any) -> list[int]:
    """Ask for tokens, one after another."""
    return [client.post("/token", json=BODY, **arguments).status_code for _ in range(count)]


def test_who_asks_too_often_is_told_when_to_ask_again() -> None:
    """After that time the next request is answered."""
    with limited(rate_limit="3/2 seconds") as client:
        # Where the window ends in between, the fourth is let through.
        assert statuses(client, 4)[:3] == [200] * 3
        answer = client.post("/token", json=BODY)
        assert_fits("ErrorResponse", answer.json())
        assert (answer.status_code, answer.json()["errorCode"]) == (429, "RATE_LIMITED")
        assert answer.headers["RateLimit-Policy"] == '"caller";q=3;w=2'
        assert answer.headers["RateLimit"].startswith('"caller";r=0;t=')
        wait = int(answer.headers["Retry-After"])
        assert 1 <= wait <= 2
        time.sleep(wait)
        assert statuses(client, 1) == [200]


def test_the_answers_say_what_is_left() -> None:
    """Successes and errors alike, as the draft of the header has it."""
    with limited(rate_limit="100/hour", rate_limit_total="1000/day") as client:
        answers = [
            client.post("/token", json=BODY),
            client.post("/token", json={}),
            client.post("/token", content=b"x"),
            client.post("/connection-details", json={}),
        ]
    assert [answer.status_code for answer in answers] == [200, 400, 415, 201]
    for n, answer in enumerate(answers, start=1):
        assert answer.headers["RateLimit-Policy"] == '"caller";q=100;w=3600, "total";q=1000;w=86400'
        caller, total = answer.headers["RateLimit"].split(", ")
        assert caller.startswith(f'"caller";r={100 - n};t=')
        assert total.startswith(f'"total";r={1000 - n};t=')


def test_all_callers_together_are_limited() -> None:
    """Whoever they are; what one is refused is not counted for all."""
    keys = {name: f"lktoken_{name}" for name in ("one", "two", "three")}
    digests = ",".join(f"{name}:{hashlib.sha256(key.encode()).hexdigest()}" for name, key in keys.items())
    with limited(
        auth="api-key", api_key_digests=digests, rate_limit="2/hour", rate_limit_total="4/hour"
    ) as client:
        found = {name: statuses(client, 3, headers={"X-API-Key": key}) for name, key in keys.items()}
        last = client.post("/token", json=BODY, headers={"X-API-Key": keys["three"]})
    assert found == {"one": [200, 200, 429], "two": [200, 200, 429], "three": [429, 429, 429]}
    assert last.json()["message"].startswith("This caller")


def test_without_a_limit_nothing_is_said_of_it(api: httpx.Client) -> None:
    """Neither header is there."""
    headers = api.post("/token", json=BODY).headers
    assert not {"ratelimit", "ratelimit-policy", "retry-after"} & headers.keys()


def test_health_and_the_contract_are_not_limited() -> None:
    """A load balancer asks often, and is not counted."""
    with limited(rate_limit="1/hour", rate_limit_total="1/hour") as client:
        for path in ("/health/live", "/health/ready", "/openapi.json"):
            for _ in range(3):
                answer = client.get(path)
                assert answer.status_code == 200
                assert "RateLimit" not in answer.headers
        assert client.options("/token", headers={"Origin": "x"}).status_code == 405
        assert statuses(client, 2) == [200, 429]


def test_each_caller_has_a_limit_of_its_own() -> None:
    """Known by its token, wherever it calls from; who is not known is not counted."""
    with Issuer().serving() as issuer:
        settings = make_settings(
            auth="oidc", oidc_issuer=issuer.url, oidc_audience=AUDIENCE, rate_limit="2/hour"
        )
        with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as client:
            assert statuses(client, 4) == [401] * 4
            for subject in ("alice", "bob"):
                body = {"roomName": "room-1"}
                headers = {"Authorization": f"Bearer {issuer.token(sub=subject)}"}
                found = [client.post("/token", json=body, headers=headers).status_code for _ in range(3)]
                assert found == [200, 200, 429]


@pytest.mark.parametrize(
    ("believed", "expected"), [("127.0.0.1", [200, 200, 200, 429, 200]), ("", [200, 429, 429, 429, 429])]
)
def test_addresses_come_from_a_proxy_that_is_believed_only(believed: str, expected: list[int]) -> None:
    """Else a caller would have as many as it likes; of IPv6 a subscriber's network counts as one."""
    addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    with process.running(
        RATE_LIMIT="1/hour",
        LIVEKIT_API_KEY="key",
        LIVEKIT_API_SECRET="a-throw-away-secret-of-the-test-suite-0123",
        FORWARDED_ALLOW_IPS=believed,
    ) as service:
        found = [
            httpx.post(f"{service.url}/token", json=BODY, headers={"X-Forwarded-For": address}).status_code
            for address in addresses
        ]
    assert found == expected


def test_the_published_contract_has_the_limit() -> None:
    """The 429, and the headers; without the answers of callers that nobody asks for."""
    with limited(rate_limit="1000/minute") as client:
        found = client.get("/openapi.json").json()
    responses = found["paths"]["/token"]["post"]["responses"]
    assert "429" in responses
    assert "401" not in responses
    assert "429" in document()["paths"]["/token"]["post"]["responses"]
    assert "RateLimit" in found["components"]["headers"]
