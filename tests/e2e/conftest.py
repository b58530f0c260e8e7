"""Fixtures of the end-to-end tests: real servers, and the service with the credentials of LiveKit's."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from app.settings.settings import Settings
from examples.page import ClientMissing, PageServer
from tests.e2e.browser import BrowserUnavailable, run_browser
from tests.e2e.livekit_server import LiveKitServer, LiveKitUnavailable, run_livekit_server
from tests.e2e.node_packages import NpmUnavailable, install
from tests.e2e.openid_provider import OpenIdProvider, ProviderUnavailable, run_openid_provider
from tests.e2e.podman import Podman, PodmanUnavailable, find_podman, service_image
from tests.e2e.redis_server import RedisServer, RedisUnavailable, run_redis_server
from tests.support import run_log
from tests.support.process import ROOT
from tests.support.server import make_settings, serve


def give_up(reason: str) -> NoReturn:
    """Skip the test, or fail it where the end-to-end tests are required: `E2E_REQUIRED=1`."""
    if os.environ.get("E2E_REQUIRED") == "1":
        pytest.fail(f"E2E_REQUIRED=1, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def livekit() -> Iterator[LiveKitServer]:
    """A real LiveKit server."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(run_livekit_server())
        except LiveKitUnavailable as unavailable:
            give_up(str(unavailable))
        yield server


@pytest.fixture(scope="session")
def livekit_http(livekit: LiveKitServer) -> Iterator[httpx.Client]:
    """HTTP client of the LiveKit server."""
    with httpx.Client(base_url=livekit.http_url) as client:
        yield client


@pytest.fixture(scope="session")
def running_openid_provider() -> Iterator[OpenIdProvider]:
    """A real OpenID provider, in whatever state a test has left it."""
    with ExitStack() as stack:
        try:
            provider = stack.enter_context(run_openid_provider())
        except ProviderUnavailable as unavailable:
            give_up(str(unavailable))
        run_log.forbid(provider.client_secret)
        yield provider


@pytest.fixture
def openid_provider(running_openid_provider: OpenIdProvider) -> Iterator[OpenIdProvider]:
    """A real OpenID provider, which is there; a test may send it away, and change its keys."""
    yield running_openid_provider
    running_openid_provider.thaw()
    running_openid_provider.start()


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    """A real Redis, in whatever state a test has left it."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(run_redis_server())
        except RedisUnavailable as unavailable:
            give_up(str(unavailable))
        yield server


@pytest.fixture
def redis(running_redis: RedisServer) -> Iterator[RedisServer]:
    """A real Redis, which is there; a test may send it away. What others have counted there stays."""
    yield running_redis
    running_redis.thaw()
    running_redis.start()


@pytest.fixture(scope="session")
def podman() -> Podman:
    """A container engine."""
    try:
        return find_podman()
    except PodmanUnavailable as unavailable:
        give_up(str(unavailable))


@pytest.fixture(scope="session")
def image(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image of the service, as `make image` builds it."""
    try:
        return service_image(podman, tmp_path_factory.mktemp("build"))
    except PodmanUnavailable as unavailable:
        give_up(str(unavailable))


@pytest.fixture(scope="session")
def settings(livekit: LiveKitServer) -> Settings:
    """What the operator of that LiveKit server would set."""
    return make_settings(
        livekit_url=livekit.url, livekit_api_key=livekit.key, livekit_api_secret=livekit.secret
    )


@pytest.fixture(scope="session")
def tokens_api(settings: Settings) -> Iterator[httpx.Client]:
    """HTTP client of a service that issues tokens for the LiveKit server; relative to `/api`."""
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as client:
        yield client


@pytest.fixture(scope="module")
def page_server() -> Iterator[PageServer]:
    """The page's server, which has its origin but does not serve yet."""
    try:
        server = PageServer()
    except ClientMissing as missing:
        give_up(str(missing))
    with server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium."""
    async with AsyncExitStack() as stack:
        try:
            running = await stack.enter_async_context(run_browser())
        except BrowserUnavailable as unavailable:
            give_up(str(unavailable))
        yield running


@pytest.fixture(scope="session")
def typescript_client() -> Path:
    """The folder of the TypeScript client, with what it is developed with."""
    folder = ROOT / "clients" / "typescript"
    try:
        install(folder)
    except NpmUnavailable as unavailable:
        give_up(str(unavailable))
    return folder


@pytest.fixture
def room() -> str:
    """The name of a room that no other test uses."""
    return f"room-{uuid.uuid4().hex}"
