"""Structured logging: one JSON object a line, on standard output."""

import logging
import re
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.orjson import OrjsonFormatter

_JWT = re.compile(r"eyJ[\w-]{8,}(\.[\w-]*)*")


class Formatter(OrjsonFormatter):
    """Writes a record as JSON, and blacks out whatever looks like a token, wherever it came from."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        return _JWT.sub("[token]", super().format(record))


def configuration(level: str) -> dict[str, Any]:
    """Make a configuration for `logging.config.dictConfig`, for every logger of the process.

    Args:
        level: the least severe level that is written; audit lines always are.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": "asgi_correlation_id.CorrelationIdFilter"}},
        "formatters": {
            "json": {
                "()": "app.logs.Formatter",
                "fmt": ["levelname", "name", "message", "correlation_id"],
                "rename_fields": {
                    "levelname": "level",
                    "name": "logger",
                    "correlation_id": "requestId",
                },
                "reserved_attrs": [*RESERVED_ATTRS, "color_message"],
                "timestamp": True,
            }
        },
        "handlers": {
            "json": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "filters": ["request_id"],
                "stream": "ext://sys.stdout",
            }
        },
        "root": {"handlers": ["json"], "level": level},
        # The audit log is not to be switched off. The next two speak of requests, which the audit log
        # does better; and a caller could make them speak.
        "loggers": {
            "app.audit": {"level": "INFO"},
            "asgi_correlation_id": {"level": "ERROR"},
            "connexion": {"level": "ERROR"},
        },
    }
