"""What a wrong body costs: as much of it is looked at as has faults that are reported."""

import statistics
import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.wire.contract import BodyRule, Contract
from app.wire.excerpt import excerpt
from app.wire.faults import MAX_FAULTS, ContractViolation, explain

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "text": {"type": "string"},
        "list": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
        "map": {"type": "object", "maxProperties": 2, "additionalProperties": {"type": "string"}},
        "anything": {},
    },
}
NESTED = [[1], {"a": 1}]
KEYS = ["text", "list", "map", "anything", "else"]


def rule_of(operation: str) -> BodyRule:
    """Find what the contract demands of an operation's body."""
    rule = Contract.load().operations[operation].body
    assert rule is not None
    return rule


def faults_of(rule: BodyRule, body: Any) -> list[str]:
    """List the fields that a body is refused for."""
    try:
        rule.validate(body, {})
    except ContractViolation as violation:
        return [fault.field for fault in violation.faults]
    return []


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"text": "a" * 1000, "list": ["a"]}, {"text": "a" * 1000, "list": ["a"]}),
        (NESTED, []),
        ({"text": NESTED}, {"text": []}),
        ({"text": {"a": 1}}, {"text": {}}),
        ({"list": {"a": 1}, "map": NESTED}, {"list": {}, "map": []}),
        ({"list": [1, 2, 3, 4, 5]}, {"list": [1, 2, 3]}),
        ({"list": [NESTED, "a"]}, {"list": [[], "a"]}),
        ({"map": {"a": 1, "b": 2, "c": 3, "d": 4}}, {"map": {"a": 1, "b": 2, "c": 3}}),
        ({"map": {"a": NESTED}}, {"map": {"a": []}}),
        ({"unknown": NESTED, "text": "a"}, {"unknown": None, "text": "a"}),
        ({"anything": NESTED}, {"anything": NESTED}),
        ({"text": 2**64 - 1, "map": -(10**4000)}, {"text": 2**64 - 1, "map": -(2**64)}),
        ({"list": [10**4000, True]}, {"list": [2**64, True]}),
        ("a", "a"),
    ],
)  # fmt: skip
def test_an_excerpt_is_as_wrong_as_the_whole(value: Any, kept: Any) -> None:
    """What is wrong stays, one too many of what is too much, and nothing of what has no place."""
    assert excerpt(value, SCHEMA) == kept


def test_of_unknown_names_one_more_than_are_reported_is_kept() -> None:
    """So that the answer can say that there are more."""
    assert len(excerpt({str(i): i for i in range(1000)}, SCHEMA)) == MAX_FAULTS + 1


@given(
    body=st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        max_leaves=20,
    )
)
def test_an_excerpt_has_the_faults_of_the_whole(body: Any) -> None:
    """Where nothing is too long, what is reported stays the same; where something is, less of it is."""
    validator = jsonschema_rs.Draft4Validator(SCHEMA)
    whole = set(explain(validator.iter_errors(body), SCHEMA))
    part = set(explain(validator.iter_errors(excerpt(body, SCHEMA)), SCHEMA))
    assert part <= whole
    assert bool(part) == bool(whole)
    assert part == whole or any("must have at most" in fault.message for fault in part)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"room_name": "/", "room_config": {"agents": [1] * 8170}},
         ["room_config.agents", *(f"room_config.agents[{i}]" for i in range(5)), "room_name"]),
        ({"room_name": "/", "participant_attributes": dict.fromkeys(map(str, range(20)), "v")},
         ["participant_attributes", "room_name"]),
    ],
)  # fmt: skip
def test_what_is_too_long_hides_no_fault_beside_it(body: Any, expected: list[str]) -> None:
    """Its length is reported, and what is wrong elsewhere."""
    assert faults_of(rule_of("createConnectionDetails"), body) == expected


@pytest.mark.parametrize(
    "refused",
    [
        {"room_config": {"agents": [1] * 8170}},
        {"participant_attributes": {f"{i:x}\0": 1 for i in range(1100)}},
        {f"{i:x}": 1 for i in range(2000)},
        {"room_name": [1] * 8170},
        [1] * 8170,
    ],
    ids=["agents", "attributes", "unknown", "a list for a name", "a list"],
)
def test_a_refused_body_costs_a_few_times_an_accepted_one(refused: Any) -> None:
    """Measured side by side, against the largest body that is accepted; the margin is generous."""
    rule = rule_of("createConnectionDetails")
    attributes = {f"{i:064}": "v" * 256 for i in range(16)}
    accepted = {"participant_metadata": "m" * 2048, "participant_attributes": attributes}
    assert faults_of(rule, refused)
    assert not faults_of(rule, accepted)
    assert cost_of(rule, refused) < 100 * cost_of(rule, accepted)


def cost_of(rule: BodyRule, body: Any) -> float:
    """Measure the median of what a body costs."""
    times = []
    for _ in range(20):
        started = time.process_time_ns()
        faults_of(rule, body)
        times.append(time.process_time_ns() - started)
    return statistics.median(times)
