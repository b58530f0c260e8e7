"""As much of a wrong body as its faults are in: what it costs to refuse one does not depend on its size."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from app.wire.faults import MAX_FAULTS

_MAX_BITS = 64
_Schema = Mapping[str, Any]


def excerpt(value: Any, schema: _Schema) -> Any:
    """Copy a JSON value without what its faults do not depend on.

    A validator finds what is wrong with the copy where it is wrong in the value, except within an
    array or object that has too many entries: there it finds the faults of one entry too many.

    Args:
        value: what was sent; its strings are kept as they are, and numbers of up to 64 bits.
        schema: what it should be, by the keywords of OpenAPI 3.0, its references resolved.
    """
    match value, schema.get("type"):
        case list(), "array":
            return _items(value, schema)
        case dict(), "object":
            return _members(value, schema)
        case list() | dict(), str():
            return type(value)()
        case int(), _ if value.bit_length() > _MAX_BITS:
            return 2**_MAX_BITS if value > 0 else -(2**_MAX_BITS)
    return value


def _items(value: list[Any], schema: _Schema) -> list[Any]:
    kept = value[: schema.get("maxItems", MAX_FAULTS) + 1]
    return [excerpt(item, schema.get("items", {})) for item in kept]


def _members(value: dict[str, Any], schema: _Schema) -> dict[str, Any]:
    properties, further = schema.get("properties", {}), schema.get("additionalProperties")
    kept = {name: excerpt(value[name], properties[name]) for name in properties if name in value}
    unknown = (name for name in value if name not in properties)
    limit = schema.get("maxProperties", MAX_FAULTS) + 1
    # Of what has no place here, the name is a fault, whatever the value is.
    rule = further if isinstance(further, dict) else None
    return kept | {
        name: None if rule is None else excerpt(value[name], rule) for name in islice(unknown, limit)
    }
