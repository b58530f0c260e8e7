"""Timestamps as the contract writes them."""

from datetime import datetime


def rfc3339(moment: datetime) -> str:
    """Write a moment, which must be in UTC, as RFC 3339 with seconds: `2026-11-23T13:00:00Z`."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
