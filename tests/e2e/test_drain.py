"""Signals under load, to real processes: nobody who follows readiness notices that a service stops."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from app.callers.api_keys import new_key
from tests.support.load import READY, TOKEN, VALID, Client, Tally, ask_on
from tests.support.process import COMMAND, DEADLINE_SECONDS, ROOT, Service, running
from tests.support.raw_http import JSON, connect, read_answer, request
from tests.support.server import KEY, SECRET

HALF = request("POST", "/api/token", JSON, "Content-Length: 100") + b'{"roomName"'
CLIENTS, ENOUGH = 16, 5000


def service_with(**variables: str) -> AbstractContextManager[Service]:
    """Start a service that issues tokens."""
    return running(COMMAND, ROOT, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, **variables)


async def under_load(service: Service, number: int, tally: Tally) -> float:
    """Send a signal once there were enough requests; return how long it then took to be not ready."""
    is_ready, told = True, 0.0
    clients = [asyncio.create_task(ask_on(service.url, tally, lambda: is_ready)) for _ in range(CLIENTS)]
    while tally.asked < ENOUGH:
        await asyncio.sleep(0.05)
        assert not all(client.done() for client in clients)
    service.process.send_signal(number)
    told = time.monotonic()
    watch = Client(service.url)
    while (await watch.ask(READY))[0] == 200:
        await asyncio.sleep(0.05)
        assert time.monotonic() < told + 10, "it stays ready"
    seconds = time.monotonic() - told
    # New connections are still answered.
    for _ in range(3):
        fresh = Client(service.url)
        assert (await fresh.ask(TOKEN))[0] == 200
        await fresh.leave()
    is_ready = False
    await asyncio.gather(*clients)
    await watch.leave()
    return seconds


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_under_load_loses_no_request(workers: str) -> None:
    """Clients that look whether the service is ready move in time; it ends with 0."""
    tally = Tally()
    with service_with(WORKERS=workers, DRAIN_SECONDS="3") as service:
        seconds = asyncio.run(under_load(service, signal.SIGTERM, tally))
        assert service.process.wait(10) == 0
    assert seconds < 1
    assert tally.failures == []
    assert tally.statuses.keys() == {200}
    assert tally.asked >= ENOUGH


def test_answers_close_their_connections_while_the_service_drains() -> None:
    """So that clients connect anew, to another one; and health says why."""
    with service_with(DRAIN_SECONDS="2") as service, httpx.Client() as client:
        assert "connection" not in client.get(f"{service.url}/health/live").headers
        service.process.terminate()
        time.sleep(0.5)
        answer = client.get(f"{service.url}/health/ready")
        assert (answer.status_code, answer.headers["connection"]) == (503, "close")
        assert "draining" in answer.json()["reasons"]
        assert client.get(f"{service.url}/health/live").status_code == 200
        assert service.process.wait(10) == 0


def test_a_body_that_was_asked_for_closes_its_connection_while_the_service_drains() -> None:
    """The drain began after its head, and before its body."""
    head = request("POST", "/api/token", JSON, f"Content-Length: {len(VALID)}", "Expect: 100-continue")
    with service_with(DRAIN_SECONDS="2") as service, connect(service.url) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        service.process.terminate()
        wait_for_line(service, "Not ready")
        connection.sendall(VALID)
        answer = read_answer(connection)
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert service.process.wait(10) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_half_a_body_does_not_hold_up_the_end(workers: str) -> None:
    """Who has sent half of it is told that it is late, and the service ends in its time, with 0."""
    grace = {"SHUTDOWN_GRACE_SECONDS": "1", "BODY_TIMEOUT_SECONDS": "60"}
    with service_with(WORKERS=workers, **grace) as service:
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


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigint_stops_at_once(workers: str) -> None:
    """Ctrl-C waits for no drain, and not for half a body; the exit status is 0."""
    with (
        service_with(WORKERS=workers, DRAIN_SECONDS="300") as service,
        connect(service.url) as stuck,
    ):
        stuck.sendall(HALF)
        time.sleep(0.2)
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(5) == 0
    assert "Traceback" not in service.output


def test_sigint_ends_a_drain() -> None:
    """Who cannot wait need not kill."""
    with service_with(DRAIN_SECONDS="300") as service:
        for _ in range(2):
            service.process.terminate()
        time.sleep(0.2)
        assert httpx.get(f"{service.url}/health/ready").status_code == 503
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(5) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigint_ends_the_grace(workers: str) -> None:
    """Who has half a body under way when it comes is not waited for any longer."""
    grace = {"SHUTDOWN_GRACE_SECONDS": "60", "BODY_TIMEOUT_SECONDS": "60"}
    with service_with(WORKERS=workers, **grace) as service, connect(service.url) as stuck:
        stuck.sendall(HALF)
        time.sleep(0.3)
        service.process.terminate()
        wait_for_line(service, "The server stops")
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(20) == 0
    assert "it is killed" not in service.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_ends_with_0_however_often_it_is_told(workers: str, number: int) -> None:
    """Also when it is told again while it ends."""
    with service_with(WORKERS=workers) as service:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while service.process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            service.process.send_signal(number)
            time.sleep(0.005)
        assert service.process.returncode == 0
    assert "Traceback" not in service.output


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nobody_is_accepted_once_the_drain_is_over(workers: str) -> None:
    """While a request is still under way, who connects is told at once, and waits for nothing."""
    grace = {"SHUTDOWN_GRACE_SECONDS": "60", "BODY_TIMEOUT_SECONDS": "60"}
    with service_with(WORKERS=workers, **grace) as service:
        if workers != "1":
            wait_for_workers(service, int(workers))
        with connect(service.url) as stuck:
            stuck.sendall(HALF)
            time.sleep(0.3)
            service.process.terminate()
            wait_for_line(service, "The server stops", count=int(workers))
            time.sleep(0.2)
            with pytest.raises(ConnectionRefusedError):
                connect(service.url)
            service.process.send_signal(signal.SIGINT)
            assert service.process.wait(20) == 0


def wait_for_line(service: Service, words: str, count: int = 1) -> None:
    """Wait until so many lines of the log have these words."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while service.logged().count(words) < count:
        assert time.monotonic() < deadline, f"it does not say: {words}"
        time.sleep(0.05)


