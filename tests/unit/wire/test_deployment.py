"""The contract without what a deployment does not do."""

import re
from copy import deepcopy
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from openapi_spec_validator import validate

from app.wire.contract import Contract
from app.wire.deployment import NobodyAdmitted, as_deployed
from tests.support.contract import document

CAPABILITIES = (
    "agentPolicy",
    "apiKey",
    "auditRequired",
    "callerToken",
    "keyFiles",
    "metrics",
    "rateLimit",
    "roomPolicy",
)
DAY = timedelta(days=1)
# Of what few have, and of what few lack: all would be many, and more of the same.
SUBSETS = [set(some) for n in (0, 1, 2, 7, 8) for some in combinations(CAPABILITIES, n)]


def references_in(node: Any) -> set[str]:
    """List what is referred to."""
    if isinstance(node, list):
        return set().union(*map(references_in, node))
    if not isinstance(node, dict):
        return set()
    return (
        {node["$ref"]}
        if isinstance(node.get("$ref"), str)
        else set().union(*map(references_in, node.values()))
    )


@pytest.mark.parametrize("capabilities", SUBSETS, ids=lambda some: "+".join(sorted(some)) or "none")
def test_every_deployment_has_a_valid_contract(capabilities: set[str]) -> None:
    """It compiles, and has all that it refers to, and nothing else."""
    found = as_deployed(document(), capabilities, DAY)
    validate(found)
    Contract(found)
    components = {
        f"#/components/{kind}/{name}": part
        for kind, parts in found["components"].items()
        if kind != "securitySchemes"
        for name, part in parts.items()
    }
    assert references_in(found) == components.keys()
    for response in found["components"]["responses"].values():
        (content,) = response["content"].values()
        assert content["examples"]
    for part in (*components.values(), *found["components"]["securitySchemes"].values()):
        assert set(part.get("x-only-with", capabilities)) & capabilities or "x-only-with" not in part


def test_the_original_stays_as_it_is() -> None:
    """The document is copied."""
    before = deepcopy(document())
    as_deployed(document(), set(), timedelta(minutes=1))
    assert document() == before


@pytest.mark.parametrize(
    ("seconds", "default", "example"), [(86400, 3600, 600), (1800, 1800, 600), (60, 60, 60)]
)
def test_the_longest_validity_is_the_operator_s(seconds: int, default: int, example: int) -> None:
    """The default and the examples are no longer than that."""
    found = as_deployed(document(), set(), timedelta(seconds=seconds))
    rule = found["components"]["schemas"]["TokenRequest"]["properties"]["expirationSeconds"]
    assert (rule["maximum"], rule["default"], rule["example"]) == (seconds, default, example)
    examples = found["components"]["requestBodies"]["TokenRequest"]["content"]["application/json"]["examples"]
    assert examples["full"]["value"]["expirationSeconds"] == example
    assert "expirationSeconds" not in examples["minimal"]["value"]


def test_an_identity_is_required_where_no_token_says_it() -> None:
    """Where tokens may say it, it depends on the caller, and the contract says how."""
    anonymous, asked = (
        as_deployed(document(), some, DAY)["components"]["schemas"]["TokenRequest"]
        for some in (set(), {"callerToken", "apiKey"})
    )
    assert anonymous["required"] == ["roomName", "participantIdentity"]
    assert "x-required-without" not in anonymous
    assert asked["required"] == ["roomName"]
    assert asked["x-required-without"] == {"callerToken": ["participantIdentity"]}


def test_an_operation_is_not_opened_by_what_is_left_out() -> None:
    """Who is admitted by one credential only is not admitted without any, where others have another one."""
    contract = deepcopy(document())
    contract["paths"]["/token"]["post"]["security"] = [{"callerToken": []}]
    with pytest.raises(NobodyAdmitted):
        as_deployed(contract, {"apiKey"}, DAY)
    assert as_deployed(contract, {"callerToken"}, DAY)["paths"]["/token"]["post"]["security"]


def test_what_cannot_be_answered_is_not_listed() -> None:
    """Neither as a value, nor in words; what can be is."""
    schemas = as_deployed(document(), {"apiKey"}, DAY)["components"]["schemas"]
    codes = schemas["ErrorResponse"]["properties"]["errorCode"]
    assert "UNAUTHENTICATED" in codes["enum"]
    assert not {"IDENTITY_MISMATCH", "RATE_LIMITED", "ROOM_NOT_ALLOWED"} & set(codes["enum"])
    rows = re.findall(r"^\| `(\w+)` \|", codes["description"], re.MULTILINE)
    assert rows == codes["enum"]
    conditional = {"audit_unavailable", "issuer_unreachable", "keys_file_broken", "redis_unreachable"}
    reasons = document()["components"]["schemas"]["Reason"]["enum"]
    assert schemas["Reason"]["enum"] == [reason for reason in reasons if reason not in conditional]
    assert "x-caller" not in str(schemas)
    everything = as_deployed(document(), set(CAPABILITIES), DAY)["components"]["schemas"]
    assert everything == document()["components"]["schemas"]
