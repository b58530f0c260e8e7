"""From when until when a token is valid."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from app.doctor.finding import Finding
from app.doctor.known import MINT
from app.doctor.limits import LEEWAY_SECONDS

_DAY_SECONDS = 86400
_END_OF_TIME = 253_402_300_799  # The last second of the year 9999.
_UNITS = ((_DAY_SECONDS, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_FETCH = "fetch a new token"


def told(claims: Mapping[str, Any], now: float) -> Iterator[Finding]:
    """Judge when a token begins and ends, at a moment in seconds since 1970."""
    for name in ("nbf", "exp"):
        if name in claims and not _is_time(claims[name]):
            yield Finding(name, "problem", "is no time in seconds since 1970", MINT)
    begins, ends = (_time(claims.get(name)) for name in ("nbf", "exp"))
    if begins is not None:
        words = f"valid from {_at(begins, now)}"
        if begins > now + LEEWAY_SECONDS:
            yield Finding(
                "nbf", "problem", f"{words}: not yet", "set the clocks here and at its issuer, by NTP"
            )
        else:
            yield Finding("nbf", "ok", words)
    if ends is not None:
        yield _expiry(begins or 0, ends, now)
    elif "exp" not in claims:
        yield Finding("exp", "warning", "is missing: the token never expires", "mint it with a time to live")


def _expiry(begins: float, ends: float, now: float) -> Finding:
    words = f"valid until {_at(ends, now)}"
    if ends <= begins:
        return Finding("exp", "problem", f"{words}: before it begins", MINT)
    if ends < now - LEEWAY_SECONDS:
        return Finding("exp", "problem", f"{words}: expired", _FETCH)
    if ends < now:
        return Finding("exp", "warning", f"{words}: expired, but LiveKit lets a minute pass", _FETCH)
    if ends - now > _DAY_SECONDS:
        return Finding("exp", "warning", f"{words}: who finds it has long to use it", "let it expire sooner")
    return Finding("exp", "ok", words)


def _time(value: Any) -> float | None:
    return float(value) if _is_time(value) else None


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _END_OF_TIME


def _at(moment: float, now: float) -> str:
    distance = abs(moment - now)
    size, unit = next((pair for pair in _UNITS if distance >= pair[0]), _UNITS[-1])
    count = int(distance // size)
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    relative = f"in {words}" if moment > now else f"{words} ago"
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ} ({relative})"
