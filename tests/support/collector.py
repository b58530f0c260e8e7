"""A collector of OpenTelemetry, which keeps the spans that it gets, or misbehaves."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_DEADLINE_SECONDS = 15


@dataclass
class Collector:
    """What the collector has got, and how it answers.

    Attributes:
        url: what OTEL_EXPORTER_OTLP_ENDPOINT is to be.
        status: what exports are answered with; None: nothing, until the collector ends.
        requests: the paths that were posted to, in their order.
    """

    url: str
    status: int | None = 200
    requests: list[str] = field(default_factory=list)
    exports: list[ExportTraceServiceRequest] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def spans(self, count: int = 1) -> list[Span]:
        """Wait for so many spans; list all there are."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while True:
            found = [
                span
                for export in list(self.exports)
                for resource in export.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def resource(self) -> dict[str, Any]:
        """Read what the first export says of the service."""
        return values(self.exports[0].resource_spans[0].resource)

    def wait_for_a_request(self) -> None:
        """Wait until something is posted."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not self.requests:
            assert time.monotonic() < deadline, "nothing was posted"
            time.sleep(0.01)


def values(holder: Any) -> dict[str, Any]:
    """Read the attributes of a span or a resource."""
    return {pair.key: _value(pair.value) for pair in holder.attributes}


def text(message: Message) -> str:
    """Write everything in a message as text, to be searched."""
    return str(message)


def _value(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            collector.requests.append(self.path)
            if collector.status is None:
                collector.ended.wait()
                return
            if collector.status == 200:
                collector.exports.append(ExportTraceServiceRequest.FromString(content))
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_of_the_request: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
