"""The log of the whole test run, and what must not be in it.

It is written without the blacking-out of the service's own formatter, so that a token that should not
have been logged is found.
"""

import logging
import logging.config
import os
from pathlib import Path

from app.operation import logs

# Two runs may go on in one checkout.
PATH = Path(__file__).parent.parent.parent / ".cache" / f"test-run-{os.getpid()}.log"
AUTHORIZATION = "Bearer authorization-of-the-test-suite"
"""Sent with every request of the tests' own clients."""

_secrets: set[str] = {AUTHORIZATION.split()[1]}


class _Unredacted(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return logs.as_json(record)


def start() -> None:
    """Empty the log, and have every logger of the test process write into it, from DEBUG up."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.unlink(missing_ok=True)
    handler = {"class": "logging.FileHandler", "filename": str(PATH)}
    logging.config.dictConfig(logs.configuration("DEBUG", handler, {"()": _Unredacted}))


def stop() -> None:
    """Remove the log."""
    logging.shutdown()
    PATH.unlink(missing_ok=True)


def add(text: str) -> None:
    """Add what another process has logged."""
    with PATH.open("a", encoding="utf-8") as file:
        file.write(text)


def forbid(secret: str) -> None:
    """Have the log searched for a secret."""
    _secrets.add(secret)


def secrets() -> frozenset[str]:
    """List what the log is searched for."""
    return frozenset(_secrets)
