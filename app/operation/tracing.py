"""Traces: a span for every request that issues or refuses a token, sent to an OpenTelemetry collector.

Imported only where tracing is switched on: it needs the extra `[otel]`, and takes time and memory.
"""

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, Status, StatusCode, format_span_id, format_trace_id, get_current_span
from opentelemetry.util.http import sanitize_method
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.operation import logs

logger = logging.getLogger(__name__)

# A collector that is away is not waited for: with the library's own 10 s, the service would not stop.
_EXPORT_SECONDS = 1
_CLOSE_SECONDS = 2
_MIN_SECONDS_BETWEEN_LINES = 60
# What comes after the flags is for versions to come.
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,256})?")


class Collector(SpanExporter):
    """The collector that gets the spans; the log says when it goes away, and when it is back."""

    def __init__(self, endpoint: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Send to the traces' path below `endpoint`."""
        self._exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
        self._clock = clock
        self._is_away = False
        self._silent_until = clock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; those that the collector does not take are lost."""
        result = self._exporter.export(spans)
        is_away = result is not SpanExportResult.SUCCESS
        # One that comes and goes would fill the log.
        if is_away is not self._is_away and self._clock() >= self._silent_until:
            self._is_away = is_away
            self._silent_until = self._clock() + _MIN_SECONDS_BETWEEN_LINES
            if is_away:
                logger.warning("The OpenTelemetry collector takes no traces: they are lost.")
            else:
                logger.info("The OpenTelemetry collector takes traces again.")
        return result

    def shutdown(self) -> None:
        """Send nothing more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the library forgot to say None


class Traces:
    """The spans of this process, on their way to the collector."""

    def __init__(self, endpoint: str, version: str) -> None:
        """Send to `endpoint`, as spans of this `version` of the service.

        Raises:
            ValueError: OpenTelemetry cannot use one of its own variables, OTEL_BSP_SCHEDULE_DELAY, say.
        """
        ours = Resource.create({SERVICE_NAME: "livekit-token-api", SERVICE_VERSION: version})
        self.provider = TracerProvider(
            # Else OTEL_SERVICE_NAME would mean nothing.
            resource=ours.merge(OTELResourceDetector().detect()),
            shutdown_on_exit=False,
        )
        self.provider.add_span_processor(BatchSpanProcessor(Collector(endpoint)))

    async def close(self) -> None:
        """Send what is left, for as long as a stop may take."""
        # The interpreter waits for a thread of a pool, however long it takes; not for this one.
        closing = threading.Thread(target=self.provider.shutdown, name="traces", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _CLOSE_SECONDS)


class Tracing:
    """ASGI middleware that makes a span of a request, and has its ids in every log line.

    OpenTelemetry's own layer does it, on a copy of the request that has nothing of what callers make up:
    what it does not see, it can neither record nor trip over.
    """

    def __init__(self, app: ASGIApp, traces: Traces, paths: Iterable[str], untraced: Collection[str]) -> None:
        """Trace what `app` answers.

        Args:
            app: the layers whose answers are traced.
            traces: where the spans go.
            paths: those of the contract, with its base path; a span has no other.
            untraced: those among them that are not traced.
        """
        self._app = app
        self._paths = [(compile_path(path)[0], path) for path in paths]
        self._untraced = untraced
        self._traced = OpenTelemetryMiddleware(
            self._answer,
            tracer_provider=traces.provider,
            meter_provider=NoOpMeterProvider(),
            exclude_spans=["receive", "send"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, within its span."""
        path = self._path_of(scope)
        if path in self._untraced:
            await self._app(scope, receive, send)
            return
        seen: dict[str, Any] = {
            "type": scope["type"],
            "http_version": scope["http_version"],
            "method": sanitize_method(scope["method"]),
            "scheme": scope.get("scheme", "http"),
            "server": scope.get("server"),
            "path": path,
            "headers": _parent(scope["headers"]),
            "request": scope,
        }
        await self._traced(seen, receive, send)
        if "failure" in seen:
            raise seen["failure"]

    async def _answer(self, seen: Scope, receive: Receive, send: Send) -> None:
        scope, span = seen["request"], get_current_span()
        ids = span.get_span_context()
        if ids.is_valid:
            logs.trace_context.set(
                {"traceId": format_trace_id(ids.trace_id), "spanId": format_span_id(ids.span_id)}
            )

        async def describe(message: Message) -> None:
            await send(message)
            # OpenTelemetry has described it by now, a 500 as an error of the type "500", too.
            if message["type"] == "http.response.start":
                _describe(span, scope, seen["path"])

        try:
            await self._app(scope, receive, describe)
        except Exception as error:  # noqa: BLE001  # it is raised again, where OpenTelemetry does not record its text
            span.set_status(Status(StatusCode.ERROR))
            seen["failure"] = error

    def _path_of(self, scope: Scope) -> str:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return next((known for pattern, known in self._paths if pattern.fullmatch(path)), "")


def _describe(span: Span, scope: Scope, path: str) -> None:
    if path:
        span.set_attribute("http.route", path)
    request_id = logs.request_id.get()
    if request_id:
        span.set_attribute("request.id", request_id)
    error_code = scope.get("state", {}).get("audit", {}).get("errorCode")
    if error_code:
        span.set_attribute("error.type", error_code)


def _parent(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Find whose child the span is, if that is said once and in due form."""
    found = [value for name, value in headers if name == b"traceparent"]
    return [(b"traceparent", found[0])] if len(found) == 1 and _TRACEPARENT.fullmatch(found[0]) else []
