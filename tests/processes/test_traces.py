"""Traces, as a real collector gets them from a real service."""

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import product

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.collector import Collector, collecting, text, values
from tests.support.contract import document
from tests.support.process import COMMAND, DEADLINE_SECONDS, ROOT, Service, free_port, run, running
from tests.support.raw_http import JSON, connect, read_answer, request, send
from tests.support.server import KEY, SECRET

VALID = {"roomName": "room-of-traces", "participantIdentity": "identity-of-traces"}
CREDENTIALS = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


def traced(url: str, **variables: str) -> AbstractContextManager[Service]:
    """Start a service whose spans leave soon."""
    return running(
        COMMAND,
        ROOT,
        **{
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            **CREDENTIALS,
            **variables,
        },
    )


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Run a collector for all tests that do not disturb it."""
    with collecting() as running_collector:
        yield running_collector


@pytest.fixture(scope="module")
def service(collector: Collector) -> Iterator[Service]:
    """Run a service that is traced."""
    with traced(collector.url) as running_service:
        yield running_service


def new_spans(collector: Collector, count: int = 1) -> list[Span]:
    """Wait for so many spans, and forget them."""
    spans = collector.spans(count)
    collector.exports.clear()
    return spans


def test_a_request_s_span_continues_the_caller_s_trace(service: Service, collector: Collector) -> None:
    """It has the trace's id, its parent, the operation's name, and what became of the request."""
    answer = httpx.post(
        f"{service.url}/token", json=VALID, headers={"traceparent": TRACEPARENT, "X-Request-Id": "of-traces"}
    )
    assert answer.status_code == 200
    (span,) = collector.spans()
    assert collector.requests[-1] == "/v1/traces"
    assert collector.resource()["service.name"] == "livekit-token-api"
    assert collector.resource()["service.version"] == document()["info"]["version"]
    collector.exports.clear()
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == PARENT
    assert (span.name, span.kind) == ("POST /api/token", Span.SPAN_KIND_SERVER)
    found = values(span)
    assert found["http.method"] == "POST"
    assert found["http.route"] == "/api/token"
    assert found["http.status_code"] == 200
    assert found["request.id"] == "of-traces"
    assert "error.type" not in found
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert not span.events


@pytest.mark.parametrize("parent", [None, "not a traceparent"])
def test_without_a_trace_of_the_caller_s_one_begins(
    service: Service, collector: Collector, parent: str | None
) -> None:
    """The span has no parent, and a trace of its own."""
    headers = {"traceparent": parent} if parent else {}
    httpx.post(f"{service.url}/token", json=VALID, headers=headers)
    (span,) = new_spans(collector)
    assert span.trace_id.hex() != TRACE
    assert not span.parent_span_id


def test_of_two_callers_traces_neither_is_believed(service: Service, collector: Collector) -> None:
    """A proxy may have added one to what a caller made up."""
    body = json.dumps(VALID).encode()
    parents = [f"traceparent: 00-{trace}-{PARENT}-01" for trace in (TRACE, TRACE[::-1])]
    assert send(service.url, request("POST", "/api/token", JSON, *parents, body=body)).status == 200
    (span,) = new_spans(collector)
    assert span.trace_id.hex() not in {TRACE, TRACE[::-1]}
    assert not span.parent_span_id


@pytest.mark.parametrize(
    ("request_line", "name", "code"),
    [
        ("POST /token", "POST /api/token", "VALIDATION_ERROR"),
        ("DELETE /token", "DELETE /api/token", "METHOD_NOT_ALLOWED"),
        ("POST /made-up", "POST", "NOT_FOUND"),
        ("POST /token%0A", "POST", "NOT_FOUND"),
        ("PROPFIND /made-up", "HTTP", "NOT_FOUND"),
    ],
)
def test_a_refusal_s_span_has_its_error_code(
    service: Service, collector: Collector, request_line: str, name: str, code: str
) -> None:
    """The name is of the contract's paths, never of one that a caller made up; no 4xx is an error of ours."""
    method, path = request_line.split()
    httpx.request(method, f"{service.url}{path}", json={})
    (span,) = new_spans(collector)
    assert span.name == name
    assert values(span)["error.type"] == code
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert "made-up" not in text(span)
    assert "PROPFIND" not in text(span)


@pytest.mark.parametrize("conventions", ["", "http"])
def test_a_failure_of_the_service_is_an_error(collector: Collector, conventions: str) -> None:
    """A 5xx has its code and the status of an error, whatever the names of the other attributes."""
    with traced(
        f"{collector.url}/", LIVEKIT_API_KEY="", OTEL_SEMCONV_STABILITY_OPT_IN=conventions
    ) as service:
        assert httpx.post(f"{service.url}/token", json=VALID).status_code == 500
        (span,) = new_spans(collector)
    assert values(span)["error.type"] == "MISSING_CREDENTIALS"
    assert values(span)["http.response.status_code" if conventions else "http.status_code"] == 500
    assert span.status.code == Status.STATUS_CODE_ERROR


