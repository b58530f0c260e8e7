"""The audit log: since when a request takes its time."""

import time
from typing import Any

from app.operation.audit import AuditLog


async def test_the_time_of_a_request_begins_when_the_protocol_says() -> None:
    """Where there are many it has waited before anybody looks at it; another server may not say."""
    seconds = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        """Answer nothing."""

    layer = AuditLog(app, lambda _state, _status, took: seconds.append(took))
    for state in ({"started": time.perf_counter() - 60}, {}):
        scope = {"type": "http", "method": "GET", "path": "/", "client": None, "state": state}
        await layer(scope, None, None)  # type: ignore[arg-type]
    assert seconds[0] >= 60
    assert 0 <= seconds[1] < 60
