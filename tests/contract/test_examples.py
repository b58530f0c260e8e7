"""Every example in the contract is what the service answers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from app.tokens import IssuedToken, TokenGenerationFailed, TokenOrder, TokenService
from tests.support.contract import document
from tests.support.raw_http import Answer, request, send
from tests.support.server import make_settings, serve

JSON = "Content-Type: application/json"
VALID = {"roomName": "support-4711", "participantIdentity": "alice"}
# What differs from one answer to the next; everything else must be as the example has it.
VARYING = {"token", "expiresAt", "timestamp", "requestId"}


class FailingTokens(TokenService):
    """A token service that fails as told."""

    def __init__(self, error: Exception) -> None:
        """Fail with `error`."""
        super().__init__(None)
        self.error = error

    def issue(self, _order: TokenOrder) -> IssuedToken:
        """Fail."""
        raise self.error


def post(content: Any, *headers: str, target: str = "/api/token") -> bytes:
    """Write a token request."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return request("POST", target, *(headers or (JSON,)), body=body)


def request_example(name: str) -> Any:
    """Find an example of the request."""
    body = document()["components"]["requestBodies"]["TokenRequest"]
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
TRIGGERS = {
    "minimal": Trigger(post(request_example("minimal"))),
    "full": Trigger(post(request_example("full"))),
    "live": Trigger(request("GET", "/api/health/live")),
    "ready": Trigger(request("GET", "/api/health/ready")),
    "severalFaults": Trigger(post({"roomName": "my room", "expirationSeconds": 59})),
    "unknownProperty": Trigger(post({**VALID, "expiresIn": 60})),
    "malformedJson": Trigger(post(b'{"roomName":1,}')),
    "unknownQueryParameter": Trigger(request("GET", "/api/health/live?verbose=1")),
    "notFound": Trigger(request("GET", "/api/token/")),
    "methodNotAllowed": Trigger(request("GET", "/api/token")),
    "requestTimeout": Trigger(
        request("POST", "/api/token", JSON, "Content-Length: 9"), (("body_timeout_seconds", 0.1),)
    ),
    "payloadTooLarge": Trigger(post(b" " * 20_000)),
    "unsupportedMediaType": Trigger(post(VALID, "Content-Type: text/plain")),
    "unsupportedEncoding": Trigger(post(VALID, JSON, "Content-Encoding: gzip")),
    "missingCredentials": Trigger(post(VALID), NO_CREDENTIALS),
    "tokenGenerationFailed": Trigger(post(VALID), tokens=failing("generation")),
    "internalError": Trigger(post(VALID), tokens=failing("anything")),
    "notReady": Trigger(request("GET", "/api/health/ready"), NO_CREDENTIALS),
}


def response_examples() -> list[Any]:
    """Find every example of a response, with its name and the status that it belongs to."""
    return [
        pytest.param(name, int(status), example["value"], id=f"{method} {path} {status} {name}")
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        for status, reference in operation["responses"].items()
        for name, example in response(reference)["content"]["application/json"]["examples"].items()
    ]


def response(reference: dict[str, str]) -> Any:
    """Find a shared response."""
    return document()["components"]["responses"][reference["$ref"].rsplit("/", 1)[1]]


def answer_to(trigger: Trigger) -> Answer:
    """Send a trigger to the service that it needs."""
    tokens = trigger.tokens() if trigger.tokens else None
    with serve(make_settings(**dict(trigger.settings)), tokens) as url:
        return send(url, trigger.request)


@pytest.mark.parametrize(("name", "status", "example"), response_examples())
def test_response_example_is_what_the_service_answers(name: str, status: int, example: Any) -> None:
    """The service answers as the example says, but for what differs each time."""
    answer = answer_to(TRIGGERS[name])
    assert answer.status == status
    body = answer.json()
    assert body.keys() == example.keys()
    assert {k: v for k, v in body.items() if k not in VARYING} == {
        k: v for k, v in example.items() if k not in VARYING
    }


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
