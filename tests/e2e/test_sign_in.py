"""Where people have to sign in: the page, an OpenID provider, LiveKit and the service, all of them real."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from app.settings.settings import Settings
from examples.page import PageServer, SignIn
from tests.e2e import browser_microphone, connection_details, participants
from tests.e2e.browser import DEADLINE_SECONDS, VoiceRoomPage, open_page
from tests.e2e.conftest import give_up
from tests.e2e.livekit_server import LiveKitServer
from tests.e2e.openid_provider import OpenIdProvider, ProviderUnavailable, run_openid_provider
from tests.support import run_log
from tests.support.server import make_settings, serve

pytestmark = pytest.mark.asyncio(loop_scope="module")
expect.set_options(timeout=DEADLINE_SECONDS * 1000)


@pytest.fixture(scope="module")
def accounts(page_server: PageServer) -> Iterator[OpenIdProvider]:
    """An OpenID provider that knows the page."""
    with ExitStack() as stack:
        try:
            running = run_openid_provider(redirect_uris=[f"{page_server.origin}/"])
            provider = stack.enter_context(running)
        except ProviderUnavailable as unavailable:
            give_up(str(unavailable))
        run_log.forbid(provider.client_secret)
        yield provider


@pytest.fixture(scope="module")
def operator_settings(livekit: LiveKitServer, accounts: OpenIdProvider, page_server: PageServer) -> Settings:
    """What an operator would set who lets the page in, and gives tokens to those who have signed in."""
    return make_settings(
        livekit_url=livekit.url,
        livekit_api_key=livekit.key,
        livekit_api_secret=livekit.secret,
        auth="oidc",
        oidc_issuer=accounts.issuer,
        oidc_audience=accounts.audience,
        cors_allowed_origins=page_server.origin,
    )


@pytest.fixture(scope="module")
def site(page_server: PageServer, accounts: OpenIdProvider, operator_settings: Settings) -> Iterator[str]:
    """The address of the page, which signs people in and knows a service that wants it."""
    sign_in = SignIn(accounts.issuer, accounts.public_client_id, accounts.audience)
    with serve(operator_settings) as url, page_server.serving(f"{url}/api", sign_in):
        yield page_server.origin


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, site: str) -> AsyncIterator[VoiceRoomPage]:
    """The page, just opened by somebody whom neither it nor the provider knows."""
    async with open_page(browser, site) as opened:
        # The page is shown a moment before it knows that people sign in here.
        await expect(opened.part("state")).to_have_text("Not signed in")
        yield opened


async def test_who_signs_in_is_heard_under_their_own_name(
    page: VoiceRoomPage, tokens_api: httpx.Client
) -> None:
    """Identity and name in the room are the provider's, the page gave neither; and the beeps arrive."""
    await expect(page.part("state")).to_have_text("Not signed in")
    await expect(page.tab.get_by_role("button", name="Join")).to_have_count(0)
    await page.photograph("signed-out")
    await page.sign_in("Ada Lovelace")
    await expect(page.part("account")).to_contain_text("ada-lovelace")
    room = await page.join()
    async with participants.join(connection_details.ask(tokens_api, room, "ben")) as ben:
        _, intervals = await browser_microphone.heard_by(ben)
        speaker = next(iter(ben.room.remote_participants.values()))
        await page.photograph("signed-in")
    assert intervals == [pytest.approx(browser_microphone.SECONDS_BETWEEN_BEEPS, abs=0.1)] * 3
    assert (speaker.identity, speaker.name) == ("ada-lovelace", "Ada Lovelace")
    assert page.errors == []


async def test_what_was_filled_in_is_there_after_the_sign_in(page: VoiceRoomPage, site: str) -> None:
    """The fields, and the page's address, which holds nothing of the provider's."""
    await page.tab.goto(f"{site}/?room=elsewhere")
    await expect(page.part("room")).to_have_value("elsewhere")
    await page.part("name").fill("Countess")
    await page.sign_in("Ada Lovelace", room="morning-standup")
    assert page.tab.url == f"{site}/?room=elsewhere"
    await expect(page.part("name")).to_have_value("Countess")
    assert await page.join() == "morning-standup"
    assert page.errors == []


async def test_an_expired_sign_in_is_told_and_can_be_renewed(
    page: VoiceRoomPage, accounts: OpenIdProvider
) -> None:
    """The service's refusal is shown in its words, and the way on is the button that has the focus."""
    an_hour_ago = int(time.time()) - 3600
    accounts.give_who_signs_in(iat=an_hour_ago - 60, exp=an_hour_ago)
    try:
        await page.sign_in("Ada Lovelace", room="morning-standup")
    finally:
        accounts.give_who_signs_in()
    async with page.tab.expect_response("**/connection-details") as answer:
        await page.press("Join")
    refusal = await answer.value
    assert refusal.status == 401
    shown = page.tab.get_by_role("alert")
    await expect(shown).to_contain_text("Signed out")
    await expect(shown).to_contain_text((await refusal.json())["message"])
    await expect(shown).to_contain_text("401 UNAUTHENTICATED")
    await expect(page.part("state")).to_have_text("Not signed in")
    await expect(page.part("account")).to_be_hidden()
    await expect(page.tab.get_by_role("button", name="Sign in")).to_be_focused()
    await page.photograph("sign-in-expired")
    await page.sign_in("Ada Lovelace")
    await expect(shown).to_be_empty()
    assert await page.join() == "morning-standup"


