"""The files of the container: what they say of the service and of each other is true."""

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings.server import ServerSettings
from app.settings.settings import Settings

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "deploy" / "container"
COMPOSE = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
# Variables that compose itself takes, beside the settings of the service.
OF_COMPOSE = {"API_PORT", "LIVEKIT_KEYS_PATH", "LIVEKIT_NODE_IP", "LIVEKIT_PORT", "RUN_AS"}
OF_COMPOSE |= {"LIVEKIT_TCP_PORT", "LIVEKIT_UDP_PORT"}


def settings() -> set[str]:
    """List the environment variables that the service reads."""
    return {name.upper() for name in Settings.model_fields}


def example() -> dict[str, str]:
    """Read the example of an environment file."""
    lines = (FOLDER / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def locked(path: Path) -> dict[str, str]:
    """Read the versions of a lock file."""
    return dict(re.findall(r"^(\S+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_each_variable_of_the_compose_file_is_a_setting() -> None:
    """A misspelt one would do nothing, and nobody would notice."""
    assert SERVICES["api"]["environment"].keys() <= settings()
    assert example().keys() <= settings() | OF_COMPOSE


def test_each_variable_of_the_compose_file_has_its_default_in_the_example() -> None:
    """Whoever copies the example changes nothing by that."""
    used = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", COMPOSE))
    assert COMPOSE.count("${") == len(re.findall(r"\$\{[A-Z_]+:-[^}]*\}", COMPOSE))
    assert used.items() <= example().items()
    assert example().keys() - used.keys() <= settings()


def test_the_compose_file_runs_this_version() -> None:
    """The image is the one that `make image` builds."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert SERVICES["api"]["image"] == f"livekit-token-api:{version}"
    assert SERVICES["api"]["build"]["args"]["VERSION"] == version


@pytest.mark.parametrize("service", SERVICES)
def test_each_container_is_locked_down(service: str) -> None:
    """It can write no file and gain no rights, is not root by default, and listens on this machine only."""
    said = SERVICES[service]
    assert (said["read_only"], said["cap_drop"]) == (True, ["ALL"])
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"(\$\{RUN_AS:-)?[1-9]\d*:[1-9]\d*\}?", said["user"])
    assert all(port.startswith("127.0.0.1:") for port in said.get("ports", ()))
    assert re.search(r":v?\d+(\.\d+)+", said["image"]), "a version, not whatever is newest"


def test_compose_waits_for_the_drain() -> None:
    """Whoever kills before loses requests."""
    fields = ServerSettings.model_fields
    stop_seconds = fields["drain_seconds"].default + fields["shutdown_grace_seconds"].default + 5
    assert int(SERVICES["api"]["stop_grace_period"].removesuffix("s")) > stop_seconds


def test_the_health_check_knows_where_the_service_listens() -> None:
    """Its defaults are those of the settings."""
    defaults = runpy.run_path(str(FOLDER / "healthcheck.py"))["DEFAULTS"]
    fields = ServerSettings.model_fields
    assert defaults == {name: str(fields[name.lower()].default) for name in ("HOST", "PORT")}


def test_the_image_has_the_packages_that_are_tested() -> None:
    """All that the service needs, and tracing, in the versions of the development lock."""
    image, tested = locked(FOLDER / "requirements.lock"), locked(ROOT / "requirements-dev.lock")
    assert locked(ROOT / "requirements.lock").items() <= image.items()
    assert "opentelemetry-sdk" in image
    assert image.items() <= tested.items()
    assert locked(FOLDER / "build.lock").items() <= tested.items()
