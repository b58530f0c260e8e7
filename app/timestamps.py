"""Timestamps as the contract writes them."""

from datetime import datetime

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def rfc3339(moment: datetime) -> str:
    """Write a moment, which must be in UTC, as RFC 3339 with seconds: `2026-11-23T13:00:00Z`."""
    return moment.strftime(_FORMAT)
