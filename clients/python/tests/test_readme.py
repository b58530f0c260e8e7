"""What the client's README shows works."""

import ast
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import inflection
import pytest

from livekit_token_api_client import AsyncTokenApi, Patience, operations
from livekit_token_api_client.operations import Operation
from tests.support.contract import document
from tests.support.server import make_settings, serve

DISTRIBUTION = Path(__file__).parent.parent
README = (DISTRIBUTION / "README.md").read_text(encoding="utf-8")
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SNIPPETS = PYTHON.findall(README)
ADDRESS = "https://tokens.example.com/api"
KEY = "lktoken_of-a-backend-of-the-test-suite"


@pytest.fixture(scope="module")
def keyed_url() -> Iterator[str]:
    """Where the paths begin of a service that wants an API key."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    with serve(make_settings(auth="api-key", api_key_digests=f"backend:{digest}")) as url:
        yield f"{url}/api"


def snippet(name: str, url: str) -> Any:
    """Run the snippet that defines a name, for the service at an address, and return what it defines."""
    (code,) = [code for code in SNIPPETS if name in {_name(node) for node in ast.parse(code).body}]
    defined: dict[str, Any] = {}
    exec(compile(code.replace(ADDRESS, url), "README.md", "exec"), defined)  # noqa: S102  # our own text
    return defined[name]


def _name(node: ast.stmt) -> str:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return node.name
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return ""


def test_a_backend_gets_a_token(keyed_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key that is in its environment."""
    monkeypatch.setenv("TOKEN_API_KEY", KEY)
    token_for = snippet("token_for", keyed_url)
    with token_for.__globals__["api"]:
        assert token_for("alice")["participantIdentity"] == "alice"


async def test_the_failures_are_told(service_url: str, keyed_url: str) -> None:
    """Every fault of a request, what is not allowed, and whatever else; or the token."""
    try_to_get = snippet("try_to_get", service_url)
    async with AsyncTokenApi(service_url) as api:
        assert (await try_to_get(api, "support-4711", "alice")).count(".") == 2
        told = await try_to_get(api, "a b", "")
        assert told.startswith("participantIdentity ")
        assert "; roomName may contain only" in told
    async with AsyncTokenApi(keyed_url) as api:
        assert (await try_to_get(api, "r", "i")).startswith("no token: UNAUTHENTICATED: ")
    with serve(make_settings(room_name_prefix="team-")) as url:
        async with AsyncTokenApi(f"{url}/api") as api:
            assert (await try_to_get(api, "r", "i")).startswith("not allowed: ")


async def test_the_guide_s_backend_gets_connection_details(
    keyed_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snippet of docs/integrate.md for a backend with an API key."""
    monkeypatch.setenv("TOKEN_API_KEY", KEY)
    guide = (DISTRIBUTION.parent.parent / "docs" / "integrate.md").read_text(encoding="utf-8")
    (code,) = [code for code in PYTHON.findall(guide) if "create_connection_details" in code]
    code = code.replace("http://127.0.0.1:7071/api", keyed_url)
    names = {"AsyncTokenApi": AsyncTokenApi, "os": os}
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    await eval(compile(code, "integrate.md", "exec", flags=flags), names)  # noqa: S307  # likewise
    assert cast("dict[str, str]", names["details"])["room_name"] == "my-room"


def test_patience_and_a_proxy_can_be_given() -> None:
    """The client is made as it is shown."""
    with snippet("patient", ADDRESS) as made:
        assert made.driver.outgoing.patience.retries == 1


async def test_a_source_keeps_its_token(service_url: str) -> None:
    """As the example asserts. tests/e2e joins a room with the other one."""
    await snippet("main", service_url)()


def test_every_operation_is_listed() -> None:
    """With its method, and its answer."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)\(.*\)` \| `(\w+)`", README, re.MULTILINE)
    asked = {
        f"{operation.method} {operation.path}": operation.answer.__name__
        for operation in vars(operations).values()
        if isinstance(operation, Operation)
    }
    described = {
        item["operationId"]: asked.get(f"{method.upper()} {path}")
        for path, methods in document()["paths"].items()
        for method, item in methods.items()
        if method in ("get", "post")
    }
    assert {operation: answer for operation, _, answer in rows} == {
        name: answer for name, answer in described.items() if answer
    }
    assert [inflection.underscore(operation) for operation, _, _ in rows] == [method for _, method, _ in rows]


def test_the_times_that_are_said_are_the_defaults() -> None:
    """How long an attempt takes, and all of them, and how many follow."""
    text = " ".join(README.split())
    assert "is asked for again, twice," in text
    assert Patience().retries == 2
    times = re.search(r"An attempt ends after (\d+) seconds, and all of them after (\d+)", text)
    assert times
    assert [float(number) for number in times.groups()] == [
        Patience().attempt_seconds,
        Patience().total_seconds,
    ]


def test_every_module_is_in_the_map() -> None:
    """But for the one that is generated, which the text is about."""
    mapped = set(re.findall(r"\b(\w+\.py)\b", README.rsplit("```", 2)[1])) | {"contract.py", "__init__.py"}
    modules = {path.name for path in (DISTRIBUTION / "src" / "livekit_token_api_client").glob("*.py")}
    assert mapped == modules
