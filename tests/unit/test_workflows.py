"""What GitHub runs is what is run here: the workflows, the hooks and Renovate name what exists."""

import json
import re
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from tests.e2e.azure.workers import WORKERS
from tests.support.makefile import targets
from tests.support.pages import blocks
from tests.support.process import ROOT

WORKFLOWS = {path.name: path.read_text() for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
MAKEFILE = (ROOT / "Makefile").read_text()
every_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def jobs(name: str) -> dict[str, Any]:
    """Read the jobs of a workflow."""
    found: dict[str, Any] = yaml.safe_load(WORKFLOWS[name])["jobs"]
    return found


def commands(job: dict[str, Any]) -> list[str]:
    """List the lines that a job runs."""
    return [line for step in job.get("steps", ()) for line in step.get("run", "").splitlines()]


def pythons_of(job: dict[str, Any]) -> list[str]:
    """List the Pythons that a job sets up; the last is `python3`."""
    (step,) = (step for step in job["steps"] if "setup-python" in str(step))
    return str(step["with"]["python-version"]).split()


@every_workflow
def test_what_is_made_can_be_made(name: str) -> None:
    """Each target that a workflow makes is one of the Makefile."""
    made = {
        target
        for job in jobs(name).values()
        for line in commands(job)
        for target in re.findall(r"^make ([a-z-]+)", line)
    }
    assert made <= targets()


def test_ci_runs_what_is_run_here() -> None:
    """`make check`, by the script that may skip nothing, as root, whom the image's tests need.

    Nothing is released that has not passed it.
    """
    assert commands(jobs("ci.yml")["check"]) == ['sudo env "PATH=$PATH" .ci/run']
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "E2E_REQUIRED=1 make check"
    release = jobs("release.yml")
    assert release["check"]["uses"] == "./.github/workflows/ci.yml"
    assert {job: release[job].get("needs") for job in release} == {
        "check": None,
        "build": "check",
        "image": "check",
        "publish": ["build", "image"],
    }


def test_every_python_is_tried() -> None:
    """The oldest by all tests, the others as `make pythons` does."""
    (listed,) = re.findall(r"^PYTHONS \?= (.*)$", MAKEFILE, re.MULTILINE)
    python = pythons_of(jobs("ci.yml")["check"])[-1]
    assert [python, *jobs("ci.yml")["pythons"]["strategy"]["matrix"]["python"]] == listed.split()


def test_every_worker_of_azure_functions_has_its_python() -> None:
    """Where nothing may be skipped, each is there, whose tests would fail without it."""
    assert {worker.python for worker in WORKERS} <= set(pythons_of(jobs("ci.yml")["check"]))


def test_a_release_has_the_package_for_the_python_of_the_template() -> None:
    """Deployed by the template as it is, a package for another one would not be loaded."""
    template = json.loads((ROOT / "deploy" / "azure-functions" / "azuredeploy.json").read_text())
    python = template["parameters"]["pythonVersion"]["defaultValue"]
    build = jobs("release.yml")["build"]
    assert f"make azure-package AZURE_PYTHON=python{python}" in commands(build)
    assert python in pythons_of(build)


@every_workflow
def test_every_job_has_an_end(name: str) -> None:
    """A job that hangs would go on for six hours."""
    without = {key for key, job in jobs(name).items() if "timeout-minutes" not in job and "uses" not in job}
    assert not without


@every_workflow
def test_an_action_is_one_commit(name: str) -> None:
    """A tag can be moved to other code, a commit cannot; Renovate keeps the tag beside it."""
    for action in re.findall(r"uses: (.*)$", WORKFLOWS[name], re.MULTILINE):
        assert re.match(r"\./|[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", action), action


def test_renovate_finds_what_it_shall_raise() -> None:
    """Each pattern finds one version, in a file that is there."""
    for manager in json.loads((ROOT / "renovate.json").read_text())["customManagers"]:
        (files,) = manager["managerFilePatterns"]
        (pattern,) = (re.sub(r"\(\?<", "(?P<", text) for text in manager["matchStrings"])
        (file,) = (
            path for path in (ROOT / "Makefile", ROOT / "tests" / "e2e" / "livekit_server.py")
            if re.search(files.strip("/"), str(path.relative_to(ROOT)))
        )  # fmt: skip
        assert len(re.findall(pattern, file.read_text())) == 1, pattern


@pytest.mark.parametrize("page", ["azure-functions", "container", "kubernetes"])
def test_a_secret_of_a_guide_is_not_committed(page: str) -> None:
    """Files that its commands make or read: git leaves them out, and the hook stops who insists."""
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (hook,) = (hook for hook in repository["hooks"] if hook["id"] == "secrets")
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    commands = "".join(blocks((ROOT / "docs" / f"{page}.md").read_text(), "console"))
    secrets = set(re.findall(r"--from-file=\w[\w.]*=(\S+)|--file (\S+\.txt)|> (\S+?)(?:;|\))", commands))
    names = {name for found in secrets for name in found if name}
    assert names
    for name in names:
        assert re.search(hook["files"], name), name
        assert any(fnmatch(name, pattern) for pattern in ignored), name


def test_hooks_download_nothing() -> None:
    """Each is a command of what is installed; what it runs is there."""
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] in {"system", "fail"}
        if hook["entry"].startswith("make "):
            assert hook["entry"].split()[1] in targets()
