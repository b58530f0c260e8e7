"""Timestamps as the contract writes them."""

import time
from collections.abc import Iterator

import pytest

from app.wire.timestamps import rfc3339


@pytest.fixture(params=["UTC", "Pacific/Auckland", "America/St_Johns"], autouse=True)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the machine's time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_000_000_000, "2001-09-09T01:46:40Z"),
        (1_000_000_000.999, "2001-09-09T01:46:40Z"),
        (2**31, "2038-01-19T03:14:08Z"),
    ],
)
def test_a_timestamp_is_in_utc_wherever_the_machine_is(seconds: float, written: str) -> None:
    """The machine's time zone makes no difference, and a fraction of a second is cut."""
    assert rfc3339(seconds) == written
