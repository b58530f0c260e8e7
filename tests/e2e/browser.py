"""The voice room's page in a real browser: Chromium, with LiveKit's JavaScript client in it."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, async_playwright

DEADLINE_SECONDS = 20

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",  # A container that runs as root has none to offer.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # A microphone that beeps, and a camera with a test picture.
    "--use-fake-ui-for-media-stream",  # Nobody is there to allow their use.
    # WebRTC leaves the loopback interface out. From any other of the machine it reaches LiveKit's
    # 127.0.0.1 all the same, but a machine without a network has no other.
    "--allow-loopback-in-peer-connection",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_ROOT = Path(__file__).parent.parent.parent
_SCREENSHOTS = _ROOT / ".cache"
_PUBLISHED_SCREENSHOT = _ROOT / "docs" / "voice-room.png"


class BrowserUnavailable(Exception):
    """There is no Chromium here; the message says what to install."""


@dataclass
class VoiceRoomPage:
    """The page, open in a tab of its own profile.

    Attributes:
        tab: what Playwright drives.
        console: what the page, and the browser about it, wrote to the console.
        errors: those lines that are errors, and exceptions that nobody caught.
    """

    tab: Page
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Watch from the start."""
        self.tab.on("console", self._on_console)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))

    async def ask_to_join(self, name: str = "", room: str = "") -> None:
        """Fill in the form, and send it; an empty field is left as it is."""
        for label, text in (("Name", name), ("Room", room)):
            if text:
                await self.tab.get_by_label(label, exact=True).fill(text)
        await self.press("Join")

    async def join(self, name: str = "", room: str = "") -> str:
        """Join, wait until the microphone is published, and tell the room's name."""
        await self.ask_to_join(name, room)
        await self.tab.locator("#state[data-state=joined]").wait_for()
        await self.tab.locator("#meter:not([aria-valuenow='0'])").wait_for()
        return await self.part("room-name").inner_text()

    async def sign_in(self, name: str, room: str = "") -> None:
        """Go to the provider, give that name there, and wait until the page knows who came back."""
        if room:
            await self.tab.get_by_label("Room", exact=True).fill(room)
        await self.press("Sign in")
        await self.tab.get_by_label("Your name", exact=True).fill(name)
        await self.press("Sign in")
        await self.tab.get_by_text(f"Signed in as {name}").wait_for()

    async def press(self, name: str) -> None:
        """Press a button."""
        await self.tab.get_by_role("button", name=name, exact=True).click()

    def part(self, name: str) -> Locator:
        """Find the element with an id."""
        return self.tab.locator(f"#{name}")

    def participant(self, name: str) -> Locator:
        """Find the row of the participant with that name."""
        return self.tab.get_by_role("listitem").filter(has=self.tab.get_by_text(name, exact=True))

    async def photograph(self, name: str) -> None:
        """Keep a screenshot in .cache/."""
        await self.tab.mouse.move(0, 0)
        await self.tab.screenshot(path=_SCREENSHOTS / f"{name}.png", full_page=True)

    async def publish_photograph(self) -> None:
        """Keep the README's screenshot in .cache/, and publish it where `UPDATE_SCREENSHOT=1` says so."""
        await self.photograph(_PUBLISHED_SCREENSHOT.stem)
        if os.environ.get("UPDATE_SCREENSHOT") == "1":
            shutil.copy(_SCREENSHOTS / _PUBLISHED_SCREENSHOT.name, _PUBLISHED_SCREENSHOT)

    def _on_console(self, message: ConsoleMessage) -> None:
        self.console.append(message.text)
        if message.type == "error":
            self.errors.append(message.text)


@asynccontextmanager
async def run_browser() -> AsyncIterator[Browser]:
    """Run the system's Chromium, and stop it at the end.

    Raises:
        BrowserUnavailable: there is none.
    """
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise BrowserUnavailable(f"none of {', '.join(_PROGRAMS)} is on the PATH: install Chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_page(browser: Browser, address: str) -> AsyncIterator[VoiceRoomPage]:
    """Open the page in a new profile, and close it at the end."""
    profile = await browser.new_context(locale="en-GB", device_scale_factor=2)
    profile.set_default_timeout(DEADLINE_SECONDS * 1000)
    try:
        page = VoiceRoomPage(await profile.new_page())
        await page.tab.goto(address)
        yield page
    finally:
        await profile.close()
