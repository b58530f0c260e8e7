"""LiveKit's JavaScript client, unmodified, in a browser, on a page of another origin than the service.

The page is examples/voice-room, from the server that `make demo` runs; LiveKit and the service are real.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from livekit import rtc
from livekit.api import LiveKitAPI
from livekit.protocol.room import RoomParticipantIdentity
from playwright.async_api import Browser, expect

from app.settings.settings import Settings
from examples.page import PageServer
from tests.e2e import browser_microphone, connection_details, participants, tone
from tests.e2e.browser import DEADLINE_SECONDS, VoiceRoomPage, open_page
from tests.e2e.livekit_server import LiveKitServer
from tests.e2e.participants import soon
from tests.support.server import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=DEADLINE_SECONDS * 1000)

SOURCES = {"microphone": rtc.TrackSource.SOURCE_MICROPHONE, "camera": rtc.TrackSource.SOURCE_CAMERA}


@dataclass(frozen=True)
class Site:
    """The page, and the service that it asks for tokens, on two origins."""

    origin: str
    api_url: str


@pytest.fixture(scope="module")
def operator_settings(settings: Settings, page_server: PageServer) -> Settings:
    """What an operator would set who lets the page in."""
    return settings.model_copy(update={"cors_allowed_origins": (page_server.origin,)})


@pytest.fixture(scope="module")
def site(page_server: PageServer, operator_settings: Settings) -> Iterator[Site]:
    """The page, and a service that lets it in."""
    with serve(operator_settings) as url, page_server.serving(f"{url}/api"):
        yield Site(page_server.origin, f"{url}/api")


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, site: Site) -> AsyncIterator[VoiceRoomPage]:
    """The page, just opened."""
    async with open_page(browser, site.origin) as opened:
        yield opened


async def test_what_the_browser_says_is_heard(page: VoiceRoomPage, tokens_api: httpx.Client) -> None:
    """TokenSource.endpoint fetches, Room.connect joins, and Chromium's beeps arrive in their rhythm."""
    room = await page.join("Ada")
    async with participants.join(connection_details.ask(tokens_api, room, "ben")) as ben:
        received, intervals = await browser_microphone.heard_by(ben)
        speaker = next(iter(ben.room.remote_participants.values()))
    assert received.source == rtc.TrackSource.SOURCE_MICROPHONE
    assert intervals == [pytest.approx(browser_microphone.SECONDS_BETWEEN_BEEPS, abs=0.1)] * 3
    assert speaker.name == "Ada"
    assert page.errors == []


async def test_the_page_shows_who_is_there_and_who_speaks(
    page: VoiceRoomPage, tokens_api: httpx.Client
) -> None:
    """A participant appears by name, is shown to speak while a tone plays, is heard, and disappears."""
    room = await page.join("Ada", "morning-standup")
    assert room == "morning-standup"
    await expect(page.participant("Ada (you)")).to_be_visible()
    ben = page.participant("Ben")
    details = connection_details.ask(tokens_api, room, "ben", participantName="Ben")
    async with participants.join(details) as speaker:
        await expect(ben).to_be_visible()
        await expect(ben).not_to_contain_text("speaking")
        async with tone.published_by(speaker):
            await expect(ben).to_contain_text("speaking")
            player = page.part("sound").locator("audio")
            await expect(player).to_have_js_property("paused", value=False)
            await page.publish_photograph()
    await expect(ben).to_be_hidden()
    await expect(page.part("news")).to_have_text("Ben left")
    await expect(player).to_have_count(0)
    assert page.errors == []


@pytest.mark.parametrize(
    ("granted", "outcome"),
    [
        ({"microphone"}, "The camera is refused: failed to publish track, insufficient permissions"),
        ({"microphone", "camera"}, "The camera is published"),
    ],
    ids=["as by default", "where the operator grants it"],
)
async def test_the_camera_is_refused_unless_it_is_granted(
    page: VoiceRoomPage,
    operator_settings: Settings,
    tokens_api: httpx.Client,
    granted: set[str],
    outcome: str,
) -> None:
    """The page says so in the SDK's words, and another participant gets the tracks that are granted only.

    The SDK asks no server what the join answer withheld; test_token_limits.py has the server refuse.
    """
    changed = operator_settings.model_copy(update={"livekit_publish_sources": tuple(granted)})
    with serve(changed) as url:
        await page.tab.goto(f"{page.tab.url}?api={quote(f'{url}/api')}")
        room = await page.join("Ada")
        await page.press("Try the camera")
        await expect(page.part("note")).to_contain_text(outcome)
    async with participants.join(connection_details.ask(tokens_api, room, "ben")) as ben:
        (ada,) = ben.room.remote_participants.values()
        wanted = {SOURCES[name] for name in granted}
        # The server may tell of one that was published just now a moment later than of the participant.
        for _ in range(100):
            tracks = {publication.source for publication in ada.track_publications.values()}
            if tracks >= wanted:
                break
            await asyncio.sleep(0.1)
    assert tracks == wanted
    assert page.errors == []


