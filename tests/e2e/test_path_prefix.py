"""The service under a path prefix, behind a real nginx, as `python -m app` with ROOT_PATH=/voice."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from openapi_spec_validator import validate
from playwright.async_api import expect

from tests.e2e.browser import BrowserUnavailable, open_page, run_browser
from tests.e2e.conftest import give_up
from tests.e2e.nginx import PREFIX, Nginx, NginxUnavailable, run_nginx
from tests.support import raw_http, run_log
from tests.support.contract import assert_fits, document
from tests.support.process import Service, free_port, running
from tests.support.raw_http import JSON
from tests.support.server import KEY, LIVEKIT_URL, ORIGIN, SECRET, claims_of

VALID = {"roomName": "room-1", "participantIdentity": "alice"}
BODY = b'{"roomName": "room-1", "participantIdentity": "alice"}'
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

# The whole of 127.0.0.0/8 is this machine, so a caller can have another address than nginx.
PROXY, CALLER, FORGED = "127.0.0.1", "127.0.0.2", "203.0.113.7"
EVIL = "evil.example"
FORGERY = {
    "X-Forwarded-For": FORGED,
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": f"/{EVIL}",
    "X-Forwarded-Proto": "https",
    "X-Script-Name": f"/{EVIL}",
    "Forwarded": f"for={FORGED};host={EVIL};proto=https",
}


@dataclass(frozen=True)
class Deployment:
    """The service, and the nginx before it."""

    service: Service
    nginx: Nginx

    @property
    def api_url(self) -> str:
        """Where a page finds the API."""
        return f"{self.nginx.url}{PREFIX}/api"


@contextmanager
def behind_nginx(service_port: int) -> Iterator[Nginx]:
    """Run nginx, and have its log searched for secrets as well."""
    with ExitStack() as stack:
        try:
            nginx = stack.enter_context(run_nginx(service_port))
        except NginxUnavailable as unavailable:
            give_up(str(unavailable))
        yield nginx
    run_log.add(nginx.log)


@contextmanager
def deployed(believed: str = "") -> Iterator[Deployment]:
    """Start the service under the prefix, to believe these proxies, and nginx before it."""
    run_log.forbid(SECRET)
    with running(
        LIVEKIT_API_KEY=KEY,
        LIVEKIT_API_SECRET=SECRET,
        LIVEKIT_URL=LIVEKIT_URL,
        ROOT_PATH=PREFIX,
        FORWARDED_ALLOW_IPS=believed,
        BODY_TIMEOUT_SECONDS="0.5",
    ) as service:
        port = urlsplit(service.url).port
        assert port
        with behind_nginx(port) as nginx:
            yield Deployment(service, nginx)


def client_of(base_url: str, address: str = PROXY) -> httpx.Client:
    """Make a client that calls from an address of this machine."""
    return httpx.Client(
        base_url=base_url,
        headers={"Authorization": run_log.AUTHORIZATION},
        transport=httpx.HTTPTransport(local_address=address),
    )


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """A deployment that believes no proxy."""
    with deployed() as made:
        yield made


@pytest.fixture(scope="module")
def trusting() -> Iterator[Deployment]:
    """A deployment that believes its nginx."""
    with deployed(PROXY) as made:
        yield made


@pytest.fixture(scope="module")
def api(deployment: Deployment) -> Iterator[httpx.Client]:
    """HTTP client of the deployment, through nginx; relative to `/voice/api`."""
    with client_of(deployment.api_url) as client:
        yield client


def test_a_token_is_issued_under_the_prefix(api: httpx.Client) -> None:
    """Both endpoints answer as they would without a prefix."""
    answer = api.post("/token", json=VALID)
    assert answer.status_code == 200
    assert_fits("TokenResponse", answer.json())
    claims = claims_of(answer.json()["token"])
    assert (claims["iss"], claims["sub"], claims["video"]["room"]) == (KEY, "alice", "room-1")
    answer = api.post("/connection-details", json={"room_name": "room-2"})
    assert answer.status_code == 201
    assert claims_of(answer.json()["participant_token"])["video"]["room"] == "room-2"


def test_the_shortest_configuration_of_nginx_will_do(deployment: Deployment) -> None:
    """Whoever writes no more than a location and a proxy_pass gets a token, and a document that fits."""
    with client_of(f"{deployment.nginx.plain_url}{PREFIX}/api") as client:
        assert client.post("/token", json=VALID).status_code == 200
        assert client.get("/openapi.json").json()["servers"][0]["url"] == f"{PREFIX}/api"


def test_the_document_leads_back_to_the_deployment(api: httpx.Client, deployment: Deployment) -> None:
    """Resolved against the document's own address, its server is where the token endpoint is."""
    answer = api.get("/openapi.json")
    served = answer.json()
    validate(served)
    assert [server["url"] for server in served["servers"]] == [f"{PREFIX}/api"]
    assert served["paths"] == httpx.get(f"{deployment.service.url}/openapi.json").json()["paths"]
    server = urljoin(str(answer.url), served["servers"][0]["url"])
    assert api.post(f"{server}/token", json=VALID).status_code == 200


