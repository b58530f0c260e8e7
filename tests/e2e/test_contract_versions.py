"""`make spec-diff`: what breaks callers takes a major version, and no change goes unnoticed."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.conftest import give_up
from tests.e2e.oasdiff import OasdiffUnavailable, find_oasdiff
from tests.support.contract import document
from tests.support.process import ROOT
from tools.contract_versions import Contracts, Refused, Weight

Document = dict[str, Any]


@pytest.fixture(scope="module")
def oasdiff() -> Path:
    """The program."""
    try:
        return find_oasdiff()
    except OasdiffUnavailable as unavailable:
        give_up(str(unavailable))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A folder in which the contract is 1.1.0, and was released as such."""
    released = tmp_path / "released"
    released.mkdir()
    for path in (tmp_path / "token-api.openapi.yaml", released / "1.1.0.openapi.yaml"):
        write(path, copy.deepcopy(document()), "1.1.0")
    return tmp_path


def write(path: Path, changed: Document, version: str) -> None:
    """Write a document down as a version of the contract; JSON is YAML."""
    changed["info"]["version"] = version
    path.write_text(json.dumps(changed), encoding="utf-8")


class Change(NamedTuple):
    """A change of the contract, and what callers notice of it."""

    name: str
    weight: Weight
    make: Callable[[Document], object]


def schema(contract: Document, name: str) -> Document:
    """Find a schema."""
    found: Document = contract["components"]["schemas"][name]
    return found


def prop(contract: Document, name: str, key: str) -> Document:
    """Find a property of a schema."""
    found: Document = schema(contract, name)["properties"][key]
    return found


def body(contract: Document) -> Document:
    """Find the body of a token request."""
    found: Document = contract["components"]["requestBodies"]["TokenRequest"]
    return found


