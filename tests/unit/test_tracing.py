"""Tracing by itself: what the contract does not have yet, and what takes a collector minutes."""

import asyncio
import threading
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.operation import tracing
from app.operation.tracing import Collector, Traces, Tracing
from tests.support.collector import collecting, text

SECRET_TEXT = "text-of-an-exception"


async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer 200."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Fail as no layer should."""
    raise LookupError(SECRET_TEXT)


async def ask(app: ASGIApp, traces: Traces, path: str) -> None:
    """Have a request to `path` answered by `app`, which is traced."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(_message: Message) -> None:
        pass

    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "root_path": "/voice",
        "headers": [],
    }
    await Tracing(app, traces, ["/api/rooms/{name}", "/api/token"], untraced={"/api/untraced"})(
        scope, receive, send
    )


async def test_a_path_with_parameters_is_named_as_in_the_contract() -> None:
    """What a caller puts in the place of the parameter is not in the span, nor is the prefix of a proxy."""
    with collecting() as collector:
        traces = Traces(collector.url, "1.0")
        await ask(answer, traces, "/voice/api/rooms/made-up")
        await traces.close()
        (span,) = collector.spans()
    assert span.name == "GET /api/rooms/{name}"
    assert "made-up" not in text(span)


async def test_an_exception_that_nobody_answers_is_passed_on_and_not_recorded() -> None:
    """The server gets it; the span says that there was an error, and nothing of its text."""
    with collecting() as collector:
        traces = Traces(collector.url, "1.0")
        with pytest.raises(LookupError, match=SECRET_TEXT):
            await ask(fail, traces, "/voice/api/token")
        await traces.close()
        (span,) = collector.spans()
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert SECRET_TEXT not in text(span)


def test_the_log_says_when_the_collector_goes_away_and_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once each; one that comes and goes gets a line a minute at most, and the last one is true."""
    caplog.set_level("INFO")
    now = 0.0
    provider = TracerProvider(shutdown_on_exit=False)
    with collecting() as collector:
        provider.add_span_processor(SimpleSpanProcessor(Collector(collector.url, lambda: now)))
        said = []
        for now, status in [
            (0, 200), (1, 500), (2, 500), (30, 200), (60, 200), (61, 200), (62, 200),
            (300, 500), (301, 200), (302, 500), (303, 200), (359, 500), (361, 200),
        ]:  # fmt: skip
            collector.status = status
            provider.get_tracer("test").start_span("span").end()
            said += [(now, record.levelname) for record in caplog.records if record.name == tracing.__name__]
            caplog.clear()
    provider.shutdown()
    assert said == [(1, "WARNING"), (61, "INFO"), (300, "WARNING"), (361, "INFO")]


async def test_a_collector_that_hangs_does_not_keep_the_service_from_stopping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread that still sends is left behind."""
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")
    with collecting() as collector:
        collector.status = None
        traces = Traces(collector.url, "1.0")
        for _ in range(2000):
            traces.provider.get_tracer("test").start_span("span").end()
        # Not how long it takes: to wait for each of the forty batches would take as many seconds.
        await asyncio.wait_for(traces.close(), 10)
        assert not collector.exports
        # It would disturb other tests.
        collector.status = 200
        for thread in threading.enumerate():
            if thread.name == "traces":
                await asyncio.to_thread(thread.join, 30)
