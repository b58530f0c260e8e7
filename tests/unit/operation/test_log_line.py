"""One line of the log: how long it may be, and what JSON cannot have."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.callers.api_keys import new_key
from app.operation import logs
from app.operation.log_line import MAX_BYTES, as_json, fit_for_the_log, shorten

ESSENTIAL = {"level": "INFO", "logger": "app", "message": "m", "requestId": "id"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3000),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Unspeakable:
    """Something that cannot be shown."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError


def parsed(line: str) -> dict[str, Any]:
    """Parse a line, which fits the log with its end."""
    assert len(f"{line}\n".encode()) <= MAX_BYTES
    assert "\n" not in line
    return dict(json.loads(line))


@pytest.mark.parametrize("character", ["x", "ü", "語", "🎙", "\0", '"'])
def test_the_longest_text_is_cut(character: str) -> None:
    """As much of it is left as there is room for, with a mark; the others are whole."""
    facts = {**ESSENTIAL, "short": "y" * 100}
    written = fit_for_the_log(as_json({**facts, "long": character * 10_000}))
    line = parsed(written)
    assert set(line.pop("long")) == {character, "…"}
    assert line == facts
    assert MAX_BYTES - len(written.encode()) <= 8


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_line_that_just_fits_is_whole(length: int) -> None:
    """The limit counts the end of the line."""
    room = MAX_BYTES - 1 - len(as_json({"text": ""}))
    line = as_json({"text": "x" * (room + length - 1)})
    assert (fit_for_the_log(line) == line) is (length < 2)


def test_a_long_traceback_keeps_its_beginning_and_its_end() -> None:
    """The end has the exception, and the beginning where it all began."""
    line = parsed(fit_for_the_log(as_json({**ESSENTIAL, "exc_info": f"Traceback{'x' * 5000}ValueError: y"})))
    assert line["exc_info"].startswith("Traceback")
    assert line["exc_info"].endswith("ValueError: y")
    assert "…" in line["exc_info"]


@pytest.mark.parametrize("before", range(0, 2200, 40))
def test_a_cut_uncovers_no_credential(before: int) -> None:
    """It is replaced before the cut, wherever that is."""
    key, _ = new_key()
    assert key[:20] not in fit_for_the_log(as_json({**ESSENTIAL, "path": "/" * before + key + "/" * 3000}))


def test_what_begins_like_a_token_within_an_escape_sequence_breaks_no_line() -> None:
    r"""`\u001e` and `yJ…` are not a token."""
    header = "yJhbGciOiJIUzI1NiJ9"
    said = {**ESSENTIAL, "message": f"\x1e{header}.a.b"}
    assert parsed(fit_for_the_log(as_json(said))) == said


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("half \ud800", "half ?"),
        (1 << 64, str(1 << 64)),
        ({1: 2}, {"1": 2}),
        (Unspeakable(), "<Unspeakable>"),
        ([("a", None, True)], [["a", None, True]]),
        ({"half": "\udc80"}, {"half": "?"}),
    ],
)
def test_what_json_cannot_have_is_replaced(value: Any, written: Any) -> None:
    """The line is written all the same."""
    assert parsed(as_json({"x": value, "half": "\ud800"})) == {"x": written, "half": "?"}


def test_what_has_no_end_is_cut() -> None:
    """An object may hold itself."""
    endless: dict[str, Any] = {}
    endless["self"] = endless
    assert "…" in as_json(endless)


def test_arguments_that_do_not_fit_a_message_leave_it() -> None:
    """A mistake in a call is no reason to say nothing."""
    record = logging.makeLogRecord({"msg": "%d apples", "args": ("many",)})
    assert parsed(logs.Formatter().format(record))["message"] == "%d apples"


@pytest.mark.parametrize(("with_end", "kept"), [(False, "012345678…"), (True, "012…456789")])
def test_a_text_is_cut_at_its_end_or_in_its_middle(*, with_end: bool, kept: str) -> None:
    """The mark stands where something is missing."""
    assert shorten("0123456789", 10) == "0123456789"
    assert shorten("01234567890123456789", 9, with_end=with_end) == kept


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(max_size=30), ANYTHING))
def test_a_line_is_a_short_object_whatever_is_in_it(facts: dict[str, Any]) -> None:
    """What says which line it is stays readable."""
    line = parsed(fit_for_the_log(as_json({**facts, **ESSENTIAL})))
    assert line.items() >= ESSENTIAL.items()
