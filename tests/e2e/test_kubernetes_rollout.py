"""A rolling update without a cluster: two real services, set up by the manifests, and who sends requests.

What a cluster does is done here in its order and with its delays: the kubelet probes, the endpoints follow
readiness, each node and each ingress controller hears of them late, and the old pod gets SIGTERM meanwhile.
"""

import asyncio
import itertools
import secrets
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.conftest import give_up
from tests.e2e.go_programs import ProgramUnavailable
from tests.e2e.manifests import KUBERNETES, Manifests, build
from tests.support import run_log
from tests.support.load import READY, TOKEN, Client
from tests.support.process import COMMAND, ROOT, Service, free_port, running

CLIENTS = 8
# How late a node hears of it that an endpoint has come, or is gone.
LATE_SECONDS = 4.0
EACH = 100


@dataclass
class Network:
    """Where requests are sent, as the nodes know it at the moment, and what became of them.

    Attributes:
        known: the addresses of the pods that requests are sent to.
        answers: how many requests each of them answered with 200.
        failures: what went wrong with others.
    """

    known: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _turn: Iterator[int] = field(default_factory=itertools.count)

    async def add(self, url: str) -> None:
        """Have the nodes hear of a pod that is ready."""
        await asyncio.sleep(LATE_SECONDS)
        self.known = [*self.known, url]

    async def remove(self, url: str) -> None:
        """Have the nodes hear that a pod is to be sent no more."""
        await asyncio.sleep(LATE_SECONDS)
        self.known = [each for each in self.known if each != url]

    async def send(self, *, keeps: bool) -> None:
        """Send requests to one pod after the other, for ever, on connections that are kept or on new ones."""
        clients: dict[str, Client] = {}
        try:
            while True:
                known = self.known
                url = known[next(self._turn) % len(known)]
                client = clients.setdefault(url, Client(url))
                try:
                    status, _ = await client.ask(TOKEN)
                except (OSError, EOFError) as error:
                    self.failures.append(repr(error))
                else:
                    if status == 200:
                        self.answers[url] += 1
                    else:
                        self.failures.append(str(status))
                    if not keeps:
                        await client.leave()
                await asyncio.sleep(0.01)
        finally:
            for client in clients.values():
                await client.leave()

    async def until_answered_by(self, url: str, count: int = EACH) -> None:
        """Wait until a pod has answered so many more."""
        before, deadline = self.answers[url], time.monotonic() + 20
        while self.answers[url] < before + count:
            assert time.monotonic() < deadline, f"{url} is asked for nothing: {self.failures[-3:]}"
            await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def manifests() -> Manifests:
    """What every cluster has."""
    try:
        return build(KUBERNETES / "base")
    except ProgramUnavailable as unavailable:
        give_up(str(unavailable))


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A secret as the kubelet mounts it: by links, and readable for user and group alone."""
    secret = secrets.token_hex(20)
    run_log.forbid(secret)
    (tmp_path / "..1").mkdir()
    file = tmp_path / "..1" / "keys.yaml"
    file.write_text(f"APIrollout: {secret}\n")
    file.chmod(0o440)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "keys.yaml").symlink_to("..data/keys.yaml")
    return tmp_path


@contextmanager
def pod(manifests: Manifests, volume: Path, **changes: str) -> Iterator[Service]:
    """Start what a pod would, with its environment; only its address and its ports are of this machine."""
    variables = manifests.environment | {
        "HOST": "127.0.0.1",
        "METRICS_PORT": str(free_port()),
        "LIVEKIT_KEYS_FILE": str(volume / Path(manifests.environment["LIVEKIT_KEYS_FILE"]).name),
        **changes,
    }
    del variables["PORT"]
    with running(COMMAND, ROOT, **variables) as service:
        yield service
        # At once, where the test has not ended it: nobody sends to it any more.
        service.process.send_signal(signal.SIGINT)


async def until_ready(service: Service, period_seconds: float) -> None:
    """Do as the kubelet does: probe every so often."""
    client = Client(service.url)
    deadline = time.monotonic() + 30
    while (await client.ask(READY))[0] != 200:
        assert time.monotonic() < deadline, "it does not become ready"
        await asyncio.sleep(period_seconds)
    await client.leave()


async def until_ended(service: Service, seconds: float) -> int:
    """Wait for the end of a pod, for as long as the kubelet does; return its exit status."""
    return await asyncio.to_thread(service.process.wait, seconds)


async def roll(
    network: Network, manifests: Manifests, old: Service, volume: Path, stack: ExitStack
) -> Service:
    """Replace the old pod by a new one, as a Deployment with `maxSurge: 1` and `maxUnavailable: 0` does."""
    new = await asyncio.to_thread(stack.enter_context, pod(manifests, volume))
    await until_ready(new, manifests.container["readinessProbe"]["periodSeconds"])
    heard = asyncio.create_task(network.add(new.url))
    await asyncio.sleep(manifests.deployment["minReadySeconds"])
    await heard
    await end(network, old)
    return new


async def end(network: Network, service: Service) -> None:
    """Delete a pod: the kubelet ends it at once, and the nodes hear of it later."""
    service.process.terminate()
    await network.remove(service.url)


@contextmanager
def senders(network: Network) -> Iterator[None]:
    """Send requests all the while."""
    tasks = [asyncio.create_task(network.send(keeps=i % 2 == 0)) for i in range(CLIENTS)]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()


def test_a_rolling_update_loses_no_request(manifests: Manifests, volume: Path) -> None:
    """The old pod answers those that have not heard yet, and ends with 0 before it would be killed."""

    async def rehearse(stack: ExitStack) -> Network:
        old = stack.enter_context(pod(manifests, volume))
        network = Network(known=[old.url])
        with senders(network):
            await network.until_answered_by(old.url)
            asked = asyncio.create_task(roll(network, manifests, old, volume, stack))
            while "Not ready from now on" not in old.logged():
                assert not asked.done()
                await asyncio.sleep(0.02)
            await network.until_answered_by(old.url)
            new = await asked
            status = await until_ended(old, manifests.pod["terminationGracePeriodSeconds"])
            assert status == 0
            await network.until_answered_by(new.url)
        return network

    with ExitStack() as stack:
        network = asyncio.run(rehearse(stack))
    assert network.failures == []
    assert len(network.answers) == 2


def test_without_a_drain_requests_are_lost(manifests: Manifests, volume: Path) -> None:
    """So the rehearsal would notice: nodes that have not heard yet send to a pod that is gone."""

    async def rehearse(old: Service, new: Service) -> Network:
        network = Network(known=[old.url, new.url])
        with senders(network):
            await network.until_answered_by(old.url)
            await end(network, old)
            lost = len(network.failures)
            await network.until_answered_by(new.url)
            assert len(network.failures) <= lost + CLIENTS
        return network

    with pod(manifests, volume, DRAIN_SECONDS="0") as old, pod(manifests, volume) as new:
        network = asyncio.run(rehearse(old, new))
    assert network.failures
