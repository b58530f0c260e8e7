"""What the composition root says to the operator when the service starts."""

from typing import Any

import pytest

from app.main import report
from tests.support.server import make_settings


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
            {"cors_allowed_origins": "*"},
            ["CORS_ALLOWED_ORIGINS is *: any web page may ask for tokens."],
        ),
    ],
)
def test_the_operator_reads_what_to_mend(
    caplog: pytest.LogCaptureFixture, changes: dict[str, Any], said: list[str]
) -> None:
    """One line for each thing, and none where all is well."""
    report(make_settings(**{"livekit_agents": "concierge", **changes}))
    assert [record.getMessage() for record in caplog.records] == said
