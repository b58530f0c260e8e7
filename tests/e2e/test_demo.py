"""`make demo`: processes that start together and stop together, and a server for one page only."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, expect

from examples import page
from examples.page import ClientMissing, PageServer
from tests.e2e.browser import DEADLINE_SECONDS, VoiceRoomPage, open_page
from tests.e2e.conftest import give_up
from tests.support import raw_http, run_log
from tests.support.process import ROOT

_DEADLINE_SECONDS = 60
_FIRST_LINE = "Everything runs, on this machine only:\n"
_LAST_LINE = "The service's log follows. Ctrl-C stops everything.\n"


@pytest.fixture
def page_server() -> Iterator[PageServer]:
    """The page's server, serving."""
    try:
        server = PageServer()
    except ClientMissing as missing:
        give_up(str(missing))
    with server, server.serving("http://127.0.0.1:1/api"):
        yield server


@dataclass(frozen=True)
class Demo:
    """A running demo, and the tour that it has printed."""

    process: "subprocess.Popen[str]"
    tour: str

    def address_of(self, part: str) -> str:
        """Find where a part of it listens."""
        (address,) = re.findall(rf"^ +{part} +(\S+)$", self.tour, re.MULTILINE)
        return str(address)

    @property
    def page(self) -> str:
        """The address of the page."""
        return self.address_of("page")

    @property
    def room(self) -> str:
        """The address that its reader opens, twice."""
        (address,) = re.findall(r"Open\s+(\S+)\s+in\s+two\s+tabs", self.tour)
        return str(address)

    def commands(self) -> list[str]:
        """List what the tour has its reader type."""
        found = re.findall(r"^   curl .*\n(?:     .*\n)*", self.tour, re.MULTILINE)
        return [textwrap.dedent(command) for command in found]

    def line_of(self, request_id: str) -> dict[str, Any]:
        """Wait for the audit line of a request."""
        assert self.process.stdout
        for line in self.process.stdout:
            run_log.add(line)
            if f'"requestId":"{request_id}"' in line:
                found: dict[str, Any] = json.loads(line)
                return found
        raise AssertionError(f"the log has no line of {request_id}")


@pytest.fixture
def demo(livekit: object, page_server: PageServer) -> Iterator[Demo]:
    """The demo. LiveKit and its client are there, which the other fixtures see to."""
    assert livekit
    assert page_server
    with _demo() as process:
        yield Demo(process, _tour_of(process))


@pytest.fixture
def demo_with_sign_in(livekit: object, page_server: PageServer, openid_provider: object) -> Iterator[Demo]:
    """The demo in which people sign in."""
    assert livekit
    assert page_server
    assert openid_provider
    with _demo(AUTH="oidc") as process:
        yield Demo(process, _tour_of(process))


def _tour_of(process: "subprocess.Popen[str]") -> str:
    """Read what the demo prints once everything runs; the log of the service's start is before it."""
    assert process.stdout
    lines: list[str] = []
    for line in process.stdout:
        # What the tour has its reader type is no line of the log.
        if line.startswith("{"):
            run_log.add(line)
        lines = [line] if line == _FIRST_LINE else [*lines, line]
        if line == _LAST_LINE:
            return "".join(lines)
    raise AssertionError(f"the demo ended before there was anything to look at:\n{''.join(lines)}")


def _typed(command: str) -> str:
    """Type a command into a shell, in the folder of the checkout, and read what it writes."""
    if shutil.which("curl") is None:
        give_up("curl is not installed")
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_SECONDS,
        check=True,
    )
    return done.stdout