def test_the_ui_is_found_under_the_prefix(api: httpx.Client) -> None:
    """The redirect stays on nginx and under the prefix; the page's document and files are there."""
    redirect = api.get("/ui")
    assert redirect.is_redirect
    assert redirect.headers["Location"] == f"{PREFIX}/api/ui/"
    page = api.get("/ui", follow_redirects=True)
    assert page.url == f"{api.base_url}ui/"
    (target,) = re.findall(r'\burl: "([^"]*)"', page.text)
    assert target == f"{PREFIX}/api/openapi.json"
    assert api.get(urljoin(str(page.url), target)).json()["openapi"] == "3.0.3"
    assets = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(assets) >= 5
    for asset in assets:
        found = api.get(urljoin(str(page.url), asset))
        assert found.status_code == 200, asset
        assert not found.headers["Content-Type"].startswith("text/html")


async def test_the_ui_calls_the_deployment_from_a_browser(deployment: Deployment) -> None:
    """Chromium shows each operation, and a request that is tried out there gets its token."""
    async with AsyncExitStack() as stack:
        try:
            browser = await stack.enter_async_context(run_browser())
        except BrowserUnavailable as unavailable:
            give_up(str(unavailable))
        page = await stack.enter_async_context(open_page(browser, f"{deployment.api_url}/ui"))
        operations = page.tab.locator(".opblock")
        known = [key for item in document()["paths"].values() for key in item if not key.startswith("x-")]
        await expect(operations).to_have_count(len(known))
        operation = operations.filter(has=page.tab.locator("[data-path='/token']"))
        await operation.locator(".opblock-summary-control").click()
        await operation.get_by_role("button", name="Try it out").click()
        async with page.tab.expect_response(f"{deployment.api_url}/token") as answer:
            await operation.get_by_role("button", name="Execute").click()
        assert (await answer.value).status == 200
        await expect(operation.locator(".live-responses-table .response-col_status").last).to_have_text("200")
        assert page.errors == []


