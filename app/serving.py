"""The service as a process that ends with 0 once it is told to stop, or as several such."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from socket import socket
from typing import NoReturn

from uvicorn.config import STARTUP_FAILURE

from app.main import create_app, report
from app.operation import ending, logs, metric_files
from app.operation.drain import Drain
from app.operation.exposition import exposed
from app.operation.load import Load
from app.operation.log_writer import LogWriter
from app.operation.supervision import end_with_parent, is_orphan
from app.parts import fault_of_key_files
from app.server import Server, configuration
from app.settings.reading import InvalidSettings
from app.settings.settings import Settings
from app.settings.workers import hand_on_metrics_directory, metrics_directory

_STANDARD_ERROR = 2


def serve(settings: Settings, log: LogWriter) -> int:
    """Serve until a signal says stop; return the exit status.

    Args:
        settings: what the operator configured.
        log: writes the log.

    Raises:
        InvalidSettings: several workers have nowhere to share their metrics.
        TokensDiffer: see main.create_app.
        UnusableSecret: likewise.
    """
    _prepare()
    # Whatever the environment says: what is shared, and by whom, is decided here.
    hand_on_metrics_directory(None)
    if settings.workers == 1:
        return 0 if run(settings, log) else STARTUP_FAILURE
    from app.workers import Workers  # noqa: PLC0415  # It takes memory, and is for who has several.

    create_app(settings)  # What cannot work is said once, before there are workers.
    report(settings)
    stop_seconds = settings.drain_seconds + settings.shutdown_grace_seconds
    with _metrics_of_workers(settings) as forget:
        listener = configuration(settings, "", Drain(), Load()).bind_socket()
        return Workers(work, listener, settings.workers, stop_seconds, forget).run()


@contextmanager
def _metrics_of_workers(settings: Settings) -> Iterator[Callable[[int], None]]:
    """Have workers share their metrics, and show them where they have a port; yield what forgets a worker."""
    if not settings.metrics:
        yield lambda _pid: None
        return
    with ExitStack() as stack:
        try:
            directory = stack.enter_context(metric_files.shared_directory())
        except OSError as error:  # As in a container whose root is read-only.
            raise InvalidSettings(
                f"WORKERS: several share their metrics in a temporary folder, or METRICS=false: {error}"
            ) from None
        hand_on_metrics_directory(directory)
        if settings.metrics_port is not None:
            render = partial(metric_files.render_shared, directory)
            stack.enter_context(exposed(settings.host, settings.metrics_port, render))
        yield partial(metric_files.forget, directory=directory)


def work(listener: socket, on_start: Callable[[bool], None], must_be_able: bool) -> NoReturn:  # noqa: FBT001
    """Serve at a socket as one of several workers, as the environment says."""
    _prepare()
    try:
        settings = Settings.from_environment()
    except InvalidSettings as error:  # A file that was good when the first workers started.
        sys.exit(f"The environment cannot be used:\n{error}")
    fault = fault_of_key_files(settings)
    if fault and must_be_able:
        sys.exit(f"A fresh worker could issue no token, and those that are there can:\n{fault}")
    log = logs.configure(settings.log_level, settings.log_format)
    end_with_parent()
    has_served = run(settings, log, [listener], partial(on_start, not fault))
    if is_orphan() and (directory := metrics_directory()):
        metric_files.remove(directory)
    ending.end(0 if has_served else STARTUP_FAILURE)


def run(
    settings: Settings,
    log: LogWriter,
    sockets: list[socket] | None = None,
    on_start: Callable[[], None] = lambda: None,
) -> bool:
    """Serve until a signal says stop; tell whether that has begun.

    Args:
        settings: what the operator configured.
        log: writes the log.
        sockets: to listen at; None: as the settings say.
        on_start: called when requests are accepted.
    """
    drain, load = Drain(), Load()
    app = create_app(settings, drain=drain, load=load, log=log)
    if sockets is None:
        report(settings)
    server = Server(app, settings, drain, load, on_start)
    server.run(sockets)
    return server.started


def _prepare() -> None:
    # A closed standard stream leaves its number to a connection, at whose end libuv would abort.
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(number)
    ending.end_when_told()