TEXT = {"type": "string", "description": "A text.", "maxLength": 8, "pattern": "^a*$", "example": "a"}
BREAK, ADDITION, WORDS = Weight.BREAK, Weight.ADDITION, Weight.WORDS
CHANGES = [
    Change("an operation is gone", BREAK, lambda c: c["paths"].pop("/token")),
    Change(
        "an operation is new",
        ADDITION,
        lambda c: c["paths"].update({"/other": copy.deepcopy(c["paths"]["/health/live"])}),
    ),
    Change("another base path", BREAK, lambda c: c["servers"][0].update(url="/v2")),
    Change("another path", BREAK, lambda c: c["paths"].update({"/tokens": c["paths"].pop("/token")})),
    Change(
        "a property of a request is gone",
        BREAK,
        lambda c: schema(c, "TokenRequest")["properties"].pop("participantName"),
    ),
    Change(
        "a property of a request is new",
        ADDITION,
        lambda c: schema(c, "TokenRequest")["properties"].update(note=TEXT),
    ),
    Change(
        "a required property of a request is new",
        BREAK,
        lambda c: (
            schema(c, "TokenRequest")["properties"].update(note=TEXT),
            schema(c, "TokenRequest")["required"].append("note"),
        ),
    ),
    Change(
        "a property of a request becomes required",
        BREAK,
        lambda c: schema(c, "TokenRequest")["required"].append("participantName"),
    ),
    Change(
        "a lower maximum", BREAK, lambda c: prop(c, "TokenRequest", "expirationSeconds").update(maximum=3600)
    ),
    Change(
        "a higher maximum",
        ADDITION,
        lambda c: prop(c, "TokenRequest", "expirationSeconds").update(maximum=90000),
    ),
    Change(
        "a higher minimum", BREAK, lambda c: prop(c, "TokenRequest", "expirationSeconds").update(minimum=61)
    ),
    Change("a shorter text", BREAK, lambda c: prop(c, "TokenRequest", "roomName").update(maxLength=254)),
    Change("a longer text", ADDITION, lambda c: prop(c, "TokenRequest", "roomName").update(maxLength=256)),
    Change(
        "another pattern of a request",
        BREAK,
        lambda c: prop(c, "TokenRequest", "roomName").update(pattern="^[a-z]+$"),
    ),
    Change(
        "an enum of a request", BREAK, lambda c: prop(c, "TokenRequest", "roomName").update(enum=["room"])
    ),
    Change(
        "a property of an answer is gone",
        BREAK,
        lambda c: schema(c, "TokenResponse")["properties"].pop("serverUrl"),
    ),
    Change(
        "a property of an answer is new",
        ADDITION,
        lambda c: schema(c, "TokenResponse")["properties"].update(note=TEXT),
    ),
    Change(
        "a property of an answer may be missing",
        BREAK,
        lambda c: schema(c, "TokenResponse")["required"].remove("expiresAt"),
    ),
    Change(
        "a property of an answer is of another type",
        BREAK,
        lambda c: schema(c, "TokenResponse")["properties"].update(expiresAt={"type": "integer"}),
    ),
    Change("a longer token", BREAK, lambda c: schema(c, "AccessToken").update(maxLength=9000)),
    Change(
        "an error code is new",
        ADDITION,
        lambda c: prop(c, "ErrorResponse", "errorCode")["enum"].append("NEW"),
    ),
    Change(
        "an error code is gone",
        ADDITION,
        lambda c: prop(c, "ErrorResponse", "errorCode")["enum"].remove("NOT_READY"),
    ),
    Change(
        "a status of a failure is new",
        ADDITION,
        lambda c: c["paths"]["/token"]["post"]["responses"].update(
            {"409": {"$ref": "#/components/responses/NotFound"}}
        ),
    ),
    Change(
        "the status of the success is another",
        BREAK,
        lambda c: c["paths"]["/token"]["post"]["responses"].update(
            {"201": c["paths"]["/token"]["post"]["responses"].pop("200")}
        ),
    ),
    Change(
        "a header of an answer is gone",
        BREAK,
        lambda c: c["components"]["responses"]["TokenIssued"]["headers"].pop("RateLimit"),
    ),
    Change(
        "another media type",
        BREAK,
        lambda c: body(c).update(
            content={"application/x-www-form-urlencoded": body(c)["content"]["application/json"]}
        ),
    ),
    Change("a way to say who asks is gone", BREAK, lambda c: c["security"].pop()),
    Change("a smaller body", BREAK, lambda c: body(c).update({"x-max-bytes": 8192})),
    Change("a larger body", ADDITION, lambda c: body(c).update({"x-max-bytes": 32768})),
    Change(
        "other keys", BREAK, lambda c: schema(c, "ParticipantAttributes").update({"x-key-pattern": "^a$"})
    ),
    Change("any keys", ADDITION, lambda c: schema(c, "ParticipantAttributes").pop("x-key-pattern")),
    Change(
        "required of who has no token",
        BREAK,
        lambda c: schema(c, "TokenRequest").update(
            {"x-required-without": {"callerToken": ["participantIdentity", "participantName"]}}
        ),
    ),
    Change("required of nobody", ADDITION, lambda c: schema(c, "TokenRequest").pop("x-required-without")),
    Change(
        "the token says it", BREAK, lambda c: prop(c, "TokenRequest", "roomName").update({"x-caller": "room"})
    ),
    Change(
        "only some deployments answer",
        BREAK,
        lambda c: c["paths"]["/health/live"].update({"x-only-with": ["metrics"]}),
    ),
    Change("all deployments answer", ADDITION, lambda c: c["paths"]["/metrics"].pop("x-only-with")),
    Change(
        "another way to say who asks in some deployments",
        BREAK,
        lambda c: c["components"]["securitySchemes"]["apiKey"].update({"x-only-with": ["rateLimit"]}),
    ),
    Change(
        "an example of some deployments",
        WORDS,
        lambda c: c["components"]["responses"]["Live"]["content"]["application/json"]["examples"][
            "live"
        ].update({"x-only-with": ["metrics"]}),
    ),
    Change(
        "not answered under load", BREAK, lambda c: c["paths"]["/health/live"]["get"].pop("x-always-answered")
    ),
    Change(
        "other words",
        WORDS,
        lambda c: prop(c, "TokenRequest", "roomName").update(
            {"x-pattern-message": "may contain other things", "x-audit": "other", "example": "other"}
        ),
    ),
    Change(
        "another description", WORDS, lambda c: c["paths"]["/token"]["post"].update(description="Others.")
    ),
]
NEEDED = {WORDS: "1.1.1", ADDITION: "1.2.0", BREAK: "2.0.0"}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_takes_the_version_that_callers_expect(change: Change, spec: Path, oasdiff: Path) -> None:
    """What breaks takes a major, what is harmless a minor, words a patch; the version below is refused."""
    changed = copy.deepcopy(document())
    change.make(changed)
    contracts = Contracts(spec, oasdiff)
    write(contracts.current, changed, NEEDED[change.weight])
    assert contracts.check().endswith(f"; it is {NEEDED[change.weight]}.")
    if change.weight > WORDS:
        write(contracts.current, changed, NEEDED[Weight(change.weight - 1)])
        with pytest.raises(Refused, match=f"takes the version {NEEDED[change.weight]} or a higher"):
            contracts.check()


