"""The packaged function app, in the Python workers of Azure Functions."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.azure.workers import (
    WORKERS,
    Answer,
    FunctionApp,
    PlatformFailed,
    PlatformUnavailable,
    Request,
    Worker,
    running,
    template_faults,
    unpacked,
)
from tests.e2e.conftest import give_up
from tests.support import run_log
from tests.support.contract import assert_fits
from tests.support.process import ROOT
from tests.support.server import KEY, LIVEKIT_URL, ORIGIN, SECRET, claims_of

TEMPLATE = ROOT / "deploy" / "azure-functions" / "azuredeploy.json"
JSON = ("Content-Type", "application/json")
API_KEY = "lktoken_of-the-tests-of-the-function-app"
API_KEY_DIGEST = hashlib.sha256(API_KEY.encode()).hexdigest()
REFERENCE = "@Microsoft.KeyVault(SecretUri=https://tokens.vault.azure.net/secrets/livekit-api-secret)"
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

OPEN = {
    "LIVEKIT_API_KEY": KEY,
    "LIVEKIT_API_SECRET": SECRET,
    "LIVEKIT_URL": LIVEKIT_URL,
    "ROOM_NAME_PREFIX": "support-",
    "MAX_IN_FLIGHT": "1",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
}
VALID = {"roomName": "support-4711", "participantIdentity": "alice"}


class Deployment(NamedTuple):
    """A worker, and its package as the platform has unpacked it."""

    worker: Worker
    directory: Path


class Refusal(NamedTuple):
    """A request that is refused, and how."""

    request: Request
    status: int
    code: str


def post(path: str, content: Any, *headers: tuple[str, str]) -> Request:
    """Write a request with a body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Request("POST", f"/api{path}", (JSON, *headers), body)


def asked(app: FunctionApp, request: Request) -> Answer:
    """Have the function answer a request; it must not fail, of which the platform makes an empty 500."""
    (answer,) = app.ask_all([request])
    assert not answer.failure
    return answer


def audit_line(app: FunctionApp, answer: Answer) -> dict[str, Any]:
    """Find the audit line of an answer among what the host was told of its invocation."""
    (line,) = (line for line in app.log(answer.invocation) if line["category"] == "app.audit")
    assert not line["system"]
    return dict(json.loads(line["log"]))


@pytest.fixture(scope="module", params=WORKERS, ids=lambda worker: worker.name)
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The package for each worker."""
    worker = request.param
    try:
        return Deployment(worker, unpacked(worker, tmp_path_factory.mktemp("package")))
    except PlatformUnavailable as unavailable:
        give_up(str(unavailable))


def started(deployment: Deployment, settings: dict[str, str]) -> Iterator[FunctionApp]:
    """Start a function app with these App Settings."""
    with ExitStack() as stack:
        yield stack.enter_context(running(*deployment, settings))


@pytest.fixture(scope="module")
def app(deployment: Deployment) -> Iterator[FunctionApp]:
    """A function app that asks nobody."""
    yield from started(deployment, OPEN)


@pytest.fixture(scope="module")
def guarded(deployment: Deployment) -> Iterator[FunctionApp]:
    """A function app that asks who calls, counts, and whose issuer cannot be reached."""
    run_log.forbid(API_KEY)
    yield from started(
        deployment,
        {
            **OPEN,
            "AUTH": "oidc,api-key",
            "API_KEY_DIGESTS": f"backend:{API_KEY_DIGEST}",
            "OIDC_ISSUER": "http://127.0.0.1:9",
            "OIDC_AUDIENCE": "tokens",
            "RATE_LIMIT": "2/hour",
        },
    )


@pytest.fixture(scope="module")
def unresolved(deployment: Deployment) -> Iterator[FunctionApp]:
    """A function app with a reference to a secret that it may not read."""
    yield from started(deployment, {**OPEN, "LIVEKIT_API_SECRET": REFERENCE})


def test_the_worker_finds_one_function_for_every_request(app: FunctionApp, deployment: Deployment) -> None:
    """Anonymous, below no prefix, for every method that Python functions may have."""
    if deployment.worker.name == "grpc-worker":
        assert "bindings" not in app.metadata  # It is of a time when the host found functions.
        return
    trigger, answer = map(json.loads, app.metadata["bindings"])
    assert (trigger["type"], trigger["authLevel"], trigger["route"]) == (
        "httpTrigger",
        "ANONYMOUS",
        "/{*route}",
    )
    assert {"GET", "HEAD", "OPTIONS", "POST", "DELETE", "PUT", "PATCH"} <= set(trigger["methods"])
    assert answer["name"] == "$return"
    host = json.loads((deployment.directory / "host.json").read_text())
    assert host["extensions"]["http"]["routePrefix"] == ""


def test_the_package_has_what_runs_and_nothing_else(deployment: Deployment) -> None:
    """No tests, no tools, no settings of a developer's."""
    assert {path.name for path in deployment.directory.iterdir()} - {"entry.py"} == {
        ".python_packages",
        "__pycache__",
        "app",
        "function_app.py",
        "host.json",
        "requirements.txt",
        "spec",
    }
    packages = {path.name for path in (deployment.directory / ".python_packages/lib/site-packages").iterdir()}
    assert {"connexion", "livekit", "azure"} <= packages
    assert not {"pytest", "uv", "pip", "bin", "schemathesis"} & packages


