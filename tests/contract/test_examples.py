"""Every example in the contract is what the service answers."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.operation.load import Load
from app.operation.log_writer import LogWriter
from app.tokens.admission import UNRESTRICTED, Entitlement
from app.tokens.orders import TokenOrder
from app.tokens.service import IssuedToken, TokenGenerationFailed, TokenService
from tests.support.contract import document
from tests.support.issuer import AUDIENCE, Issuer
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

    def issue(self, _order: TokenOrder, _entitlement: Entitlement = UNRESTRICTED) -> IssuedToken:
        """Fail."""
        raise self.error


def post(path: str, content: Any, *headers: str) -> bytes:
    """Write a request with a body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return request("POST", f"/api{path}", *(headers or (JSON,)), body=body)


def bare(path: str, *headers: str) -> bytes:
    """Write a request of a caller who is refused, and so needs no body."""
    lines = [f"POST /api{path} HTTP/1.1", "Host: localhost", "Content-Length: 0", *headers, "", ""]
    return "\r\n".join(lines).encode()


def request_example(schema: str, name: str) -> Any:
    """Find an example of a request."""
    body = document()["components"]["requestBodies"][schema]
    return body["content"]["application/json"]["examples"][name]["value"]


@dataclass(frozen=True)
class Trigger:
    """What brings about the answer of an example: a request, and the service that it is sent to.

    Attributes:
        request: to send; the last one of `times`.
        settings: of the service.
        tokens: what it issues tokens with.
        claims: of the caller's token, which a service that asks for one gets; None: it asks for none.
        times: how often the request is sent.
        others: how many other requests the service is answering at the same time.
        log: what writes the service's log, if that is the matter.
    """

    request: bytes
    settings: tuple[tuple[str, Any], ...] = ()
    tokens: Callable[[], TokenService] | None = None
    claims: tuple[tuple[str, Any], ...] | None = None
    times: int = 1
    others: int = 0
    log: Callable[[], LogWriter] | None = None


def unwritable() -> LogWriter:
    """Make the writer of a log that cannot be written, and has lost a line."""
    writer = LogWriter(-1, lambda _lost: b"\n")
    writer.write(b"lost\n")
    writer.flush()
    return writer


def failing(message: str) -> Callable[[], TokenService]:
    """Make token services that fail in a way of which nobody thought."""
    error = TokenGenerationFailed() if message == "generation" else RuntimeError(message)
    return lambda: FailingTokens(error)


API_KEYS = (("auth", "api-key"), ("api_key_digests", f"backend:{'0' * 64}"))
ROOMS = (("oidc_rooms_claim", "rooms"),)
IDENTITY = {"/token": "participantIdentity", "/connection-details": "participant_identity"}
ROOM = {"/token": "roomName", "/connection-details": "room_name"}
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
    "ready": Trigger(request("GET", "/api/health/ready"), API_KEYS),
    "readyWithoutAuthentication": Trigger(request("GET", "/api/health/ready")),
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
    "metrics": Trigger(request("GET", "/api/metrics")),
    "notReady": Trigger(request("GET", "/api/health/ready"), NO_CREDENTIALS + API_KEYS),
}


