"""Real participants: LiveKit's real-time SDK, with its native WebRTC engine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from livekit import rtc

from tests.e2e.connection_details import ConnectionDetails

DEADLINE_SECONDS = 15

T = TypeVar("T")


class Participant:
    """A participant in a room, and what happened there, in order.

    Attributes:
        room: the SDK's view of the room.
        tracks: tracks of others that can be heard or seen here.
        messages: data messages of others.
    """

    def __init__(self) -> None:
        """Watch a room that is not connected yet, so that nothing is missed."""
        self.room = rtc.Room()
        self.tracks: asyncio.Queue[rtc.RemoteTrackPublication] = asyncio.Queue()
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.room.on("track_subscribed", self._on_track)
        self.room.on("data_received", self._on_data)

    async def publish(
        self, track: rtc.LocalTrack, source: rtc.TrackSource.ValueType
    ) -> rtc.LocalTrackPublication:
        """Publish a track.

        Raises:
            PublishTrackError: the server did not agree; the SDK waits 10 s for it.
        """
        async with asyncio.timeout(DEADLINE_SECONDS):
            options = rtc.TrackPublishOptions(source=source)
            return await self.room.local_participant.publish_track(track, options)

    async def send(self, message: bytes) -> None:
        """Send a data message to everybody else, reliably."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.room.local_participant.publish_data(message)

    def _on_track(self, _track: rtc.Track, publication: rtc.RemoteTrackPublication) -> None:
        self.tracks.put_nowait(publication)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        self.messages.put_nowait(packet.data)


@asynccontextmanager
async def join(details: ConnectionDetails) -> AsyncIterator[Participant]:
    """Join a room, and leave it at the end."""
    participant = Participant()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await participant.room.connect(details.url, details.token)
    try:
        yield participant
    finally:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await participant.room.disconnect()


async def soon(queue: asyncio.Queue[T]) -> T:
    """Wait for the next thing that happens.

    Raises:
        TimeoutError: nothing did.
    """
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await queue.get()
