"""`make docs`: the pages as a site of their own, which asks nobody else for anything."""

import functools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, Response

from tests.e2e.conftest import give_up
from tests.support.contract import document
from tests.support.process import ROOT

_BUILD_SECONDS = 120
_SCREENSHOTS = ROOT / ".cache"
# A desktop, and a phone.
_SIZES = ((1200, 900), (390, 844))
_SCHEMES = ("light", "dark")
_PHOTOGRAPHED = ("docs/index.html", "docs/architecture.html", "docs/operations.html", "reference.html")
pytestmark = pytest.mark.asyncio(loop_scope="module")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class Site:
    """The built site, served on the loopback interface.

    Attributes:
        folder: where it is.
        url: where it is served, with a slash at its end.
    """

    def __init__(self, folder: Path, url: str) -> None:
        """Name both."""
        self.folder, self.url = folder, url

    def pages(self) -> list[str]:
        """List the pages, by their paths."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*.html"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site, built by the command itself."""
    if not (ROOT / "node_modules" / ".bin" / "redocly").exists():
        give_up("redocly is not in node_modules: `make docs` installs it")
    folder = tmp_path_factory.mktemp("site") / "docs"
    build = subprocess.run(
        ["make", "--no-print-directory", "docs", f"SITE={folder}", f"VENV={sys.prefix}"],  # noqa: S607
        cwd=ROOT,
        # Nothing of it is the service, whose coverage would be measured.
        env={name: os.environ[name] for name in ("HOME", "PATH")},
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Site(folder, f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
        thread.join()


class Watch:
    """What a page did that it should not have done."""

    def __init__(self, page: Page, origin: str) -> None:
        """Watch from the start."""
        self.complaints: list[str] = []
        self._origin = origin
        page.on("request", self._on_request)
        page.on("response", self._on_response)
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("console", self._on_line)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_request(self, request: Request) -> None:
        own = request.url.startswith((self._origin, "data:", "blob:"))
        self._complain_if(not own, f"foreign: {request.url}")

    def _on_response(self, response: Response) -> None:
        # A browser asks for an icon, whether there is one or not.
        missing = response.status >= 400 and not response.url.endswith("/favicon.ico")
        self._complain_if(missing, f"{response.status}: {response.url}")

    def _on_line(self, line: ConsoleMessage) -> None:
        wrong = line.type in {"error", "warning"} and not line.location["url"].endswith("/favicon.ico")
        self._complain_if(wrong, line.text)

    def _complain_if(self, wrong: bool, complaint: str) -> None:  # noqa: FBT001  # It is what it says.
        if wrong:
            self.complaints.append(complaint)


async def test_each_page_is_whole_without_any_other_server(site: Site, browser: Browser) -> None:
    """Nothing is asked of another origin, nothing is missing, and no script complains."""
    assert len(site.pages()) > 20
    context = await browser.new_context()
    for path in site.pages():
        page = await context.new_page()
        watch = Watch(page, site.url)
        await page.goto(site.url + path)
        await page.wait_for_load_state("networkidle")
        assert watch.complaints == [], path
        await page.close()
    await context.close()


async def test_the_way_of_a_request_is_drawn(site: Site, browser: Browser) -> None:
    """The diagram of the architecture is a picture, with each layer in it."""
    page = await browser.new_page()
    await page.goto(f"{site.url}docs/architecture.html")
    picture = page.locator("pre.mermaid svg")
    await picture.wait_for()
    assert "RequestValidation" in (await picture.text_content() or "")
    await page.close()


async def test_the_reference_has_every_operation(site: Site, browser: Browser) -> None:
    """It is reached from each page, shows each operation under its tag, and tells its maker nothing."""
    page = await browser.new_page()
    watch = Watch(page, site.url)
    await page.goto(f"{site.url}docs/integrate.html")
    await page.get_by_role("link", name="API reference").click()
    for item in document()["paths"].values():
        for operation in (node for node in item.values() if "operationId" in node):
            await page.get_by_role("link", name=operation["tags"][0], exact=True).first.click()
            await page.get_by_role("link", name=operation["summary"]).first.click()
            await page.get_by_role("heading", name=operation["summary"]).first.wait_for()
    assert watch.complaints == []
    await page.close()


async def test_what_is_looked_for_is_found(site: Site, browser: Browser) -> None:
    """The search needs no server."""
    page = await browser.new_page()
    await page.goto(f"{site.url}search.html?q=livekit_keys_file")
    await page.get_by_role("link", name="Operate", exact=True).first.wait_for()
    await page.close()


@pytest.mark.parametrize("path", _PHOTOGRAPHED)
async def test_a_page_fits_its_screen(path: str, site: Site, browser: Browser) -> None:
    """Neither a desktop nor a phone has to scroll sideways; screenshots are kept in .cache/."""
    for width, height in _SIZES:
        for scheme in _SCHEMES:
            page = await browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            await page.goto(site.url + path)
            await page.wait_for_load_state("networkidle")
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            name = re.sub(r"\W+", "-", path.removesuffix(".html"))
            await page.screenshot(path=_SCREENSHOTS / f"site-{name}-{width}-{scheme}.png")
            await page.close()


async def test_links_within_the_site_lead_somewhere(site: Site) -> None:
    """Sphinx checks those between its pages; these are all, downloads and the reference included."""
    missing = []
    # The reference finds its way by itself.
    for path in set(site.pages()) - {"reference.html"}:
        text = (site.folder / path).read_text(encoding="utf-8")
        for link in re.findall(r'<(?:a|img|link|script)\b[^>]*?\s(?:href|src)="([^"#?]+)', text):
            target = (site.folder / path).parent / link
            if not re.match(r"[a-z]+:|//", link) and not target.exists():
                missing.append(f"{path}: {link}")
    assert missing == []
