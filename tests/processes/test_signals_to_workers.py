"""What signals do to several workers, as to one process, and what is theirs alone: with real processes."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.callers.api_keys import new_key
from tests.support.process import DEADLINE_SECONDS, Service, running
from tests.support.raw_http import JSON, connect, read_answer, request
from tests.support.server import KEY, SECRET

VALID = {"roomName": "room-1", "participantIdentity": "alice"}
HALF = request("POST", "/api/token", JSON, "Content-Length: 100") + b'{"roomName"'
CREDENTIALS = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
ONE_OR_SEVERAL = pytest.mark.parametrize("workers", ["1", "2"])


@ONE_OR_SEVERAL
def test_half_a_body_does_not_hold_up_the_end(workers: str) -> None:
    """Who has sent half of it is told that it is late, and the service ends in its time, with 0."""
    grace = {"SHUTDOWN_GRACE_SECONDS": "1", "BODY_TIMEOUT_SECONDS": "60"}
    with running(WORKERS=workers, **grace, **CREDENTIALS) as service:
        stuck = [connect(service.url) for _ in range(20)]
        for connection in stuck:
            connection.sendall(HALF)
        time.sleep(0.3)
        service.process.terminate()
        assert service.process.wait(5) == 0
        answers = [read_answer(connection) for connection in stuck]
        assert {answer.json()["errorCode"] for answer in answers} == {"REQUEST_TIMEOUT"}
        for connection in stuck:
            connection.close()
    assert "Traceback" not in service.output


@ONE_OR_SEVERAL
def test_sigint_stops_at_once(workers: str) -> None:
    """Ctrl-C waits for no drain, and not for half a body; the exit status is 0."""
    with (
        running(WORKERS=workers, DRAIN_SECONDS="300", **CREDENTIALS) as service,
        connect(service.url) as stuck,
    ):
        stuck.sendall(HALF)
        time.sleep(0.2)
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(5) == 0
    assert "Traceback" not in service.output


@ONE_OR_SEVERAL
def test_sigint_ends_the_grace(workers: str) -> None:
    """Who has half a body under way when it comes is not waited for any longer."""
    grace = {"SHUTDOWN_GRACE_SECONDS": "60", "BODY_TIMEOUT_SECONDS": "60"}
    with running(WORKERS=workers, **grace, **CREDENTIALS) as service, connect(service.url) as stuck:
        stuck.sendall(HALF)
        time.sleep(0.3)
        service.process.terminate()
        service.wait_for_log("The server stops")
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(20) == 0
    assert "it is killed" not in service.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@ONE_OR_SEVERAL
def test_it_ends_with_0_however_often_it_is_told(workers: str, number: int) -> None:
    """Also when it is told again while it ends."""
    with running(WORKERS=workers, **CREDENTIALS) as service:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while service.process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            service.process.send_signal(number)
            time.sleep(0.005)
        assert service.process.returncode == 0
    assert "Traceback" not in service.output


@ONE_OR_SEVERAL
def test_nobody_is_accepted_once_the_drain_is_over(workers: str) -> None:
    """While a request is still under way, who connects is told at once, and waits for nothing."""
    grace = {"SHUTDOWN_GRACE_SECONDS": "60", "BODY_TIMEOUT_SECONDS": "60"}
    with running(WORKERS=workers, **grace, **CREDENTIALS) as service:
        if workers != "1":
            service.wait_for_workers(int(workers))
        with connect(service.url) as stuck:
            stuck.sendall(HALF)
            time.sleep(0.3)
            service.process.terminate()
            service.wait_for_log("The server stops", int(workers))
            time.sleep(0.2)
            with pytest.raises(ConnectionRefusedError):
                connect(service.url)
            service.process.send_signal(signal.SIGINT)
            assert service.process.wait(20) == 0


def test_a_signal_during_the_start_ends_it() -> None:
    """With 0, and without a traceback, whenever it comes."""
    with running(WORKERS="2", **CREDENTIALS) as service:
        service.process.terminate()
        assert service.process.wait(10) == 0
    assert "Traceback" not in service.output


def test_a_hangup_replaces_real_workers() -> None:
    """A fresh one says that it serves, and takes the place of an old one, which ends by itself."""
    with running(WORKERS="2", **CREDENTIALS) as service:
        service.wait_for_log(" serves.", 2)
        service.process.send_signal(signal.SIGHUP)
        service.wait_for_log("Finished server process", 2)
        assert httpx.get(f"{service.url}/health/ready").status_code == 200
    assert service.process.returncode == 0
    assert service.output.count("Started server process") == 4
    assert "has ended" not in service.output


def test_sighup_while_others_are_leaving_replaces_those_that_stay() -> None:
    """However often it comes, there are as many workers afterwards as before."""
    with running(WORKERS="2", DRAIN_SECONDS="3", **CREDENTIALS) as service:
        service.wait_for_workers(2)
        service.process.send_signal(signal.SIGHUP)
        service.wait_for_workers(4)
        time.sleep(0.3)  # The last of the old ones is told to leave, and takes its time.
        service.process.send_signal(signal.SIGHUP)
        service.wait_for_workers(6)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(service.workers()) > 2:
            assert time.monotonic() < deadline, "there are too many"
            time.sleep(0.05)


def test_sighup_has_the_file_of_api_keys_read_anew(tmp_path: Path) -> None:
    """The new key is let in, and the old one is not; a broken file changes nothing, and is named."""
    file = tmp_path / "digests"
    keys = {name: new_key() for name in ("old", "new")}

    def statuses(service: Service) -> dict[str, int]:
        url, body = f"{service.url}/token", VALID
        return {
            name: httpx.post(url, json=body, headers={"X-API-Key": key}).status_code
            for name, (key, _) in keys.items()
        }

    def hang_up(service: Service, until: Callable[[], bool]) -> None:
        service.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not until():
            assert time.monotonic() < deadline, "nothing comes of it"
            time.sleep(0.05)

    file.write_text(f"old:{keys['old'][1]}")
    variables = {"AUTH": "api-key", "API_KEY_DIGESTS_FILE": str(file), "WORKERS": "2"}
    with running(**variables, **CREDENTIALS) as service:
        service.wait_for_workers(2)
        before = service.workers()
        assert statuses(service) == {"old": 200, "new": 401}
        file.write_text(f"new:{keys['new'][1]}")
        hang_up(service, lambda: not service.workers() & before and len(service.workers()) == 2)
        serving = service.workers()
        assert statuses(service) == {"old": 401, "new": 200}
        file.write_text("broken")
        hang_up(service, lambda: "could not start" in service.logged())
        assert statuses(service) == {"old": 401, "new": 200}
        assert service.workers() == serving
    assert "API_KEY_DIGESTS_FILE: must" in service.output
    assert "Traceback" not in service.output


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_terminal_does_not_disturb_workers_that_start(number: int) -> None:
    """It sends its signals to all processes; those that do not know yet what to do wait."""
    with running(WORKERS="2", **CREDENTIALS) as service:
        service.wait_for_workers(2)
        before = service.workers()
        os.kill(min(before), signal.SIGKILL)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (fresh := service.workers() - before):
            assert time.monotonic() < deadline, "it is not replaced"
        os.kill(fresh.pop(), number)
        if number == signal.SIGINT:
            service.process.send_signal(number)
            assert service.process.wait(20) == 0
        else:
            os.kill(max(before), number)
            service.wait_for_workers(3)
    assert "could not start" not in service.output
    assert "only process" not in service.output
    assert all("message" in line for line in service.log())
