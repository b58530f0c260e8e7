"""Structured logging."""

import io
import json
import logging
import logging.config
from datetime import timedelta
from typing import Any

import pytest

from app.operation import logs
from app.tokens.credentials import Credentials
from app.tokens.orders import TokenOrder
from app.tokens.service import TokenService


def written(**record: Any) -> dict[str, Any]:
    """Write one record as the service would, and parse it."""
    line = logs.Formatter().format(logging.makeLogRecord(record))
    assert "\n" not in line
    return dict(json.loads(line))


def test_a_record_is_one_line_of_json() -> None:
    """Newlines and quotes of a message stay inside the JSON."""
    assert written(msg='a "b"\nc')["message"] == 'a "b"\nc'


def test_a_traceback_is_part_of_its_line() -> None:
    """An exception does not break the format."""
    with pytest.raises(ValueError, match="x") as caught:
        int("x")
    record = written(msg="m", exc_info=(caught.type, caught.value, caught.tb))
    assert "ValueError: invalid literal" in record["exc_info"]


@pytest.mark.parametrize("place", ["msg", "facts", "exc_info"])
def test_a_token_is_blacked_out_wherever_it_is(place: str) -> None:
    """A token that gets into the log by mistake is not readable there."""
    service = TokenService(Credentials("k", "a-throw-away-secret-of-the-unit-tests-012345"))
    token = service.issue(TokenOrder("r", "i", "n", timedelta(seconds=60))).jwt
    error = ValueError(token)
    said = {"msg": f"a {token} z", "facts": {"path": f"/{token}"}, "exc_info": (ValueError, error, None)}
    line = logs.Formatter().format(logging.makeLogRecord({"msg": "m", place: said[place]}))
    assert token.split(".")[1] not in line
    assert "eyJ" not in line
    assert "[token]" in line


def test_the_facts_of_a_record_stand_in_its_line() -> None:
    """What is known beside the message is there by its own name."""
    assert (
        written(msg="m", facts={"room": "r", "status": 200}).items() >= {"room": "r", "status": 200}.items()
    )


def test_the_configuration_can_be_used() -> None:
    """Every logger writes to the stream, with the request id as null outside of requests."""
    stream = io.StringIO()
    configuration = logs.configuration("WARNING", {"class": "logging.StreamHandler", "stream": stream})
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        logging.config.dictConfig({**configuration, "loggers": {}})
        logging.getLogger("anything").info("not written")
        logging.getLogger("anything").warning("written")
    finally:
        root.handlers, root.level = before[0], before[1]
    record = json.loads(stream.getvalue())
    assert record.pop("timestamp")
    assert record == {
        "level": "WARNING", "logger": "anything", "message": "written", "requestId": None
    }  # fmt: skip