async def test_a_refused_request_is_shown_as_the_service_words_it(page: VoiceRoomPage) -> None:
    """Every fault with its field and message, the code and the request id; mended, the request succeeds."""
    async with page.tab.expect_response("**/connection-details") as answer:
        await page.ask_to_join("x" * 256, "two words")
    body = await (await answer.value).json()
    assert (await answer.value).status == 400
    shown = page.tab.get_by_role("alert")
    await expect(shown).to_contain_text(body["message"])
    assert {fault["field"] for fault in body["validationErrors"]} == {"participant_name", "room_name"}
    for fault in body["validationErrors"]:
        await expect(shown).to_contain_text(fault["field"])
        await expect(shown).to_contain_text(fault["message"])
    await expect(shown).to_contain_text("may contain only letters A-Z and a-z, digits and")
    await expect(shown).to_contain_text("400 VALIDATION_ERROR")
    await expect(shown).to_contain_text(f"request {body['requestId']}")
    await expect(page.part("room")).to_have_attribute("aria-invalid", "true")
    assert await page.join("Ada", "two-words") == "two-words"
    await expect(shown).to_be_empty()
    await expect(page.part("room")).to_have_attribute("aria-invalid", "false")


async def test_a_page_of_an_origin_that_is_not_allowed_gets_no_token(browser: Browser, site: Site) -> None:
    """The browser keeps the answer from the page, which says what the operator has to change."""
    with PageServer() as stranger, stranger.serving(site.api_url):
        async with open_page(browser, stranger.origin) as page:
            await page.ask_to_join("Mallory")
            shown = page.tab.get_by_role("alert")
            await expect(shown).to_contain_text(
                f"{site.api_url} answers, but not to pages of {stranger.origin}"
            )
            await expect(shown).to_contain_text(f"add {stranger.origin} to CORS_ALLOWED_ORIGINS")
            await expect(page.part("state")).to_have_text("Not joined")
    assert "CORS policy" in page.errors[0]


async def test_a_service_that_does_not_run_is_told_from_one_that_refuses(
    page: VoiceRoomPage, operator_settings: Settings
) -> None:
    """Where nobody answers, CORS is not to blame, and the page does not say so."""
    with serve(operator_settings) as stopped:
        pass
    await page.tab.goto(f"{page.tab.url}?api={quote(f'{stopped}/api')}")
    await page.ask_to_join("Ada")
    await expect(page.tab.get_by_role("alert")).to_contain_text(f"Nothing answers at {stopped}/api.")


async def test_another_server_is_told_from_the_service(page: VoiceRoomPage) -> None:
    """A wrong address that somebody answers at: the page's own server, here."""
    address = page.tab.url
    await page.tab.goto(f"{address}?api={quote(address)}")
    await page.ask_to_join("Ada")
    shown = page.tab.get_by_role("alert")
    await expect(shown).to_contain_text("has status 501, and is not the token service’s")  # noqa: RUF001


async def test_what_an_operator_has_forgotten_is_shown(
    page: VoiceRoomPage, operator_settings: Settings
) -> None:
    """Without LIVEKIT_URL the service cannot say where to connect, and names the variable."""
    with serve(operator_settings.model_copy(update={"livekit_url": None})) as url:
        await page.tab.goto(f"{page.tab.url}?api={quote(f'{url}/api')}")
        await page.ask_to_join("Ada")
        shown = page.tab.get_by_role("alert")
        await expect(shown).to_contain_text("500 MISSING_CREDENTIALS")
        await expect(shown).to_contain_text("LIVEKIT_URL")


async def test_a_livekit_server_that_does_not_know_the_key_is_shown(
    page: VoiceRoomPage, operator_settings: Settings, livekit: LiveKitServer
) -> None:
    """There is a token, but LiveKit refuses it, and the page says where."""
    with serve(operator_settings.model_copy(update={"livekit_api_key": "APIunknown"})) as url:
        await page.tab.goto(f"{page.tab.url}?api={quote(f'{url}/api')}")
        await page.ask_to_join("Ada")
        shown = page.tab.get_by_role("alert")
        await expect(shown).to_contain_text("A token, but no room")
        await expect(shown).to_contain_text("invalid API key: APIunknown")
        await expect(shown).to_contain_text(livekit.url)


async def test_without_a_room_everybody_gets_a_fresh_one(
    page: VoiceRoomPage, browser: Browser, site: Site
) -> None:
    """Two pages, and one page twice, although the SDK would keep a token that is still valid."""
    async with open_page(browser, site.origin) as other:
        rooms = {await page.join("Ada"), await other.join("Ben")}
        await expect(page.participant("Ben")).to_be_hidden()
        await page.press("Leave")
        rooms.add(await page.join())
    assert len(rooms) == 3
    assert page.errors == other.errors == []


