"""Structured logging: one JSON object a line, on standard output."""

import logging
import logging.config
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

from app.operation.redaction import without_credentials

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered; it is in every log line."""


class Formatter(logging.Formatter):
    """Writes a record as JSON, without credentials.

    A record says more than its message by an attribute `facts`: a mapping from names to JSON values.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line = as_json(record)
        return without_credentials(line)


def as_json(record: logging.LogRecord) -> str:
    """Write a record as JSON, as it is."""
    line = {
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
        "requestId": request_id.get(),
        **getattr(record, "facts", {}),
        "timestamp": datetime.fromtimestamp(record.created, UTC),
    }
    if record.exc_info:
        line["exc_info"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
    return orjson.dumps(line, default=str).decode()


def configure(level: str) -> None:
    """Have every logger of the process write JSON lines.

    Args:
        level: the least severe level that is written; audit lines always are.
    """
    logging.captureWarnings(capture=True)
    logging.config.dictConfig(configuration(level))


def configuration(level: str) -> dict[str, Any]:
    """Make the configuration for `logging.config.dictConfig`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": Formatter}},
        "handlers": {
            "json": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}
        },
        "root": {"handlers": ["json"], "level": level},
        # Connexion speaks of requests, which the audit log does better; and a caller could make it speak.
        # The others speak of each time that an issuer is asked for its keys.
        "loggers": {
            "connexion": {"level": "ERROR"},
            "httpcore": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
        },
    }
