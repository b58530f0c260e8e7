"""A new version, and what becomes of its tag: seen on copies of the checkout."""

import hashlib
import sys
from pathlib import Path

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


def test_a_release_has_the_notes_of_its_version_and_the_sums_of_its_files(tmp_path: Path) -> None:
    """The commands of the workflow, with what its targets would have built; an unknown version stops them."""
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
    assert copy.run("env", "GITHUB_REF_NAME=v0.0.1", *shell)[0] != 0
