"""Agents that a caller names are dispatched by a real LiveKit server, and received by real workers."""

from typing import Any

import httpx
from livekit.api import LiveKitAPI, TokenVerifier

from tests.e2e import signalling
from tests.e2e.agent_worker import run_worker
from tests.e2e.connection_details import ConnectionDetails
from tests.e2e.livekit_server import LiveKitServer
from tests.e2e.participants import soon

METADATA = '{"topic": "Grüße"}'


def ask(api: httpx.Client, **body: Any) -> ConnectionDetails:
    """Get connection details from the service, as an SDK does."""
    answer = api.post("/connection-details", json=body)
    assert answer.status_code == 201, answer.text
    return ConnectionDetails(answer.json()["server_url"], answer.json()["participant_token"])


async def test_an_agent_that_the_caller_names_gets_its_job(
    tokens_api: httpx.Client, livekit: LiveKitServer, room: str
) -> None:
    """The worker of that agent is offered the job, with the caller's metadata, when the caller joins."""
    agents = [{"agent_name": "concierge", "metadata": METADATA}]
    details = ask(tokens_api, room_name=room, room_config={"agents": agents})
    async with (
        run_worker(livekit, "concierge") as worker,
        run_worker(livekit, "interpreter") as other,
        signalling.join(details),
    ):
        job = await soon(worker.offers)
        assignment = await soon(worker.assignments)
    assert (job.agent_name, job.metadata, job.room.name, job.deployment) == ("concierge", METADATA, room, "")
    claims = TokenVerifier(livekit.key, livekit.secret).verify(assignment.token)
    assert claims.video is not None
    assert (claims.video.room, claims.kind) == (room, "agent")
    assert other.offers.empty()


async def test_the_deployment_that_the_caller_names_gets_the_job(
    tokens_api: httpx.Client, livekit: LiveKitServer, room: str
) -> None:
    """LiveKit matches deployments exactly; of two workers the named one is asked."""
    agents = [{"agent_name": "concierge", "deployment": "staging"}]
    details = ask(tokens_api, room_name=room, room_config={"agents": agents})
    async with (
        run_worker(livekit, "concierge", "production") as other,
        run_worker(livekit, "concierge", "staging") as worker,
        signalling.join(details),
    ):
        job = await soon(worker.offers)
    assert (job.room.name, job.deployment) == (room, "staging")
    assert other.offers.empty()


async def test_every_agent_of_the_request_is_dispatched(
    tokens_api: httpx.Client, livekit: LiveKitServer, room: str
) -> None:
    """The server lists one dispatch for each, as many as the contract allows."""
    names = [f"agent-{i}" for i in range(4)]
    details = ask(
        tokens_api, room_name=room, room_config={"agents": [{"agent_name": name} for name in names]}
    )
    async with (
        signalling.join(details),
        LiveKitAPI(livekit.http_url, livekit.key, livekit.secret) as admin,
    ):
        dispatches = await admin.agent_dispatch.list_dispatch(room)
    assert sorted(dispatch.agent_name for dispatch in dispatches) == names


async def test_everything_of_the_request_reaches_the_room(tokens_api: httpx.Client, room: str) -> None:
    """Identities of identity providers, metadata and attributes arrive as they were sent."""
    identity = "auth0|alice+1@example.com~:="
    attributes = {"lang": "de", "": "", "k" * 64: "v" * 256}
    details = ask(
        tokens_api,
        room_name=room,
        participant_identity=identity,
        participant_metadata=METADATA,
        participant_attributes=attributes,
    )
    async with signalling.join(details) as connection:
        joined = connection.joined.participant
    assert (joined.identity, joined.name, joined.metadata) == (identity, identity, METADATA)
    assert dict(joined.attributes) == attributes


async def test_two_callers_who_name_no_room_do_not_meet(tokens_api: httpx.Client) -> None:
    """Each is alone in a room of its own."""
    async with (
        signalling.join(ask(tokens_api)) as first,
        signalling.join(ask(tokens_api, room_config={})) as second,
    ):
        assert first.joined.room.name != second.joined.room.name
        assert not first.joined.other_participants
        assert not second.joined.other_participants