async def test_the_room_can_be_joined_again_by_its_link(
    page: VoiceRoomPage, browser: Browser, site: Site
) -> None:
    """A second page, opened by the link that the first one shows, meets it in the same room."""
    room = await page.join("Ada")
    link = await page.part("invitation").get_attribute("href")
    assert link == f"{site.origin}/?room={room}"
    async with open_page(browser, link) as other:
        assert await other.join("Ben") == room
        await expect(page.participant("Ben")).to_be_visible()
        await expect(other.participant("Ada")).to_be_visible()


async def test_the_claims_and_the_time_left_are_shown(page: VoiceRoomPage) -> None:
    """The token's claims in words and as they are, and a countdown that ends without ending the session."""
    room = await page.join("Ada")
    payload = json.loads(await page.part("payload").text_content() or "")
    assert (payload["video"]["room"], payload["name"]) == (room, "Ada")
    claims = page.part("claims")
    for text in (room, payload["sub"], payload["iss"]):
        await expect(claims).to_contain_text(text)
    granted = await claims.locator(".granted li").all_inner_texts()
    assert granted == ["join this room", "hear the others", "publish a microphone", "send data"]
    assert "publish a camera" in await claims.locator(".withheld li").all_inner_texts()
    left = page.part("left")
    for seconds, text in ((3000, "expires in 50:00"), (59, "expires in 0:59"), (-1, "expired")):
        await page.tab.clock.set_fixed_time(payload["exp"] - seconds)
        await expect(left).to_have_text(text)
    await expect(page.part("state")).to_have_text("Joined")


async def test_muting_is_seen_by_everybody(page: VoiceRoomPage, tokens_api: httpx.Client) -> None:
    """The level falls to nothing here, and the track is muted there; and back again."""
    room = await page.join("Ada")
    changes: asyncio.Queue[str] = asyncio.Queue()
    async with participants.join(connection_details.ask(tokens_api, room, "ben")) as ben:
        await soon(ben.tracks)
        ben.room.on("track_muted", lambda *_: changes.put_nowait("muted"))
        ben.room.on("track_unmuted", lambda *_: changes.put_nowait("unmuted"))
        await page.press("Mute")
        assert await soon(changes) == "muted"
        await expect(page.participant("Ada (you)")).to_contain_text("muted")
        await expect(page.part("meter")).to_have_attribute("aria-valuenow", "0")
        await page.press("Mute")
        assert await soon(changes) == "unmuted"
        await expect(page.participant("Ada (you)")).not_to_contain_text("muted")
        await expect(page.part("meter")).not_to_have_attribute("aria-valuenow", "0")


async def test_leaving_ends_the_session(page: VoiceRoomPage, tokens_api: httpx.Client) -> None:
    """The others see it, the token's claims are gone from the page, and nothing is called a failure."""
    room = await page.join("Ada")
    gone: asyncio.Queue[str] = asyncio.Queue()
    async with participants.join(connection_details.ask(tokens_api, room, "ben")) as ben:
        ben.room.on("participant_disconnected", lambda participant: gone.put_nowait(participant.name))
        await page.press("Leave")
        assert await soon(gone) == "Ada"
    await expect(page.part("state")).to_have_text("Not joined")
    await expect(page.part("token")).to_be_hidden()
    await expect(page.tab.get_by_role("alert")).to_be_empty()
    await expect(page.tab.get_by_role("button", name="Join")).to_be_focused()
    assert page.errors == []


async def test_being_removed_is_shown(page: VoiceRoomPage, livekit: LiveKitServer) -> None:
    """A session that ended by somebody else's will says so."""
    room = await page.join("Ada")
    identity = json.loads(await page.part("payload").text_content() or "")["sub"]
    async with LiveKitAPI(livekit.http_url, livekit.key, livekit.secret) as admin:
        await admin.room.remove_participant(RoomParticipantIdentity(room=room, identity=identity))
    await expect(page.tab.get_by_role("alert")).to_contain_text("An administrator removed you")
    await expect(page.part("state")).to_have_text("Not joined")


async def test_the_page_keeps_the_token_to_itself(page: VoiceRoomPage) -> None:
    """It is in no part of the document, the address, the storage or the console, nor is its signature."""
    async with page.tab.expect_response("**/connection-details") as answer:
        await page.join("Ada")
    token = (await (await answer.value).json())["participant_token"]
    storage = await page.tab.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    traces = [await page.tab.content(), page.tab.url, storage, await page.tab.evaluate("document.cookie")]
    for part in token.split("."):
        assert not [trace for trace in [*traces, *page.console] if part in trace]
    assert any("connected" in line for line in page.console)