async def test_who_signs_out_is_forgotten(page: VoiceRoomPage) -> None:
    """The next one is asked who they are, whatever the provider remembers."""
    await page.sign_in("Ada Lovelace")
    await page.press("Sign out")
    await expect(page.part("account")).to_be_hidden()
    await expect(page.tab.get_by_role("button", name="Sign in")).to_be_focused()
    await page.sign_in("Grace Hopper")
    await page.join()
    await expect(page.participant("Grace Hopper (you)")).to_be_visible()
    await expect(page.tab.get_by_role("button", name="Sign out")).to_be_disabled()
    assert page.errors == []


async def test_a_cancelled_sign_in_is_told(page: VoiceRoomPage, site: str) -> None:
    """The provider's answer is shown, and the fields are as they were."""
    await page.part("room").fill("morning-standup")
    await page.press("Sign in")
    await page.press("Cancel")
    shown = page.tab.get_by_role("alert")
    await expect(shown).to_contain_text("the sign-in was cancelled")
    await expect(shown).to_contain_text("access_denied")
    await expect(page.part("state")).to_have_text("Not signed in")
    await expect(page.part("room")).to_have_value("morning-standup")
    assert page.tab.url == f"{site}/"


async def test_an_answer_that_nobody_asked_for_signs_nobody_in(page: VoiceRoomPage, site: str) -> None:
    """Somebody else's code would have the person act under somebody else's name."""
    await page.tab.goto(f"{site}/?code=stolen&state=guessed")
    await expect(page.tab.get_by_role("alert")).to_contain_text("This tab had not asked for a sign-in")
    await expect(page.part("state")).to_have_text("Not signed in")
    assert page.tab.url == f"{site}/"


async def test_an_answer_to_another_question_signs_nobody_in(
    page: VoiceRoomPage, accounts: OpenIdProvider, site: str
) -> None:
    """The state has to be the one that the tab has sent."""
    await page.press("Sign in")
    await page.tab.get_by_label("Your name").wait_for()
    await page.tab.goto(f"{site}/?code=stolen&state=guessed&iss={quote(accounts.issuer)}")
    await expect(page.tab.get_by_role("alert")).to_contain_text('unexpected "state"')
    await expect(page.part("state")).to_have_text("Not signed in")


async def test_going_back_from_the_provider_does_not_leave_the_page_stuck(page: VoiceRoomPage) -> None:
    """It was about to leave when it was left."""
    await page.press("Sign in")
    await page.tab.get_by_label("Your name").wait_for()
    await page.tab.go_back()
    await expect(page.part("state")).to_have_text("Not signed in")
    await page.sign_in("Ada Lovelace")


async def test_a_provider_that_does_not_run_is_told(page: VoiceRoomPage, accounts: OpenIdProvider) -> None:
    """The page stays, and says who is to blame."""
    accounts.stop()
    try:
        await page.press("Sign in")
        await expect(page.tab.get_by_role("alert")).to_contain_text(f"Nothing answers at {accounts.issuer}.")
    finally:
        accounts.start()
    await page.sign_in("Ada Lovelace")


async def test_a_provider_that_does_not_let_the_page_in_is_told(
    page: VoiceRoomPage, accounts: OpenIdProvider, site: str
) -> None:
    """It sends people back, but its token endpoint answers nothing that the page may read."""
    await page.tab.route(f"{accounts.issuer}/token", lambda route: route.abort())
    await page.press("Sign in")
    await page.tab.get_by_label("Your name").fill("Ada Lovelace")
    await page.photograph("provider")
    await page.press("Sign in")
    shown = page.tab.get_by_role("alert")
    await expect(shown).to_contain_text(f"{accounts.issuer} answers, but not to pages of {site}")
    await expect(page.part("state")).to_have_text("Not signed in")


async def test_the_page_keeps_the_access_token_to_itself(
    page: VoiceRoomPage, accounts: OpenIdProvider
) -> None:
    """It is in no part of the document, the address, the storage or the console, nor is its signature."""
    async with page.tab.expect_response(f"{accounts.issuer}/token") as answer:
        await page.sign_in("Ada Lovelace")
    tokens = await (await answer.value).json()
    await page.join()
    storage = await page.tab.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert storage == "[{},{}]"
    traces = [await page.tab.content(), page.tab.url, await page.tab.evaluate("document.cookie")]
    for part in [*tokens["access_token"].split("."), *tokens["id_token"].split(".")]:
        assert not [trace for trace in [*traces, *page.console] if part in trace]


async def test_no_link_leads_the_access_token_elsewhere(page: VoiceRoomPage, site: str) -> None:
    """Another service in the page's address is not believed, as it is where nobody signs in."""
    await page.tab.goto(f"{site}/?api=http://127.0.0.1:1/api")
    await expect(page.part("api")).not_to_contain_text("127.0.0.1:1/")
    await page.sign_in("Ada Lovelace")
    await page.join()
