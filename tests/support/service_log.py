"""What the service has logged, as an operator would look it up."""

import json
import time
from typing import Any

from tests.support import run_log


def audit_lines(request_id: str) -> list[dict[str, Any]]:
    """Wait for the audit line of a request, which is written after its answer; list all there are."""
    return lines_of("app.audit", request_id)


def lines_of(logger: str, request_id: str) -> list[dict[str, Any]]:
    """Wait for a logger's line of a request; list all there are."""
    deadline = time.monotonic() + 5
    while True:
        lines = [
            json.loads(line)
            # What follows the last line end is still being written.
            for line in run_log.PATH.read_text(encoding="utf-8").split("\n")[:-1]
            if line[:1] == "{"
        ]
        found = [line for line in lines if (line["logger"], line["requestId"]) == (logger, request_id)]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.01)
