"""Fixtures of all tests."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support import run_log
from tests.support.server import make_settings, serve


def pytest_configure() -> None:
    """Collect the log of the whole run."""
    run_log.start()


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    run_log.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Search the log for secrets when everything else has been logged."""
    items.sort(key=lambda item: item.path.name == "test_log_secrecy.py")


@pytest.fixture(scope="session")
def api_url() -> Iterator[str]:
    """Address of a running service that can issue tokens."""
    with serve(make_settings()) as url:
        yield url


@pytest.fixture(scope="session")
def api(api_url: str) -> Iterator[httpx.Client]:
    """HTTP client of a running service that can issue tokens; relative to `/api`."""
    with httpx.Client(base_url=f"{api_url}/api", headers={"Authorization": run_log.AUTHORIZATION}) as client:
        yield client
