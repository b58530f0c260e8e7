"""The server: uvicorn's, with our HTTP, our signals and our end."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from socket import socket

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import Server as UvicornServer

from app.operation import ending
from app.operation.drain import Drain
from app.operation.load import Load
from app.settings.settings import Settings
from app.wire.protocol import HttpProtocol

logger = logging.getLogger(__name__)

# Longer than the 60 of the usual reverse proxy, which else meets a closed connection.
_KEEP_ALIVE_SECONDS = 75
_TICK_SECONDS = 1.0
_LOOK_SECONDS = 0.02
# Of the grace, what is left to answer requests that are refused because they did not arrive in it.
_GRACE_TO_ARRIVE = 0.8
_SECONDS_AT_ONCE = 1.0


class Server(UvicornServer):
    """uvicorn's server, which lets clients move before it stops, and ends with exit status 0.

    uvicorn would stop accepting as soon as it is told to stop, which resets the connections that come in at
    that moment, and end by the signal that it was sent.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        drain: Drain,
        load: Load,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        """Serve an application.

        Args:
            app: to serve.
            settings: what the operator configured.
            drain: what `app` asks whether the process is about to stop.
            load: what `app` asks how many requests there are.
            on_start: called when requests are accepted.
        """
        super().__init__(configuration(settings, app, drain, load))
        self._drain, self._on_start = drain, on_start
        self._drain_seconds, self._grace_seconds = settings.drain_seconds, settings.shutdown_grace_seconds
        self._told_to_stop = asyncio.Event()
        self._is_full = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Have signals do what they are for, as long as the server runs."""
        loop = self._loop = asyncio.get_running_loop()
        orders = {
            signal.SIGTERM: self._begin_drain,
            signal.SIGINT: self._stop_at_once,
            signal.SIGUSR1: self._retire,
        }
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # As with nohup, and of several workers.
            orders[signal.SIGHUP] = _hang_up
        # Only the main thread may; elsewhere, whoever started the server stops it.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # The loop's own handlers would be gone a moment before the process ends.
        with ending.told(
            {number: partial(loop.call_soon_threadsafe, order) for number, order in orders.items()}
        ):
            yield

    def stop(self) -> None:
        """Stop as at SIGINT; any thread may say so."""
        if self._loop is not None:
            with suppress(RuntimeError):  # It has stopped by itself.
                self._loop.call_soon_threadsafe(self._stop_at_once)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to accept requests."""
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def main_loop(self) -> None:
        """Wait until the server is told to stop."""
        while not await self.on_tick(0):
            self._check_descriptors()
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._told_to_stop.wait()

    def _check_descriptors(self) -> None:
        # The event loop closes what it cannot accept, and tells nobody.
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if not self._is_full:
                logger.error(  # noqa: TRY400  # the reason is all there is to say
                    "New connections are turned away: %s. Raise the limit of file descriptors "
                    "(ulimit -n), or have a proxy limit connections.",
                    error.strerror,
                )
            self._is_full = True
        else:
            if self._is_full:
                logger.info("New connections are accepted again: there are file descriptors.")
            self._is_full = False

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Accept no more, have what is under way answered, and end."""
        logger.info("The server stops: requests under way are answered within %g s.", self._grace_seconds)
        self._close_listeners(sockets)
        self._drain.patience_seconds = self._grace_seconds * _GRACE_TO_ARRIVE
        for connection in list(self.server_state.connections):
            connection.shutdown()
        begun = asyncio.get_running_loop().time()
        # uvicorn tells nobody when the last connection has ended.
        # SIGINT may come only now, and shortens the grace.
        while self._is_busy and asyncio.get_running_loop().time() < begun + self._grace_seconds:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        left = list(self.server_state.connections)
        if left:
            logger.warning("%d connections are cut off: their clients do not read.", len(left))
        for connection in left:
            connection.transport.abort()
        if left:
            # What answers them ends by itself once it knows; cancelled, it would leave a traceback.
            await asyncio.sleep(_LOOK_SECONDS)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()

    @property
    def _is_busy(self) -> bool:
        return bool(self.server_state.connections or self.server_state.tasks)

    def _begin_drain(self) -> None:
        # It may come twice: to all processes from outside, and from the one that supervises.
        if not self._drain.is_draining:
            logger.info("Not ready from now on; requests are answered for %g s yet.", self._drain_seconds)
            self._drain.begin()
            asyncio.get_running_loop().call_later(self._drain_seconds, self._stop)

    def _retire(self) -> None:
        self._close_listeners(None)
        self._drain.retire()
        asyncio.get_running_loop().call_later(self._drain_seconds, self._stop)

    def _stop_at_once(self) -> None:
        self._drain.begin()
        self._grace_seconds = min(self._grace_seconds, _SECONDS_AT_ONCE)
        self._stop()

    def _stop(self) -> None:
        self.should_exit = True
        self._told_to_stop.set()

    def _close_listeners(self, sockets: list[socket] | None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()


def configuration(settings: Settings, app: ASGIApp | str, drain: Drain, load: Load) -> Config:
    """Write down for uvicorn what the operator configured."""
    protocol = partial(
        HttpProtocol,
        head_seconds=settings.head_timeout_seconds,
        patience_seconds=settings.body_timeout_seconds,
        load=load,
        drain=drain,
    )
    return Config(
        app,
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path,
        workers=settings.workers,
        http=protocol,  # type: ignore[arg-type]  # it is what makes one
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=list(settings.forwarded_allow_ips),
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


def _hang_up() -> None:
    logger.info("SIGHUP: the only process goes on; settings are read at the start, and files as they change.")
