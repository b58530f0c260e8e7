"""What a token of the service does not open: a real LiveKit server enforces its limits."""

import base64
import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import aiohttp
import httpx
import jwt
import pytest
from livekit.api import LiveKitAPI
from livekit.protocol import agent_dispatch, egress, ingress, sip
from livekit.protocol import room as room_service
from livekit.protocol.models import TrackSource, TrackType
from livekit.protocol.room import ListRoomsRequest
from livekit.protocol.rtc import (
    AddTrackRequest,
    RequestResponse,
    SignalRequest,
    SignalResponse,
    UpdateParticipantMetadata,
)

from tests.e2e import connection_details, signalling
from tests.e2e.connection_details import ConnectionDetails
from tests.e2e.livekit_server import LiveKitServer

LEEWAY_SECONDS = 60
"""How far LiveKit lets clocks differ, on both sides of a token's validity."""

SOURCES = set(TrackSource.keys())
"""The kinds of tracks that LiveKit knows, one of which is UNKNOWN."""

ROOM_METHODS = [method.name for method in room_service.DESCRIPTOR.services_by_name["RoomService"].methods]
OTHER_METHODS = [
    f"{service.name}/{method.name}"
    for module in (egress, ingress, sip, agent_dispatch)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


@pytest.fixture
def alice(tokens_api: httpx.Client, room: str) -> ConnectionDetails:
    """What Alice got from the service."""
    return connection_details.ask(tokens_api, room, "alice")


async def test_the_holder_may_publish_a_microphone_and_nothing_else(alice: ConnectionDetails) -> None:
    """The server refuses a camera, a shared screen, its sound and a track without a source."""
    assert await _publishable(alice) == {"MICROPHONE"}


async def test_a_token_that_grants_every_source_may_publish_every_source(
    livekit: LiveKitServer, room: str
) -> None:
    """The control of the test above: it is the grant that makes the server refuse."""
    details = connection_details.grant(livekit, "carol", room_join=True, room=room)
    assert await _publishable(details) == SOURCES


async def test_the_holder_cannot_take_another_name(alice: ConnectionDetails) -> None:
    """The name that others see stays the one of the token."""
    assert await _rename(alice) == RequestResponse.Reason.NOT_ALLOWED


async def test_a_token_that_grants_it_can_take_another_name(livekit: LiveKitServer, room: str) -> None:
    """The control of the test above."""
    details = connection_details.grant(
        livekit, "carol", room_join=True, room=room, can_update_own_metadata=True
    )
    assert await _rename(details) == RequestResponse.Reason.OK


async def test_the_token_opens_its_own_room_whatever_the_client_asks_for(
    alice: ConnectionDetails, livekit: LiveKitServer, room: str
) -> None:
    """A room, an identity or a name in the URL changes nothing, and the other room is not created."""
    other = f"{room}-other"
    asked = {"room": other, "roomName": other, "room_name": other, "identity": "eve", "name": "Eve"}
    async with (
        signalling.join(alice, **asked) as connection,
        LiveKitAPI(livekit.http_url, livekit.key, livekit.secret) as admin,
    ):
        joined = connection.joined
        rooms = await admin.room.list_rooms(ListRoomsRequest(names=[room, other]))
    assert joined.room.name == room
    assert (joined.participant.identity, joined.participant.name) == ("alice", "alice")
    assert [existing.name for existing in rooms.rooms] == [room]


@pytest.mark.parametrize("method", ROOM_METHODS)
async def test_the_token_does_not_open_the_room_service(
    alice: ConnectionDetails, livekit: LiveKitServer, livekit_http: httpx.Client, room: str, method: str
) -> None:
    """Not even for the token's own room and participant; an administrator's token opens it."""
    administrator = connection_details.grant(
        livekit, "admin", room=room, room_admin=True, room_create=True, room_list=True, destination_room=room
    )
    async with signalling.join(alice):
        refused = _call(livekit_http, alice, f"RoomService/{method}", room)
        let_in = _call(livekit_http, administrator, f"RoomService/{method}", room)
    assert (refused.status_code, refused.json()["msg"]) == (401, "permissions denied")
    assert let_in.status_code not in {401, 403}


@pytest.mark.parametrize("method", OTHER_METHODS)
def test_the_token_does_not_open_recording_telephony_or_agents(
    alice: ConnectionDetails, livekit_http: httpx.Client, room: str, method: str
) -> None:
    """The server denies the permission: it knows the method, and takes the token for genuine."""
    refused = _call(livekit_http, alice, method, room)
    assert (refused.status_code, refused.json()["msg"]) == (401, "permissions denied")


@pytest.mark.parametrize(
    "change",
    [
        {"video": {"roomJoin": True, "room": "another"}},
        {"video": {"roomJoin": True, "room": "another", "roomAdmin": True}},
        {"sub": "bob"},
        {"name": "Bob"},
        {"exp": 4102444800},
    ],
    ids=["room", "administrator", "identity", "name", "expiry"],
)
async def test_a_token_whose_claims_were_changed_is_refused(
    alice: ConnectionDetails, livekit: LiveKitServer, livekit_http: httpx.Client, change: dict[str, Any]
) -> None:
    """The signature no longer fits; the same claims with a signature that fits would be accepted."""
    claims = connection_details.claims_of(livekit, alice.token) | change
    header, _, signature = alice.token.split(".")
    await _expect(401, livekit_http, alice, f"{header}.{_encode(claims)}.{signature}")
    await _expect(200, livekit_http, alice, connection_details.sign(livekit, claims))


async def test_a_token_without_the_signature_of_the_secret_is_refused(
    alice: ConnectionDetails, livekit: LiveKitServer, livekit_http: httpx.Client
) -> None:
    """Unsigned, signed with another secret, or for a key that the server does not know."""
    claims = connection_details.claims_of(livekit, alice.token)
    _, payload, signature = alice.token.split(".")
    unsigned = f"{_encode({'alg': 'none', 'typ': 'JWT'})}.{payload}."
    await _expect(401, livekit_http, alice, unsigned)
    await _expect(401, livekit_http, alice, f"{unsigned}{signature}")
    await _expect(401, livekit_http, alice, jwt.encode(claims, livekit.secret[::-1]))
    await _expect(401, livekit_http, alice, connection_details.sign(livekit, {**claims, "iss": "APIother"}))
    await _expect(200, livekit_http, alice, alice.token)


@pytest.mark.parametrize(
    ("seconds_past_expiry", "status"),
    [(LEEWAY_SECONDS + 10, 401), (LEEWAY_SECONDS - 10, 200), (-10, 200)],
    ids=["beyond the leeway", "within the leeway", "not yet expired"],
)
async def test_an_expired_token_is_refused(
    alice: ConnectionDetails,
    livekit: LiveKitServer,
    livekit_http: httpx.Client,
    seconds_past_expiry: int,
    status: int,
) -> None:
    """The claims of the issued token, moved into the past and signed again."""
    claims = connection_details.claims_of(livekit, alice.token)
    earlier = claims["exp"] - int(time.time()) + seconds_past_expiry
    moved = {**claims, "nbf": claims["nbf"] - earlier, "exp": claims["exp"] - earlier}
    await _expect(status, livekit_http, alice, connection_details.sign(livekit, moved))


def _encode(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


async def _expect(status: int, livekit_http: httpx.Client, details: ConnectionDetails, token: str) -> None:
    """Check what the server answers to a token, where it is only validated and where it joins."""
    assert signalling.validate(livekit_http, token).status_code == status
    try:
        async with signalling.join(ConnectionDetails(details.url, token)):
            joined = 200
    except aiohttp.WSServerHandshakeError as refusal:
        joined = refusal.status
    assert joined == status


def _call(livekit_http: httpx.Client, details: ConnectionDetails, method: str, room: str) -> httpx.Response:
    """Call a method of the server's HTTP services, about Alice and her room."""
    about = {"room": room, "roomName": room, "name": room, "identity": "alice"}
    return livekit_http.post(
        f"/twirp/livekit.{method}",
        json=about | {"participantIdentity": "alice", "destinationRoom": room},
        headers={"Authorization": f"Bearer {details.token}"},
    )


async def _publishable(details: ConnectionDetails) -> set[str]:
    """Ask the server for a track of each source, and tell which it agreed to."""
    agreed = set()
    async with signalling.join(details) as connection:
        for name in SOURCES:
            kind = TrackType.VIDEO if name in {"CAMERA", "SCREEN_SHARE"} else TrackType.AUDIO
            await connection.send(SignalRequest(add_track=AddTrackRequest(cid=name, type=kind, source=name)))
            answer = await connection.receive(partial(_is_about, name))
            if answer.HasField("track_published"):
                agreed.add(name)
            else:
                assert answer.request_response.reason == RequestResponse.Reason.NOT_ALLOWED
    return agreed


def _is_about(cid: str, response: SignalResponse) -> bool:
    return cid in {response.track_published.cid, response.request_response.add_track.cid}


async def _rename(details: ConnectionDetails) -> RequestResponse.Reason:
    """Ask the server for another name."""
    async with signalling.join(details) as connection:
        request = UpdateParticipantMetadata(request_id=7, name="The administrator")
        await connection.send(SignalRequest(update_metadata=request))
        answer = await connection.receive(lambda response: response.request_response.request_id == 7)
    return answer.request_response.reason
