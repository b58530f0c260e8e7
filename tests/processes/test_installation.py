"""The service, installed as a wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.process import ROOT, running
from tests.support.server import KEY, SECRET, claims_of

PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-cache-dir")
# Root may write everywhere. Another user may not; it may read what only root can, such as this folder.
ANOTHER_USER = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=+dac_read_search", "--bounding-set=-all,+dac_read_search",
)  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [*PIP, "wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}", ROOT], check=True
    )
    (built,) = folder.glob("livekit_token_api-*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a folder of its own, which cannot be written to."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([*PIP, "install", "--no-deps", "--no-compile", f"--target={folder}", wheel], check=True)
    for path in (*folder.rglob("*"), folder):
        path.chmod(path.stat().st_mode & ~0o222)
    return folder


def test_the_wheel_carries_the_contract_and_no_tests(wheel: Path) -> None:
    """Only `app` and `spec` are installed, the contract among them as it stands in the repository."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        contract = archive.read("spec/token-api.openapi.yaml")
    folders = {name.split("/")[0] for name in names}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"app", "spec"}
    assert contract == (ROOT / "spec" / "token-api.openapi.yaml").read_bytes()


@pytest.mark.parametrize("command", [("bin/livekit-token-api",), (sys.executable, "-m", "app")])
def test_the_installed_service_runs_anywhere_as_anybody(
    site: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """From another folder, as a user who can write nothing, it issues tokens, and leaves no trace."""
    before = sorted(site.rglob("*"))
    started = [str(site / part) if part.startswith("bin/") else part for part in command]
    if os.geteuid() == 0:
        started = [*ANOTHER_USER, *started]
    where = [sys.executable, "-B", "-c", "import app; print(app.__file__)"]
    loaded = subprocess.check_output(where, cwd=tmp_path, env={"PYTHONPATH": str(site)}, text=True)
    assert Path(loaded.strip()).is_relative_to(site)
    variables = {
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "PYTHONPATH": str(site),
        # Not measured: this user could not write what was found.
        "COVERAGE_PROCESS_CONFIG": "",
        "COVERAGE_PROCESS_START": "",
    }
    with running(started, tmp_path, **variables) as service:
        answer = httpx.post(f"{service.url}/token", json={"roomName": "r", "participantIdentity": "i"})
        assert httpx.get(f"{service.url}/ui/").status_code == 200
    assert service.log()[-1]["message"]
    assert claims_of(answer.json()["token"])["sub"] == "i"
    assert sorted(site.rglob("*")) == before