def test_by_the_stable_conventions_a_span_has_nothing_more(collector: Collector) -> None:
    """They have a place for the query, and for a method as it was sent; both stay empty."""
    with traced(collector.url, OTEL_SEMCONV_STABILITY_OPT_IN="http") as service:
        httpx.request("PROPFIND", f"{service.url}/made-up?marked-query")
        (span,) = new_spans(collector)
    assert span.name == "HTTP"
    assert not [mark for mark in ("PROPFIND", "made-up", "marked-query") if mark in text(span)]


def test_a_span_has_nothing_that_a_caller_made_up(service: Service, collector: Collector) -> None:
    """No room, identity, query, credential, header, address or body, wherever they were sent."""
    marks = [
        "Marked-Host", "Marked-Agent", "marked-query", "marked-state", "marked-baggage", "marked-bearer",
        "marked-forwarded", VALID["roomName"], VALID["participantIdentity"], SECRET,
    ]  # fmt: skip
    answer = httpx.post(
        f"{service.url}/token?marked-query=marked-query",
        json=VALID,
        headers={
            "Host": "Marked-Host",
            "User-Agent": "Marked-Agent",
            "tracestate": "vendor=marked-state",
            "baggage": "key=marked-baggage",
            "Authorization": "Bearer marked-bearer",
            "X-Forwarded-For": "marked-forwarded",
            "traceparent": TRACEPARENT,
        },
    )
    assert answer.status_code == 400
    httpx.post(f"{service.url}/token", json=VALID, headers={"tracestate": "vendor=marked-state"})
    for span in new_spans(collector, 2):
        assert not [mark for mark in [*marks, "eyJ", "net.peer"] if mark in text(span)]


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_checks_are_not_traced(service: Service, collector: Collector, path: str) -> None:
    """The only span is of what is asked afterwards."""
    httpx.get(f"{service.url}{path}", headers={"traceparent": TRACEPARENT})
    httpx.post(f"{service.url}/token", json=VALID)
    assert [span.name for span in new_spans(collector)] == ["POST /api/token"]


