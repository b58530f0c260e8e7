"""The contract as the tests see it: independent of how the service reads it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft4Validator, FormatChecker

PATH = Path(__file__).parent.parent.parent / "spec" / "token-api.openapi.yaml"


@cache
def document() -> dict[str, Any]:
    """Read the contract."""
    return dict(yaml.safe_load(PATH.read_text(encoding="utf-8")))


def schema(name: str) -> dict[str, Any]:
    """Find a schema of the contract's components."""
    return dict(document()["components"]["schemas"][name])


def assert_fits(name: str, value: Any) -> None:
    """Assert that a value fits a schema of the contract's components, with another validator."""
    assert_fits_schema({"$ref": f"#/components/schemas/{name}"}, value)


def assert_fits_schema(rule: Mapping[str, Any], value: Any) -> None:
    """Assert that a value fits a schema, which may refer to the contract's components."""
    validator = Draft4Validator(
        {"allOf": [rule], "components": document()["components"]}, format_checker=FormatChecker()
    )
    faults = [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(value)]
    assert not faults, (faults, value)
