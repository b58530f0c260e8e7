"""The Python client's token source, with LiveKit's SDK and a real LiveKit server."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from livekit import rtc

from app.settings.settings import Settings
from livekit_token_api_client import AsyncTokenApi, AsyncTokenSource, TokenApi, TokenSource
from tests.e2e.participants import DEADLINE_SECONDS, Participant
from tests.support.process import ROOT
from tests.support.server import serve


@pytest.fixture(scope="module")
def service_url(settings: Settings) -> Iterator[str]:
    """Where the paths of the contract begin, of a service that issues tokens for the LiveKit server."""
    with serve(settings) as url:
        yield f"{url}/api"


def join_of_the_readme(room: str) -> Callable[[AsyncTokenSource, str], Awaitable[rtc.Room]]:
    """Take the function that the client's README shows, for a room of our own."""
    readme = (ROOT / "clients" / "python" / "README.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (code,) = [code for code in snippets if "async def join(" in code]
    defined: dict[str, Any] = {}
    exec(code.replace("support-4711", room), defined)  # noqa: S102  # our own text
    join: Callable[[AsyncTokenSource, str], Awaitable[rtc.Room]] = defined["join"]
    return join


async def test_two_participants_meet_as_the_readme_shows(service_url: str, room: str) -> None:
    """Each has a fresh identity, and the name that it chose."""
    join = join_of_the_readme(room)
    async with asyncio.timeout(2 * DEADLINE_SECONDS), AsyncTokenApi(service_url) as api:
        source = AsyncTokenSource(api)
        alice = await join(source, "Alice")
        bob = await join(source, "Bob")
        try:
            assert alice.name == bob.name == room
            assert [other.name for other in bob.remote_participants.values()] == ["Alice"]
            assert alice.local_participant.identity != bob.local_participant.identity
        finally:
            await alice.disconnect()
            await bob.disconnect()


async def test_a_source_that_blocks_gets_its_participant_in(service_url: str, room: str) -> None:
    """The same for a backend that has no event loop: a token that was kept admits again."""
    with TokenApi(service_url) as api:
        source = TokenSource(api)
        for _ in range(2):
            details = source.fetch(room_name=room, participant_identity="concierge")
            participant = Participant()
            async with asyncio.timeout(DEADLINE_SECONDS):
                await participant.room.connect(details["server_url"], details["participant_token"])
            assert participant.room.local_participant.identity == "concierge"
            await participant.room.disconnect()