def test_a_trace_that_the_caller_does_not_sample_is_not_sent(service: Service, collector: Collector) -> None:
    """By its flag 00; the ids are in the log all the same, which the next test sees."""
    httpx.post(f"{service.url}/token", json=VALID, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    httpx.post(f"{service.url}/connection-details", json={}, headers={"traceparent": TRACEPARENT})
    assert [span.name for span in new_spans(collector)] == ["POST /api/connection-details"]


@pytest.mark.parametrize("sampled", ["01", "00"])
def test_every_line_of_a_request_has_the_trace_s_id(collector: Collector, sampled: str) -> None:
    """The audit line has the caller's trace id and our span's id; lines of no request have neither."""
    with traced(collector.url) as service:
        for flags in (sampled, "01"):
            httpx.post(
                f"{service.url}/token",
                json=VALID,
                headers={"traceparent": f"00-{TRACE}-{PARENT}-{flags}", "X-Request-Id": flags},
            )
        span = new_spans(collector, 2 if sampled == "01" else 1)[-1]
    audit = [line for line in service.log() if line.get("path") == "/api/token"]
    assert [line["traceId"] for line in audit] == [TRACE, TRACE]
    assert audit[-1]["spanId"] == span.span_id.hex()
    assert audit[0]["spanId"] not in {audit[1]["spanId"], PARENT}
    others = [line for line in service.log() if line not in audit]
    assert others
    assert not [line for line in others if "traceId" in line or "spanId" in line]


def test_opentelemetry_s_own_variables_are_honoured(collector: Collector) -> None:
    """The operator names the service, adds to what it says of itself, and chooses what is sampled."""
    own = {"OTEL_SERVICE_NAME": "tokens", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test"}
    with traced(collector.url, OTEL_TRACES_SAMPLER="parentbased_always_off", **own) as service:
        httpx.post(f"{service.url}/token", json=VALID)
        httpx.post(f"{service.url}/token", json=VALID, headers={"traceparent": TRACEPARENT})
        (span,) = collector.spans()
    assert span.trace_id.hex() == TRACE
    resource = collector.resource()
    collector.exports.clear()
    assert (resource["service.name"], resource["deployment.environment"]) == ("tokens", "test")


def test_what_is_left_is_sent_when_the_service_stops(collector: Collector) -> None:
    """Each of several workers sends what it has, though it was not to be sent for an hour."""
    with traced(collector.url, OTEL_BSP_SCHEDULE_DELAY="3600000", WORKERS="2") as service:
        for _ in range(10):
            httpx.post(f"{service.url}/token", json=VALID)
        assert not collector.exports
    assert len(new_spans(collector, 10)) == 10


def traceparent(*parts: str) -> bytes:
    """Write one, with what it says of itself."""
    return "-".join(parts).encode()


HEADERS = [b"traceparent", b"tracestate", b"baggage", b"TraceParent", b"b3", b"uber-trace-id"]
HOSTILE = [
    *[
        b"",
        b"-",
        b"\xff",
        b"\xff\\x",
        b"\\u12",
        b"\xff\\N{",
        b"vendor=\xff\\x",
        b"key=%ff%",
        b"k=v;\xff\\U",
        b"{{7*7}}",
    ],
    *[b"0" * 9000, b"=" * 9000, b"," * 9000, b"a=b," * 2000, b"eyJhbGciOiJIUzI1NiJ9"],
    *[TRACEPARENT.encode() + end for end in (b"-more", b"\xff\\x", b"-" + b"9" * 600)],
    traceparent("00", "0" * 32, PARENT, "01"),
    traceparent("00", TRACE, "0" * 16, "01"),
    traceparent("00", TRACE.upper(), PARENT, "01"),
    traceparent("00", "g" * 32, PARENT, "01"),
    traceparent("00", TRACE, PARENT, "zz"),
    traceparent("00", TRACE, PARENT),
    traceparent("ff", TRACE, PARENT, "01"),
    traceparent("cc", TRACE, PARENT, "01", "more") + b"\xff\\x",
]


def test_no_header_of_traces_fails_a_request(service: Service, collector: Collector) -> None:
    """Whatever they hold, alone or twice, a token is issued, and a span has nothing of it."""
    body = json.dumps(VALID).encode()
    with connect(service.url) as connection:
        for name, value in product(HEADERS, HOSTILE):
            for times in (1, 2):
                headers: list[str | bytes] = [JSON, *[name + b": " + value] * times]
                connection.sendall(request("POST", "/api/token", *headers, body=body))
                assert read_answer(connection).status == 200, (name, value)
    spans = new_spans(collector, 2 * len(HEADERS) * len(HOSTILE))
    assert len(spans) == 2 * len(HEADERS) * len(HOSTILE)
    assert not [span for span in spans if span.trace_state or span.parent_span_id]


@pytest.mark.parametrize("status", [500, 503, 404, None])
def test_a_collector_that_fails_is_said_once_and_disturbs_nobody(status: int | None) -> None:
    """Whether it refuses, or hangs: requests are answered meanwhile, and the log has one line of it."""
    with collecting() as broken:
        broken.status = status
        with traced(broken.url) as service:
            httpx.post(f"{service.url}/token", json=VALID)
            broken.wait_for_a_request()
            for _ in range(20):
                # A client's deadline, not a measurement: a second is what an export may take.
                assert httpx.post(f"{service.url}/token", json=VALID, timeout=1).status_code == 200
            deadline = time.monotonic() + DEADLINE_SECONDS
            while len(broken.requests) < 4:
                assert time.monotonic() < deadline
                httpx.post(f"{service.url}/token", json=VALID)
                time.sleep(0.1)
    said = [line for line in service.log() if line["logger"] == "app.operation.tracing"]
    assert [line["level"] for line in said] == ["WARNING"]
    assert not [
        line for line in service.log() if str(line["logger"]).startswith(("opentelemetry", "urllib3"))
    ]
    assert not [line for line in service.log() if "exc_info" in line]


def test_a_service_whose_collector_is_down_serves_and_stops() -> None:
    """Nobody listens: the log has one line of it, and the end is a clean one."""
    with traced(f"http://127.0.0.1:{free_port()}", LOG_LEVEL="DEBUG") as service:
        for _ in range(5):
            assert httpx.post(f"{service.url}/token", json=VALID).status_code == 200
    (said,) = [line for line in service.log() if line["logger"] == "app.operation.tracing"]
    assert said["level"] == "WARNING"
    assert str(service.log()[-1]["message"]).startswith("Finished server process")
    assert not [line for line in service.log() if "exc_info" in line]


PYTHON = COMMAND[:1]
STARTED = """
import sys
from app.main import create_app
from app.settings.settings import Settings
create_app(Settings.from_environment())
print(*sorted(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf.internal"))))
"""
WITHOUT_THE_EXTRA = """
import runpy, sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
runpy.run_module("app", run_name="__main__")
"""


def test_who_is_not_traced_does_not_pay_for_it() -> None:
    """Without the setting nothing of OpenTelemetry is imported; with it, it is."""
    without = run("-c", STARTED, command=PYTHON, **CREDENTIALS)
    assert without.returncode == 0, without.stderr
    assert "opentelemetry" not in without.stdout
    assert (
        "opentelemetry.sdk.trace"
        in run(
            "-c", STARTED, command=PYTHON, **CREDENTIALS, OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4318"
        ).stdout
    )


def test_without_the_extra_the_start_says_what_to_install() -> None:
    """The message names the variable and the extra, and is no traceback."""
    ended = run(
        "-c",
        WITHOUT_THE_EXTRA,
        command=PYTHON,
        **CREDENTIALS,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4318",
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("The environment cannot be used:\nOTEL_EXPORTER_OTLP_ENDPOINT: ")
    assert "install the wheel with its extra, [otel]" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_PROPAGATORS": "carrier-pigeon"},
        {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "0"},
    ],
)
def test_a_variable_that_opentelemetry_cannot_use_is_said_in_words(variables: dict[str, str]) -> None:
    """The start fails with a message for the operator, and no traceback."""
    ended = run(**CREDENTIALS, OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4318", **variables)
    assert ended.returncode == 1
    assert ended.stderr.startswith("The environment cannot be used:\nOTEL_…: ")
    assert "Traceback" not in ended.stdout + ended.stderr
