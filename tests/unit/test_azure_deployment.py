"""The files of the function app beside its code: they say what the service and the platform understand."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app.settings.environment import is_vault_reference
from app.settings.settings import Settings
from tests.support.process import ROOT

FOLDER = ROOT / "deploy" / "azure-functions"
SETTINGS = {name.upper() for name in Settings.model_fields}
# What is the platform's own.
OF_THE_PLATFORM = re.compile(r"(AzureWebJobs|APPLICATIONINSIGHTS_|FUNCTIONS_)\w+")


def content_of(name: str) -> dict[str, Any]:
    """Parse a file."""
    return dict(json.loads((FOLDER / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("kind", ["parameters", "variables"])
def test_the_template_declares_what_it_uses(kind: str) -> None:
    """Each parameter and variable, and each is used."""
    template = (FOLDER / "azuredeploy.json").read_text(encoding="utf-8")
    assert set(re.findall(rf"{kind}\('(\w+)'\)", template)) == content_of("azuredeploy.json")[kind].keys()


def test_the_template_s_settings_are_the_service_s() -> None:
    """None is misspelt, and the platform's own are apart."""
    variables = content_of("azuredeploy.json")["variables"]
    assert variables["ownSettings"].keys() <= SETTINGS
    assert all(map(OF_THE_PLATFORM.fullmatch, variables["platformSettings"]))


def test_secrets_are_in_the_vault() -> None:
    """As references that the service knows, should the platform not resolve them."""
    settings = content_of("azuredeploy.json")["variables"]["ownSettings"]
    for name in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        expression = re.fullmatch(r"\[format\('(.*)', variables\('vault'\)\)\]", settings[name])
        assert expression
        assert is_vault_reference(expression[1])
        assert f"SecretName={name.lower().replace('_', '-')}" in expression[1]


def test_the_example_of_local_settings_has_settings_only() -> None:
    """A copy of it works: each name is known, each value can be used."""
    values = content_of("local.settings.json.example")["Values"]
    own = {name: value for name, value in values.items() if not OF_THE_PLATFORM.fullmatch(name)}
    assert own.keys() <= SETTINGS
    settings = Settings.model_validate({name.lower(): value for name, value in own.items()})
    assert not settings.missing_credentials


def test_what_ships_is_what_is_locked() -> None:
    """The package's requirements are the service's lock, and Azure's library."""
    pinned = re.compile(r"^([a-z0-9-]+==\S+)", re.MULTILINE)
    lock = set(pinned.findall((ROOT / "requirements.lock").read_text(encoding="utf-8")))
    shipped = set(pinned.findall((FOLDER / "requirements.txt").read_text(encoding="utf-8")))
    assert lock <= shipped
    assert {name.split("==")[0] for name in shipped - lock} <= {"azure-functions", "werkzeug", "markupsafe"}


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    """By what was asked for, and not by a traceback."""
    done = subprocess.run(
        [sys.executable, FOLDER / "package.py", "--python", "python3.999", "--into", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert done.stderr == "No package was built: [Errno 2] No such file or directory: 'python3.999'\n"


def test_the_same_files_are_the_same_package(tmp_path: Path) -> None:
    """Whenever they were written, and for whom; scripts and locks stay out."""
    spec = importlib.util.spec_from_file_location("package", FOLDER / "package.py")
    assert spec
    assert spec.loader
    package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    built = []
    for number, mode in enumerate((0o600, 0o644)):
        stage = tmp_path / str(number)
        for name in ("function_app.py", "b/a.py", ".python_packages/lib/site-packages/bin/tool", "b/.lock"):
            file = stage / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name, encoding="utf-8")
            file.chmod(mode)
            os.utime(file, (number, number))
        package.write(stage, tmp_path / f"{number}.zip")
        built.append((tmp_path / f"{number}.zip").read_bytes())
    assert built[0] == built[1]
    with zipfile.ZipFile(tmp_path / "0.zip") as archive:
        assert archive.namelist() == ["b/a.py", "function_app.py"]
