"""The contract as deployed: without what this deployment does not do, and with its own limits."""

import copy
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

_ONLY_WITH = "x-only-with"
_REQUIRED_WITHOUT = "x-required-without"


class NobodyAdmitted(Exception):
    """An operation asks for none of the credentials that the deployment accepts."""


def as_deployed(
    document: Mapping[str, Any], capabilities: Collection[str], max_ttl: timedelta
) -> dict[str, Any]:
    """Copy a contract as a deployment keeps it.

    Args:
        document: the contract.
        capabilities: what the deployment has of what `x-only-with` names.
        max_ttl: the longest validity of a token that may be asked for.

    Raises:
        NobodyAdmitted: an operation asks for none of the credentials that the deployment accepts.
    """
    deployed: dict[str, Any] = copy.deepcopy(dict(document))
    _limit_validity(deployed, int(max_ttl.total_seconds()))
    dropped = set()
    for kind, components in deployed["components"].items():
        for name in [name for name, part in components.items() if not _is_kept(part, capabilities)]:
            del components[name]
            dropped.add(f"#/components/{kind}/{name}")
    schemes = deployed["components"]["securitySchemes"]

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
        if isinstance(kept.get("security"), list):
            kept["security"] = [
                accepted for accepted in kept["security"] if accepted.keys() <= schemes.keys()
            ]
            # Nothing that is asked for would mean: open to all.
            if node["security"] and schemes and not kept["security"]:
                raise NobodyAdmitted(f"of {node['security']}, this deployment has none")
        for scheme, properties in kept.pop(_REQUIRED_WITHOUT, {}).items():
            if scheme in schemes:
                kept[_REQUIRED_WITHOUT] = {scheme: properties}
            else:
                kept["required"] = [*kept.get("required", ()), *properties]
        return kept

    result: dict[str, Any] = without_dropped(deployed)
    return result


def _is_kept(part: Any, capabilities: Collection[str]) -> bool:
    wanted = part.get(_ONLY_WITH) if isinstance(part, dict) else None
    return wanted is None or any(capability in capabilities for capability in wanted)


def _limit_validity(document: Mapping[str, Any], seconds: int) -> None:
    rule = document["components"]["schemas"]["TokenRequest"]["properties"]["expirationSeconds"]
    for keyword in ("maximum", "default", "example"):
        rule[keyword] = min(rule[keyword], seconds)
    body = document["components"]["requestBodies"]["TokenRequest"]
    for example in body["content"]["application/json"]["examples"].values():
        value = example["value"]
        if "expirationSeconds" in value:
            value["expirationSeconds"] = min(value["expirationSeconds"], seconds)
