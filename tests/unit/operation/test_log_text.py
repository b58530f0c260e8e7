"""The log for people."""

import logging
from typing import Any

import jwt
import pytest

from app.operation import logs

FACTS = {
    "method": "POST", "path": "/api/token", "client": "127.0.0.1", "identity": "alice", "room": "r",
    "expiresAt": "2026-11-25T01:23:41Z", "status": 200, "outcome": "issued", "durationMs": 0.658,
}  # fmt: skip


def shown(**record: Any) -> str:
    """Write one record as on a terminal, without its time."""
    text = logs.TextFormatter().format(
        logging.makeLogRecord({"levelname": "INFO", "name": "app.x", **record})
    )
    return text.partition(" ")[2]


def test_a_request_is_one_line() -> None:
    """It begins with what was asked and what came of it; the rest has its name."""
    token = logs.request_id.set("id-1")
    try:
        assert shown(msg="request", facts=FACTS) == (
            "INFO    POST /api/token 200 issued 0.658 ms room=r identity=alice client=127.0.0.1 "
            "expiresAt=2026-11-25T01:23:41Z requestId=id-1"
        )
    finally:
        logs.request_id.reset(token)


def test_anything_else_is_its_message() -> None:
    """With the logger that says it, and the facts that it has."""
    assert shown(msg="It is %s", args=("so",), facts={"lost": 3}) == "INFO    app.x: It is so lost=3"


def test_no_fact_looks_like_several() -> None:
    """What a caller sent is told from what the service says: a value with blanks is in quotes."""
    forged = {"path": "/x 200 issued 0.1 ms", "client": 'a room="r'}
    assert shown(msg="request", facts=FACTS | forged) == (
        'INFO    POST "/x 200 issued 0.1 ms" 200 issued 0.658 ms room=r identity=alice '
        'client="a room=\\"r" expiresAt=2026-11-25T01:23:41Z'
    )


@pytest.mark.parametrize("evil", ["\n", "\r", "\x1b[2J", "\x9b31m", "\u202e", "\0", "\u2028"])
def test_nothing_moves_the_cursor(evil: str) -> None:
    """A terminal obeys nothing that a caller sent, and a line stays one."""
    record = {"msg": f"a{evil}b", "facts": {"room": f"a{evil}b"}}
    assert shown(**record).isprintable()
    error = ValueError(f"a{evil}b")
    text = shown(**record, exc_info=(ValueError, error, None))
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_traceback_follows_in_lines_of_its_own() -> None:
    """As Python writes it."""
    with pytest.raises(ValueError, match="x") as caught:
        int("x")
    lines = shown(msg="m", exc_info=(caught.type, caught.value, caught.tb)).split("\n")
    assert lines[:2] == ["INFO    app.x: m", "Traceback (most recent call last):"]
    assert lines[-1].startswith("ValueError: invalid literal")


def test_a_token_is_not_readable() -> None:
    """Neither in the line, nor in a traceback."""
    token = jwt.encode({"sub": "alice"}, "a-throw-away-secret-of-the-unit-tests-012345")
    text = shown(msg=token, facts={"path": token}, exc_info=(ValueError, ValueError(token), None))
    assert "eyJ" not in text
    assert text.count("[token]") == 3
