"""What is wrong with a request, in words for the person who sent it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema_rs import ValidationError

from app.operation.text import printable

MAX_FAULTS = 100
_MAX_FIELD = 128
_MAX_MESSAGE = 400
_LIMITS = {
    "minLength": "must be at least {} characters",
    "maxLength": "must be at most {} characters",
    "maxItems": "must have at most {} items",
    "maxProperties": "must have at most {} properties",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
}
_TYPES = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer, written as digits without quotes, fraction or exponent",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing to change, and where. Both texts are bounded and hold no control characters."""

    field: str
    message: str

    @classmethod
    def at(cls, field: str, message: str) -> "Fault":
        """Make a fault from texts that may hold anything of any length."""
        return cls(printable(field, _MAX_FIELD) or "(empty)", printable(message, _MAX_MESSAGE))


class ContractViolation(Exception):
    """The request breaks the contract; `faults` holds the ways in which it does, sorted by field.

    There are at most `MAX_FAULTS` and one more, which tells that not all were looked for.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        """Take the faults, at least one; of very many, no more are made than are kept."""
        self.faults = tuple(sorted(set(islice(faults, MAX_FAULTS + 1))))
        super().__init__(f"{len(self.faults)} faults")


class AgentRefused(Exception):
    """The caller may not dispatch an agent that it named; the message says which."""


class IdentityRefused(Exception):
    """The caller may not have a token for the participant that it named; the message says for whom."""


class IdentityUnusable(Exception):
    """What the caller's token says it is cannot be a participant's identity; the message says why not."""


class RoomRefused(Exception):
    """The caller may not have a token for the room; the message says for which it may."""


def explain(errors: Iterable[ValidationError], schema: Mapping[str, Any]) -> Iterator[Fault]:
    """Turn a JSON Schema validator's errors into faults, one by one.

    Args:
        errors: what jsonschema-rs found.
        schema: what the value should be; `x-pattern-message` says in it what a pattern demands.
    """
    errors = list(errors)
    too_short = {tuple(error.instance_path) for error in errors if error.kind.name == "minLength"}
    for error in errors:
        # A pattern has nothing to add about a string that is empty.
        if error.kind.name != "pattern" or tuple(error.instance_path) not in too_short:
            yield from _faults(error, schema)


def _faults(error: ValidationError, whole: Mapping[str, Any]) -> Iterator[Fault]:
    kind: Any = error.kind
    path = list(error.instance_path)
    *schema_path, _keyword = error.schema_path
    schema = _lookup(whole, schema_path)
    match kind.name:
        case "required":
            yield Fault.at(_path([*path, kind.property]), "is required")
        case "additionalProperties":
            known = ", ".join(sorted(schema["properties"]))
            for name in kind.unexpected:
                yield Fault.at(_path([*path, name]), f"is not known here; the properties are {known}")
        case "x-key-pattern":
            keys: Any = error.instance
            for key in keys:
                if not re.fullmatch(schema["x-key-pattern"], key):
                    yield Fault.at(_path([*path, key]), schema["x-key-pattern-message"])
        case _:
            yield Fault.at(_path(path), _message(kind, schema))


def _message(kind: Any, schema: Mapping[str, Any]) -> str:
    if kind.name in _LIMITS:
        empty = kind.name == "minLength" and kind.limit == 1
        return "must not be empty" if empty else _LIMITS[kind.name].format(kind.limit)
    if kind.name == "type":
        return f"must be {' or '.join(_TYPES[name] for name in kind.types)}"
    return str(schema.get(f"x-{kind.name}-message", f"does not satisfy the contract's {kind.name}"))


def _lookup(schema: Any, path: Iterable[str | int]) -> Any:
    for step in path:
        schema = schema[step]
    return schema


def _path(steps: Sequence[str | int]) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".") if steps else "body"