def test_what_is_released_stays_as_it_is(spec: Path, oasdiff: Path) -> None:
    """The document of a released version may not change, not even by the end of a line."""
    contracts = Contracts(spec, oasdiff)
    assert contracts.check() == "The contract is 1.1.0, as released."
    contracts.current.write_text(contracts.current.read_text() + "\n")
    with pytest.raises(Refused, match="it needs a new version"):
        contracts.check()


@pytest.mark.parametrize("version", ["1.0.9", "0.9.0"])
def test_versions_do_not_go_back(version: str, spec: Path, oasdiff: Path) -> None:
    """A version that is lower than the last one is refused."""
    contracts = Contracts(spec, oasdiff)
    write(contracts.current, copy.deepcopy(document()), version)
    with pytest.raises(Refused, match="is lower than"):
        contracts.check()


@pytest.mark.parametrize("version", ["1.2", "v1.2.0", "1.2.0-rc1", "01.2.0"])
def test_a_version_is_three_numbers(version: str, spec: Path, oasdiff: Path) -> None:
    """Another form, which could not be compared, is refused."""
    contracts = Contracts(spec, oasdiff)
    write(contracts.current, copy.deepcopy(document()), version)
    with pytest.raises(Refused, match="is not a version"):
        contracts.check()


def test_the_newest_is_told_by_its_numbers(spec: Path, oasdiff: Path) -> None:
    """1.10.0 is newer than 1.9.0, whatever the alphabet says; a file's name is the version in it."""
    contracts = Contracts(spec, oasdiff)
    for version in ("1.9.0", "1.10.0"):
        write(spec / "released" / f"{version}.openapi.yaml", copy.deepcopy(document()), version)
    assert [path.name[:-13] for path in contracts.released()] == ["1.1.0", "1.9.0", "1.10.0"]
    write(spec / "released" / "1.11.0.openapi.yaml", copy.deepcopy(document()), "1.12.0")
    with pytest.raises(Refused, match=r"has the version 1\.12\.0 in it"):
        contracts.released()


def test_a_release_is_kept_and_is_in_the_changelog(spec: Path, oasdiff: Path) -> None:
    """The document is copied as it is; the changelog tells what it brought, whoever sees it."""
    contracts = Contracts(spec, oasdiff)
    changed = copy.deepcopy(document())
    schema(changed, "TokenRequest")["properties"].pop("participantName")
    body(changed)["x-max-bytes"] = 8192
    write(contracts.current, changed, "2.0.0")
    contracts.write_changelog()
    text = (spec / "CHANGELOG.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 2.0.0, not released yet",
        "## 1.1.0",
    ]
    assert "- **Breaking:** removed the request property `participantName`" in text
    assert "- **Breaking:** `x-max-bytes` of `components/requestBodies/TokenRequest` changed from" in text
    path = contracts.release()
    assert path.read_bytes() == contracts.current.read_bytes()
    assert "## 2.0.0\n" in (spec / "CHANGELOG.md").read_text()
    with pytest.raises(Refused, match="is there already"):
        contracts.release()


def test_a_stale_changelog_is_noticed(spec: Path, oasdiff: Path) -> None:
    """Whoever changes the contract writes the changelog anew."""
    contracts = Contracts(spec, oasdiff)
    contracts.write_changelog()
    contracts.check_changelog()
    write(contracts.current, copy.deepcopy(document()), "1.1.1")
    with pytest.raises(Refused, match="is stale"):
        contracts.check_changelog()


def test_what_is_not_a_contract_is_said(spec: Path, oasdiff: Path) -> None:
    """What oasdiff cannot read is no change without a break."""
    contracts = Contracts(spec, oasdiff)
    changed = copy.deepcopy(document())
    changed["openapi"] = 3
    write(contracts.current, changed, "1.2.0")
    with pytest.raises(Refused, match="oasdiff: "):
        contracts.check()


def test_the_command_line_fails_where_the_version_does_not_fit(spec: Path, oasdiff: Path) -> None:
    """CI stops at what it says; where all is well, it says so, and ends with 0."""
    changed = copy.deepcopy(document())
    changed["paths"].pop("/token")
    contracts = Contracts(spec, oasdiff)
    for version, status in (("1.2.0", 1), ("2.0.0", 0)):
        write(contracts.current, changed, version)
        contracts.write_changelog()
        command = [sys.executable, "-m", "tools.contract_versions", "check", "--folder", str(spec)]
        run = subprocess.run(
            [*command, "--oasdiff", oasdiff], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert run.returncode == status
        assert "**Breaking:** api path removed without deprecation" in run.stdout + run.stderr


def test_the_contract_tells_of_its_changes(oasdiff: Path) -> None:
    """Its version and its changelog fit what has changed since the last release."""
    contracts = Contracts(ROOT / "spec", oasdiff)
    contracts.check()
    contracts.check_changelog()
