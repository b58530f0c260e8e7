"""What metrics say of now: found out when somebody asks, and from time to time."""

import asyncio

import pytest

from app.operation import gauges as module
from app.operation.drain import Drain
from app.operation.gauges import Gauges, Sources
from app.operation.load import Load
from app.operation.metrics import Metrics
from app.operation.readiness import DRAINING, WEAK_SECRET, Readiness
from tests.support.metrics import parsed


def gauges_of(load: Load, drain: Drain, *, is_weak: bool = False) -> tuple[Gauges, Metrics]:
    """Watch a process with these."""
    metrics = Metrics({}, [], [], [DRAINING.code, WEAK_SECRET.code])
    readiness = Readiness([(DRAINING, lambda: drain.is_draining), (WEAK_SECRET, lambda: is_weak)])
    return Gauges(metrics, readiness, Sources(load.take_peak, lambda: 1.5e9, lambda: 3)), metrics


def test_whoever_asks_is_told_of_now() -> None:
    """Whatever was taken down before; a peak is told once."""
    load, drain = Load(), Drain()
    gauges, _ = gauges_of(load, drain)
    found = parsed(gauges.scrape())
    assert (found["ready"], found["ready_reason{reason=draining}"], found["requests_in_flight"]) == (1, 0, 0)
    load.begin()
    load.end()
    drain.begin()
    found = parsed(gauges.scrape())
    assert (found["ready"], found["ready_reason{reason=draining}"], found["requests_in_flight"]) == (0, 1, 1)
    assert parsed(gauges.scrape())["requests_in_flight"] == 0


def test_a_warning_leaves_it_ready() -> None:
    """It is to be seen beside that."""
    gauges, _ = gauges_of(Load(), Drain(), is_weak=True)
    found = parsed(gauges.scrape())
    assert (found["ready"], found["ready_reason{reason=weak_secret}"]) == (1, 1)


async def test_it_is_taken_down_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """For who asks another process of several, which reads what this one has written."""
    monkeypatch.setattr(module, "_PERIOD_SECONDS", 0.01)
    drain = Drain()
    gauges, metrics = gauges_of(Load(), drain)
    watch = asyncio.create_task(gauges.watch())
    await asyncio.sleep(0.05)
    assert parsed(metrics.render())["ready"] == 1
    drain.begin()
    await asyncio.sleep(0.2)
    assert parsed(metrics.render())["ready"] == 0
    watch.cancel()
