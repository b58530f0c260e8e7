"""The name of a participant, as the others in the room see it."""

import httpx
import pytest
from livekit.api import LiveKitAPI, ServerError
from livekit.protocol.room import UpdateParticipantRequest

from app.wire.contract import Contract
from tests.e2e import connection_details, participants, signalling
from tests.e2e.connection_details import ConnectionDetails
from tests.e2e.livekit_server import LiveKitServer

LIVEKIT_MAX_BYTES = 256

MAX_LENGTH: int = Contract.load().document["components"]["schemas"]["TokenRequest"]["properties"][
    "participantName"
]["maxLength"]


@pytest.mark.parametrize(
    "name",
    [
        "Zoë 李小龍 🎤 \u202e\u05e9\u05dc\u05d5\u05dd",
        '<b>"Bobby"</b> \\ {{7*7}} %s',
        "x" * MAX_LENGTH,
        "é" * MAX_LENGTH,
        "🎤" * MAX_LENGTH,
    ],
    ids=["scripts", "markup", "longest in ASCII", "longest in two bytes each", "longest in four bytes each"],
)
async def test_the_name_arrives_at_the_other_participants(
    tokens_api: httpx.Client, room: str, name: str
) -> None:
    """The name of the request arrives unchanged, up to the longest that the contract allows."""
    alice = connection_details.ask(tokens_api, room, "alice", participantName=name)
    assert await _names_in(tokens_api, room, alice) == {"alice": name}


@pytest.mark.parametrize("more", [{}, {"participantName": ""}], ids=["omitted", "empty"])
async def test_without_a_name_the_identity_arrives_as_the_name(
    tokens_api: httpx.Client, room: str, more: dict[str, str]
) -> None:
    """A participant without a name is shown by its identity."""
    alice = connection_details.ask(tokens_api, room, "alice", **more)
    assert await _names_in(tokens_api, room, alice) == {"alice": "alice"}


async def test_livekit_limits_names_when_they_change_not_when_a_participant_joins(
    livekit: LiveKitServer, room: str
) -> None:
    """A token may carry a longer name than a participant can be given later; the limit is in bytes."""
    allowed = "é" * (LIVEKIT_MAX_BYTES // 2)
    too_long = f"{allowed}x"
    details = connection_details.grant(livekit, "carol", name=too_long, room_join=True, room=room)
    async with (
        signalling.join(details) as connection,
        LiveKitAPI(livekit.http_url, livekit.key, livekit.secret) as admin,
    ):
        assert connection.joined.participant.name == too_long
        change = UpdateParticipantRequest(room=room, identity="carol", name=allowed)
        assert (await admin.room.update_participant(change)).name == allowed
        change.name = too_long
        with pytest.raises(ServerError) as refusal:
            await admin.room.update_participant(change)
    assert refusal.value.status == 400


async def _names_in(tokens_api: httpx.Client, room: str, first: ConnectionDetails) -> dict[str, str]:
    """Let someone join, then Bob: the names that he sees, by identity.

    Who is there already is announced at once, who joins later and publishes nothing up to 3 s late.
    """
    bob = connection_details.ask(tokens_api, room, "bob")
    async with participants.join(first), participants.join(bob) as witness:
        return {identity: other.name for identity, other in witness.room.remote_participants.items()}
