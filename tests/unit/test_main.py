"""The composition root: what it puts together, and what it says to the operator."""

import json
from typing import Any

import pytest

from app import main
from app.main import create_app, report
from app.operation import logs
from app.settings.settings import Settings
from tests.support.server import claims_of, make_settings

OIDC = {"auth": "oidc", "api_key_digests": "", "oidc_audience": "tokens"}
KEYS = {"auth": "api-key", "api_key_digests": f"backend:{'0' * 64}"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        (
            {"livekit_agents": None},
            ["LIVEKIT_AGENTS is not set: callers may dispatch any agent."],
        ),
        ({"livekit_api_key": None}, ["No token can be issued: set LIVEKIT_API_KEY."]),
        (
            {"livekit_api_key": None, "livekit_api_secret": None},
            ["No token can be issued: set LIVEKIT_API_KEY and LIVEKIT_API_SECRET."],
        ),
        (
            {"livekit_api_secret": "secret-of-31-bytes".ljust(31, "-")},
            ["LIVEKIT_API_SECRET is weak: use at least 32 bytes."],
        ),
        ({"livekit_api_secret": "secret-of-32-bytes".ljust(32, "-")}, []),
        (
            {"livekit_url": None},
            ["LIVEKIT_URL is not set: /connection-details cannot answer without it."],
        ),
        (
            {"rate_limit": "1/minute", "workers": 2},
            ["Each of 2 workers counts for itself: set RATE_LIMIT_STORAGE."],
        ),
        ({"rate_limit": "1/minute"}, []),
        ({"rate_limit": "1/minute", "workers": 2, "rate_limit_storage": "redis://localhost"}, []),
        (
            {"auth": "none", "api_key_digests": ""},
            ["AUTH is none: anybody who reaches the service gets a token for any participant."],
        ),
        (OIDC | {"oidc_issuer": "https://login.example.com"}, []),
        (OIDC | {"oidc_issuer": "http://localhost:8080"}, []),
        (
            OIDC | {"oidc_issuer": "http://login.example.com"},
            ["OIDC_ISSUER is not https: whoever is on the way can replace its keys."],
        ),
        (
            {"cors_allowed_origins": "*"},
            ["CORS_ALLOWED_ORIGINS is *: any web page may ask for tokens."],
        ),
    ],
)
def test_the_operator_reads_what_to_mend(
    caplog: pytest.LogCaptureFixture, changes: dict[str, Any], said: list[str]
) -> None:
    """One line for each thing, and none where all is well."""
    report(make_settings(**{"livekit_agents": "concierge", **KEYS, **changes}))
    assert [record.getMessage() for record in caplog.records] == said


@pytest.mark.parametrize("as_worker", [True, False])
def test_another_server_s_factory_warns_as_well(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, as_worker: Any
) -> None:
    """At every start, but not in each of several workers: whoever starts them has said it."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(main, "is_worker", lambda: as_worker)
    monkeypatch.setattr(main, "end_with_parent", lambda: None)
    monkeypatch.setattr(logs, "configure", lambda _level, _format: None)
    main.app_from_environment()
    assert any(text.startswith("AUTH is none") for text in caplog.messages) is not as_worker


async def test_any_asgi_server_will_do() -> None:
    """A server that says no more than ASGI demands gets a token, too."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"roomName": "r", "participantIdentity": "i"}'}

    async def send(message: Any) -> None:  # as ASGI has it
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/api/token",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await create_app(make_settings())(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 200
    assert claims_of(json.loads(sent[1]["body"])["token"])["sub"] == "i"
