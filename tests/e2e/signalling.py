"""LiveKit's signalling over a WebSocket, as the browser SDK speaks it: the token goes into the URL.

The Python SDK keeps some answers of the server to itself (a refused track just times out there); here
they can be seen.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import httpx
from livekit.protocol.rtc import JoinResponse, SignalRequest, SignalResponse

from tests.e2e.connection_details import ConnectionDetails

DEADLINE_SECONDS = 10
_PROTOCOL = "16"


@dataclass(frozen=True, slots=True)
class Signalling:
    """An open connection of a participant who has joined.

    Attributes:
        joined: what the server said about the room and the participant.
    """

    joined: JoinResponse
    _socket: aiohttp.ClientWebSocketResponse

    async def send(self, request: SignalRequest) -> None:
        """Send a request."""
        await self._socket.send_bytes(request.SerializeToString())

    async def receive(self, wanted: Callable[[SignalResponse], bool]) -> SignalResponse:
        """Wait for the first message that is wanted; forget those before it.

        Raises:
            TimeoutError: it did not come.
        """
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                response = await _receive(self._socket)
                if wanted(response):
                    return response


@asynccontextmanager
async def join(details: ConnectionDetails, **query: str) -> AsyncIterator[Signalling]:
    """Join a room, and leave it at the end.

    Args:
        details: whom to join as.
        query: further query parameters, as a client might invent them.

    Raises:
        aiohttp.WSServerHandshakeError: the server refused; `status` is that of its answer.
    """
    parameters = {"access_token": details.token, "protocol": _PROTOCOL, **query}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE_SECONDS)) as session,
        session.ws_connect(f"{details.url}/rtc", params=parameters) as socket,
    ):
        async with asyncio.timeout(DEADLINE_SECONDS):
            first = await _receive(socket)
        assert first.HasField("join"), first
        yield Signalling(first.join, socket)


def validate(livekit_http: httpx.Client, token: str) -> httpx.Response:
    """Ask the server whether it would let a token in: 200 `success`, or why not.

    Browsers put the token into the URL here too, but httpx logs URLs.
    """
    return livekit_http.get("/rtc/validate", headers={"Authorization": f"Bearer {token}"})


async def _receive(socket: aiohttp.ClientWebSocketResponse) -> SignalResponse:
    return SignalResponse.FromString(await socket.receive_bytes())
