"""The code and the contract say the same."""

import inspect
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import yaml
from inflection import underscore
from openapi_spec_validator import validate

from app.handlers import Handlers
from app.tokens.credentials import Credentials
from app.tokens.policy import TokenPolicy
from app.tokens.service import TokenService
from app.wire.contract import Contract
from app.wire.faults import MAX_FAULTS, ContractViolation, Fault
from tests.support.contract import PATH, assert_fits, document, schema
from tests.support.server import KEY, LIVEKIT_URL, SECRET, claims_of, make_settings, serve

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def operations() -> list[dict[str, Any]]:
    """List the operations of the contract."""
    return [
        operation
        for item in document()["paths"].values()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_the_contract_is_valid_openapi_3_0() -> None:
    """openapi-spec-validator accepts the contract."""
    validate(document())
    assert document()["openapi"] == "3.0.3"


def test_the_contract_holds_nothing_that_connexion_would_render() -> None:
    """Connexion's command line renders a contract with Jinja before it reads it."""
    text = PATH.read_text(encoding="utf-8")
    assert not [mark for mark in ("{{", "{%", "{#") if mark in text]


def test_operation_ids_and_handler_methods_are_equal() -> None:
    """Each operation has a method, and each public method an operation."""
    methods = {name for name, _ in inspect.getmembers(Handlers, inspect.isfunction) if name[0] != "_"}
    assert {underscore(operation["operationId"]) for operation in operations()} == methods


def test_operations_are_laid_out_alike() -> None:
    """Each operation has its parts, and its responses, in the same order."""
    order = ["operationId", "summary", "description", "tags", "security", "requestBody", "responses"]
    for operation in operations():
        parts = [part for part in operation if not part.startswith("x-")]
        assert parts == [part for part in order if part in operation]
        assert list(operation["responses"]) == sorted(operation["responses"])
        assert all("$ref" in response for response in operation["responses"].values())


def test_defaults_of_the_contract_are_applied(api: httpx.Client) -> None:
    """A property that is left out has the value that the contract gives as its default."""
    body = api.post("/token", json={"roomName": "r", "participantIdentity": "i"}).json()
    claims = claims_of(body["token"])
    default = schema("TokenRequest")["properties"]["expirationSeconds"]["default"]
    assert default <= claims["exp"] - claims["nbf"] <= default + 1
    assert claims["name"] == "i"


@pytest.mark.parametrize(
    ("name", "limit", "make"),
    [
        ("roomName", "maxLength", "a".__mul__),
        ("participantIdentity", "maxLength", "a".__mul__),
        ("participantName", "maxLength", "a".__mul__),
        ("expirationSeconds", "maximum", int),
    ],
)
def test_limits_of_the_contract_are_enforced(api: httpx.Client, name: str, limit: str, make: Any) -> None:
    """What just fits is accepted, what just does not is refused with the limit in the message."""
    valid = {"roomName": "r", "participantIdentity": "i"}
    value = schema("TokenRequest")["properties"][name][limit]
    assert api.post("/token", json={**valid, name: make(value)}).status_code == 200
    refused = api.post("/token", json={**valid, name: make(value + 1)})
    assert refused.status_code == 400
    (fault,) = refused.json()["validationErrors"]
    assert fault["field"] == name
    assert str(value) in fault["message"]


def test_limits_of_error_responses_hold() -> None:
    """However much is wrong, an error fits the contract."""
    fault = Fault.at("a\n" * 10_000, "b\0" * 10_000)
    assert_fits("FieldFault", {"field": fault.field, "message": fault.message})
    assert schema("ErrorResponse")["properties"]["validationErrors"]["maxItems"] == MAX_FAULTS


def test_of_a_thousand_faults_a_hundred_are_listed(api: httpx.Client) -> None:
    """Past the limit of the list, the message says that there are more."""
    answer = api.post("/token", content=json.dumps({f"k{i}": 0 for i in range(1000)}),
                      headers={"Content-Type": "application/json"})  # fmt: skip
    body = answer.json()
    assert_fits("ErrorResponse", body)
    assert len(body["validationErrors"]) == MAX_FAULTS
    assert "more faults" in body["message"]


def test_a_token_may_be_as_long_as_the_contract_says() -> None:
    """The policy's own default is the limit of the contract, which `main` passes on."""
    assert TokenPolicy().max_bytes == schema("AccessToken")["maxLength"] == Contract.load().max_token_bytes
    assert "8,000 bytes" in document()["paths"]["/connection-details"]["post"]["description"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/token", {"roomName": "r", "participantIdentity": "i", "participantName": "n" * 255},
         "participantName"),
        ("/connection-details", {"participant_name": "n" * 255}, "participant_name"),
        ("/connection-details", {"participant_metadata": "m" * 300}, "participant_metadata"),
    ],
)  # fmt: skip
def test_a_token_that_is_too_long_is_refused_on_both_endpoints(path: str, body: Any, field: str) -> None:
    """The answer names the property to shorten, as the endpoint calls it."""
    tokens = TokenService(Credentials(KEY, SECRET), TokenPolicy(max_bytes=600))
    with serve(make_settings(), tokens) as url:
        answer = httpx.post(f"{url}/api{path}", json=body)
    assert answer.status_code == 400
    (fault,) = answer.json()["validationErrors"]
    assert fault["field"] == field
    assert "may be 600" in fault["message"]


