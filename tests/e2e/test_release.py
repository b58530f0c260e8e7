"""A new version, and what becomes of its tag: seen on copies of the checkout."""

import hashlib
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import give_up
from tests.support.checkout import Copy
from tests.support.contract import document
from tests.support.process import ROOT

VERSION = document()["info"]["version"]


def test_a_version_is_written_everywhere_at_once(tmp_path: Path) -> None:
    """The tests of the version hold there, as they do here."""
    if not Path(sys.prefix, "bin", "bump-my-version").exists():
        give_up("bump-my-version is not installed")
    copy = Copy(tmp_path / "checkout")
    status, output = copy.make("version", "VERSION=9.8.7")
    assert status == 0, output
    assert copy.run(".venv/bin/python", "-m", "app", "--version")[1] == "livekit-token-api 9.8.7\n"
    status, output = copy.run(".venv/bin/pytest", "tests/unit/test_version.py")
    assert status == 0, output


@pytest.mark.parametrize("arguments", [(), ("VERSION=next",), ("VERSION=1.2",)])
def test_what_is_no_version_is_written_nowhere(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """And who asked for it is told what to write."""
    copy = Copy(tmp_path / "checkout")
    status, output = copy.make("version", *arguments)
    assert status != 0
    assert output.startswith("Set VERSION to major, minor or patch, or to one like 1.2.0.\n")
    assert (copy.folder / "pyproject.toml").read_text() == (ROOT / "pyproject.toml").read_text()


def test_a_release_has_the_notes_of_its_version_and_the_sums_of_its_files(tmp_path: Path) -> None:
    """The commands of the workflow, with what its targets would have built; without notes they stop."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    (commands,) = (step["run"] for step in workflow["jobs"]["build"]["steps"] if "SHA256SUMS" in str(step))
    copy = Copy(tmp_path / "checkout")
    (copy.folder / "dist").mkdir()
    (copy.folder / "dist" / "built.whl").write_text("built")
    shell = ("bash", "-e", "-o", "pipefail", "-c", commands)
    status, output = copy.run("env", f"GITHUB_REF_NAME=v{VERSION}", *shell)
    assert status == 0, output
    _, _, after = (ROOT / "CHANGELOG.md").read_text().partition(f"## {VERSION} ")
    notes = after.partition("\n")[2].partition("\n## ")[0]
    assert (copy.folder / "notes.md").read_text().strip() == notes.strip() != ""
    sums = dict(line.split()[::-1] for line in (copy.folder / "dist" / "SHA256SUMS").read_text().splitlines())
    assert list(sums) == ["built.whl", f"token-api-{VERSION}.openapi.yaml"]
    assert sums["built.whl"] == hashlib.sha256(b"built").hexdigest()
    changelog = copy.folder / "CHANGELOG.md"
    changelog.write_text(
        changelog.read_text().replace("## Unreleased\n", "## Unreleased\n\n## 0.0.2 - 2026-01-01\n")
    )
    for without_notes in ("0.0.1", "0.0.2"):
        assert copy.run("env", f"GITHUB_REF_NAME=v{without_notes}", *shell)[0] != 0
