"""`make demo`: three processes that start together and stop together, and a server for one page only."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from examples import page
from examples.page import ClientMissing, PageServer
from tests.e2e.conftest import give_up
from tests.support import raw_http, run_log

_DEADLINE_SECONDS = 60
_ADDRESS = re.compile(r"Open (http://127\.0\.0\.1:\d+) ")


@pytest.fixture
def page_server() -> Iterator[PageServer]:
    """The page's server, serving."""
    try:
        server = PageServer()
    except ClientMissing as missing:
        give_up(str(missing))
    with server, server.serving("http://127.0.0.1:1/api"):
        yield server


@pytest.fixture
def demo(livekit: object, page_server: PageServer) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """The demo and its page's address. LiveKit and its client are there, which the other fixtures see to."""
    assert livekit
    assert page_server
    with _demo() as process:
        yield process, _wait_for_address(process)


def _wait_for_address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    for line in process.stdout:
        run_log.add(line)
        if found := _ADDRESS.match(line):
            return found[1]
    raise AssertionError("the demo ended before its page could be opened")


@contextmanager
def _demo() -> "Iterator[subprocess.Popen[str]]":
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(
        [sys.executable, "-m", "examples.demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=root,
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
    """Find the processes that the demo runs: `service` and `LiveKit`."""
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not listing.exists():
        give_up("this system has no list of children in /proc")
    pids = [int(pid) for pid in listing.read_text().split()]
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
    return {
        "service" if b"app" in command.split(b"\0") else "LiveKit": pid for pid, command in commands.items()
    }


def _is_gone(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


@pytest.mark.parametrize(
    "stop",
    [
        # A terminal sends Ctrl-C to all three.
        pytest.param(lambda process: os.killpg(process.pid, signal.SIGINT), id="Ctrl-C"),
        pytest.param(lambda process: process.terminate(), id="SIGTERM"),
    ],
)
def test_the_demo_serves_the_page_and_leaves_nothing_behind(
    demo: "tuple[subprocess.Popen[str], str]", stop: "Callable[[subprocess.Popen[str]], None]"
) -> None:
    """The page knows the service's address, the service lets it in, and a signal stops all three."""
    process, address = demo
    children = _children(process)
    assert children.keys() == {"service", "LiveKit"}
    assert "<title>Voice room</title>" in httpx.get(address).text
    api = httpx.get(f"{address}/config.js").text.split('"')[1]
    answer = httpx.post(f"{api}/connection-details", json={}, headers={"Origin": address})
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == address
    stop(process)
    output, _ = process.communicate(timeout=_DEADLINE_SECONDS)
    run_log.add(output)
    assert process.returncode == 0
    assert "Stopped." in output
    assert all(map(_is_gone, children.values()))
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


@pytest.mark.parametrize("name", ["service", "LiveKit"])
def test_when_one_dies_the_demo_says_which_and_stops_the_rest(
    demo: "tuple[subprocess.Popen[str], str]", name: str
) -> None:
    """Half a demo would only puzzle whoever looks at it."""
    process, _ = demo
    children = _children(process)
    os.kill(children[name], signal.SIGKILL)
    output, _ = process.communicate(timeout=_DEADLINE_SECONDS)
    run_log.add(output)
    assert process.returncode == 1
    assert f"{name} ended with status -9" in output
    assert all(map(_is_gone, children.values()))


def test_a_missing_client_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """node_modules is not in the repository."""
    monkeypatch.setattr(page, "_CLIENT", tmp_path / "livekit-client.esm.mjs")
    with pytest.raises(ClientMissing, match="npm ci --ignore-scripts"):
        PageServer()


def test_the_page_server_serves_the_page_and_its_client(page_server: PageServer) -> None:
    """Modules need their media type, or browsers do not run them."""
    for target, media_type in (
        ("/", "text/html"),
        ("/?room=morning-standup", "text/html"),
        ("/main.js", "text/javascript"),
        ("/vendor/livekit-client.esm.mjs", "text/javascript"),
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
