"""The house: imports point one way, and what may be known is known in one place."""

import ast
import re
from pathlib import Path

import pytest

import app

# A module may import those of its own line. `__main__` and `main` put the parts together.
ALLOWED = {
    "text": set(),
    "timestamps": set(),
    "faults": {"text"},
    "settings": set(),
    "logs": set(),
    "orders": set(),
    "tokens": {"orders"},
    "audit": {"text"},
    "paths": set(),
    "query": {"faults"},
    "contract": {"faults"},
    "publication": {"contract"},
    "dispatcher": {"contract"},
    "request_body": {"contract", "faults"},
    "handlers": {"faults", "orders", "timestamps", "tokens"},
    "errors": {"contract", "faults", "handlers", "request_body", "timestamps", "tokens"},
    "cors": {"contract", "errors", "faults"},
    "protocol": {"audit", "contract", "errors", "faults", "request_body"},
    "main": {
        "audit", "contract", "cors", "dispatcher", "errors", "handlers", "paths", "publication",
        "query", "request_body", "settings", "tokens",
    },
    "__main__": {"logs", "main", "protocol", "settings"},
    "__init__": set(),
}  # fmt: skip
MODULES = {path.stem: ast.parse(path.read_text()) for path in Path(app.__path__[0]).glob("*.py")}


def imports_of(tree: ast.Module) -> set[str]:
    """List the modules that a module imports, by their whole names."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_one_way(name: str) -> None:
    """Each module imports of the others what its line allows; a new module needs a line."""
    siblings = {full.split(".")[1] for full in imports_of(MODULES[name]) if full.startswith("app.")}
    assert siblings <= ALLOWED[name]


def test_the_allowed_imports_hold_no_circle() -> None:
    """The lines can be put in an order in which each only needs those before it."""
    placed: set[str] = set()
    while len(placed) < len(ALLOWED):
        ready = {name for name, needs in ALLOWED.items() if name not in placed and needs <= placed}
        assert ready, ALLOWED.keys() - placed
        placed |= ready


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {"tokens"}))
def test_only_tokens_knows_livekit(name: str) -> None:
    """livekit-api has one importer."""
    assert not {full for full in imports_of(MODULES[name]) if full.split(".")[0] == "livekit"}


def test_tokens_knows_nothing_of_http() -> None:
    """The token service could be used without a web framework, and without an environment."""
    roots = {full.split(".")[0] for full in imports_of(MODULES["tokens"])}
    assert not roots & {"connexion", "starlette", "uvicorn", "http", "os", "pydantic_settings"}


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {"settings"}))
def test_only_settings_read_the_environment(name: str) -> None:
    """`os.environ` and its like are out of bounds."""
    assert not re.search(r"\b(environb?|getenvb?|putenv)\b", ast.unparse(MODULES[name]))
