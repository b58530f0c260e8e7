"""`make version` writes a new version wherever there is one: seen on a copy of the checkout."""

import sys
from pathlib import Path

from tests.e2e.conftest import give_up
from tests.support.checkout import Copy


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
