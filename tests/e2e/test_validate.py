"""LiveKit accepts every token that the service issues."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.e2e import connection_details, signalling
from tests.e2e.livekit_server import LiveKitServer

TOKENS = 1000


@pytest.fixture(scope="module")
def schema(tokens_api: httpx.Client) -> Mapping[str, Any]:
    """What a request has to be, by the service's own document: who may ask decides what is required."""
    document = tokens_api.get("/openapi.json").json()
    return dict(document["components"]["schemas"]["TokenRequest"])


def _strings(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    """Generate strings of every length that a schema allows.

    Repeating a short text, or cutting a long one, stays within patterns that are one character class;
    the service would answer 400 if one were not.
    """

    def fit(text: str, length: int) -> str:
        return (text * length)[:length]

    shortest: int = schema.get("minLength", 0)
    texts = st.from_regex(schema["pattern"], fullmatch=True)
    fitted = st.builds(fit, texts, st.integers(shortest, schema["maxLength"]))
    return fitted.filter(lambda text: len(text) >= shortest)


def _values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if schema["type"] == "string":
        return _strings(schema)
    assert schema["type"] == "integer"
    return st.integers(schema["minimum"], schema["maximum"])


def _requests(schema: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = {name: _values(rules) for name, rules in schema["properties"].items()}
    required = {name: values.pop(name) for name in schema["required"]}
    return st.fixed_dictionaries(required, optional=values)


def test_livekit_accepts_the_tokens_of_a_thousand_random_requests(
    tokens_api: httpx.Client, livekit: LiveKitServer, livekit_http: httpx.Client, schema: Mapping[str, Any]
) -> None:
    """Whatever the contract allows gets a token that LiveKit accepts, and `expiresAt` is its `exp`."""
    accepted = 0

    @hypothesis_settings(max_examples=TOKENS, deadline=None, derandomize=True)
    @given(_requests(schema))
    def check(request: dict[str, Any]) -> None:
        nonlocal accepted
        answer = tokens_api.post("/token", json=request)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        verdict = signalling.validate(livekit_http, body["token"])
        assert (verdict.status_code, verdict.text) == (200, "success")
        claims = connection_details.claims_of(livekit, body["token"])
        assert datetime.fromisoformat(body["expiresAt"]).timestamp() == claims["exp"]
        accepted += 1

    check()
    assert accepted >= TOKENS


async def test_the_longest_room_and_identity_can_join(
    tokens_api: httpx.Client, schema: Mapping[str, Any]
) -> None:
    """LiveKit's limits, in bytes, are not below those of the contract, in characters that are ASCII."""
    properties = schema["properties"]
    room = "r" * properties["roomName"]["maxLength"]
    identity = "i" * properties["participantIdentity"]["maxLength"]
    async with signalling.join(connection_details.ask(tokens_api, room, identity)) as connection:
        assert connection.joined.room.name == room
        assert connection.joined.participant.identity == identity
