"""The service as Azure Functions has it: what it reads, and where its log goes."""

import asyncio
import json
import logging
import socket
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from app.functions import app_from_environment
from app.operation import logs
from app.settings.reading import InvalidSettings
from app.settings.settings import Settings
from tests.support.process import free_port

REFERENCE = "@Microsoft.KeyVault(SecretUri=https://tokens.vault.azure.net/secrets/livekit)"


class HostLog(logging.Handler):
    """The handler that a host has set before the app is loaded."""

    def __init__(self) -> None:
        """Begin without lines."""
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, and its logger."""
        self.lines.append((record.name, self.format(record)))


@pytest.fixture
def host_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostLog]:
    """A host's log, which gets every line once the app is loaded; and an environment without settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    handler, root = HostLog(), logging.getLogger()
    level = root.level
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


def loaded(host_log: HostLog) -> ASGIApp:
    """Load the app where the host's handler is the only one, as in a worker; pytest's own come back."""
    root = logging.getLogger()
    others, root.handlers = root.handlers, [host_log]
    try:
        return app_from_environment()
    finally:
        assert root.handlers == [host_log]
        root.handlers = [*others, host_log]


async def test_lines_go_to_the_log_of_the_host(host_log: HostLog) -> None:
    """As JSON; its handler stays, and files them under the request by itself."""
    transport = httpx.ASGITransport(loaded(host_log))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api") as client:
        await client.get("/health/live")
    (line,) = (json.loads(line) for name, line in host_log.lines if name == "app.audit")
    assert line["path"] == "/api/health/live"


def test_lines_may_be_text(host_log: HostLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """For who reads them with `func start`."""
    monkeypatch.setenv("LOG_FORMAT", "text")
    loaded(host_log)
    assert any("WARNING app.main: AUTH is none" in line for _, line in host_log.lines)


@pytest.mark.usefixtures("host_log")
def test_without_a_log_of_the_host_lines_go_to_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """No audit line is lost because a host hears by other means."""
    configured: list[tuple[str, str]] = []
    monkeypatch.setattr(logs, "configure", lambda *arguments: configured.append(arguments))
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    root = logging.getLogger()
    others, root.handlers = root.handlers, []
    try:
        app_from_environment()
    finally:
        root.handlers = others
    assert configured == [("WARNING", "auto")]


def test_the_host_s_own_lines_have_no_token(host_log: HostLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """At DEBUG, Azure's library logs what is answered."""
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    loaded(host_log)
    answer = b'{"token":"eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}'
    host_log.emit(logging.makeLogRecord({"name": "root", "msg": "Received %s", "args": (answer,)}))
    assert "[token]" in host_log.lines[-1][1]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, []),
        ({"HOST": "0.0.0.0", "PORT": "80"}, []),  # noqa: S104  # nothing listens there
        ({"WORKERS": "2"}, ["Without effect on Azure Functions: WORKERS."]),
        (
            {"MAX_IN_FLIGHT": "1", "DRAIN_SECONDS": "1"},
            ["Without effect on Azure Functions: DRAIN_SECONDS, MAX_IN_FLIGHT."],
        ),
    ],
)
def test_what_does_nothing_is_named(
    host_log: HostLog, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: list[str]
) -> None:
    """An operator who sets it takes it for in force; but an image may have HOST and PORT set."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    loaded(host_log)
    lines = [json.loads(line)["message"] for name, line in host_log.lines if name == "app.functions"]
    assert lines == said


async def test_no_port_is_opened_for_metrics(host_log: HostLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could reach it; nor are they among the operations, as nobody wanted them there."""
    port = free_port()
    monkeypatch.setenv("METRICS_PORT", str(port))
    app = loaded(host_log)
    told: asyncio.Queue[Any] = asyncio.Queue()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    await told.put({"type": "lifespan.startup"})
    serving = asyncio.ensure_future(app({"type": "lifespan"}, told.get, heard.put))
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", port)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost/api"
    ) as client:
        assert (await client.get("/metrics")).status_code == 404
    await told.put({"type": "lifespan.shutdown"})
    await serving


def test_the_collector_of_the_platform_is_left_to_it(
    host_log: HostLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where OpenTelemetry is not installed, as in the package, the app is loaded all the same."""
    monkeypatch.setitem(sys.modules, "app.operation.tracing", None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    loaded(host_log)
    lines = [json.loads(line)["message"] for name, line in host_log.lines if name == "app.functions"]
    assert lines == ["Without effect on Azure Functions: OTEL_EXPORTER_OTLP_ENDPOINT."]


@pytest.mark.parametrize(
    ("key", "also"), [("key", []), ("", ["No token can be issued: set LIVEKIT_API_KEY."])]
)
def test_a_reference_that_was_not_resolved_is_said_once(
    host_log: HostLog, monkeypatch: pytest.MonkeyPatch, key: str, also: list[str]
) -> None:
    """By the name of the variable, in one line; what is not set at all, in another."""
    monkeypatch.setenv("LIVEKIT_API_KEY", key)
    monkeypatch.setenv("LIVEKIT_API_SECRET", REFERENCE)
    loaded(host_log)
    lines: list[dict[str, Any]] = [json.loads(line) for _, line in host_log.lines]
    assert [line["message"] for line in lines if line["level"] == "ERROR"] == [
        "No token can be issued: the Key Vault reference in LIVEKIT_API_SECRET was not resolved.",
        *also,
    ]


def test_settings_that_cannot_be_used_end_the_load(
    host_log: HostLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they end a process."""
    monkeypatch.setenv("API_KEY_DIGESTS", REFERENCE)
    with pytest.raises(InvalidSettings, match="API_KEY_DIGESTS: is a Key Vault reference"):
        loaded(host_log)


def test_loading_asks_nobody(host_log: HostLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cold start waits for no network: the issuer and Redis are asked once there is a request."""
    asked: list[object] = []
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, lambda _socket, address: asked.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **_: asked.append(arguments))
    for name, value in {
        "AUTH": "oidc",
        "OIDC_ISSUER": "https://login.example.com",
        "OIDC_AUDIENCE": "tokens",
        "RATE_LIMIT": "1/minute",
        "RATE_LIMIT_STORAGE": "redis://redis.example.com:6379",
    }.items():
        monkeypatch.setenv(name, value)
    loaded(host_log)
    assert not asked