def test_bytes_of_a_body_are_limited_by_the_contract() -> None:
    """The size of a body is read from the contract, not written again."""
    changed = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    changed["components"]["requestBodies"]["TokenRequest"]["x-max-bytes"] = 7
    rule = Contract(changed).operations["generateToken"].body
    assert rule is not None
    assert rule.max_bytes == 7


def test_patterns_are_read_from_the_contract() -> None:
    """A rule that changes in the contract changes in the service, with its words."""
    changed = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    changed["components"]["schemas"]["TokenRequest"]["properties"]["roomName"] |= {
        "pattern": "^x$",
        "x-pattern-message": "must be x",
    }
    rule = Contract(changed).operations["generateToken"].body
    assert rule is not None
    with pytest.raises(ContractViolation) as caught:
        rule.validate({"roomName": "y", "participantIdentity": "a"}, {})
    assert caught.value.faults == (Fault("roomName", "must be x"),)


@pytest.mark.parametrize("seconds", [60, 61, 600, 86400])
def test_expires_at_is_the_second_of_exp(api: httpx.Client, seconds: int) -> None:
    """`expiresAt` is the JWT's `exp`, and that is as far away as was asked."""
    before = int(datetime.now(UTC).timestamp())
    body = api.post(
        "/token", json={"roomName": "r", "participantIdentity": "i", "expirationSeconds": seconds}
    ).json()
    claims = claims_of(body["token"])
    assert datetime.fromisoformat(body["expiresAt"]).timestamp() == claims["exp"]
    assert before + seconds <= claims["exp"] <= datetime.now(UTC).timestamp() + seconds
    assert claims["exp"] - claims["nbf"] in {seconds, seconds + 1}


def test_a_token_holds_the_least_that_a_voice_session_needs(api: httpx.Client) -> None:
    """The claims are those of the mission, and no others."""
    answer = api.post(
        "/token",
        json={"roomName": "r-1", "participantIdentity": "alice", "participantName": "Alice Müller"},
    )
    assert_fits("TokenResponse", answer.json())
    assert answer.json()["serverUrl"] == LIVEKIT_URL
    assert answer.headers["Cache-Control"] == "no-store"
    claims = claims_of(answer.json()["token"])
    assert {k: v for k, v in claims.items() if k not in {"exp", "nbf"}} == {
        "iss": KEY,
        "sub": "alice",
        "name": "Alice Müller",
        "video": {
            "roomJoin": True,
            "room": "r-1",
            "canPublish": True,
            "canPublishSources": ["microphone"],
            "canSubscribe": True,
            "canPublishData": True,
        },
    }


# uvicorn ends its thread by SystemExit.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_operation_without_a_handler_keeps_the_service_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A contract that nobody implements is noticed at the start, not by the first caller."""
    monkeypatch.delattr(Handlers, "check_liveness")
    with pytest.raises(RuntimeError, match="did not start"), serve(make_settings()):
        pass
