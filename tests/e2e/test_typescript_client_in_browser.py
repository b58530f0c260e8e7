"""The TypeScript client in a browser, as npm packs it, on a page of another origin than the service."""

import functools
import json
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from app.settings.settings import Settings
from tests.e2e.browser import open_page
from tests.e2e.node_packages import npm
from tests.support.server import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What a page may import, and where npm has put it. A bundler would do the same.
IMPORTS = {
    "livekit-token-api-client": "dist/index.js",
    "livekit-token-api-client/livekit": "dist/livekit.js",
    "openapi-fetch": "node_modules/openapi-fetch/dist/index.mjs",
    "livekit-client": "node_modules/livekit-client/dist/livekit-client.esm.mjs",
}

# Each answers what it has found; what it is given is the base URL of a service.
JOIN = """async ([baseUrl, roomName]) => {
    const { TokenClient } = await import("livekit-token-api-client");
    const { tokenSource } = await import("livekit-token-api-client/livekit");
    const { Room } = await import("livekit-client");
    const join = async (url, token) => {
        const room = new Room();
        await room.connect(url, token);
        const joined = [room.name, room.localParticipant.identity];
        await room.disconnect();
        return joined;
    };
    const client = new TokenClient({ baseUrl });
    const { serverUrl, token } = await client.generateToken({ roomName, participantIdentity: "alice" });
    const source = tokenSource(client);
    const details = await source.fetch({ roomName, participantIdentity: "ben@example.com" });
    return [await join(serverUrl, token), await join(details.serverUrl, details.participantToken)];
}"""
FAIL = """async ([baseUrl, request]) => {
    const { TokenClient } = await import("livekit-token-api-client");
    const client = new TokenClient({ baseUrl, surroundings: { sleep: async () => {} } });
    const error = await client.generateToken(request, { fresh: true }).then(() => ({}), (reason) => reason);
    const { name, errorCode, retryAfterSeconds, validationErrors } = error;
    return { name, errorCode, retryAfterSeconds, fields: validationErrors?.map(({ field }) => field) };
}"""


class _Handler(SimpleHTTPRequestHandler):
    def do_POST(self) -> None:
        """Lead elsewhere."""
        self.send_response(307)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def origin(typescript_client: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of a page that can import the client, and does nothing else."""
    npm(typescript_client, "run", "build")
    folder = tmp_path_factory.mktemp("site")
    for path in {Path(path).parent for path in IMPORTS.values()}:
        shutil.copytree(typescript_client / path, folder / path)
    imports = json.dumps({"imports": {name: f"/{path}" for name, path in IMPORTS.items()}})
    (folder / "index.html").write_text(
        f'<!doctype html><link rel="icon" href="data:,"><script type="importmap">{imports}</script>'
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, origin: str) -> AsyncIterator[Page]:
    """The page, just opened."""
    async with open_page(browser, origin) as opened:
        yield opened.tab


@pytest.fixture
def allowing(settings: Settings, origin: str) -> Settings:
    """What an operator would set who lets the page in."""
    return settings.model_copy(update={"cors_allowed_origins": (origin,)})


async def failure(page: Page, base_url: str, **request: str) -> dict[str, Any]:
    """Have the page ask for a token, and tell which error it catches."""
    return dict(await page.evaluate(FAIL, [base_url, request]))


async def test_a_page_joins_with_a_token_of_the_client(page: Page, allowing: Settings, room: str) -> None:
    """A real LiveKit server lets it in, with a token of its own, and with one of the token source."""
    with serve(allowing) as url:
        joined = await page.evaluate(JOIN, [f"{url}/api", room])
    assert joined == [[room, "alice"], [room, "ben@example.com"]]


async def test_a_page_reads_what_is_wrong(page: Page, allowing: Settings) -> None:
    """Errors cross origins, and so does Retry-After."""
    limited = allowing.model_copy(update={"rate_limit": "1/day"})
    with serve(allowing) as url, serve(limited) as limited_url:
        wrong = await failure(page, f"{url}/api", roomName="my room")
        assert wrong["errorCode"] == "VALIDATION_ERROR"
        assert sorted(wrong["fields"]) == ["participantIdentity", "roomName"]
        good = {"roomName": "my-room", "participantIdentity": "alice"}
        assert (await failure(page, f"{limited_url}/api", **good))["name"] is None
        refused = await failure(page, f"{limited_url}/api", **good)
    assert (refused["errorCode"], refused["name"]) == ("RATE_LIMITED", "TokenApiError")
    assert refused["retryAfterSeconds"] > 60


async def test_a_page_that_is_not_let_in_gets_no_answer(page: Page, settings: Settings) -> None:
    """The browser keeps the answer from the page, which looks as if the network had failed."""
    with serve(settings) as url:
        refused = await failure(page, f"{url}/api", roomName="my-room", participantIdentity="alice")
    assert refused["name"] == "NoAnswerError"


async def test_a_page_is_told_of_a_redirection(page: Page, origin: str) -> None:
    """The browser hides where it leads, and its status; it is no network that failed all the same."""
    answered = await failure(page, f"{origin}/api", roomName="my-room", participantIdentity="alice")
    assert answered["name"] == "UnexpectedAnswerError"
