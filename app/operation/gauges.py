"""What metrics say of now: taken down every second, and when somebody asks."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from app.operation.metrics import Metrics
from app.operation.readiness import NotReady, Readiness

_PERIOD_SECONDS = 1


class Sources(NamedTuple):
    """Where the numbers come from.

    Attributes:
        in_flight: tells how many requests were answered at once, at most, since it was last asked.
        key_timestamp: tells since when the signing key is in use, in Unix time.
        lost: tells how many log lines could not be written since the start.
    """

    in_flight: Callable[[], int]
    key_timestamp: Callable[[], float]
    lost: Callable[[], int]


class Gauges:
    """How a process is doing, for its metrics."""

    def __init__(self, metrics: Metrics, readiness: Readiness, sources: Sources) -> None:
        """Take down in `metrics` what the others say."""
        self._metrics, self._readiness, self._sources = metrics, readiness, sources

    def refresh(self) -> None:
        """Take it down."""
        try:
            reasons, is_ready = self._readiness.check(), True
        except NotReady as error:
            reasons, is_ready = error.codes, False
        sources = self._sources
        self._metrics.refresh(
            reasons=reasons,
            is_ready=is_ready,
            in_flight=sources.in_flight(),
            key_timestamp=sources.key_timestamp(),
            lost=sources.lost(),
        )

    async def watch(self) -> None:
        """Take it down every second, until cancelled."""
        while True:
            self.refresh()
            await asyncio.sleep(_PERIOD_SECONDS)

    def scrape(self) -> str:
        """Take it down, and write all metrics."""
        self.refresh()
        return self._metrics.render()
