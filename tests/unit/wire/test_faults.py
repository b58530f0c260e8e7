"""Faults in words."""

from typing import Any

import jsonschema_rs
import pytest

from app.wire.faults import Fault, explain
from tests.support.contract import assert_fits

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["needed"],
    "properties": {
        "needed": {},
        "text": {"type": "string", "minLength": 3, "maxLength": 5, "pattern": "^[a-z]*$"},
        "number": {"type": "number", "minimum": 1, "maximum": 2},
        "either": {"type": ["string", "null"]},
        "flag": {"type": "boolean"},
        "kind": {"enum": ["a", "b"]},
        "room_config": {
            "type": "object",
            "properties": {
                "agents": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"agent_name": {"type": "string"}}},
                }
            },
        },
    },
}


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ([], "body", "must be an object"),
        ({}, "needed", "is required"),
        ({"needed": 1, "x": 1}, "x",
         f"is not known here; the properties are {', '.join(sorted(SCHEMA['properties']))}"),
        ({"needed": 1, "text": 1}, "text", "must be a string"),
        ({"needed": 1, "text": "ab"}, "text", "must be at least 3 characters"),
        ({"needed": 1, "text": "abcdef"}, "text", "must be at most 5 characters"),
        ({"needed": 1, "text": "ABC"}, "text", "does not satisfy the contract's pattern"),
        ({"needed": 1, "number": 0}, "number", "must be at least 1"),
        ({"needed": 1, "number": 3}, "number", "must be at most 2"),
        ({"needed": 1, "number": "1"}, "number", "must be a number"),
        ({"needed": 1, "either": 1}, "either", "must be null or a string"),
        ({"needed": 1, "flag": 1}, "flag", "must be true or false"),
        ({"needed": 1, "kind": "c"}, "kind", "does not satisfy the contract's enum"),
        ({"needed": 1, "room_config": {"agents": {}}}, "room_config.agents", "must be an array"),
        ({"needed": 1, "room_config": {"agents": [{"agent_name": 1}]}},
         "room_config.agents[0].agent_name", "must be a string"),
    ],
)  # fmt: skip
def test_a_fault_says_where_and_what_to_change(body: Any, field: str, message: str) -> None:
    """The field is a path, the message is for a person, and the value is not echoed."""
    errors = jsonschema_rs.Draft4Validator(SCHEMA).iter_errors(body)
    assert list(explain(errors, SCHEMA)) == [Fault(field, message)]


@pytest.mark.parametrize(
    "text",
    ["a" * 100_000, "", "\n", "\u202e", "\x00" * 1000, "\ud7ff", "\U0001f600" * 1000, "\u2028"],
    ids=ascii,
)
def test_a_fault_fits_the_contract_whatever_it_is_about(text: str) -> None:
    """Names that a caller made up are cut, and cleaned of what could disturb a terminal."""
    fault = Fault.at(text, f"m{text}")
    assert_fits("FieldFault", {"field": fault.field, "message": fault.message})
    assert (fault.field + fault.message).isprintable()
