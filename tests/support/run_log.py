"""The log of the whole test run, written as the service writes it, and searched for secrets at the end."""

import logging
import logging.config
from pathlib import Path

from app import logs

PATH = Path(__file__).parent.parent.parent / ".cache" / "test-run.log"


def start() -> None:
    """Empty the log, and have every logger of the test process write into it, from DEBUG up."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.unlink(missing_ok=True)
    configuration = logs.configuration("DEBUG")
    configuration["handlers"]["json"] |= {
        "class": "logging.FileHandler",
        "filename": str(PATH),
    }
    del configuration["handlers"]["json"]["stream"]
    logging.config.dictConfig(configuration)


def add(text: str) -> None:
    """Add what another process has logged."""
    with PATH.open("a", encoding="utf-8") as file:
        file.write(text)