def test_a_preflight_is_granted_under_the_prefix(api: httpx.Client) -> None:
    """The service grants it, and nginx adds nothing."""
    answer = api.options("/token", headers={"Origin": ORIGIN, **PREFLIGHT})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers.get_list("Access-Control-Allow-Origin") == [ORIGIN]
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]
    refused = api.options("/token", headers={"Origin": f"https://{EVIL}", **PREFLIGHT})
    assert refused.status_code == 400
    assert "Access-Control-Allow-Origin" not in refused.headers
    assert_fits("ErrorResponse", refused.json())


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"method": "POST", "url": "/token", "json": {}}, 400, "VALIDATION_ERROR"),
        ({"method": "GET", "url": "/nothing"}, 404, "NOT_FOUND"),
        ({"method": "GET", "url": "/token"}, 405, "METHOD_NOT_ALLOWED"),
        ({"method": "POST", "url": "/token", "json": "x" * 20_000}, 413, "PAYLOAD_TOO_LARGE"),
        ({"method": "POST", "url": "/token", "content": b"x"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_an_error_of_the_service_arrives_as_it_was_sent(
    api: httpx.Client, deployment: Deployment, request_: dict[str, Any], status: int, code: str
) -> None:
    """An ErrorResponse with its request id, which the page may read; nginx puts no page in its place."""
    answer = api.request(**request_, headers={"Origin": ORIGIN, "X-Request-Id": "prefix"})
    assert (answer.status_code, answer.json()["errorCode"]) == (status, code)
    assert_fits("ErrorResponse", answer.json())
    assert "proxy" not in answer.text
    assert answer.json()["requestId"] == "prefix"
    assert answer.headers.get_list("X-Request-Id") == ["prefix"]
    assert answer.headers.get_list("Access-Control-Allow-Origin") == [ORIGIN]
    readable = "Access-Control-Expose-Headers"
    direct = httpx.get(f"{deployment.service.url}/health/live", headers={"Origin": ORIGIN})
    assert answer.headers.get_list(readable) == direct.headers.get_list(readable) != []
    if status == 405:
        assert answer.headers["Allow"]


def test_a_body_that_never_ends_is_answered_by_the_service(deployment: Deployment) -> None:
    """What there is of it is passed on, and so is the 408 that comes back."""
    sent = raw_http.request(
        "POST", f"{PREFIX}/api/token", JSON, "Content-Length: 99", body=b"{", length=False
    )
    answer = raw_http.send(deployment.nginx.url, sent)
    assert (answer.status, answer.json()["errorCode"]) == (408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (raw_http.request("GET", PREFIX, f"X-Long: {'x' * 9000}"), 400, "VALIDATION_ERROR"),
        (raw_http.request("GET", f"{PREFIX}/{'x' * 9000}"), 400, "VALIDATION_ERROR"),
        (b"hello\r\n\r\n", 400, "VALIDATION_ERROR"),
        (raw_http.request("POST", "/api/token", JSON, body=BODY), 404, "NOT_FOUND"),
        (raw_http.request("TRACE", f"{PREFIX}/api/token"), 405, "METHOD_NOT_ALLOWED"),
        (raw_http.request("POST", f"{PREFIX}/api/token", JSON, body=b" " * 40_000), 413, "PAYLOAD_TOO_LARGE"),
        (
            raw_http.request("POST", f"{PREFIX}/api/token", JSON, "Transfer-Encoding: gzip", body=BODY),
            400,
            "VALIDATION_ERROR",
        ),
    ],
    ids=["long head", "long path", "not HTTP", "no prefix", "TRACE", "long body", "gzip"],
)
def test_an_error_of_nginx_looks_like_one_of_the_service(
    deployment: Deployment, sent: bytes, status: int, code: str
) -> None:
    """What nginx refuses by itself is an ErrorResponse, too, with a request id."""
    answer = raw_http.send(deployment.nginx.url, sent)
    assert (answer.status, answer.json()["errorCode"]) == (status, code)
    assert_fits("ErrorResponse", answer.json())
    assert answer.headers["X-Request-Id"] == answer.json()["requestId"]


@pytest.mark.parametrize(
    ("origin", "readable"), [(ORIGIN, True), (f"https://{EVIL}", False)], ids=["allowed", "other"]
)
def test_a_service_that_is_down_is_said_to_be(origin: str, *, readable: bool) -> None:
    """The 502 has the contract's form, for the pages that may read the service's errors."""
    headers = {"Origin": origin, "X-Request-Id": "down"}
    with behind_nginx(free_port()) as nginx, client_of(f"{nginx.url}{PREFIX}/api") as client:
        answer = client.post("/token", json=VALID, headers=headers)
    assert answer.status_code == 502
    assert_fits("ErrorResponse", answer.json())
    assert (answer.json()["requestId"], answer.headers["X-Request-Id"]) == ("down", "down")
    assert answer.headers.get("Access-Control-Allow-Origin") == (origin if readable else None)
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "path",
    [
        "/voice/api/token/",
        "/voice/api//token",
        "/voice//api/token",
        "//voice/api/token",
        "/voice/api%2Ftoken",
        "/voice%2fapi/token",
        "/voice/api/./token",
        "/voice/x/../api/token",
        "/voice/../voice/api/token",
        "/%76oice/api/token",
        "/voice/voice/api/token",
        "/voiceapi/token",
        "/VOICE/api/token",
        "/voice",
        "/voice/",
        "/voice/api",
        "/voice/api/",
        "/api/token",
        "/",
    ],
)
def test_a_misspelt_path_is_not_found(deployment: Deployment, path: str) -> None:
    """It is neither tidied up nor redirected: there is no token, whatever nginx makes of it."""
    for sent in (raw_http.request("POST", path, JSON, body=BODY), raw_http.request("GET", path)):
        answer = raw_http.send(deployment.nginx.url, sent)
        assert (answer.status, answer.headers["Location"]) == (404, None)
        assert_fits("ErrorResponse", answer.json())


