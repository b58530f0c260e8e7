"""`make spec-lint`: the next operation looks like those that are there, or a rule says what differs."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.e2e.conftest import give_up
from tests.support.contract import document
from tests.support.process import ROOT

Document = dict[str, Any]
_SPECTRAL = ROOT / "node_modules" / ".bin" / "spectral"
_RULESET = ROOT / ".spectral.yaml"
_SECONDS = 120


class Fault(NamedTuple):
    """What somebody might write: the rule that notices it, where, and how it is planted."""

    rule: str
    path: str
    plant: Callable[[Document], object]


def operation(contract: Document, path: str) -> Document:
    """Find the operation of a path, which has one."""
    found: Document = next(node for node in contract["paths"][path].values() if "operationId" in node)
    return found


def component(contract: Document, kind: str, name: str) -> Document:
    """Find a component."""
    found: Document = contract["components"][kind][name]
    return found


def examples(contract: Document, kind: str, name: str) -> Document:
    """Find the examples of a body."""
    found: Document = component(contract, kind, name)["content"]["application/json"]["examples"]
    return found


def move_to_the_end(node: Document, key: str) -> None:
    """Write a key last."""
    node[key] = node.pop(key)


LIVE, READY, TOKEN = "paths./health/live.get", "paths./health/ready.get", "paths./token.post"
# Each at a place of its own, so that all can be in one document.
FAULTS = [
    Fault("operation-key-order", LIVE, lambda c: move_to_the_end(operation(c, "/health/live"), "summary")),
    Fault(
        "operation-id-verb-noun",
        f"{LIVE}.operationId",
        lambda c: operation(c, "/health/live").update(operationId="liveness"),
    ),
    Fault(
        "operation-one-tag", f"{LIVE}.tags", lambda c: operation(c, "/health/live")["tags"].append("Metrics")
    ),
    Fault(
        "operation-shared-body",
        f"{TOKEN}.requestBody",
        lambda c: operation(c, "/token").update(
            requestBody=copy.deepcopy(component(c, "requestBodies", "TokenRequest"))
        ),
    ),
    Fault(
        "operation-shared-responses",
        f"{READY}.responses.500",
        lambda c: operation(c, "/health/ready")["responses"].update(
            {"500": copy.deepcopy(component(c, "responses", "InternalError"))}
        ),
    ),
    Fault(
        "operation-statuses",
        f"{LIVE}.responses",
        lambda c: operation(c, "/health/live")["responses"].pop("404"),
    ),
    Fault(
        "operation-body-statuses",
        f"{TOKEN}.responses",
        lambda c: operation(c, "/token")["responses"].pop("408"),
    ),
    Fault(
        "request-max-bytes",
        "components.requestBodies.ConnectionDetailsRequest",
        lambda c: component(c, "requestBodies", "ConnectionDetailsRequest").pop("x-max-bytes"),
    ),
    Fault(
        "request-pattern-message",
        "components.schemas.ConnectionDetailsRequest.properties.room_name",
        lambda c: component(c, "schemas", "ConnectionDetailsRequest")["properties"]["room_name"].pop(
            "x-pattern-message"
        ),
    ),
    Fault(
        "response-key-order",
        "components.responses.Live",
        lambda c: move_to_the_end(component(c, "responses", "Live"), "headers"),
    ),
    Fault(
        "response-headers-alphabetical",
        "components.responses.Ready.headers",
        lambda c: move_to_the_end(
            component(c, "responses", "Ready")["headers"], "Access-Control-Allow-Origin"
        ),
    ),
    Fault(
        "property-example",
        "components.schemas.TokenResponse.properties.serverUrl",
        lambda c: component(c, "schemas", "TokenResponse")["properties"]["serverUrl"].pop("example"),
    ),
    Fault(
        "property-example",
        "components.schemas.AgentDispatch.properties.metadata",
        lambda c: component(c, "schemas", "AgentDispatch")["properties"]["metadata"].pop("example"),
    ),
    Fault(
        "property-example",
        "components.headers.Allow.schema",
        lambda c: component(c, "headers", "Allow")["schema"].pop("example"),
    ),
    Fault(
        "body-examples",
        "components.responses.TokenIssued.content.application/json",
        lambda c: component(c, "responses", "TokenIssued")["content"]["application/json"].pop("examples"),
    ),
    Fault(
        "body-examples",
        "components.requestBodies.TokenRequest.content.application/json",
        lambda c: component(c, "requestBodies", "TokenRequest")["content"]["application/json"].pop(
            "examples"
        ),
    ),
    Fault(
        "example-summary",
        "components.responses.NotReady.content.application/json.examples.notReady",
        lambda c: examples(c, "responses", "NotReady")["notReady"].pop("summary"),
    ),
    Fault(
        "summary-no-full-stop",
        f"{READY}.summary",
        lambda c: operation(c, "/health/ready").update(summary="Tell something."),
    ),
    Fault(
        "description-full-stop",
        f"{READY}.description",
        lambda c: operation(c, "/health/ready").update(description="Without an end"),
    ),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """What Spectral finds in a copy that has all of the faults: rules, and where they are broken."""
    if not _SPECTRAL.exists():
        give_up("spectral is not in node_modules: `make spec-lint` installs it")
    planted = copy.deepcopy(document())
    for fault in FAULTS:
        fault.plant(planted)
    return lint(planted, tmp_path_factory.mktemp("style"))


def lint(contract: Document, folder: Path) -> set[tuple[str, str]]:
    """Run Spectral, as `make spec-lint` does; list the rules that are broken, and where."""
    path = folder / "contract.json"
    path.write_text(json.dumps(contract), encoding="utf-8")
    run = subprocess.run(
        [_SPECTRAL, "lint", "--ruleset", _RULESET, "--format", "json", "--quiet", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return {(entry["code"], ".".join(map(str, entry["path"]))) for entry in json.loads(run.stdout)}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.rule}-{fault.path.rpartition('.')[2]}")
def test_a_fault_is_noticed(fault: Fault, found: set[tuple[str, str]]) -> None:
    """The rule names the place, or a part of it; through references, where they lead."""
    assert any(rule == fault.rule and path.startswith(fault.path) for rule, path in found), sorted(found)


def test_every_rule_of_ours_is_tried() -> None:
    """A rule that nobody has seen fail may be one that cannot."""
    rules = yaml.safe_load(_RULESET.read_text(encoding="utf-8"))["rules"]
    assert {fault.rule for fault in FAULTS} == set(rules)
