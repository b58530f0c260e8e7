"""What Azure Functions says of a request elsewhere than other servers do."""

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from app.operation import logs
from app.wire.invocations import Invocations

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


async def seen(scope: dict[str, Any]) -> tuple[Scope, Any]:
    """Find what the service is given, and the trace of its log lines."""
    found: list[tuple[Scope, Any]] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        found.append((scope, logs.trace_context.get()))

    # Nothing of it is received or sent.
    await Invocations(app)(scope, None, None)  # type: ignore[arg-type]
    return found[0]


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (None, None),
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:49152", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7:49152", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:49152", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("203.0.113.7, ", None),
        ("unknown", None),
        ("<script>:1", None),
        ("\xff", None),
    ],
)
async def test_the_client_is_whom_the_front_end_saw(forwarded: str | None, client: str | None) -> None:
    """The last address, without its port; what comes before it, a client can make up."""
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode("latin-1"))]
    scope, _ = await seen({"type": "http", "headers": headers, "client": ("10.0.0.1", 1)})
    assert scope["client"] == (client and (client, 0))


@pytest.mark.parametrize("name", ["trace_parent", "Traceparent"])
async def test_the_trace_is_the_invocation_s(name: str) -> None:
    """Application Insights files the invocation under it; what a caller says is replaced."""
    headers = [(b"traceparent", b"of-the-caller"), (b"accept", b"*/*")]
    context = SimpleNamespace(**{name: PARENT})
    scope, trace = await seen({"type": "http", "headers": headers, "azure_functions.trace_context": context})
    assert scope["headers"] == [(b"accept", b"*/*"), (b"traceparent", PARENT.encode())]
    assert trace == {"traceId": TRACE, "spanId": SPAN}


@pytest.mark.parametrize("parent", [None, "", "00-x", f"{PARENT}-more", PARENT.upper()])
async def test_without_a_trace_the_caller_s_is_left(parent: str | None) -> None:
    """Nothing is made up."""
    context = SimpleNamespace(trace_parent=parent)
    headers = [(b"traceparent", b"of-the-caller")]
    scope, trace = await seen({"type": "http", "headers": headers, "azure_functions.trace_context": context})
    assert (scope["headers"], trace) == (headers, None)


async def test_a_lifespan_is_handed_on_as_it_is() -> None:
    """It has neither a client nor headers."""
    scope, _ = await seen({"type": "lifespan"})
    assert scope == {"type": "lifespan"}
