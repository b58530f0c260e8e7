"""The README says what is so."""

import re
from pathlib import Path

from app.settings import Settings
from tests.support.contract import document, schema

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")


def rows_below(heading: str) -> list[list[str]]:
    """Read the rows of the first table of a section."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_setting_is_listed_with_its_default() -> None:
    """The table has each environment variable of the settings, in their order, and no other."""
    listed = {row[0].strip("`"): row[1].strip("`") for row in rows_below("Operate")}
    assert list(listed) == [name.upper() for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        default = field.default
        text = "" if default is None else ",".join(default) if isinstance(default, tuple) else str(default)
        assert listed[name.upper()].lower() == text.lower(), name


def test_every_error_code_is_listed_with_its_status() -> None:
    """The table has each `errorCode` of the contract, with the status of its examples."""
    statuses = {
        example["value"]["errorCode"]: str(example["value"]["statusCode"])
        for response in document()["components"]["responses"].values()
        for example in response["content"]["application/json"]["examples"].values()
        if "errorCode" in example["value"]
    }
    listed = {row[0].strip("`"): row[1] for row in rows_below("Errors")}
    assert list(listed) == schema("ErrorResponse")["properties"]["errorCode"]["enum"]
    assert listed == statuses


def test_every_property_of_the_request_is_listed() -> None:
    """The table has each property of a token request."""
    assert [row[0].strip("`") for row in rows_below("The request")] == list(
        schema("TokenRequest")["properties"]
    )


def test_every_make_target_that_is_named_exists() -> None:
    """Each `make` command of the README is a target of the Makefile."""
    makefile = (Path(__file__).parent.parent.parent / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"make ([a-z0-9-]+)", README))
    assert named <= targets
