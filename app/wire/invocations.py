"""What Azure Functions says of a request elsewhere than other servers do."""

import re
from collections.abc import Sequence
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from app.operation import logs

_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")

Headers = Sequence[tuple[bytes, bytes]]


class Invocations:
    """ASGI middleware that finds a request's client and its trace where Azure Functions has them.

    The client is the last of `X-Forwarded-For`, which the platform's front end adds: there is no connection.
    The trace is the invocation's, under which Application Insights files it; a `traceparent` of the caller's
    is its parent at most.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Hand requests on to `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, as another server would have written it down."""
        if scope["type"] == "http":
            scope["client"] = _client(scope["headers"])
            if found := _TRACE_PARENT.fullmatch(_trace_parent(scope)):
                logs.trace_context.set({"traceId": found[1], "spanId": found[2]})
                others = [header for header in scope["headers"] if header[0] != b"traceparent"]
                scope["headers"] = [*others, (b"traceparent", found[0].encode())]
        await self._app(scope, receive, send)


def _client(headers: Headers) -> tuple[str, int] | None:
    forwarded = next((value for name, value in headers if name == b"x-forwarded-for"), b"")
    address = forwarded.decode("latin-1").rpartition(",")[2].strip()
    if address.startswith("[") or address.count(":") == 1:
        address = address.removeprefix("[").partition("]" if address.startswith("[") else ":")[0]
    try:
        return str(ip_address(address)), 0
    except ValueError:
        return None


def _trace_parent(scope: Scope) -> str:
    context = scope.get("azure_functions.trace_context")
    # The worker on PyPI has only the name that is deprecated by now.
    return getattr(context, "trace_parent", None) or getattr(context, "Traceparent", None) or ""
