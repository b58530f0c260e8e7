"""Fixtures of the client's tests."""

from collections.abc import Iterator

import pytest

from asking import Ask, blocking, concurrent
from scripted_server import ScriptedServer
from tests.support.server import make_settings, serve
from tests.support.stand_in import write_certificate


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


@pytest.fixture(scope="module", autouse=True)
def _few_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have httpx load one certificate instead of all: for each client that takes most of a test's time."""
    certificate = write_certificate(tmp_path_factory.mktemp("authorities") / "one.pem")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        yield
