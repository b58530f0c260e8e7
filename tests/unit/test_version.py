"""There is one version."""

import re
import tomllib

import httpx
import pytest

from tests.support.contract import document
from tests.support.process import ROOT, run

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# Where it is written a second time: which files, and what stands before it there. What is generated from the
# contract has a check of its own.
PLACES = [
    ("spec/token-api.openapi.yaml", r"^  version: "),
    ("spec/token-api.openapi.yaml", r"^ {16}version: "),
    ("spec/token-api.openapi.yaml", r"^ {10}example: (?=\d+\.\d+\.\d+$)"),
    ("clients/typescript/package.json", r'^  "version": '),
    ("clients/typescript/package-lock.json", r'^(?:  |(?<="livekit-token-api-client",\n)      )"version": '),
    ("deploy/container/*.y*ml", r"(?:livekit-token-api:|VERSION: )"),
    ("deploy/kubernetes/**/*.y*ml", r"(?:livekit-token-api:|\bnewTag: )"),
]


def versions_at(files: str, before: str) -> set[str]:
    """List the versions that are written there, quoted or not."""
    return {
        version
        for path in ROOT.glob(files)
        if "node_modules" not in path.parts
        for version in re.findall(rf"{before}[\"']?(\d[\w.-]*)", path.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize(("files", "before"), PLACES)
def test_wherever_a_version_is_written_it_is_the_package_s(files: str, before: str) -> None:
    """`make version` has changed it everywhere."""
    assert versions_at(files, before) == {VERSION}


def test_the_service_tells_it(api: httpx.Client) -> None:
    """On the command line, as well as over HTTP, and in the contract that it publishes."""
    assert run("--version").stdout == f"livekit-token-api {VERSION}\n"
    assert api.get("/health/live").json()["version"] == VERSION
    assert api.get("/openapi.json").json()["info"]["version"] == VERSION


def test_the_changelog_has_it_and_every_version_that_was_released() -> None:
    """The newest stands first, below what is not released yet; each released contract has its version."""
    headings = re.findall(
        r"^## (\S+)(?: - \d{4}-\d{2}-\d{2})?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert headings[:2] == ["Unreleased", VERSION]
    released = {path.name.removesuffix(".openapi.yaml") for path in (ROOT / "spec" / "released").iterdir()}
    assert released <= set(headings)


def test_the_contract_s_rule_of_versions_has_it() -> None:
    """A service tells no version that its contract would not let it."""
    rule = document()["components"]["schemas"]["HealthResponse"]["properties"]["version"]
    assert re.search(rule["pattern"], VERSION)
