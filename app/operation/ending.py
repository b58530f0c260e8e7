"""The end of a process: with the exit status that it chose, however often it is told to stop meanwhile."""

import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from functools import partial
from typing import NoReturn

_TO_STOP = (signal.SIGTERM, signal.SIGINT)


def end(status: int) -> NoReturn:
    """End this process, once its log is written.

    Python's own end would leave signals to the system before it is over, and the next one would choose the
    status.
    """
    _disregard(_TO_STOP)
    # Here even that would interrupt what ends the process; other threads may still be told.
    signal.pthread_sigmask(signal.SIG_BLOCK, _TO_STOP)
    logging.shutdown()
    os._exit(status)


def end_when_told() -> None:
    """End with 0 at SIGTERM and SIGINT; the first process of a container would not even notice them.

    SIGHUP has nothing to do yet.
    """
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # As with nohup.
        _disregard([signal.SIGHUP])
    for number in _TO_STOP:
        # Not by an exception: in a finalizer it would leave a traceback, and the process would go on.
        signal.signal(number, partial(_obey, partial(end, 0)))


def leave_to_the_system() -> None:
    """Have signals end the process as they end others, with a status that says so."""
    for number in (*_TO_STOP, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def told(orders: Mapping[signal.Signals, Callable[[], object]]) -> Iterator[None]:
    """Carry out an order at its signal; afterwards, when the process ends anyway, nothing comes of it."""
    for number, order in orders.items():
        signal.signal(number, partial(_obey, order))
    try:
        yield
    finally:
        _disregard(orders)


def _disregard(numbers: Iterable[signal.Signals]) -> None:
    for number in numbers:
        # Not SIG_IGN: of a signal that comes at this moment Python would complain.
        signal.signal(number, partial(_obey, lambda: None))


def _obey(order: Callable[[], object], _number: int, _frame: object) -> None:
    # A signal comes while a request is answered, say: what is logged of it then is not that request's.
    Context().run(order)
