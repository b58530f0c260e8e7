"""When something was logged."""

import json
import logging
import time

import pytest

from app.operation import logs


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_a_log_line_has_its_time_in_utc(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    """Lines of machines in different time zones can be put into one order; fractions are kept."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", zone)
        time.tzset()
        record = logging.makeLogRecord({"msg": "m", "created": 1_000_000_000.25})
        line = json.loads(logs.Formatter().format(record))
    time.tzset()
    assert line["timestamp"] == "2001-09-09T01:46:40.250000+00:00"
