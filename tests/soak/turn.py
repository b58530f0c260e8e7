"""The turn of one phase: its clients, what becomes of their requests, and what is wrong with that."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.soak.subject import Subject, WrongToken
from tests.support.load import READY, Tally, ask_on
from tests.support.raw_http import request

CLIENTS = 16
MAX_REQUESTS = 1_000_000
"""So many requests end a phase, however much of its time is left."""

METRICS = request("GET", "/api/metrics")
# So that the service is not at its limit: what it does beside is what is looked at.
_PAUSE_SECONDS = 0.02
_WATCH_SECONDS = 0.25
_DEADLINE_SECONDS = 30
_LOOK_SECONDS = 0.05
_LAST = 500


class Turn:
    """What a phase has at hand.

    Attributes:
        subject: the service.
        tally: what became of its requests; the bodies are the last ones only.
        watch: what became of the requests for health and metrics.
        faults: in what the phase has broken its rule.
        notes: what else there is to say of it.
        may_fail: how many requests may have failed.
        may_refuse: whether requests may have been answered with 503.
        fraction: how much of its time is over.
    """

    def __init__(self, subject: Subject, seconds: float) -> None:
        """Let a phase have so much time."""
        self.subject, self._seconds = subject, seconds
        self._begun = time.monotonic()
        self.tally, self.watch = Tally(bodies=deque(maxlen=_LAST)), Tally(bodies=deque(maxlen=1))
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.may_fail, self.may_refuse = 0, False
        self._is_over = False

    @property
    def seconds(self) -> float:
        """How much time the phase has."""
        return self._seconds

    def goes_on(self) -> bool:
        """Tell whether there is time left, and requests."""
        return time.monotonic() - self._begun < self._seconds and self.tally.asked < MAX_REQUESTS

    def end(self) -> None:
        """Have the clients stop, whatever time is left."""
        self._is_over = True

    async def rest(self, seconds: float = float("inf")) -> None:
        """Let the clients ask for a while, until the end of the phase at most."""
        until = time.monotonic() + seconds
        while self.goes_on() and time.monotonic() < until:  # noqa: ASYNC110  # the time is the event
            await asyncio.sleep(_LOOK_SECONDS)

    async def until(self, holds: Callable[[], bool], otherwise: str) -> bool:
        """Wait until something holds, beyond the end of the phase if need be; else it is a fault."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                self.faults.append(otherwise)
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Have clients ask for tokens all the while, and two for health and metrics."""
        url = self.subject.url

        def goes_on() -> bool:
            return not self._is_over and self.tally.asked < MAX_REQUESTS

        async with self.watched():
            clients = [
                # Those that keep their connection may all be with one worker.
                asyncio.create_task(
                    ask_on(url, self.tally, goes_on, pause_seconds=_PAUSE_SECONDS, keeps=number % 2 == 0)
                )
                for number in range(CLIENTS)
            ]
            try:
                # What is done to the service is done while it answers.
                await self.until(lambda: self.tally.asked >= 2 * CLIENTS, "the clients get no answers")
                yield
            finally:
                self.end()
                await asyncio.gather(*clients)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Ask for health and metrics all the while, as an orchestrator and a monitoring system do."""
        watchers = [
            asyncio.create_task(
                ask_on(
                    self.subject.url,
                    self.watch,
                    lambda: not self._is_over,
                    wanted=wanted,
                    pause_seconds=_WATCH_SECONDS,
                )
            )
            for wanted in (READY, METRICS)
        ]
        try:
            yield
        finally:
            self.end()
            await asyncio.gather(*watchers)

    def judge(self) -> None:
        """Hold what became of the requests to the rule."""
        statuses = self.tally.statuses.keys() - ({200, 503} if self.may_refuse else {200})
        if statuses:
            self.faults.append(f"answered with {', '.join(map(str, sorted(statuses)))}")
        if len(self.tally.failures) > self.may_fail:
            self.faults.append(
                f"{len(self.tally.failures)} failed, {self.may_fail} may: {self.tally.failures[0]}"
            )
        if not self.tally.statuses[200]:
            self.faults.append("no request was answered with a token")
        lost = len(self.watch.failures) > self.may_fail
        refused = self.watch.statuses.keys() - ({200, 503} if self.may_refuse else {200})
        if lost or refused:
            self.faults.append("health or metrics were not answered")
        try:
            self.subject.keys.signers(self.tally.bodies)
        except WrongToken as error:
            self.faults.append(str(error))
