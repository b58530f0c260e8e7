"""The log for people: on a terminal, where nothing that a caller sent may move the cursor."""

import json
import logging
import time
from typing import Any

from app.operation.log_line import shorten
from app.operation.redaction import without_credentials
from app.operation.text import printable

_MAX_LINE, _MAX_TRACEBACK = 1024, 16_384


def as_text(record: logging.LogRecord, line: dict[str, Any]) -> str:
    """Write a record for a person.

    Args:
        record: of the log.
        line: what its line says in JSON.
    """
    facts = dict(getattr(record, "facts", {}))
    clock = time.strftime("%H:%M:%S", time.localtime(record.created))
    said = _answered(facts) if "outcome" in facts else f"{record.name}: {line['message']}"
    parts = [said, *(f"{name}={_word(value)}" for name, value in facts.items())]
    if line["requestId"]:
        parts.append(f"requestId={line['requestId']}")
    lines = [f"{clock} {record.levelname:7} {' '.join(parts)}"]
    if "exc_info" in line:
        lines += shorten(line["exc_info"], _MAX_TRACEBACK, with_end=True).splitlines()
    return "\n".join(printable(without_credentials(text), _MAX_LINE) for text in lines)


def _answered(facts: dict[str, Any]) -> str:
    """Say what an audit line is about; the facts that are said are taken out."""
    said = [facts.pop(name, None) for name in ("method", "path", "status", "outcome", "durationMs")]
    of_whom = [
        f"{name}={_word(facts.pop(name))}" for name in ("room", "identity", "errorCode") if name in facts
    ]
    return " ".join([*map(_word, said), "ms", *of_whom])


def _word(value: object) -> str:
    """Write a value as one word, so that none looks like several facts."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text else text
