"""What checks a change before people do: the hooks of a commit, and the checks of the workflows."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import give_up
from tests.support.checkout import Copy

GIT = (
    "env", "PRE_COMMIT_HOME=.hooks", "SKIP=mypy", "git", "-c", "user.name=A", "-c", "user.email=a@example.com"
)  # fmt: skip
UNSAFE = """
      - run: echo "${{ github.event.pull_request.title }}"
      - uses: actions/cache@v4
"""


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy of the checkout, as a repository."""
    for program in ("git", "make"):
        if shutil.which(program) is None:
            give_up(f"{program} is not installed")
    copy = Copy(tmp_path / "checkout")
    for command in ("init --quiet", "add --all", "commit --quiet --no-verify --message all"):
        status, output = copy.run(*GIT, *command.split())
        assert status == 0, output
    return copy


def need(*programs: str) -> None:
    """Skip the test where one of the development dependencies is not installed."""
    for program in programs:
        if not Path(sys.prefix, "bin", program).exists():
            give_up(f"{program} is not installed")


def test_the_workflows_pass_the_checks_and_an_unsafe_one_does_not(copy: Copy) -> None:
    """A step that runs what a stranger writes, or an action that can be replaced, is found."""
    need("zizmor", "check-jsonschema", "pre-commit")
    if shutil.which("go") is None:
        give_up("go is not on the PATH: it builds actionlint once")
    status, output = copy.make("workflows")
    assert status == 0, output
    workflow = copy.folder / ".github" / "workflows" / "ci.yml"
    workflow.write_text(workflow.read_text().rstrip("\n") + UNSAFE)
    status, output = copy.run(".venv/bin/zizmor", "--offline", "--quiet", "--persona=pedantic", ".github")
    assert status != 0
    assert all(rule in output for rule in ("template-injection", "unpinned-uses")), output
    status, output = copy.make("workflows")
    assert status != 0
    assert "is potentially untrusted" in output, output


@pytest.mark.parametrize(
    ("name", "content", "hooks"),
    [
        ("app/spelt.py", "import os\n", {"the code's style"}),
        ("app/shaped.py", '"""Shaped."""\n\nSHAPE = {  "a":1 }\n', {"the code's form"}),
        (".env", "LIVEKIT_API_SECRET=secret\n", {"no private key, and no variable file"}),
        ("deploy/private.pem", "key\n", {"no private key, and no variable file"}),
        ("livekit.keys", "key: secret\n", {"no private key, and no variable file"}),
        ("local.settings.json.example", "{}\n", set()),
        ("app/sound.py", '"""Sound."""\n', set()),
    ],
)
def test_a_commit_is_stopped_by_what_is_wrong_with_it(
    copy: Copy, name: str, content: str, hooks: set[str]
) -> None:
    """By the hook that it is for, and by no other."""
    need("pre-commit")
    status, output = copy.make("hooks")
    assert status == 0, output
    (copy.folder / name).write_text(content)
    copy.run("git", "add", "--force", name)
    status, output = copy.run(*GIT, "commit", "--message", "this")
    failed = {line.split("...")[0] for line in output.splitlines() if line.endswith("Failed")}
    assert (status != 0, failed) == (bool(hooks), hooks), output
