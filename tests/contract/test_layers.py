"""What surrounds the operations: CORS, request ids, the document, the Swagger UI, the audit log."""

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from openapi_spec_validator import validate

from app.operation import logs
from app.tokens.admission import UNRESTRICTED, Entitlement
from app.tokens.orders import TokenOrder
from app.tokens.service import IssuedToken, TokenService
from tests.support.contract import assert_fits, document
from tests.support.raw_http import request, send
from tests.support.server import ORIGIN, make_settings, serve
from tests.support.service_log import audit_lines, lines_of

VALID = {"roomName": "room-1", "participantIdentity": "alice"}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type, x-request-id",
}
ANSWERS: dict[str, dict[str, Any]] = {
    "200": {"method": "POST", "url": "/token", "json": VALID},
    "400": {"method": "POST", "url": "/token", "json": {}},
    "404": {"method": "GET", "url": "/nothing"},
    "404 by its slash": {"method": "GET", "url": "/token/"},
    "405": {"method": "GET", "url": "/token"},
    "413": {"method": "POST", "url": "/token", "json": "x" * 20_000},
    "415": {"method": "POST", "url": "/token", "content": b"x"},
    "document": {"method": "GET", "url": "/openapi.json"},
}


@pytest.fixture(scope="module")
def bare() -> Iterator[httpx.Client]:
    """Client of a service without credentials, URL and Swagger UI, that any page may call."""
    settings = make_settings(
        livekit_api_key=None,
        livekit_api_secret=None,
        livekit_url=None,
        swagger_ui=False,
        cors_allowed_origins="*",
    )
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as client:
        yield client


