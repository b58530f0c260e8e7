"""What `make sbom` says of what ships, and that a licence which nobody has allowed stops it."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.utils import canonicalize_name

from tests.support.process import ROOT

# What the targets run by is here: it shall not be installed anew.
MAKE = ("make", "--no-print-directory", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/bin/.dev")
SHIPPED = ROOT / ".cache" / "shipped"
LICENCES = (Path(sys.prefix) / "bin" / "pip-licenses", "--python", SHIPPED / "bin" / "python")
MAKE_SECONDS = 300


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make sbom` has written to."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [*MAKE, "sbom", f"DIST={folder}"],
        cwd=ROOT,
        check=True,
        timeout=MAKE_SECONDS,
        stdout=subprocess.DEVNULL,
    )
    return folder


@pytest.fixture(scope="module")
def bill(dist: Path) -> dict[str, Any]:
    """The bill of materials, which cyclonedx-py has held to the schema of CycloneDX."""
    return dict(json.loads((dist / "livekit-token-api.cdx.json").read_text(encoding="utf-8")))


def locked() -> set[tuple[str, str]]:
    """List what the lock file has for this Python on this machine."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = re.findall(r"^([\w.-]+)==(\S+)(?: ; ([^\\]+?))? \\$", text, re.MULTILINE)
    assert len(lines) == text.count("\n    # via") == len(re.findall(r"^\S.*==", text, re.MULTILINE))
    return {(name, version) for name, version, marker in lines if not marker or Marker(marker).evaluate()}


def test_the_bill_is_of_this_service(bill: dict[str, Any]) -> None:
    """With its version and its licence."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    component = bill["metadata"]["component"]
    assert (component["name"], component["version"]) == (project["name"], project["version"])
    assert [each["license"]["id"] for each in component["licenses"]] == [project["license"]]


def test_the_bill_has_what_the_lock_file_has(bill: dict[str, Any]) -> None:
    """Each package in its version, as a URL that tools look vulnerabilities up by; and no other."""
    urls = {f"pkg:pypi/{name}@{version}" for name, version in locked()}
    assert {component["purl"] for component in bill["components"]} == urls


def test_the_bill_is_the_same_each_time(bill: dict[str, Any]) -> None:
    """It has no time, no serial number and no path in it."""
    assert "serialNumber" not in bill
    assert "timestamp" not in bill["metadata"]
    assert str(ROOT) not in json.dumps(bill)


def test_each_package_has_its_licence_listed(dist: Path) -> None:
    """With the text that the package has of it, where it has one."""
    text = (dist / "licences.txt").read_text(encoding="utf-8")
    installed = {canonicalize_name(each.name) for each in distributions(path=_site_packages())}
    assert installed == {name for name, _ in locked()}
    named = {canonicalize_name(line) for line in text.splitlines() if re.fullmatch(r"[\w.-]+", line)}
    assert installed <= named
    assert text.count("Permission is hereby granted, free of charge") > 10


@pytest.mark.usefixtures("dist")
def test_a_licence_that_nobody_allowed_is_refused(tmp_path: Path) -> None:
    """By the list in `pyproject.toml`; one more package is enough."""
    site_packages = Path(_site_packages()[0])
    metadata = site_packages / "copyleft-1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    try:
        metadata.write_text(
            "Metadata-Version: 2.4\nName: copyleft\nVersion: 1.0\nLicense-Expression: AGPL-3.0-only\n"
        )
        run = subprocess.run(
            [*LICENCES, "--output-file", tmp_path / "licences.txt"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=MAKE_SECONDS,
        )
    finally:
        metadata.unlink()
        metadata.parent.rmdir()
    assert run.returncode == 1
    assert "AGPL-3.0-only not in allow-only" in run.stderr


def _site_packages() -> list[str]:
    return [str(path) for path in SHIPPED.glob("lib/python*/site-packages")]
