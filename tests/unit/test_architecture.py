"""The house: imports point one way, and what may be known is known in one place."""

import ast
import re
from pathlib import Path

import pytest

import app

# A line may import what stands before it; what is beside each other in a line does not know the other.
WINGS = [
    "tokens callers",
    "operation",
    "wire",
    "handlers",
    "parts",
    "main",
    "workers server functions",
    "serving doctor",
    "command_line",
    "__main__",
]
MODULES = {
    "tokens": ["credentials orders", "admission key_files policy", "claims", "service", "signing_key"],
    "callers": ["caller counters quotas", "api_keys issuer rate_limits", "tokens"],
    "operation": [
        "text redaction supervision ending readiness drain load log_writer metric_files exposition",
        "log_line audit metrics",
        "log_text write_ahead gauges",
        "logs",
        "tracing",
    ],
    "wire": [
        "answers timestamps paths routing deadline",
        "faults transport",
        "excerpt head query",
        "contract",
        "authentication deployment dispatcher participants publication request_body request_id",
        "invocations",
        "shedding throttling",
        "errors framing validation",
        "cors protocol",
    ],
    "doctor": [
        "finding limits network secrecy",
        "claim_types configuration credentials issuer pasted redis report",
        "known livekit",
        "grants validity",
        "token",
        "examination",
        "command",
    ],
    "settings": [
        "environment urls workers",
        "reading",
        "callers livekit operation server",
        "listening settings",
    ],
}
# Only these know what the environment says.
READERS_OF_SETTINGS = {
    "main",
    "parts",
    "functions",
    "server",
    "serving",
    "doctor.configuration",
    "doctor.credentials",
    "doctor.examination",
    "command_line",
}
ROOT = Path(app.__path__[0])
TREES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text())
    for path in ROOT.rglob("*.py")
    if path.name != "__init__.py"
}


def imports_of(name: str) -> set[str]:
    """List the modules that a module imports, by their whole names."""
    names = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own_imports_of(name: str) -> set[str]:
    """List the modules of the service that a module imports, by their names within `app`."""
    full = {imported.removeprefix("app.") for imported in imports_of(name) if imported.startswith("app.")}
    return {module for module in TREES for other in full if f"{other}.".startswith(f"{module}.")}


def rank_of(wing: str) -> int:
    """Find the line of a wing; settings are beside all others, and know none."""
    return next((i for i, line in enumerate(WINGS) if wing in line.split()), -1)


def place_of(name: str) -> int:
    """Find the line of a module within its wing."""
    wing, _, module = name.partition(".")
    (place,) = (i for i, line in enumerate(MODULES[wing]) if module in line.split())
    return place


@pytest.mark.parametrize("name", sorted(TREES))
def test_imports_point_one_way(name: str) -> None:
    """A module imports from the wings before its own, and of its own wing the lines before its own."""
    wing = name.split(".", maxsplit=1)[0]
    for imported in own_imports_of(name) - {"packages"}:
        other = imported.split(".")[0]
        if other == wing:
            assert place_of(imported) < place_of(name), imported
        else:
            assert rank_of(other) < rank_of(wing), imported


def test_every_module_has_its_place() -> None:
    """A new module needs a place in the order, and a place in the order a module."""
    placed = {f"{wing}.{module}" for wing in MODULES for line in MODULES[wing] for module in line.split()}
    assert placed == {name for name in TREES if "." in name}
    assert {name for name in TREES if "." not in name} == {
        *" ".join(WINGS).split(),
        "packages",
    } - MODULES.keys()


@pytest.mark.parametrize("wing", sorted(MODULES))
def test_a_wing_says_what_lives_there(wing: str) -> None:
    """The first line of a wing says what it holds and what it may import, and there is no code in it."""
    (statement,) = ast.parse((ROOT / wing / "__init__.py").read_text()).body
    assert isinstance(statement, ast.Expr)
    assert "import" in ast.unparse(statement)


@pytest.mark.parametrize("name", sorted(TREES.keys() - READERS_OF_SETTINGS))
def test_only_the_composition_root_and_the_command_line_know_settings(name: str) -> None:
    """What a part needs to know it is told."""
    known = {imported for imported in own_imports_of(name) if imported.startswith("settings.")}
    assert not known or name.startswith("settings.")


@pytest.mark.parametrize("name", sorted(TREES.keys() - {"tokens.claims"}))
def test_only_claims_know_livekit(name: str) -> None:
    """livekit-api has one importer."""
    assert not {full for full in imports_of(name) if full.split(".")[0] == "livekit"}


@pytest.mark.parametrize("name", sorted(name for name in TREES if name.startswith(("tokens.", "callers."))))
def test_tokens_and_callers_know_nothing_of_http(name: str) -> None:
    """They could be used without a web framework, and without an environment."""
    roots = {full.split(".")[0] for full in imports_of(name)}
    assert not roots & {"connexion", "starlette", "uvicorn", "http", "os", "pydantic_settings"}


@pytest.mark.parametrize("name", sorted(name for name in TREES if not name.startswith("settings.")))
def test_only_settings_read_the_environment(name: str) -> None:
    """`os.environ` and its like are out of bounds."""
    assert not re.search(r"\b(environb?|getenvb?|putenv)\b", ast.unparse(TREES[name]))


def test_the_handlers_declare_no_exception() -> None:
    """What the error table knows is declared below it, where it is raised or where the wire is."""
    tree = TREES["handlers"]
    assert [node.name for node in tree.body if isinstance(node, ast.ClassDef)] == ["Handlers"]
