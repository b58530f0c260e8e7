"""Every example in the contract is what the service answers."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from app.tokens.orders import TokenOrder
from app.tokens.service import IssuedToken, TokenGenerationFailed, TokenService
from tests.support.contract import document
from tests.support.raw_http import JSON, Answer, request, send
from tests.support.server import make_settings, serve

FRESH = re.compile(r"-[0-9a-f]{32}$")
VALID = {"/token": {"roomName": "support-4711", "participantIdentity": "alice"}, "/connection-details": {}}
# What differs from one answer to the next; everything else must be as the example has it.
VARYING = {"token", "participant_token", "expiresAt", "timestamp", "requestId"}


class FailingTokens(TokenService):
    """A token service that fails as told."""

    def __init__(self, error: Exception) -> None:
        """Fail with `error`."""
        super().__init__(None)
        self.error = error

    def issue(self, _order: TokenOrder) -> IssuedToken:
        """Fail."""
        raise self.error


def post(path: str, content: Any, *headers: str) -> bytes:
    """Write a request with a body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return request("POST", f"/api{path}", *(headers or (JSON,)), body=body)


def request_example(schema: str, name: str) -> Any:
    """Find an example of a request."""
    body = document()["components"]["requestBodies"][schema]
    return body["content"]["application/json"]["examples"][name]["value"]


@dataclass(frozen=True)
class Trigger:
    """What brings about the answer of an example: a request, and the service that it is sent to."""

    request: bytes
    settings: tuple[tuple[str, Any], ...] = ()
    tokens: Callable[[], TokenService] | None = None


def failing(message: str) -> Callable[[], TokenService]:
    """Make token services that fail in a way of which nobody thought."""
    error = TokenGenerationFailed() if message == "generation" else RuntimeError(message)
    return lambda: FailingTokens(error)


NO_CREDENTIALS = (("livekit_api_key", None), ("livekit_api_secret", None))
TOKEN, DETAILS = "/token", "/connection-details"
TRIGGERS = {
    "minimal": Trigger(post(TOKEN, request_example("TokenRequest", "minimal"))),
    "full": Trigger(post(TOKEN, request_example("TokenRequest", "full"))),
    "nothingChosen": Trigger(post(DETAILS, request_example("ConnectionDetailsRequest", "nothingChosen"))),
    "everythingChosen": Trigger(
        post(DETAILS, request_example("ConnectionDetailsRequest", "everythingChosen"))
    ),
    "live": Trigger(request("GET", "/api/health/live")),
    "ready": Trigger(request("GET", "/api/health/ready")),
    "severalFaults": Trigger(post(TOKEN, {"roomName": "my room", "expirationSeconds": 59})),
    "unknownProperty": Trigger(post(TOKEN, {**VALID[TOKEN], "expiresIn": 60})),
    "malformedJson": Trigger(post(TOKEN, b'{"roomName":1,}')),
    "forbiddenRoomConfig": Trigger(post(DETAILS, {"room_config": {"egress": {}}})),
    "wrongNames": Trigger(post(DETAILS, {"roomName": "support-4711"})),
    "tokenTooLong": Trigger(post(DETAILS, {"participant_metadata": "ü" * 1024})),
    "agentNotAllowed": Trigger(
        post(DETAILS, {"room_config": {"agents": [{"agent_name": "other"}]}}),
        (("livekit_agents", "concierge"),),
    ),
    "missingServerUrl": Trigger(post(DETAILS, {}), (("livekit_url", None),)),
    "notReady": Trigger(request("GET", "/api/health/ready"), NO_CREDENTIALS),
}


def trigger_of(name: str, method: str, path: str) -> Trigger:
    """Find what brings about the answer of an example, at the path where the contract shows it."""
    if name in TRIGGERS:
        return TRIGGERS[name]
    stalled = request("POST", f"/api{path}", JSON, "Content-Length: 9")
    # A health check cannot fail; the answer that it shares with the others can be seen there.
    valid = post(path, VALID[path]) if path in VALID else post(TOKEN, VALID[TOKEN])
    return {
        "unknownQueryParameter": Trigger(request("GET", f"/api{path}?verbose=1")),
        "notFound": Trigger(request(method.upper(), f"/api{path}/")),
        "methodNotAllowed": Trigger(request("DELETE", f"/api{path}")),
        "requestTimeout": Trigger(stalled, (("body_timeout_seconds", 0.1),)),
        "payloadTooLarge": Trigger(post(path, b" " * 20_000)),
        "unsupportedMediaType": Trigger(post(path, {}, "Content-Type: text/plain")),
        "unsupportedEncoding": Trigger(post(path, {}, JSON, "Content-Encoding: gzip")),
        "missingCredentials": Trigger(valid, NO_CREDENTIALS),
        "tokenGenerationFailed": Trigger(valid, tokens=failing("generation")),
        "internalError": Trigger(valid, tokens=failing("anything")),
    }[name]


def response_examples() -> list[Any]:
    """Find every example of a response, with its name and the status that it belongs to."""
    return [
        pytest.param(
            trigger_of(name, method, path),
            int(status),
            example["value"],
            id=f"{method} {path} {status} {name}",
        )
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        for status, reference in operation["responses"].items()
        for name, example in response(reference)["content"]["application/json"]["examples"].items()
    ]


def response(reference: dict[str, str]) -> Any:
    """Find a shared response."""
    return document()["components"]["responses"][reference["$ref"].rsplit("/", 1)[1]]


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs from one answer to the next, and the random part of fresh names."""
    return {
        key: FRESH.sub("-…", value) if isinstance(value, str) else value
        for key, value in body.items()
        if key not in VARYING
    }


def answer_to(trigger: Trigger) -> Answer:
    """Send a trigger to the service that it needs."""
    tokens = trigger.tokens() if trigger.tokens else None
    with serve(make_settings(**dict(trigger.settings)), tokens) as url:
        return send(url, trigger.request)


@pytest.mark.parametrize(("trigger", "status", "example"), response_examples())
def test_response_example_is_what_the_service_answers(trigger: Trigger, status: int, example: Any) -> None:
    """The service answers as the example says, but for what differs each time."""
    answer = answer_to(trigger)
    assert answer.status == status
    body = answer.json()
    assert body.keys() == example.keys()
    assert comparable(body) == comparable(example)


def test_every_error_code_has_an_example() -> None:
    """The examples show every `errorCode` of the contract, each with one status only."""
    seen = {
        (parameters.values[2]["errorCode"], parameters.values[1])
        for parameters in response_examples()
        if "errorCode" in parameters.values[2]
    }
    codes = document()["components"]["schemas"]["ErrorResponse"]["properties"]["errorCode"]["enum"]
    assert sorted(code for code, _ in seen) == sorted(codes)


def test_every_property_has_an_example() -> None:
    """Each property of each schema has an example, or refers to a schema that has one."""
    schemas = document()["components"]["schemas"]
    for name, schema in schemas.items():
        for key, node in schema.get("properties", {}).items():
            target = schemas[node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node
            assert "example" in target, f"{name}.{key}"
