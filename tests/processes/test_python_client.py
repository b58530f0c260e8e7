"""The Python client, installed as a wheel with what it requires, and as type checkers see it."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contract import document
from tests.support.process import ROOT
from tests.support.server import make_settings, serve

DISTRIBUTION = ROOT / "clients" / "python"
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
BACKEND = """
from livekit_token_api_client import TokenApi, TokenSource

with TokenApi("http://127.0.0.1:1/api", api_key="k") as api:
    issued = api.generate_token(roomName="r", participantIdentity="i", expirationSeconds=60)
    details = TokenSource(api).fetch(room_config={"agents": [{"agent_name": "concierge"}]})
    text: str = issued["token"] + details["server_url"] + issued.get("serverUrl", "")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, as `make clients-python` does."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [*PIP, "wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}", DISTRIBUTION],
        check=True,
        timeout=120,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own, with what it says that it requires."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    made = folder / "bin" / "python"
    subprocess.run([*PIP, f"--python={made}", "install", wheel], check=True, timeout=300)
    return made


@pytest.fixture(scope="module")
def service_url() -> Iterator[str]:
    """Where the paths of the contract begin."""
    with serve(make_settings()) as url:
        yield f"{url}/api"


def mypy(*arguments: str | Path, path: str = "") -> "subprocess.CompletedProcess[str]":
    """Check types, strictly; what has been checked before is remembered."""
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={ROOT / '.cache' / 'mypy'}", *arguments],
        # Outside of the checkout, whose configuration has a path of its own.
        cwd="/",
        env={**os.environ, "MYPYPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_wheel_has_the_package_and_its_types_and_nothing_else(wheel: Path) -> None:
    """Its version is the contract's, and it comes with its licence."""
    assert wheel.name == f"livekit_token_api_client-{document()['info']['version']}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = [name for name in archive.namelist() if ".dist-info/" in name]
        (licence,) = [name for name in about if name.endswith("LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    source = DISTRIBUTION / "src"
    assert names == {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert "livekit_token_api_client/py.typed" in names


def test_it_needs_httpx_only(python: Path, service_url: str) -> None:
    """Where nothing else is installed it gets a token, and neither pydantic nor LiveKit's SDK is there."""
    program = f"""
import importlib.util
from livekit_token_api_client import TokenApi
assert not [name for name in ("pydantic", "livekit", "typing_inspection") if importlib.util.find_spec(name)]
with TokenApi({service_url!r}) as api:
    print(api.generate_token(roomName="r", participantIdentity="i")["participantIdentity"])
"""
    answered = subprocess.check_output([python, "-I", "-c", program], text=True, timeout=60)
    assert answered == "i\n"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("", "", ""),
        ('roomName="r"', 'room="r"', 'Unexpected keyword argument "room"'),
        ('roomName="r", ', "", 'Missing named argument "roomName"'),
        ("expirationSeconds=60", 'expirationSeconds="60"', '"str"; expected "int"'),
        ('"agent_name"', '"agentName"', 'Extra key "agentName"'),
        ('issued["token"]', 'issued["tokn"]', 'has no key "tokn"'),
        ('issued.get("serverUrl", "")', 'issued.get("serverUrl")', "Unsupported operand types"),
    ],
)
def test_a_type_checker_knows_the_contract(
    python: Path, tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    """A backend that is right passes mypy's `strict`; each mistake is told, and nothing else."""
    assert right in BACKEND
    backend = tmp_path / "backend.py"
    backend.write_text(BACKEND.replace(right, wrong) if right else BACKEND, encoding="utf-8")
    checked = mypy(f"--python-executable={python}", backend)
    assert said in checked.stdout, checked.stdout
    assert checked.stdout.count("error:") == bool(said), checked.stdout


def test_the_snippets_of_its_readme_are_typed(tmp_path: Path) -> None:
    """Mypy's `strict` has nothing to say of any, LiveKit's SDK included."""
    readme = (DISTRIBUTION / "README.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    for n, code in enumerate(snippets):
        (tmp_path / f"snippet_{n}.py").write_text(code, encoding="utf-8")
    checked = mypy(tmp_path, path=str(DISTRIBUTION / "src"))
    assert checked.stdout == f"Success: no issues found in {len(snippets)} source files\n"
