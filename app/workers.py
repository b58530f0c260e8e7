"""Several server processes that share a port, and the process that watches over them."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import ensure_running
from socket import socket

from uvicorn.config import STARTUP_FAILURE

from app.operation import ending

logger = logging.getLogger(__name__)

_SPAWN = get_context("spawn")
_RETRY_SECONDS = 1.0
_MARGIN_SECONDS = 5.0  # What a worker may take beyond what it is given to stop.
_SECONDS_AT_ONCE = 3.0
_OF_A_TERMINAL = (signal.SIGINT, signal.SIGHUP)

Serve = Callable[[socket, Callable[[bool], None], bool], None]
"""What a worker does: serves at a socket, and says once it does whether it is able to do its work.

The last argument says whether it must be: one that is not would do worse than those which are there.
"""


@dataclass
class _Worker:
    process: BaseProcess
    started: Connection
    serves: bool = False
    is_able: bool = False
    is_leaving: bool = False
    deadline: float | None = None

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    def tell(self, number: signal.Signals) -> None:
        if self.process.is_alive():
            os.kill(self.pid, number)


class Workers:
    """Starts workers, replaces those that end, and passes signals on.

    SIGTERM has each of them drain, SIGINT stop; SIGHUP has each replaced by a fresh one, which serves before
    the old one stops accepting. uvicorn's supervisor looks at signals twice a second, not at all while it
    replaces a worker, and waits for ever for a worker that does not end.
    """

    def __init__(
        self,
        serve: Serve,
        listener: socket,
        count: int,
        stop_seconds: float,
        on_end: Callable[[int], None] = lambda _pid: None,
    ) -> None:
        """Have `count` processes do `serve`.

        Args:
            serve: what a worker does; it is imported anew there.
            listener: what all of them listen at.
            count: how many.
            stop_seconds: how long a worker may take to stop.
            on_end: told the id of each process that has ended.
        """
        self._serve, self._listener, self._count, self._on_end = serve, listener, count, on_end
        self._stop_seconds = stop_seconds
        self._workers: list[_Worker] = []
        self._to_replace: list[_Worker] = []
        self._fresh: _Worker | None = None  # of those to replace, the first one's successor
        self._signals: list[int] = []
        self._has_served = self._is_stopping = self._has_failed = False
        self._next_start = 0.0

    def run(self) -> int:
        """Supervise until a signal says stop; return the exit status."""
        with self._signals_heard() as wakeup:
            for _ in range(self._count):
                self._start()
            while self._workers or not self._is_stopping:
                self._wait(wakeup)
                self._obey()
                self._look_after()
        return STARTUP_FAILURE if self._has_failed else 0

    @contextmanager
    def _signals_heard(self) -> Iterator[int]:
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        orders = {n: partial(self._signals.append, n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        try:
            # The last one is for workers; whoever sends it to have a log file opened anew shall not end them.
            with ending.told({**orders, signal.SIGUSR1: lambda: None}):
                yield reading
        finally:
            signal.set_wakeup_fd(wakeup)
            os.close(reading)
            os.close(writing)

    def _wait(self, wakeup: int) -> None:
        now = time.monotonic()
        ends = [worker.deadline for worker in self._workers if worker.deadline is not None]
        ends += [self._next_start] if self._is_short else []
        events: list[Connection | int] = [worker.process.sentinel for worker in self._workers]
        events += [worker.started for worker in self._workers if not worker.serves]
        ready = wait([wakeup, *events], max(0, min(ends) - now) if ends else None)
        if wakeup in ready:
            with suppress(BlockingIOError):
                os.read(wakeup, 1024)
        for worker in self._workers:
            if worker.started in ready and not worker.serves:
                with suppress(EOFError):
                    worker.is_able = worker.started.recv()
                    worker.serves = self._has_served = True
                    logger.info("Worker %d serves.", worker.pid)
                if not worker.serves:
                    worker.process.join(_MARGIN_SECONDS)

    def _obey(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGHUP:
                self._renew()
            else:
                self._stop(signal.Signals(number))

    def _renew(self) -> None:
        if not self._is_stopping:
            logger.info("SIGHUP: each worker is replaced by a fresh one.")
            # Said again meanwhile, also those that are fresh, and may not know what has changed since.
            self._to_replace += [
                worker for worker in self._workers if not worker.is_leaving and worker not in self._to_replace
            ]

    def _stop(self, number: signal.Signals) -> None:
        if self._is_stopping and number == signal.SIGTERM:
            return
        logger.info("%s: the workers stop.", number.name)
        self._is_stopping = True
        self._to_replace = []
        # The workers have it, too: once they accept no more, nobody shall wait here for an answer.
        self._listener.close()
        seconds = _SECONDS_AT_ONCE if number == signal.SIGINT else self._stop_seconds
        for worker in self._workers:
            worker.deadline = time.monotonic() + seconds + _MARGIN_SECONDS
            if not worker.serves and number != signal.SIGTERM:
                worker.tell(signal.SIGTERM)  # It may not hear others yet.
            worker.tell(number)

    def _look_after(self) -> None:
        for worker in [each for each in self._workers if not each.process.is_alive()]:
            self._bury(worker)
        for worker in self._workers:
            if worker.deadline is not None and time.monotonic() > worker.deadline:
                logger.error("Worker %d does not stop: it is killed.", worker.pid)
                worker.process.kill()
                worker.deadline = None
        if self._is_stopping:
            return
        if self._is_short and time.monotonic() >= self._next_start:
            self._start()
        self._replace()

    @property
    def _is_short(self) -> bool:
        staying = [worker for worker in self._workers if not worker.is_leaving and worker is not self._fresh]
        return not self._is_stopping and len(staying) < self._count

    def _replace(self) -> None:
        if self._fresh and self._fresh.serves:
            old = self._to_replace.pop(0)
            old.is_leaving = True
            old.deadline = time.monotonic() + self._stop_seconds + _MARGIN_SECONDS
            old.tell(signal.SIGUSR1)
            self._fresh = None
        if self._to_replace and not self._fresh:
            self._fresh = self._start()
            if not self._fresh:
                self._to_replace = []

    def _start(self) -> _Worker | None:
        try:
            worker = self._started()
        except OSError as error:
            logger.error("A worker cannot be started: %s.", error.strerror)  # noqa: TRY400  # it says all
            self._next_start = time.monotonic() + _RETRY_SECONDS
            return None
        self._workers.append(worker)
        return worker

    def _started(self) -> _Worker:
        reading, writing = _SPAWN.Pipe(duplex=False)
        must_be_able = any(worker.is_able for worker in self._workers if worker.process.is_alive())
        arguments = self._serve, self._listener, writing, must_be_able
        process = _SPAWN.Process(target=_work, args=arguments)
        ensure_running()  # Else to start the first one would let signals through.
        # Those that a terminal sends to all wait until the worker knows what to do.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_A_TERMINAL)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        writing.close()
        return _Worker(process, reading)

    def _bury(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.started.close()
        self._on_end(worker.pid)
        if self._is_stopping or worker.is_leaving:
            return
        if worker.serves:
            logger.error("Worker %d has ended (%s): a new one starts.", worker.pid, worker.process.exitcode)
            self._next_start = time.monotonic()
        elif self._has_served:
            logger.error("Worker %d could not start.", worker.pid)
            self._next_start = time.monotonic() + _RETRY_SECONDS
        else:
            logger.error("Worker %d could not start: the service stops.", worker.pid)
            self._has_failed = True
            self._stop(signal.SIGTERM)
        if worker is self._fresh:
            self._fresh, self._to_replace = None, []
        elif worker in self._to_replace:
            if worker is self._to_replace[0]:
                self._fresh = None  # It stays, in the place of the one that has ended.
            self._to_replace.remove(worker)


def _work(serve: Serve, listener: socket, started: Connection, must_be_able: bool) -> None:  # noqa: FBT001
    # A terminal sends it to all of its processes; the one that supervises says what is to be done.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OF_A_TERMINAL)

    def tell(is_able: bool) -> None:  # noqa: FBT001
        with suppress(BrokenPipeError):  # The one that supervises is gone, and supervision sees to that.
            started.send(is_able)

    serve(listener, tell, must_be_able)
