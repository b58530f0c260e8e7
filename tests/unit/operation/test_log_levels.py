"""What is logged at which level."""

import io
import logging
import logging.config
from collections.abc import Iterator

import pytest

from app.operation import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Log as the service does at its most verbose, into a stream, and put back how the tests log."""
    loggers = [logging.getLogger(), logging.getLogger("connexion")]
    before = [(logger, logger.handlers[:], logger.level) for logger in loggers]
    written = io.StringIO()
    configuration = logs.configuration("DEBUG", {"class": "logging.StreamHandler", "stream": written})
    logging.config.dictConfig(configuration)
    yield written
    for logger, handlers, level in before:
        logger.handlers, logger.level = handlers, level


def test_the_framework_speaks_of_failures_only(stream: io.StringIO) -> None:
    """What Connexion says of requests, a caller could have it say; the audit log speaks of them."""
    logging.getLogger("connexion.anything").warning("of a request")
    logging.getLogger("anything").debug("of the service")
    logging.getLogger("connexion.anything").error("of a failure")
    assert "of a request" not in stream.getvalue()
    assert "of the service" in stream.getvalue()
    assert "of a failure" in stream.getvalue()
