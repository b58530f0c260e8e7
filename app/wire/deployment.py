"""The contract as deployed: without what this deployment does not do, and with its own limits."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any

_ONLY_WITH = "x-only-with"
_VALUES_ONLY_WITH = "x-values-only-with"
_REQUIRED_WITHOUT = "x-required-without"
_CALLER, _CALLER_TOKEN = "x-caller", "callerToken"


class NobodyAdmitted(Exception):
    """An operation asks for none of the credentials that the deployment accepts."""


def as_deployed(
    document: Mapping[str, Any], capabilities: AbstractSet[str], max_ttl: timedelta
) -> dict[str, Any]:
    """Copy a contract as a deployment keeps it.

    Args:
        document: the contract.
        capabilities: what the deployment has of what `x-only-with` names.
        max_ttl: the longest validity of a token that may be asked for.

    Raises:
        NobodyAdmitted: an operation asks for none of the credentials that the deployment accepts.
    """
    dropped = {
        f"#/components/{kind}/{name}"
        for kind, parts in document["components"].items()
        for name, part in parts.items()
        if not _is_kept(part, capabilities)
    }
    declared = document["components"]["securitySchemes"].items()
    schemes = {name for name, scheme in declared if _is_kept(scheme, capabilities)}

    def without_dropped(node: Any) -> Any:
        if isinstance(node, list):
            return [without_dropped(item) for item in node]
        if not isinstance(node, dict):
            return node
        kept = {
            key: without_dropped(value)
            for key, value in node.items()
            if _is_kept(value, capabilities)
            and not (isinstance(value, dict) and value.get("$ref") in dropped)
        }
        _settle(kept, capabilities, schemes)
        return kept

    deployed: dict[str, Any] = without_dropped(document)
    _limit_validity(deployed, int(max_ttl.total_seconds()))
    return deployed


def _settle(node: dict[str, Any], capabilities: AbstractSet[str], schemes: AbstractSet[str]) -> None:
    """Write what depends on the deployment as it is there."""
    if isinstance(node.get("security"), list):
        accepted = [requirement for requirement in node["security"] if requirement.keys() <= schemes]
        # Nothing that is asked for would mean: open to all.
        if node["security"] and schemes and not accepted:
            raise NobodyAdmitted(f"of {node['security']}, this deployment has none")
        node["security"] = accepted
    for value, wanted in node.get(_VALUES_ONLY_WITH, {}).items():
        if capabilities.isdisjoint(wanted):
            _leave_out(value, node)
    if _CALLER_TOKEN not in schemes:
        node.pop(_CALLER, None)
        further = node.pop(_REQUIRED_WITHOUT, {}).get(_CALLER_TOKEN, [])
        if further:
            node["required"] = node["required"] + further


def _is_kept(part: Any, capabilities: AbstractSet[str]) -> bool:
    wanted = part.get(_ONLY_WITH) if isinstance(part, dict) else None
    return wanted is None or not capabilities.isdisjoint(wanted)


def _leave_out(value: str, schema: dict[str, Any]) -> None:
    """Take a value out of a schema's `enum`, and its row out of the table in the description."""
    schema["enum"] = [other for other in schema["enum"] if other != value]
    lines = schema["description"].splitlines(keepends=True)
    schema["description"] = "".join(line for line in lines if not line.startswith(f"| `{value}` |"))


def _limit_validity(document: Mapping[str, Any], seconds: int) -> None:
    rule = document["components"]["schemas"]["TokenRequest"]["properties"]["expirationSeconds"]
    for keyword in ("maximum", "default", "example"):
        rule[keyword] = min(rule[keyword], seconds)
    body = document["components"]["requestBodies"]["TokenRequest"]
    for example in body["content"]["application/json"]["examples"].values():
        value = example["value"]
        if "expirationSeconds" in value:
            value["expirationSeconds"] = min(value["expirationSeconds"], seconds)