@contextmanager
def _demo(**variables: str) -> "Iterator[subprocess.Popen[str]]":
    kept = {name: value for name, value in os.environ.items() if name != "AUTH"}
    with subprocess.Popen(
        [sys.executable, "-m", "examples.demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**kept, **variables},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_DEADLINE_SECONDS)
            # Whatever is left of its session; nothing, unless it is stuck.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _children(process: "subprocess.Popen[str]") -> dict[str, int]:
    """Find the processes that the demo runs, by the names that it has for them."""
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not listing.exists():
        give_up("this system has no list of children in /proc")
    pids = [int(pid) for pid in listing.read_text().split()]
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
    return {_name(command): pid for pid, command in commands.items()}


def _name(command: bytes) -> str:
    if b"app" in command.split(b"\0"):
        return "service"
    return "OpenID provider" if b"openid_provider.mjs" in command else "LiveKit"


def _config(address: str) -> tuple[str, dict[str, str] | None]:
    """Read what the page knows: the address of the service, and where people sign in if they have to."""
    config = httpx.get(f"{address}/config.js").text
    exports = dict(re.findall(r"^export const (\w+) = (.*);$", config, re.MULTILINE))
    return json.loads(exports["apiUrl"]), json.loads(exports["signIn"])


def _is_gone(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


def _end_of(process: "subprocess.Popen[str]", children: dict[str, int], *, status: int) -> str:
    """Wait until the demo ends, see that nothing of it is left, and read what it wrote."""
    output, _ = process.communicate(timeout=_DEADLINE_SECONDS)
    run_log.add(output)
    assert process.returncode == status
    assert all(map(_is_gone, children.values()))
    return output


STOPS = [
    # A terminal sends Ctrl-C to all of them.
    pytest.param(lambda process: os.killpg(process.pid, signal.SIGINT), id="Ctrl-C"),
    pytest.param(lambda process: process.terminate(), id="SIGTERM"),
]


@pytest.mark.parametrize("stop", STOPS)
def test_the_demo_serves_the_page_and_leaves_nothing_behind(
    demo: Demo, stop: "Callable[[subprocess.Popen[str]], None]"
) -> None:
    """The page knows the service's address, the service lets it in, and a signal stops all three."""
    process, address = demo.process, demo.page
    children = _children(process)
    assert children.keys() == {"service", "LiveKit"}
    assert "<title>Voice room</title>" in httpx.get(address).text
    api, provider = _config(address)
    assert provider is None
    answer = httpx.post(f"{api}/connection-details", json={}, headers={"Origin": address})
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == address
    stop(process)
    assert "Stopped." in _end_of(process, children, status=0)
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


@pytest.mark.parametrize("stop", STOPS)
def test_with_auth_people_sign_in_before_they_join(
    demo_with_sign_in: Demo, stop: "Callable[[subprocess.Popen[str]], None]"
) -> None:
    """Page and service know the same provider, who is unknown gets no token, and a signal stops all."""
    process, address = demo_with_sign_in.process, demo_with_sign_in.page
    children = _children(process)
    assert children.keys() == {"service", "LiveKit", "OpenID provider"}
    api, provider = _config(address)
    assert provider is not None
    assert provider.keys() == {"issuer", "clientId", "audience"}
    metadata = httpx.get(f"{provider['issuer']}/.well-known/openid-configuration").json()
    assert metadata["issuer"] == provider["issuer"]
    answer = httpx.post(f"{api}/connection-details", json={}, headers={"Origin": address})
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["access-control-allow-origin"] == address
    stop(process)
    assert "Stopped." in _end_of(process, children, status=0)


def test_the_tour_shows_what_it_says(demo: Demo) -> None:
    """Each command can be copied, and does what stands above it; the last address is there, too."""
    assert max(map(len, demo.tour.splitlines())) <= 80
    token, said, mistake, ready, metrics = demo.commands()
    assert json.loads(_typed(token))["serverUrl"] == demo.address_of("LiveKit")
    explained = _typed(said)
    assert "my-room" in explained
    assert "microphone" in explained
    assert "problem" not in explained
    answer = json.loads(_typed(mistake))
    assert len(answer["validationErrors"]) == 3
    assert answer["requestId"] == "my-mistake"
    assert demo.line_of("my-mistake")["errorCode"] == "VALIDATION_ERROR"
    assert json.loads(_typed(ready))["status"] == "ready"
    counted = _typed(metrics).splitlines()
    assert 'livekit_token_api_tokens_issued_total{operation="generateToken"} 2.0' in counted
    assert 'livekit_token_api_refusals_total{error_code="VALIDATION_ERROR"} 1.0' in counted
    assert httpx.get(f"{demo.address_of('service')}/api/ui", follow_redirects=True).status_code == 200


def test_the_tour_shows_what_it_says_where_people_sign_in(demo_with_sign_in: Demo) -> None:
    """Likewise, with an answer for strangers."""
    demo = demo_with_sign_in
    assert max(map(len, demo.tour.splitlines())) <= 80
    stranger, provider, ready, metrics = demo.commands()
    head, _, body = _typed(stranger).partition("\n\n")
    assert head.startswith("HTTP/1.1 401 ")
    assert "www-authenticate: bearer" in head.lower()
    assert json.loads(body)["errorCode"] == "UNAUTHENTICATED"
    assert demo.line_of("a-stranger")["errorCode"] == "UNAUTHENTICATED"
    assert json.loads(_typed(provider))["issuer"] == demo.address_of("provider")
    assert json.loads(_typed(ready))["status"] == "ready"
    assert 'livekit_token_api_refusals_total{error_code="UNAUTHENTICATED"} 1.0' in _typed(metrics)


async def _see_each_other(ada: VoiceRoomPage, ben: VoiceRoomPage) -> None:
    """Wait until both have joined, and each shows the other."""
    for tab, other in ((ada, "Ben"), (ben, "Ada")):
        await expect(tab.participant(other)).to_be_visible(timeout=DEADLINE_SECONDS * 1000)


@pytest.mark.asyncio(loop_scope="module")
async def test_who_follows_the_tour_in_two_tabs_meets_themselves(demo: Demo, browser: Browser) -> None:
    """Nothing has to be filled in for it but names, to tell them apart."""
    async with open_page(browser, demo.room) as ada, open_page(browser, demo.room) as ben:
        await ada.join("Ada")
        await ben.join("Ben")
        await _see_each_other(ada, ben)


@pytest.mark.asyncio(loop_scope="module")
async def test_who_follows_it_where_people_sign_in_meets_themselves(
    demo_with_sign_in: Demo, browser: Browser
) -> None:
    """The room is the same after the way to the provider and back."""
    room = demo_with_sign_in.room
    async with open_page(browser, room) as ada, open_page(browser, room) as ben:
        for tab, name in ((ada, "Ada"), (ben, "Ben")):
            await tab.sign_in(name)
            await tab.join()
        await _see_each_other(ada, ben)


def test_when_the_provider_dies_the_demo_says_so_and_stops_the_rest(
    demo_with_sign_in: Demo,
) -> None:
    """Nobody could sign in any more."""
    process = demo_with_sign_in.process
    children = _children(process)
    os.kill(children["OpenID provider"], signal.SIGKILL)
    assert "the OpenID provider ended with status -9" in _end_of(process, children, status=1)


def test_an_authentication_that_the_demo_does_not_know_is_refused() -> None:
    """Before anything is started."""
    with _demo(AUTH="api-key") as process:
        output, _ = process.communicate(timeout=_DEADLINE_SECONDS)
    assert process.returncode == 1
    assert output == "AUTH=api-key is not for the demo: it knows AUTH=oidc; without AUTH, nobody signs in.\n"


@pytest.mark.parametrize("name", ["service", "LiveKit"])
def test_when_one_dies_the_demo_says_which_and_stops_the_rest(demo: Demo, name: str) -> None:
    """Half a demo would only puzzle whoever looks at it."""
    process = demo.process
    children = _children(process)
    os.kill(children[name], signal.SIGKILL)
    assert f"{name} ended with status -9" in _end_of(process, children, status=1)


def test_a_missing_client_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """node_modules is not in the repository."""
    monkeypatch.setattr(page, "_MODULES", tmp_path)
    with pytest.raises(ClientMissing, match="livekit-client is not installed: run `npm ci --ignore-scripts`"):
        PageServer()


def test_the_page_server_serves_the_page_and_its_client(page_server: PageServer) -> None:
    """Modules need their media type, or browsers do not run them."""
    for target, media_type in (
        ("/", "text/html"),
        ("/?room=morning-standup", "text/html"),
        ("/main.js", "text/javascript"),
        ("/vendor/livekit-client.esm.mjs", "text/javascript"),
        ("/vendor/oauth4webapi.js", "text/javascript"),
    ):
        answer = raw_http.send(page_server.origin, raw_http.request("GET", target))
        assert (answer.status, answer.headers.get_content_type()) == (200, media_type)


@pytest.mark.parametrize(
    "target",
    [
        "/../demo.py",
        "/%2e%2e/demo.py",
        "/vendor/livekit-client.umd.js",
        "/vendor/../../package.json",
        "//etc/passwd",
        "/etc/passwd",
    ],
)
def test_the_page_server_serves_nothing_else(page_server: PageServer, target: str) -> None:
    """A target is looked up in a list, never on the disk."""
    assert raw_http.send(page_server.origin, raw_http.request("GET", target)).status == 404
