"""One line of the log: a JSON object of at most 2,048 bytes, without credentials."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import orjson

from app.operation.redaction import without_credentials

MAX_BYTES = 2048
"""How long a line is at most, with its end: some of those who read logs cut longer ones."""

_CUT = "…"
_LEAST_TEXT = 64
_ESSENTIAL = ("level", "logger", "message", "requestId", "timestamp", "exc_info")
_MAX_DEPTH = 8


def as_json(facts: Mapping[str, Any]) -> str:
    """Write facts as they are; what JSON cannot have is replaced."""
    try:
        return orjson.dumps(facts, default=str).decode()
    except TypeError:  # Half a character, a number of more than 64 bits, something that cannot be shown.
        return orjson.dumps(_each_text(facts, _without_halves)).decode()


def fit_for_the_log(line: str) -> str:
    """Replace tokens and API keys in a line, and cut its longest texts where it is too long."""
    if without_credentials(line) != line:
        # In the texts themselves: what looks like one in the line may begin within an escape sequence.
        line = as_json(_each_text(orjson.loads(line), without_credentials))
    return line if _fits(line) else _shortened(orjson.loads(line))


def shorten(text: str, limit: int, *, with_end: bool = False) -> str:
    """Cut a text to `limit` characters and a mark, from its middle if its end matters."""
    if len(text) <= limit:
        return text
    end = limit * 2 // 3 if with_end else 0
    return f"{text[: limit - end]}{_CUT}{text[len(text) - end :]}"


def _shortened(facts: Mapping[str, Any]) -> str:
    def written(limit: int) -> str:
        return as_json({key: _each_text(value, _cutter(key, limit)) for key, value in facts.items()})

    limit = bisect_left(range(MAX_BYTES), x=True, key=lambda limit: not _fits(written(limit))) - 1
    if limit >= _LEAST_TEXT:
        return written(limit)
    kept = {key: str(facts[key]) for key in _ESSENTIAL if facts.get(key) is not None}
    return _shortened({"requestId": None, **kept, "facts": _CUT})


def _cutter(key: str, limit: int) -> Callable[[str], str]:
    # The end of a traceback is the exception.
    return partial(shorten, limit=limit, with_end=key == "exc_info")


def _fits(line: str) -> bool:
    # A character has four bytes at most.
    return len(line) * 4 < MAX_BYTES or len(line.encode()) < MAX_BYTES


def _each_text(value: Any, change: Callable[[str], str], depth: int = _MAX_DEPTH) -> Any:
    """Copy a value as JSON can have it, its texts changed."""
    if isinstance(value, bool | float | datetime) or value is None:
        return value
    if isinstance(value, int) and value.bit_length() < 64:  # noqa: PLR2004  # as orjson has it
        return value
    if isinstance(value, Mapping | list | tuple) and not depth:
        return _CUT
    if isinstance(value, Mapping):
        return {change(_text(key)): _each_text(item, change, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(item, change, depth - 1) for item in value]
    return change(_text(value))


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # whatever it is, the line is written
        return f"<{type(value).__name__}>"


def _without_halves(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
