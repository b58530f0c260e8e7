"""Fixtures of the client's tests."""

from collections.abc import Iterator

import pytest

from asking import Ask, blocking, concurrent
from scripted_server import ScriptedServer
from tests.support.server import make_settings, serve


@pytest.fixture(params=[blocking, concurrent], ids=["TokenApi", "AsyncTokenApi"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """A client: each test is of both."""
    made: Ask = request.param
    return made


@pytest.fixture(scope="session")
def service_url() -> Iterator[str]:
    """Where the paths of the contract begin, of a running service that can issue tokens."""
    with serve(make_settings()) as url:
        yield f"{url}/api"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that does what a test says."""
    with ScriptedServer() as running:
        yield running