def workers_of(service: Service) -> set[int]:
    """List the processes that the service's own process has started, and that serve."""
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    return {int(pid) for pid in children if b"spawn_main" in command_of(pid)}


def command_of(pid: str) -> bytes:
    """Read the command line of a process, which may end meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_for_workers(service: Service, count: int) -> None:
    """Wait until so many serve."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while service.logged().count("Started server process") < count:
        assert time.monotonic() < deadline, "they do not start"
        time.sleep(0.05)


def test_a_worker_that_is_killed_is_replaced() -> None:
    """Only what it was answering is lost, and two seconds later there are as many as before."""
    tally = Tally()

    async def killing(service: Service) -> None:
        goes_on = True
        clients = [asyncio.create_task(ask_on(service.url, tally, lambda: goes_on)) for _ in range(CLIENTS)]
        await asyncio.sleep(1)
        before = workers_of(service)
        victim = before.pop()
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        while len(workers_of(service) - {victim}) < 2:
            await asyncio.sleep(0.02)
            assert time.monotonic() < killed + 10, "it is not replaced"
        assert before < workers_of(service)
        while service.logged().count("Started server process") < 3:
            await asyncio.sleep(0.05)
            assert time.monotonic() < killed + 20, "its successor does not serve"
        await asyncio.sleep(0.5)
        goes_on = False
        await asyncio.gather(*clients)

    with service_with(WORKERS="2") as service:
        wait_for_workers(service, 2)
        asyncio.run(killing(service))
    # Each client had one request under way at most, and at most on the connection that was lost.
    assert len(tally.failures) <= CLIENTS
    assert tally.statuses.keys() == {200}


