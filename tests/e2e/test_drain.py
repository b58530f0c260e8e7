"""Signals under load, to real processes: nobody who follows readiness notices that a service stops."""

import asyncio
import os
import signal
import time
from contextlib import AbstractContextManager

import pytest

from tests.support.load import READY, TOKEN, Client, Tally, ask_on
from tests.support.process import COMMAND, ROOT, Service, running
from tests.support.server import KEY, SECRET

CLIENTS, ENOUGH = 16, 5000


def service_with(**variables: str) -> AbstractContextManager[Service]:
    """Start a service that issues tokens."""
    return running(COMMAND, ROOT, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, **variables)


async def under_load(service: Service, number: int, tally: Tally) -> float:
    """Send a signal once there were enough requests; return how long it then took to be not ready."""
    goes_on, told = True, 0.0
    clients = [asyncio.create_task(ask_on(service.url, tally, lambda: goes_on)) for _ in range(CLIENTS)]
    while tally.asked < ENOUGH:
        await asyncio.sleep(0.05)
        assert not all(client.done() for client in clients)
    service.process.send_signal(number)
    told, asked = time.monotonic(), tally.asked
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
    # Whoever sends requests here looks only every now and then, and is answered until then.
    await asyncio.sleep(1)
    goes_on = False
    assert tally.asked > asked + CLIENTS
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


def test_a_worker_that_is_killed_is_replaced() -> None:
    """Only what it was answering is lost, and two seconds later there are as many as before."""
    tally = Tally()

    async def killing(service: Service) -> None:
        goes_on = True
        clients = [asyncio.create_task(ask_on(service.url, tally, lambda: goes_on)) for _ in range(CLIENTS)]
        await asyncio.sleep(1)
        before = service.workers()
        victim = before.pop()
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        while len(service.workers() - {victim}) < 2:
            await asyncio.sleep(0.02)
            assert time.monotonic() < killed + 10, "it is not replaced"
        assert before < service.workers()
        while service.logged().count(" serves.") < 3:
            await asyncio.sleep(0.05)
            assert time.monotonic() < killed + 20, "its successor does not serve"
        await asyncio.sleep(0.5)
        goes_on = False
        await asyncio.gather(*clients)

    with service_with(WORKERS="2") as service:
        service.wait_for_workers(2)
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
        before = service.workers()
        service.process.send_signal(signal.SIGHUP)
        begun = time.monotonic()
        while service.workers() & before or len(service.workers()) < 2:
            await asyncio.sleep(0.05)
            assert time.monotonic() < begun + 30, "they are not replaced"
        goes_on = False
        await asyncio.gather(*clients)

    with service_with(WORKERS="2", DRAIN_SECONDS="1") as service:
        service.wait_for_workers(2)
        asyncio.run(rolling(service))
    assert tally.failures == ready.failures == []
    assert tally.statuses.keys() == ready.statuses.keys() == {200}
    assert tally.asked > 100