@pytest.mark.parametrize("request_", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_allowed_page_may_read_every_answer(api: httpx.Client, request_: dict[str, Any]) -> None:
    """Answers and errors alike carry the CORS headers."""
    headers = api.request(**request_, headers={"Origin": ORIGIN}).headers
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = headers["Access-Control-Expose-Headers"]
    assert exposed == "X-Request-Id, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate"
    assert "Origin" in headers["Vary"]


@pytest.mark.parametrize("request_", ANSWERS.values(), ids=ANSWERS.keys())
def test_another_page_may_read_no_answer(api: httpx.Client, request_: dict[str, Any]) -> None:
    """A page of an origin that is not allowed is not told anything."""
    headers = api.request(**request_, headers={"Origin": "https://evil.example"}).headers
    assert "Access-Control-Allow-Origin" not in headers
    assert "Origin" in headers["Vary"]


def test_errors_of_the_service_can_be_read_by_a_page(bare: httpx.Client) -> None:
    """A 500 carries the CORS headers as well."""
    answer = bare.post("/token", json=VALID, headers={"Origin": "https://any.example"})
    assert (answer.status_code, answer.json()["errorCode"]) == (500, "MISSING_CREDENTIALS")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_preflight_of_an_allowed_page_is_granted(api: httpx.Client) -> None:
    """The browser learns which method and headers it may send, and for how long."""
    answer = api.options("/token", headers={"Origin": ORIGIN, **PREFLIGHT})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_refused_preflight_says_whom_to_ask(api: httpx.Client) -> None:
    """The developer reads which setting allows an origin."""
    headers = {"Origin": "https://evil.example", "X-Request-Id": "evil-page", **PREFLIGHT}
    answer = api.options("/token", headers=headers)
    assert answer.status_code == 400
    assert "Access-Control-Allow-Origin" not in answer.headers
    (line,) = audit_lines("evil-page")
    assert (line["status"], line["errorCode"]) == (400, "VALIDATION_ERROR")
    assert_fits("ErrorResponse", answer.json())
    assert "CORS_ALLOWED_ORIGINS" in answer.json()["validationErrors"][0]["message"]


@pytest.mark.parametrize("request_id", ["a", "0" * 128, "Root=1-67891233-abcdef", "x/y@z:1+2=3"])
def test_a_sane_request_id_is_kept(api: httpx.Client, request_id: str) -> None:
    """The caller's own id is in the header, in the error and in the log."""
    answer = api.get("/token", headers={"X-Request-Id": request_id})
    assert answer.headers.get_list("X-Request-Id") == [request_id]
    assert answer.json()["requestId"] == request_id
    assert audit_lines(request_id)


@pytest.mark.parametrize("request_id", ["", "0" * 129, "a b", 'a"b', "a\tb", "{}", "ä", "<x>"])
def test_another_request_id_is_replaced(api: httpx.Client, request_id: str) -> None:
    """An id that could do harm is replaced by one that fits the contract."""
    answer = api.get("/token", headers=[(b"X-Request-Id", request_id.encode())])
    (made,) = answer.headers.get_list("X-Request-Id")
    assert made != request_id
    assert_fits("RequestId", made)
    assert answer.json()["requestId"] == made


def test_request_ids_differ(api: httpx.Client) -> None:
    """The service makes a new id for each request."""
    made = {api.get("/health/live").headers["X-Request-Id"] for _ in range(100)}
    assert len(made) == 100


def test_the_document_is_the_contract_as_deployed(api: httpx.Client) -> None:
    """`/api/openapi.json` is the contract, and its server is where it was found; see also test_callers.py."""
    answer = api.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    validate(answer.json())
    served = answer.json()
    assert [server["url"] for server in served["servers"]] == ["/api"]
    assert served["paths"].keys() == document()["paths"].keys()
    assert served["components"]["requestBodies"] == document()["components"]["requestBodies"]


def test_the_swagger_ui_is_served(api: httpx.Client) -> None:
    """`/api/ui` leads to a page that loads the document, with its script and style sheet."""
    page = api.get("/ui", follow_redirects=True)
    assert urlsplit(str(page.url)).path == "/api/ui/"
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/api/openapi.json" in page.text
    assert api.get("/ui/swagger-ui-bundle.js").status_code == 200
    assert api.get("/ui/swagger-ui.css").status_code == 200


@pytest.mark.parametrize("path", ["/ui", "/ui/", "/ui/index.html", "/ui/swagger-ui.css"])
def test_the_swagger_ui_can_be_switched_off(bare: httpx.Client, path: str) -> None:
    """Without the UI its paths are like any other that is not served; the document still is."""
    answer = bare.get(path)
    assert answer.status_code == 404
    assert_fits("ErrorResponse", answer.json())
    assert bare.get("/openapi.json").status_code == 200


def test_without_credentials_the_service_is_live_but_not_ready(bare: httpx.Client) -> None:
    """An orchestrator keeps the process, and a load balancer leaves it out."""
    assert bare.get("/health/live").status_code == 200
    answer = bare.get("/health/ready")
    assert answer.status_code == 503
    assert_fits("ErrorResponse", answer.json())


def test_without_credentials_bad_input_is_still_the_callers(bare: httpx.Client) -> None:
    """A caller's mistake is reported before the operator's."""
    assert bare.post("/token", json={}).status_code == 400


def test_without_a_url_the_answer_names_none() -> None:
    """`serverUrl` is there only if the operator configured one."""
    with serve(make_settings(livekit_url=None)) as url:
        body = httpx.post(f"{url}/api/token", json=VALID).json()
    assert_fits("TokenResponse", body)
    assert "serverUrl" not in body


def test_an_issued_token_leaves_one_audit_line(api: httpx.Client) -> None:
    """The line says who may enter which room until when, and nothing else."""
    body = api.post("/token", json=VALID, headers={"X-Request-Id": "audit-issued"}).json()
    (line,) = audit_lines("audit-issued")
    assert line.pop("durationMs") > 0
    assert line.pop("timestamp")
    assert line == {
        "level": "INFO",
        "logger": "app.audit",
        "message": "request",
        "requestId": "audit-issued",
        "method": "POST",
        "path": "/api/token",
        "status": 200,
        "outcome": "issued",
        "client": "127.0.0.1",
        "room": "room-1",
        "identity": "alice",
        "expiresAt": body["expiresAt"],
    }


def test_a_refused_request_leaves_one_audit_line(api: httpx.Client) -> None:
    """The line names the valid ones of room and identity only, never what was refused."""
    api.post(
        "/token?",
        json={"roomName": "not valid", "participantIdentity": "alice"},
        headers={"X-Request-Id": "audit-refused"},
    )
    (line,) = audit_lines("audit-refused")
    assert (line["status"], line["outcome"], line["errorCode"]) == (400, "refused", "VALIDATION_ERROR")
    assert line["identity"] == "alice"
    assert "not valid" not in json.dumps(line)
    assert not {"room", "expiresAt"} & line.keys()


def test_what_is_not_http_leaves_one_audit_line(api_url: str) -> None:
    """A request that uvicorn itself refuses is in the audit log under the id that was answered."""
    request_id = send(api_url, b"hello\r\n\r\n").json()["requestId"]
    (line,) = audit_lines(request_id)
    assert (line["status"], line["outcome"], line["errorCode"]) == (400, "refused", "VALIDATION_ERROR")


def test_a_failure_of_the_service_is_explained_in_the_log_only() -> None:
    """The answer to an unforeseen exception tells nothing of it; the log has it, by the request id."""

    class Broken(TokenService):
        def issue(self, _order: TokenOrder, _entitlement: Entitlement = UNRESTRICTED) -> IssuedToken:
            raise RuntimeError("out of luck")

    with serve(make_settings(), Broken(None)) as url:
        answer = httpx.post(f"{url}/api/token", json=VALID, headers={"X-Request-Id": "broken"})
    assert (answer.status_code, answer.json()["errorCode"]) == (500, "INTERNAL_ERROR")
    assert "luck" not in answer.text
    assert audit_lines("broken")
    (line,) = lines_of("app.errors", "broken")
    assert "RuntimeError: out of luck" in line["exc_info"]


def test_a_path_cannot_disturb_the_log(api_url: str, api: httpx.Client) -> None:
    """What a terminal would obey is replaced, and a token in a path is not readable."""
    token = api.post("/token", json=VALID).json()["token"]
    for name, path in (("ctrl", "%E2%80%A8x%C2%85y%C2%9B31m%E2%80%AE"), ("jwt", f"{'x' * 200}{token}")):
        # httpx logs URLs.
        assert send(api_url, request("GET", f"/api/{path}", f"X-Request-Id: path-{name}")).status == 404
    (line,) = audit_lines("path-ctrl")
    assert line["path"].isprintable()
    # This log is written without the service's formatter, which is what blacks the token out.
    (line,) = audit_lines("path-jwt")
    assert "eyJ" in line["path"]
    assert "eyJ" not in logs.Formatter().format(logging.makeLogRecord({"facts": line}))