def trigger_of(name: str, method: str, path: str) -> Trigger:
    """Find what brings about the answer of an example, at the path where the contract shows it."""
    if name in TRIGGERS:
        return TRIGGERS[name]
    stalled = request("POST", f"/api{path}", JSON, "Content-Length: 9")
    # What asks for no body cannot fail; the answer that it shares with the others can be seen there.
    valid = post(path, VALID[path]) if path in VALID else post(TOKEN, VALID[TOKEN])
    identity, room = IDENTITY.get(path), ROOM.get(path)
    to_room = post(path, {room: "support-4711", identity: "alice"})
    return {
        "noCredentials": Trigger(bare(path), API_KEYS),
        "expiredToken": Trigger(bare(path), claims=(("exp", 1),)),
        "otherAudience": Trigger(bare(path), claims=(("aud", "https://other.example.com"),)),
        "invalidToken": Trigger(bare(path, "Authorization: Bearer x.y.z"), claims=()),
        "unknownApiKey": Trigger(bare(path, "X-API-Key: lktoken_unknown"), API_KEYS),
        "identityMismatch": Trigger(post(path, {room: "support-4711", identity: "bob"}), claims=()),
        "identityUnusable": Trigger(to_room, claims=(("sub", "a b"),)),
        "roomOutsideThePrefix": Trigger(
            post(path, {room: "room", identity: "alice"}), (("room_name_prefix", "support-"),)
        ),
        "roomNotListed": Trigger(to_room, ROOMS, claims=()),
        "freshRoomNotAllowed": Trigger(post(path, {}), ROOMS, claims=()),
        "tooManyOfThisCaller": Trigger(valid, (("rate_limit", "1/hour"),), times=2),
        "tooManyOfAllCallers": Trigger(valid, (("rate_limit_total", "1/hour"),), times=2),
        "issuerUnreachable": Trigger(
            bare(path) if path in VALID else request("GET", f"/api{path}"),
            (("oidc_issuer", "http://127.0.0.1:1"),),
            claims=(),
        ),
        "overloaded": Trigger(valid, (("max_in_flight", 2),), others=2),
        "unknownQueryParameter": Trigger(request("GET", f"/api{path}?verbose=1")),
        "notFound": Trigger(request(method.upper(), f"/api{path}/")),
        "methodNotAllowed": Trigger(request("DELETE", f"/api{path}")),
        "requestTimeout": Trigger(stalled, (("body_timeout_seconds", 0.1),)),
        "payloadTooLarge": Trigger(post(path, b" " * 20_000)),
        "unsupportedMediaType": Trigger(post(path, {}, "Content-Type: text/plain")),
        "unsupportedEncoding": Trigger(post(path, {}, JSON, "Content-Encoding: gzip")),
        "missingCredentials": Trigger(valid, NO_CREDENTIALS),
        "tokenGenerationFailed": Trigger(valid, tokens=failing("generation")),
        "auditUnavailable": Trigger(valid, (("audit_required", True),), log=unwritable),
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
        if not method.startswith("x-")
        for status, reference in operation["responses"].items()
        # Some of health checks are there for a linter only; no deployment has them.
        if response(reference).get("x-only-with") != []
        for content in response(reference)["content"].values()
        for name, example in content["examples"].items()
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


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer of caller tokens."""
    with Issuer().serving() as serving:
        yield serving


def answer_to(trigger: Trigger, issuer: Issuer) -> Answer:
    """Send a trigger to the service that it needs."""
    tokens = trigger.tokens() if trigger.tokens else None
    settings, wanted = dict(trigger.settings), trigger.request
    if trigger.claims is not None:
        settings = {"auth": "oidc", "oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, **settings}
        if b"Bearer x.y.z" not in wanted:
            wanted = with_token(wanted, issuer.token(**dict(trigger.claims)))
    load = Load()
    for _ in range(trigger.others):
        load.begin()
    log = trigger.log() if trigger.log else None
    with serve(make_settings(**settings), tokens, load=load, log=log) as url:
        return [send(url, wanted) for _ in range(trigger.times)][-1]


def with_token(wanted: bytes, token: str) -> bytes:
    """Write a request's Authorization header, instead of another one."""
    head, end, body = wanted.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Authorization:")]
    return b"\r\n".join([*lines, f"Authorization: Bearer {token}".encode()]) + end + body


@pytest.mark.parametrize(("trigger", "status", "example"), response_examples())
def test_response_example_is_what_the_service_answers(
    issuer: Issuer, trigger: Trigger, status: int, example: Any
) -> None:
    """The service answers as the example says, but for what differs each time."""
    answer = answer_to(trigger, issuer)
    assert answer.status == status
    if isinstance(example, str):  # It shows the beginning.
        assert answer.content.decode().startswith(example)
        return
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
