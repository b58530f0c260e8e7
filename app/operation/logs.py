"""Structured logging: one JSON object a line, on standard output; or text for people."""

import logging
import logging.config
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from app.operation.log_line import as_json as json_of
from app.operation.log_line import fit_for_the_log
from app.operation.log_text import as_text
from app.operation.log_writer import LogWriter

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered; it is in every log line."""

trace_context: ContextVar[Mapping[str, str] | None] = ContextVar("trace_context", default=None)
"""The `traceId` and `spanId` of the request that is being answered, if it is traced; in every log line."""

_NOWHERE = -1
# Connexion speaks of requests, which the audit log does better; and a caller could make it speak.
# The others speak of each time that an issuer is asked for its keys.
_LEVELS = {
    "connexion": {"level": "ERROR"},
    "httpcore": {"level": "WARNING"},
    "httpx": {"level": "WARNING"},
    # Of the collector, tracing.py says what there is to say, once; of a sampler, OpenTelemetry does.
    "opentelemetry": {"level": "CRITICAL"},
    "opentelemetry.sdk.trace.sampling": {"level": "WARNING"},
    "urllib3": {"level": "ERROR"},
}


class Formatter(logging.Formatter):
    """Writes a record as JSON, without credentials, in at most 2,048 bytes.

    A record says more than its message by an attribute `facts`: a mapping from names to JSON values.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line = as_json(record)
        return fit_for_the_log(line)


class TextFormatter(logging.Formatter):
    """Writes a record as text for people, without credentials; a traceback in lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, and those of a traceback."""
        return as_text(record, _content(record))


class Handler(logging.Handler):
    """Hands lines to a writer, and whoever logs does not wait.

    A record that somebody wants to know written has an attribute `receipt`.
    """

    def __init__(self, writer: LogWriter) -> None:
        """Hand the lines to `writer`."""
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record here, where the context is the request's, and hand it over."""
        line = self.format(record).encode("utf-8", "replace")
        self._writer.write(line + b"\n", getattr(record, "receipt", None))

    def close(self) -> None:
        """Have written what is pending, in a second at most; the end of the process calls it."""
        self._writer.close()
        super().close()


def as_json(record: logging.LogRecord) -> str:
    """Write a record as JSON, as it is."""
    return json_of(_content(record))


def _content(record: logging.LogRecord) -> dict[str, Any]:
    content = {
        "level": record.levelname,
        "logger": record.name,
        "message": _message_of(record),
        "requestId": request_id.get(),
        **(trace_context.get() or {}),
        **getattr(record, "facts", {}),
        "timestamp": datetime.fromtimestamp(record.created, UTC),
    }
    if record.exc_info:
        content["exc_info"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
    return content


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # the arguments do not fit, or cannot be shown: the line is written
        return str(record.msg)


def configure(level: str, line_format: str) -> LogWriter:
    """Have every logger of the process write lines to standard output, and return what writes them.

    Args:
        level: the least severe level that is written; audit lines always are.
        line_format: `json`; `text`; `auto`: text on a terminal, else JSON.
    """
    logging.captureWarnings(capture=True)
    is_text = line_format == "text" or (
        line_format == "auto" and sys.stdout is not None and sys.stdout.isatty()
    )
    formatter = TextFormatter() if is_text else Formatter()

    def report(lost: int) -> bytes:
        message = f"{lost} lines of the log were lost: they were not read, or could not be written."
        record = logging.LogRecord(LogWriter.__module__, logging.WARNING, __file__, 0, message, None, None)
        record.facts = {"lost": lost}
        return formatter.format(record).encode() + b"\n"

    writer = LogWriter(_standard_output(), report)
    logging.config.dictConfig(
        configuration(
            level, {"()": Handler, "writer": writer, "formatter": "line"}, {"()": lambda: formatter}
        )
    )
    return writer


def hand_to_host(level: str, line_format: str) -> None:
    """Have the log of the host that runs this process hold our lines: its handlers stay, and write them.

    Args:
        level: the least severe level that is written; audit lines always are.
        line_format: `text`; else JSON.
    """
    logging.captureWarnings(capture=True)
    formatter = TextFormatter() if line_format == "text" else Formatter()
    # The host's own lines, too: at DEBUG it logs each answer, and without this the token in it.
    for handler in logging.getLogger().handlers:
        handler.setFormatter(formatter)
    levels = {"root": {"level": level}, "loggers": _LEVELS}
    logging.config.dictConfig({"version": 1, "incremental": True, **levels})


def configuration(
    level: str, handler: dict[str, Any], formatter: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Make the configuration for `logging.config.dictConfig`, around a handler and the formatter `line`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter or {"()": Formatter}},
        "handlers": {"lines": {"formatter": "line", **handler}},
        "root": {"handlers": ["lines"], "level": level},
        "loggers": _LEVELS,
    }


def _standard_output() -> int:
    # Closed, its number may be that of a connection by now.
    try:
        return sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return _NOWHERE
