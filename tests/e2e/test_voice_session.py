"""Participants who got their tokens from the service hold a voice session on a real LiveKit server."""

import asyncio

import httpx
import pytest
from livekit import rtc
from livekit.api import LiveKitAPI
from livekit.protocol.models import ParticipantPermission
from livekit.protocol.room import UpdateParticipantRequest
from livekit.rtc.participant import PublishTrackError

from app.settings.settings import Settings
from tests.e2e import connection_details, participants, tone
from tests.e2e.livekit_server import LiveKitServer
from tests.e2e.participants import soon
from tests.support.server import serve


async def test_one_participant_hears_what_the_other_says(tokens_api: httpx.Client, room: str) -> None:
    """The microphone track that Alice publishes reaches Bob, with the very tone that she plays."""
    alice = connection_details.ask(tokens_api, room, "alice")
    bob = connection_details.ask(tokens_api, room, "bob")
    async with participants.join(alice) as speaker, participants.join(bob) as listener:
        async with tone.published_by(speaker) as published:
            received = await soon(listener.tracks)
            assert received.track is not None
            async with asyncio.timeout(participants.DEADLINE_SECONDS):
                loudness, purity = await tone.heard_in(received.track)
        assert speaker.room.name == listener.room.name == room
    assert (received.sid, received.source) == (published.sid, rtc.TrackSource.SOURCE_MICROPHONE)
    assert loudness == pytest.approx(tone.LOUDNESS, rel=0.5)
    assert purity > 0.9


async def test_a_camera_track_cannot_be_published(
    tokens_api: httpx.Client, livekit: LiveKitServer, room: str
) -> None:
    """Alice's camera track fails in the SDK and never reaches Bob, while her microphone track does.

    The same camera track is published where the token grants it.
    """
    bob = connection_details.ask(tokens_api, room, "bob")
    filming = connection_details.grant(
        livekit, "carol", room_join=True, room=room, can_publish_sources=["camera"]
    )
    async with participants.join(bob) as listener:
        async with participants.join(filming) as speaker:
            await _publish_camera(speaker)
            assert (await soon(listener.tracks)).source == rtc.TrackSource.SOURCE_CAMERA
        async with participants.join(connection_details.ask(tokens_api, room, "alice")) as speaker:
            # The SDK overlooks the server's refusal, which test_token_limits.py sees, and waits 10 s.
            with pytest.raises(PublishTrackError):
                await _publish_camera(speaker)
            async with tone.published_by(speaker):
                assert (await soon(listener.tracks)).source == rtc.TrackSource.SOURCE_MICROPHONE
    assert listener.tracks.empty()


async def test_a_data_message_arrives(tokens_api: httpx.Client, room: str) -> None:
    """Data is granted by default: voice agents use it for chat and RPC."""
    alice = connection_details.ask(tokens_api, room, "alice")
    bob = connection_details.ask(tokens_api, room, "bob")
    async with participants.join(bob) as listener, participants.join(alice) as speaker:
        await speaker.send("Grüße".encode())
        assert await soon(listener.messages) == "Grüße".encode()


async def test_no_data_message_arrives_where_the_operator_switched_it_off(
    settings: Settings, livekit: LiveKitServer, room: str
) -> None:
    """A message is dropped by the server; one sent after an administrator allowed it arrives first."""
    off = settings.model_copy(update={"livekit_can_publish_data": False})
    with serve(off) as url, httpx.Client(base_url=f"{url}/api") as api:
        alice = connection_details.ask(api, room, "alice")
        bob = connection_details.ask(api, room, "bob")
    async with participants.join(bob) as listener, participants.join(alice) as speaker:
        await speaker.send(b"forbidden")
        # The server has long had the message when the first sound of a new track is heard.
        async with tone.published_by(speaker), asyncio.timeout(participants.DEADLINE_SECONDS):
            track = (await soon(listener.tracks)).track
            assert track is not None
            await tone.heard_in(track)
        await _allow_data(livekit, room, "alice")
        await speaker.send(b"allowed")
        # Reliable messages of one participant arrive in the order in which they were sent.
        assert await soon(listener.messages) == b"allowed"
    assert listener.messages.empty()


async def _publish_camera(speaker: participants.Participant) -> None:
    track = rtc.LocalVideoTrack.create_video_track("camera", rtc.VideoSource(320, 240))
    await speaker.publish(track, rtc.TrackSource.SOURCE_CAMERA)


async def _allow_data(livekit: LiveKitServer, room: str, identity: str) -> None:
    permission = ParticipantPermission(can_publish=True, can_subscribe=True, can_publish_data=True)
    request = UpdateParticipantRequest(room=room, identity=identity, permission=permission)
    async with LiveKitAPI(livekit.http_url, livekit.key, livekit.secret) as admin:
        await admin.room.update_participant(request)
