"""Timestamps as the contract writes them."""

import time


def rfc3339(seconds: float) -> str:
    """Write seconds since 1970 as RFC 3339 in UTC, without a fraction: `2026-11-23T13:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
