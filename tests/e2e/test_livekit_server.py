"""How the end-to-end tests come by their LiveKit server, and what they do without one."""

import os
from pathlib import Path

import pytest

from tests.e2e import livekit_server
from tests.e2e.conftest import give_up
from tests.e2e.livekit_server import LiveKitFailed, LiveKitServer, LiveKitUnavailable, run_livekit_server


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH, on a machine where no server was built."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(livekit_server, "BUILD_FOLDER", tmp_path / "built")
    return folder


def _install(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)


def test_without_livekit_and_go_the_reason_says_what_to_install(nothing_installed: Path) -> None:
    """There is no server, and no way to build one."""
    assert list(nothing_installed.iterdir()) == []
    with pytest.raises(LiveKitUnavailable, match="livekit-server is not on the PATH, and go is not"):
        livekit_server.find_binary()


def test_a_build_that_fails_says_why(nothing_installed: Path) -> None:
    """Go is there, but cannot build the server: there may be no network."""
    _install(nothing_installed, "go", "echo no route to host >&2; exit 1")
    with pytest.raises(LiveKitUnavailable, match=r"go install .*@v(?s:.*)no route to host"):
        livekit_server.find_binary()


def test_the_server_is_built_once(nothing_installed: Path, tmp_path: Path) -> None:
    """Go is asked for the fixed version, and not asked again while that is what it built."""
    builds, built = tmp_path / "builds", tmp_path / "built" / "server"
    version = f"echo livekit-server version {livekit_server.VERSION}"
    write = f"echo '#!/bin/sh' > {built}; echo '{version}' >> {built}; /bin/chmod 700 {built}"
    _install(nothing_installed, "go", f'echo "$GOBIN $@" >> {builds}; {write}')
    assert {livekit_server.find_binary(), livekit_server.find_binary()} == {built}
    assert builds.read_text().splitlines() == [f"{built.parent} install {livekit_server.MODULE}"]
    _install(built.parent, "server", "echo livekit-server version 1.0.0")
    livekit_server.find_binary()
    assert len(builds.read_text().splitlines()) == 2


def test_an_installed_server_comes_first(nothing_installed: Path) -> None:
    """`livekit-server` on the PATH is taken, as package managers install it."""
    _install(nothing_installed, "livekit-server", "exit 1")
    assert livekit_server.find_binary() == nothing_installed / "livekit-server"


def test_a_server_that_dies_is_reported_with_its_last_words(nothing_installed: Path) -> None:
    """That is a failure, never a reason to skip."""
    _install(nothing_installed, "livekit-server", "echo out of luck; exit 3")
    with pytest.raises(LiveKitFailed, match=r"ended with status 3:\nout of luck"), run_livekit_server():
        pytest.fail("it does not run")


@pytest.mark.usefixtures("livekit")
def test_the_server_is_stopped_even_when_the_test_fails() -> None:
    """The process is gone, and has been waited for."""
    servers = []

    def failing_test() -> None:
        with run_livekit_server() as server:
            servers.append(server)
            os.kill(server.pid, 0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_test()
    with pytest.raises(ProcessLookupError):
        os.kill(servers[0].pid, 0)


def test_the_secret_is_no_argument_of_the_process(livekit: LiveKitServer) -> None:
    """Every user of the machine can read the arguments of every process."""
    arguments = Path(f"/proc/{livekit.pid}/cmdline")
    if not arguments.exists():
        give_up("this system has no /proc")
    assert b"--config" in arguments.read_bytes()
    assert livekit.secret.encode() not in arguments.read_bytes()
    assert livekit.secret not in repr(livekit)


def test_missing_livekit_skips_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A contributor without Go can run the rest."""
    monkeypatch.delenv("E2E_REQUIRED", raising=False)
    with pytest.raises(pytest.skip.Exception, match="why"):
        give_up("why")


def test_missing_livekit_fails_the_test_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """Continuous integration must not pass by skipping."""
    monkeypatch.setenv("E2E_REQUIRED", "1")
    with pytest.raises(pytest.fail.Exception, match="why"):
        give_up("why")
