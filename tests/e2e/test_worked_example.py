"""The worked example of CONTRIBUTING.md is carried out on a copy of the checkout, as it says."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import give_up
from tests.support.checkout import Copy
from tests.support.pages import all_blocks, as_shown, section
from tests.support.process import COMMAND, ROOT, running

STEPS = all_blocks(
    section((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "An operation, from the contract on")
)
PATCHES = [code for language, code in STEPS if language == "diff"]
FORGOTTEN = re.findall(
    r"^\| (\d), .* \| `(tests/\S+)` \|$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE
)
# As `make run` has them, and what the page shows as the service's address.
LIVEKIT = {"LIVEKIT_API_KEY": "devkey", "LIVEKIT_API_SECRET": "secret", "LIVEKIT_URL": "ws://localhost:7880"}
# What targets are made with, which `make` would install.
NEEDED = {
    "spec-lint": Path("node_modules", ".package-lock.json"),
    "version": Path(sys.prefix, "bin", "bump-my-version"),
}
ADDRESS = "http://127.0.0.1:7071"


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy of the checkout."""
    if shutil.which("git") is None:
        give_up("git is not installed")
    return Copy(tmp_path / "checkout")


@pytest.fixture
def changed(copy: Copy) -> Copy:
    """A copy in which the whole example has been carried out."""
    for patch in PATCHES:
        copy.apply(patch)
    return copy


@pytest.fixture
def api(changed: Copy) -> Iterator[str]:
    """The address of the service that has come out of it."""
    with running(COMMAND, changed.folder, **LIVEKIT) as service:
        yield service.url.removesuffix("/api")


def _see_that_it_is_there(needed: Path) -> None:
    if not (ROOT / needed).exists():
        give_up(f"{needed.name} is not installed")


def _do(copy: Copy, command: str, shown: str) -> None:
    """Carry out a command of the page, which ends as is shown, and says what is shown."""
    program, *arguments = shlex.split(command)
    if program == "make":
        _see_that_it_is_there(NEEDED.get(arguments[0], Path()))
        status, output = copy.make(*arguments)
    else:
        status, output = copy.run(program, *arguments)
    assert (status != 0) == ("FAILED" in shown), output
    assert as_shown(shown).search(output), output


def test_each_step_does_what_the_page_says(copy: Copy) -> None:
    """A patch applies, a command ends as is shown; what needs the running service is for the next test."""
    for language, code in STEPS:
        if language == "diff":
            copy.apply(code)
            continue
        command, _, shown = code.removeprefix("$ ").partition("\n")
        if ADDRESS not in command:
            _do(copy, command, shown)


def test_the_new_operation_is_served_and_published(changed: Copy, api: str) -> None:
    """The commands of the page that ask the service get what is shown; Schemathesis finds nothing."""
    asked = [code.removeprefix("$ ").partition("\n") for _, code in STEPS if ADDRESS in code]
    assert [command.split()[0].rsplit("/", 1)[-1] for command, _, _ in asked] == ["curl", "schemathesis"]
    (curl, _, answer), (schemathesis, _, shown) = asked
    assert httpx.get(curl.removeprefix("curl ").replace(ADDRESS, api)).text == answer.strip()
    _do(changed, schemathesis.replace(ADDRESS, api), shown)
    published: dict[str, Any] = httpx.get(f"{api}/api/openapi.json").json()
    operation = published["paths"]["/server"]["get"]
    assert operation["security"] == [{}]
    assert list(operation["responses"]) == ["200", "400", "404", "405", "500"]


def test_the_page_says_of_each_step_what_its_absence_breaks() -> None:
    """None is left out."""
    assert [int(number) for number, _ in FORGOTTEN] == list(range(1, len(PATCHES) + 1))


@pytest.mark.parametrize(("number", "tests"), FORGOTTEN)
def test_what_is_forgotten_is_noticed(changed: Copy, number: str, tests: str) -> None:
    """Without one of the steps, the tests that the page names fail, which passed with all of them."""
    changed.apply(PATCHES[int(number) - 1], "--reverse")
    status, output = changed.run(".venv/bin/pytest", tests, "-x")
    assert (status, "1 failed" in output) == (1, True), output
