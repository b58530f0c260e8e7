"""Metrics as a monitoring system gets them over HTTP."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.operation import gauges
from app.tokens.admission import UNRESTRICTED, Entitlement
from app.tokens.orders import TokenOrder
from app.tokens.service import IssuedToken, TokenService
from app.wire.contract import Contract
from tests.support.contract import document, schema
from tests.support.metrics import labels_of, scraped
from tests.support.process import free_port
from tests.support.raw_http import JSON, request, send
from tests.support.server import ORIGIN, make_settings, serve

VALID = {"roomName": "room-1", "participantIdentity": "alice"}
LIMITS = {"caller", "total"}
STATUSES = {str(status) for status in range(200, 600)}


@pytest.fixture
def url() -> Iterator[str]:
    """A service of its own, whose counts no other test changes."""
    with serve(make_settings()) as url:
        yield url


def difference(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """List which counters have grown, and by how much; scrapes themselves left out."""
    return {
        name: value - before.get(name, 0)
        for name, value in after.items()
        if name.split("{")[0].endswith("_total")
        and not name.startswith(("process_", "python_"))
        and "getMetrics" not in name
        and value != before.get(name, 0)
    }


def test_metrics_are_text_that_no_cache_keeps(url: str) -> None:
    """In Prometheus' format, with the headers of every other answer."""
    answer = httpx.get(f"{url}/api/metrics", headers={"Origin": ORIGIN, "X-Request-Id": "scrape-1"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"] == "scrape-1"
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert len(answer.text) < schema("Metrics")["maxLength"]


def test_head_answers_as_get_does(url: str) -> None:
    """The same headers, and no text; both are the same operation."""
    before = scraped(f"{url}/api/metrics")
    head = httpx.head(f"{url}/api/metrics")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert int(head.headers["Content-Length"]) > 1000
    after = scraped(f"{url}/api/metrics")
    name = "requests_total{operation=getMetrics,status=200}"
    assert after[name] - before[name] == 2


def test_what_callers_do_is_counted(url: str) -> None:
    """Tokens by the operation that issued them, refusals by their code, all by operation and status."""
    before = scraped(f"{url}/api/metrics")
    for body in (VALID, VALID, {}):
        httpx.post(f"{url}/api/token", json=body)
    httpx.post(f"{url}/api/connection-details", json={})
    httpx.get(f"{url}/api/token")
    httpx.get(f"{url}/api/health/ready")
    httpx.options(f"{url}/api/token", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
    after = scraped(f"{url}/api/metrics")
    assert difference(before, after) == {
        "requests_total{operation=generateToken,status=200}": 2,
        "requests_total{operation=generateToken,status=400}": 1,
        "requests_total{operation=createConnectionDetails,status=201}": 1,
        "requests_total{operation=checkReadiness,status=200}": 1,
        "requests_total{operation=none,status=405}": 1,
        "requests_total{operation=none,status=204}": 1,
        "tokens_issued_total{operation=generateToken}": 2,
        "tokens_issued_total{operation=createConnectionDetails}": 1,
        "refusals_total{error_code=VALIDATION_ERROR}": 1,
        "refusals_total{error_code=METHOD_NOT_ALLOWED}": 1,
    }
    assert after["request_duration_seconds_count{operation=generateToken}"] == 3
    assert 0 < after["request_duration_seconds_sum{operation=generateToken}"] < 10
    assert after["ready_reason{reason=authentication_off}"] == after["ready"] == after["workers"] == 1


@pytest.mark.parametrize(("setting", "limit"), [("rate_limit", "caller"), ("rate_limit_total", "total")])
def test_what_is_too_much_is_counted_by_the_limit(setting: str, limit: str) -> None:
    """Which of the two refused tells whether one caller asks too often, or all of them."""
    with serve(make_settings(**{setting: "1/hour"})) as url:
        for _ in range(3):
            httpx.post(f"{url}/api/token", json=VALID)
        found = scraped(f"{url}/api/metrics")
    assert found[f"rate_limited_total{{limit={limit}}}"] == 2
    (other,) = LIMITS - {limit}
    assert found[f"rate_limited_total{{limit={other}}}"] == 0
    assert found["refusals_total{error_code=RATE_LIMITED}"] == 2
    assert found["requests_total{operation=generateToken,status=429}"] == 2


def test_a_failure_of_the_service_is_counted_as_one() -> None:
    """By its code, and as a 500 of the operation."""

    class Broken(TokenService):
        def issue(self, _order: TokenOrder, _entitlement: Entitlement = UNRESTRICTED) -> IssuedToken:
            raise RuntimeError("out of luck")

    with serve(make_settings(), Broken(None)) as url:
        httpx.post(f"{url}/api/token", json=VALID)
        found = scraped(f"{url}/api/metrics")
    assert found["requests_total{operation=generateToken,status=500}"] == 1
    assert found["refusals_total{error_code=INTERNAL_ERROR}"] == 1
    assert found["tokens_issued_total{operation=generateToken}"] == 0


def test_why_the_service_is_not_ready_can_be_seen() -> None:
    """Each reason that the deployment may have is a number."""
    with serve(make_settings(livekit_api_key=None)) as url:
        found = scraped(f"{url}/api/metrics")
    assert found["ready"] == 0
    assert found["ready_reason{reason=missing_credentials}"] == 1
    assert found["ready_reason{reason=draining}"] == 0


def test_a_scrape_tells_what_is_so_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what was so when the numbers were last taken down for others."""
    monkeypatch.setattr(gauges, "_PERIOD_SECONDS", 3600)

    class Losing(TokenService):
        can_sign = True

    tokens = Losing(None)
    with serve(make_settings(), tokens) as url:
        before = scraped(f"{url}/api/metrics")
        tokens.can_sign = False
        after = scraped(f"{url}/api/metrics")
    assert (before["ready"], after["ready"]) == (1, 0)


HOSTILE = [
    request("GET", "/made-up-path"),
    request("GET", "/api/made-up-path"),
    request("GET", f"/api/{'x' * 10_000}"),
    request("GET", "/api/token%2Fmade-up"),
    request("GET", "/api/health/live/"),
    request("MADEUP", "/api/token"),
    request("MADEUP", "/made-up-path"),
    request("GET", "/api/health/live?made=up"),
    request("GET", '/api/a"b%0Aoperation%3D"made-up'),
    request("POST", "/api/token", "Content-Type: made/up", body=b"made-up"),
    request("POST", "/api/token", JSON, "X-Request-Id: made-up-id", body=b'{"roomName": "made-up-room"}'),
    request("POST", "/api/token", JSON, body=b'{"roomName": "made-up", "participantIdentity": "made-up"}'),
    request("OPTIONS", "/api/token", "Origin: https://made-up", "Access-Control-Request-Method: MADEUP"),
    request("GET", "/api/ui/made-up.css"),
    request("GET", "/api/openapi.json"),
    b"made up\r\n\r\n",
    b"GET /api/health/live HTTP/9.9\r\nHost: made-up\r\n\r\n",
]


def test_nothing_that_a_caller_made_up_becomes_a_label(url: str) -> None:
    """Whatever is sent, the labels are the contract's own, and few."""
    series = len(scraped(f"{url}/api/metrics"))
    for hostile in HOSTILE:
        send(url, hostile)
    text = httpx.get(f"{url}/api/metrics").text
    contract = Contract.load()
    allowed = {*contract.operations, *contract.error_codes, *contract.reasons, *LIMITS, *STATUSES, "none"}
    assert labels_of(text) <= allowed
    assert not [made_up for made_up in ("made-up", "made up", "madeup") if made_up in text.lower()]
    # At most one more for each status, and the durations of what leads nowhere.
    assert len(scraped(f"{url}/api/metrics")) < series + 40


@pytest.mark.parametrize("settings", [{"metrics": False}, {"metrics": False, "metrics_port": 1}])
def test_metrics_can_be_switched_off(settings: dict[str, Any]) -> None:
    """Then the path is like any other that is not served, and the published contract does not have it."""
    with serve(make_settings(**settings)) as url:
        assert httpx.get(f"{url}/api/metrics").json()["errorCode"] == "NOT_FOUND"
        published = httpx.get(f"{url}/api/openapi.json").json()
        assert httpx.post(f"{url}/api/token", json=VALID).status_code == 200
    assert published["paths"].keys() == document()["paths"].keys() - {"/metrics"}
    assert "Metrics" not in published["components"]["responses"].keys() | published["components"]["schemas"]


def test_metrics_can_have_a_port_of_their_own() -> None:
    """Then they are there, and neither at the service's own nor in its contract; the port ends with it."""
    port = free_port()
    with serve(make_settings(metrics_port=port)) as url:
        httpx.post(f"{url}/api/token", json=VALID)
        found = scraped(f"http://127.0.0.1:{port}/metrics")
        assert httpx.get(f"{url}/api/metrics").status_code == 404
        assert "/metrics" not in httpx.get(f"{url}/api/openapi.json").json()["paths"]
        assert httpx.get(f"http://127.0.0.1:{port}/api/token").status_code == 404
    assert found["tokens_issued_total{operation=generateToken}"] == found["ready"] == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")


def test_what_is_so_now_is_taken_down_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port of their own is another thread: two at once would count a lost line twice, and share a peak."""
    threads: dict[gauges.Gauges, set[int]] = defaultdict(set)  # Other services may run meanwhile.
    refresh = gauges.Gauges.refresh

    def noted(self: gauges.Gauges) -> None:
        threads[self].add(threading.get_ident())
        refresh(self)

    monkeypatch.setattr(gauges.Gauges, "refresh", noted)
    port = free_port()
    with serve(make_settings(metrics_port=port)) as url:
        assert httpx.get(f"{url}/api/health/ready").status_code == 200
        assert scraped(f"http://127.0.0.1:{port}/metrics")["ready"] == 1
    assert threads
    assert all(len(of_one) == 1 for of_one in threads.values())