@pytest.mark.parametrize(
    ("believed", "by_nginx", "by_plain_nginx"),
    [("", PROXY, PROXY), (PROXY, CALLER, FORGED), ("192.0.2.1", PROXY, PROXY)],
    ids=["nobody is believed", "nginx is believed", "somebody else is believed"],
)
def test_forwarded_addresses_are_believed_of_allowed_proxies_only(
    believed: str, by_nginx: str, by_plain_nginx: str
) -> None:
    """The audit log has the peer, or who an allowed nginx says called; a caller's own word never counts.

    The plain nginx hands on what the caller claims: to believe such a one is the operator's mistake, and
    the control that shows that the header arrives.
    """
    with deployed(believed) as made:
        ways = {
            "nginx": made.api_url,
            "plain": f"{made.nginx.plain_url}{PREFIX}/api",
            "direct": made.service.url,
        }
        with client_of(made.api_url, CALLER) as client:
            for name, url in ways.items():
                sent = {**FORGERY, "X-Request-Id": name}
                assert client.post(f"{url}/token", json=VALID, headers=sent).status_code == 200
    audit = {line["requestId"]: line for line in made.service.log() if line["logger"] == "app.audit"}
    clients = {name: audit[name]["client"] for name in ways}
    assert clients == {"nginx": by_nginx, "plain": by_plain_nginx, "direct": CALLER}
    assert audit["nginx"]["path"] == f"{PREFIX}/api/token"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/openapi.json"),
        ("GET", "/ui"),
        ("GET", "/ui/"),
        ("GET", "/nothing"),
        ("POST", "/token"),
        ("OPTIONS", "/token"),
    ],
)
def test_forged_headers_change_no_answer(
    api: httpx.Client, deployment: Deployment, trusting: Deployment, method: str, path: str
) -> None:
    """Whether nginx drops them or is believed: no server, no Location and no text is another one."""
    for nginx in (deployment.nginx, trusting.nginx):
        answers = set()
        for url in (nginx.url, nginx.plain_url):
            for forged in ({}, FORGERY, {"Host": EVIL}):
                sent = {"X-Request-Id": "forged", "Origin": ORIGIN, **PREFLIGHT, **forged}
                answers.add(_constant_part(api.request(method, f"{url}{PREFIX}/api{path}", headers=sent)))
        assert len(answers) == 1
        assert EVIL not in str(answers)


def _constant_part(answer: httpx.Response) -> tuple[object, ...]:
    # The plain nginx tells its version.
    kept = sorted((k, v) for k, v in answer.headers.items() if k not in {"date", "server"})
    return answer.status_code, tuple(kept), re.sub(r'"timestamp":"[^"]*"', "", answer.text)


def test_connections_are_kept_open_without_a_lost_request(trusting: Deployment) -> None:
    """50 requests one after the other and 20 at once get their tokens: there is no 502."""
    with client_of(trusting.api_url) as client, ThreadPoolExecutor(20) as callers:

        def ask(_: int) -> int:
            return client.post("/token", json=VALID).status_code

        assert [ask(i) for i in range(50)] == [200] * 50
        assert list(callers.map(ask, range(20))) == [200] * 20