def test_a_token_is_issued(app: FunctionApp) -> None:
    """As the contract says it; the tokens of two requests that come at once are each one's own."""
    bodies = [{**VALID, "participantIdentity": name} for name in ("alice", "bob")]
    answers = app.ask_all([post("/token", body) for body in bodies])
    for answer, body in zip(answers, bodies, strict=True):
        assert answer.status == 200
        assert_fits("TokenResponse", answer.json())
        assert claims_of(answer.json()["token"])["sub"] == body["participantIdentity"]
        assert answer.headers["cache-control"] == "no-store"


def test_connection_details_are_answered(app: FunctionApp) -> None:
    """LiveKit's SDKs can use the function."""
    answer = asked(app, post("/connection-details", {"room_config": {}}))
    assert answer.status == 201
    assert_fits("ConnectionDetails", answer.json())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_is_told(app: FunctionApp, method: str) -> None:
    """A HEAD request is answered as a GET; the platform leaves the body out."""
    for path in ("live", "ready"):
        answer = app.ask(method, f"/api/health/{path}")
        assert answer.status == 200
        if method == "GET":
            assert_fits("HealthResponse", answer.json())


def test_the_contract_and_metrics_are_published(app: FunctionApp) -> None:
    """The document says where the service is; the UI has all of its files; a redirect leads there."""
    assert app.ask("GET", "/api/openapi.json").json()["servers"][0]["url"] == "/api"
    assert app.ask("GET", "/api/ui").headers["location"] == "/api/ui/"
    assert b"swagger-ui" in app.ask("GET", "/api/ui/").body
    assert app.ask("GET", "/api/ui/swagger-ui.css").status == 200
    metrics = app.ask("GET", "/api/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert b"\n# TYPE" in metrics.body


REFUSALS = [
    Refusal(post("/token", {**VALID, "roomName": "a b"}), 400, "VALIDATION_ERROR"),
    Refusal(post("/token", b'{"roomName":1,}'), 400, "VALIDATION_ERROR"),
    Refusal(post("/token", b'{"roomName": "\xff"}'), 400, "VALIDATION_ERROR"),
    Refusal(post("/token", b""), 400, "VALIDATION_ERROR"),
    Refusal(Request("GET", "/api/health/live?verbose=1"), 400, "VALIDATION_ERROR"),
    Refusal(post("/token", {**VALID, "roomName": "sales-1"}), 403, "ROOM_NOT_ALLOWED"),
    Refusal(Request("GET", "/"), 404, "NOT_FOUND"),
    Refusal(Request("GET", "/api"), 404, "NOT_FOUND"),
    Refusal(Request("GET", "/api/token/"), 404, "NOT_FOUND"),
    Refusal(Request("GET", "/api%2Ftoken"), 404, "NOT_FOUND"),
    Refusal(Request("GET", "/api/%FF"), 404, "NOT_FOUND"),
    Refusal(Request("GET", "/api/%"), 404, "NOT_FOUND"),
    Refusal(post("/token;v=1", VALID), 404, "NOT_FOUND"),
    Refusal(Request("DELETE", "/api/token"), 405, "METHOD_NOT_ALLOWED"),
    Refusal(Request("QUERY", "/api/token"), 405, "METHOD_NOT_ALLOWED"),
    Refusal(post("/token", b" " * 16_385), 413, "PAYLOAD_TOO_LARGE"),
    Refusal(post("/token", b" " * 1_000_000), 413, "PAYLOAD_TOO_LARGE"),
    Refusal(Request("POST", "/api/token", (), b"{}"), 415, "UNSUPPORTED_MEDIA_TYPE"),
    # The platform makes one header of two.
    Refusal(post("/token", VALID, JSON), 415, "UNSUPPORTED_MEDIA_TYPE"),
    Refusal(post("/token", VALID, ("Content-Encoding", "gzip")), 415, "UNSUPPORTED_MEDIA_TYPE"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal.status))
def test_what_is_wrong_is_refused_in_the_contract_s_form(app: FunctionApp, refusal: Refusal) -> None:
    """By the service itself: nothing of it is an exception, which the platform would answer."""
    answer = asked(app, refusal.request)
    assert (answer.status, answer.json()["errorCode"]) == (refusal.status, refusal.code)
    assert_fits("ErrorResponse", answer.json())
    line = audit_line(app, answer)
    assert (line["errorCode"], line["requestId"]) == (refusal.code, answer.headers["x-request-id"])


def test_a_body_of_16_kib_is_read(app: FunctionApp) -> None:
    """The largest that the contract lets in."""
    body = json.dumps(VALID).encode().ljust(16_384)
    assert asked(app, post("/token", body)).status == 200


def test_a_method_that_is_not_allowed_is_told_which_are(app: FunctionApp) -> None:
    """The header comes through."""
    assert app.ask("GET", "/api/token").headers["allow"] == "POST"


def test_callers_are_asked_who_they_are(guarded: FunctionApp) -> None:
    """401 without credentials, or with two of them, which the platform makes one of."""
    bearer = ("Authorization", "Bearer x.y.z")
    for headers in ((), (bearer, bearer), (("X-API-Key", "lktoken_unknown"),)):
        answer = asked(guarded, post("/token", VALID, *headers))
        assert (answer.status, answer.json()["errorCode"]) == (401, "UNAUTHENTICATED")
        assert_fits("ErrorResponse", answer.json())
        assert "bearer" in answer.headers["www-authenticate"].lower()


def test_an_issuer_that_is_away_is_a_503(guarded: FunctionApp) -> None:
    """A token that cannot be checked opens nothing; the caller may come again."""
    token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwOi8vMTI3LjAuMC4xOjkifQ.AAAA"
    answer = asked(guarded, post("/token", VALID, ("Authorization", f"Bearer {token}")))
    assert (answer.status, answer.json()["errorCode"]) == (503, "NOT_READY")
    assert_fits("ErrorResponse", answer.json())
    assert int(answer.headers["retry-after"]) > 0


def test_too_many_requests_are_refused(guarded: FunctionApp) -> None:
    """The limit of a caller holds within an instance, and answers say what is left of it."""
    answers = [asked(guarded, post("/token", VALID, ("X-API-Key", API_KEY))) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json()["errorCode"] == "RATE_LIMITED"
    assert_fits("ErrorResponse", answers[2].json())
    assert int(answers[2].headers["retry-after"]) > 0
    assert all("ratelimit" in answer.headers for answer in answers)


def test_a_reference_that_was_not_resolved_is_a_missing_secret(unresolved: FunctionApp) -> None:
    """Nothing is signed with its text; health, the answer and one line at the start say so."""
    ready = unresolved.ask("GET", "/api/health/ready")
    assert ready.status == 503
    assert "missing_credentials" in ready.json()["reasons"]
    answer = asked(unresolved, post("/token", VALID))
    assert (answer.status, answer.json()["errorCode"]) == (500, "MISSING_CREDENTIALS")
    said = [line for line in unresolved.log() if line["category"] == "app.main" and line["level"] == "Error"]
    (line,) = said
    assert "the Key Vault reference in LIVEKIT_API_SECRET was not resolved" in line["log"]


def test_a_page_may_ask(app: FunctionApp) -> None:
    """A preflight is answered by the service, which knows the origins; and an error can be read."""
    asks = (("Origin", ORIGIN), ("Access-Control-Request-Method", "POST"))
    preflight = app.ask("OPTIONS", "/api/token", *asks)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    refused = app.ask("POST", "/api/token", ("Origin", ORIGIN), JSON, body=b"{}")
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (400, ORIGIN)
    foreign = app.ask("OPTIONS", "/api/token", ("Origin", "https://evil.example.com"), asks[1])
    assert "access-control-allow-origin" not in foreign.headers


def test_the_log_has_what_application_insights_joins(app: FunctionApp) -> None:
    """The line is filed under its invocation, has the request's id, the platform's trace, and the client."""
    forged = f"00-{'e' * 32}-{'e' * 16}-01"
    (answer,) = app.ask_all(
        [
            Request(
                "POST",
                "/api/token",
                (
                    JSON,
                    ("X-Request-Id", "of-the-caller"),
                    ("traceparent", forged),
                    ("X-Forwarded-For", "198.51.100.1, 203.0.113.7:49152"),
                ),
                json.dumps(VALID).encode(),
                f"00-{TRACE_ID}-{SPAN_ID}-01",
            )
        ]
    )
    line = audit_line(app, answer)
    assert answer.headers["x-request-id"] == line["requestId"] == "of-the-caller"
    assert (line["traceId"], line["spanId"]) == (TRACE_ID, SPAN_ID)
    assert line["client"] == "203.0.113.7"
    assert (line["room"], line["identity"], line["outcome"]) == ("support-4711", "alice", "issued")
    assert line["durationMs"] >= 0
    assert answer.json()["token"] not in json.dumps(app.log())


def test_settings_without_effect_are_named(app: FunctionApp) -> None:
    """Who sets what does nothing here is told so at the start."""
    (line,) = (line for line in app.log() if line["category"] == "app.functions")
    assert "Without effect on Azure Functions: MAX_IN_FLIGHT, OTEL_EXPORTER_OTLP_ENDPOINT." in line["log"]
    assert line["level"] == "Warning"


def test_requests_that_come_first_start_the_service_once(deployment: Deployment) -> None:
    """Two at once; and what the library logs of answers at DEBUG has no token in it."""
    with running(*deployment, {**OPEN, "LOG_LEVEL": "debug"}, is_searched=False) as fresh:
        answers = fresh.ask_all([post("/token", VALID)] * 2)
        assert [answer.status for answer in answers] == [200, 200]
        log = [line["log"] for line in fresh.log()]
    assert not any(answer.json()["token"] in line for answer in answers for line in log)
    assert len([line for line in log if "Notifying ASGI app of startup" in line]) == 1
    received = [line for line in log if "http.response.body" in line]
    assert len(received) == 2
    assert all("[token]" in line for line in received)


def test_settings_that_cannot_be_used_are_named(deployment: Deployment) -> None:
    """The app is not loaded, and the platform's log says which variable to change, without its value."""
    settings = {**OPEN, "RATE_LIMIT": "1/minute", "RATE_LIMIT_STORAGE": REFERENCE}
    said = "RATE_LIMIT_STORAGE: is a Key Vault reference"
    with pytest.raises(PlatformFailed, match=said) as failure, running(*deployment, settings):
        pass
    assert "vault.azure.net" not in str(failure.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ('"maximumInstanceCount": "[', '"maxInstanceCount": "['),
        ('"SystemAssignedIdentity"', '"SystemIdentity"'),
        ('"principalType"', '"principalKind"'),
    ],
)
def test_the_template_has_what_azure_s_resources_have(tmp_path: Path, old: str, new: str) -> None:
    """By the models of Azure's own SDK, which notice a name or a value that is not theirs."""
    changed = tmp_path / "azuredeploy.json"
    template = TEMPLATE.read_text(encoding="utf-8")
    assert old in template
    changed.write_text(template.replace(old, new) if old else template, encoding="utf-8")
    try:
        faults = template_faults(changed)
    except PlatformUnavailable as unavailable:
        give_up(str(unavailable))
    assert bool(faults) is bool(old), faults