def test_sighup_replaces_workers_without_a_lost_request() -> None:
    """A fresh one serves before an old one stops accepting; the service stays ready all the while."""
    tally, ready = Tally(), Tally()

    async def rolling(service: Service) -> None:
        goes_on = True
        clients = [asyncio.create_task(ask_on(service.url, tally, lambda: goes_on)) for _ in range(CLIENTS)]
        clients += [asyncio.create_task(ask_on(service.url, ready, lambda: goes_on, wanted=READY))]
        before = workers_of(service)
        service.process.send_signal(signal.SIGHUP)
        begun = time.monotonic()
        while workers_of(service) & before or len(workers_of(service)) < 2:
            await asyncio.sleep(0.05)
            assert time.monotonic() < begun + 30, "they are not replaced"
        goes_on = False
        await asyncio.gather(*clients)

    with service_with(WORKERS="2", DRAIN_SECONDS="1") as service:
        wait_for_workers(service, 2)
        asyncio.run(rolling(service))
    assert tally.failures == ready.failures == []
    assert tally.statuses.keys() == ready.statuses.keys() == {200}
    assert tally.asked > 100


def test_sighup_while_others_are_leaving_replaces_those_that_stay() -> None:
    """However often it comes, there are as many workers afterwards as before."""
    with service_with(WORKERS="2", DRAIN_SECONDS="3") as service:
        wait_for_workers(service, 2)
        service.process.send_signal(signal.SIGHUP)
        wait_for_workers(service, 4)
        time.sleep(0.3)  # The last of the old ones is told to leave, and takes its time.
        service.process.send_signal(signal.SIGHUP)
        wait_for_workers(service, 6)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(workers_of(service)) > 2:
            assert time.monotonic() < deadline, "there are too many"
            time.sleep(0.05)


def test_sighup_has_the_file_of_api_keys_read_anew(tmp_path: Path) -> None:
    """The new key is let in, and the old one is not; a broken file changes nothing, and is named."""
    file = tmp_path / "digests"
    keys = {name: new_key() for name in ("old", "new")}

    def statuses(service: Service) -> dict[str, int]:
        url, body = f"{service.url}/token", json.loads(VALID)
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
    with service_with(**variables) as service:
        wait_for_workers(service, 2)
        before = workers_of(service)
        assert statuses(service) == {"old": 200, "new": 401}
        file.write_text(f"new:{keys['new'][1]}")
        hang_up(service, lambda: not workers_of(service) & before and len(workers_of(service)) == 2)
        serving = workers_of(service)
        assert statuses(service) == {"old": 401, "new": 200}
        file.write_text("broken")
        hang_up(service, lambda: "could not start" in service.logged())
        assert statuses(service) == {"old": 401, "new": 200}
        assert workers_of(service) == serving
    assert "API_KEY_DIGESTS_FILE: must" in service.output
    assert "Traceback" not in service.output


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_terminal_does_not_disturb_workers_that_start(number: int) -> None:
    """It sends its signals to all processes; those that do not know yet what to do wait."""
    with service_with(WORKERS="2") as service:
        wait_for_workers(service, 2)
        before = workers_of(service)
        os.kill(min(before), signal.SIGKILL)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not (fresh := workers_of(service) - before):
            assert time.monotonic() < deadline, "it is not replaced"
        os.kill(fresh.pop(), number)
        if number == signal.SIGINT:
            service.process.send_signal(number)
            assert service.process.wait(20) == 0
        else:
            os.kill(max(before), number)
            wait_for_workers(service, 3)
    assert "could not start" not in service.output
    assert "only process" not in service.output
    assert all("message" in line for line in service.log())


def test_a_process_alone_goes_on_after_sighup() -> None:
    """It would die of it otherwise; what changes in files is read without it."""
    with service_with() as service:
        service.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert httpx.get(f"{service.url}/health/ready").status_code == 200
    assert any("SIGHUP" in str(line["message"]) for line in service.log())


def test_a_signal_during_the_start_ends_it() -> None:
    """With 0, and without a traceback, whenever it comes."""
    with service_with(WORKERS="2") as service:
        service.process.terminate()
        assert service.process.wait(10) == 0
    assert "Traceback" not in service.output
