"""Many clients at once over real sockets, each on a connection that it keeps as long as it may."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, MutableSequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.support.raw_http import JSON, request

VALID = json.dumps({"roomName": "load", "participantIdentity": "alice"}).encode()
TOKEN = request("POST", "/api/token", JSON, body=VALID)
READY = request("GET", "/api/health/ready")
_PATIENCE_SECONDS = 20


@dataclass
class Tally:
    """What became of the requests: how many got each status, what failed, and how long those answered took.

    Attributes:
        statuses: how often each status was answered.
        failures: what went wrong where there was no answer.
        seconds: how long each answer with 200 took.
        bodies: of the answers with 200; a deque keeps the last ones only.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    bodies: MutableSequence[bytes] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """How many requests there were."""
        return self.statuses.total() + len(self.failures)


class Client:
    """One client, which connects anew where its connection was closed after an answer that said so."""

    def __init__(self, url: str) -> None:
        """Ask the service at `url`."""
        self._host, self._port = urlsplit(url).hostname, urlsplit(url).port
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, wanted: bytes) -> tuple[int, bytes]:
        """Send a request, and read the status and the body of its answer.

        Raises:
            OSError: there is no connection, or it was lost.
            asyncio.IncompleteReadError: likewise.
        """
        if self._connection is None:
            self._connection = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._connection
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                writer.write(wanted)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                body = await reader.readexactly(length)
        except BaseException:
            await self.leave()
            raise
        if b"\r\nconnection: close" in head:
            await self.leave()
        return int(head.split(b" ", 2)[1]), body

    async def leave(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            writer = self._connection[1]
            self._connection = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def ask_on(  # noqa: PLR0913  # a client has its ways
    url: str,
    tally: Tally,
    goes_on: Callable[[], bool],
    *,
    wanted: bytes = TOKEN,
    pause_seconds: float = 0,
    keeps: bool = True,
) -> None:
    """Ask again and again, as one client, as long as that is wanted.

    Args:
        url: of the service.
        tally: gets what becomes of the requests.
        goes_on: tells whether to ask again.
        wanted: the request.
        pause_seconds: how long to wait after each answer.
        keeps: whether the connection is kept for the next request.
    """
    client = Client(url)
    while goes_on():
        begun = time.perf_counter()
        try:
            status, body = await client.ask(wanted)
        except (OSError, EOFError) as error:
            tally.failures.append(repr(error))
            await asyncio.sleep(0.01)
            continue
        tally.statuses[status] += 1
        if status == 200:
            tally.seconds.append(time.perf_counter() - begun)
            tally.bodies.append(body)
        if not keeps:
            await client.leave()
        if pause_seconds:
            await asyncio.sleep(pause_seconds)
    await client.leave()
