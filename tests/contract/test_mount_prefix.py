"""Behind a proxy that takes a prefix away: the answers lead back through it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.main import create_app
from tests.support.contract import assert_fits
from tests.support.server import make_settings

PREFIX = "/voice"
VALID = {"roomName": "room-1", "participantIdentity": "alice"}


@pytest.fixture
async def mounted() -> AsyncIterator[httpx.AsyncClient]:
    """Client of a service that is mounted at `/voice`; as under uvicorn, its paths have the prefix."""
    transport = httpx.ASGITransport(create_app(make_settings()), root_path=PREFIX)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://localhost{PREFIX}/api") as client:
        yield client


async def test_the_published_contract_has_the_prefix(mounted: httpx.AsyncClient) -> None:
    """A code generator that reads the document calls the service where it is; all else is the contract."""
    served = (await mounted.get("/openapi.json")).json()
    transport = httpx.ASGITransport(create_app(make_settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/api") as client:
        plain = (await client.get("/openapi.json")).json()
    (server,) = plain["servers"]
    assert server["url"] == "/api"
    assert served == {**plain, "servers": [{**server, "url": "/voice/api"}]}


async def test_the_swagger_ui_is_found_behind_the_prefix(mounted: httpx.AsyncClient) -> None:
    """The UI's address leads to its page, and that loads the document, both with the prefix."""
    answer = await mounted.get("/ui")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/voice/api/ui/")
    page = await mounted.get("/ui/")
    assert '"/voice/api/openapi.json"' in page.text
    assert (await mounted.get("/ui/swagger-ui.css")).status_code == 200


async def test_operations_answer_behind_the_prefix(mounted: httpx.AsyncClient) -> None:
    """The first request is routed, the next ones are remembered: both get a token."""
    for _ in range(2):
        assert (await mounted.post("/token", json=VALID)).status_code == 200
    assert (await mounted.get("/token")).headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/api",
        "/api/",
        "/api/token/",
        "/api/token%2F",
        "/api/api/token",
        "/token",
        "/voice/api/token",
    ],
)
async def test_paths_are_exact_behind_the_prefix(mounted: httpx.AsyncClient, path: str) -> None:
    """What is another path without a prefix is another path with one; a doubled prefix is one, too."""
    answer = await mounted.post(f"http://localhost{PREFIX}{path}", json=VALID)
    assert answer.status_code == 404
    assert_fits("ErrorResponse", answer.json())
