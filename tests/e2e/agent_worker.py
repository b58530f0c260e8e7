"""A real agent worker that only takes jobs: LiveKit's worker protocol, without an agent framework.

`livekit-agents` 1.8.9 needs another version of the real-time SDK than the other tests.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
from livekit.api import AccessToken, VideoGrants
from livekit.protocol.agent import (
    JT_ROOM,
    AvailabilityResponse,
    Job,
    JobAssignment,
    RegisterWorkerRequest,
    ServerMessage,
    WorkerMessage,
)
from livekit.protocol.models import ParticipantPermission

from tests.e2e.livekit_server import LiveKitServer

DEADLINE_SECONDS = 15


class Worker:
    """A registered worker, and the jobs that the server gave it, in order.

    Attributes:
        offers: what the server asked it to take; it takes all of them.
        assignments: what it was then given: the job, and the token to join its room with.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Work for the server behind a socket."""
        self.offers: asyncio.Queue[Job] = asyncio.Queue()
        self.assignments: asyncio.Queue[JobAssignment] = asyncio.Queue()
        self._socket = socket

    async def register(self, agent_name: str, deployment: str) -> None:
        """Tell the server which agent's jobs are wanted, and wait until it agrees."""
        request = RegisterWorkerRequest(
            type=JT_ROOM,
            agent_name=agent_name,
            deployment=deployment,
            version="0",
            allowed_permissions=ParticipantPermission(can_subscribe=True, can_publish=True, agent=True),
        )
        await self._socket.send_bytes(WorkerMessage(register=request).SerializeToString())
        answer = ServerMessage.FromString(await self._socket.receive_bytes())
        assert answer.HasField("register"), answer

    async def serve(self) -> None:
        """Take every job, until the socket is closed."""
        async for frame in self._socket:
            message = ServerMessage.FromString(frame.data)
            if message.HasField("availability"):
                job = message.availability.job
                taken = AvailabilityResponse(
                    job_id=job.id, available=True, participant_identity=f"agent-{job.id}"
                )
                await self._socket.send_bytes(WorkerMessage(availability=taken).SerializeToString())
                self.offers.put_nowait(job)
            elif message.HasField("assignment"):
                self.assignments.put_nowait(message.assignment)


@asynccontextmanager
async def run_worker(livekit: LiveKitServer, agent_name: str, deployment: str = "") -> AsyncIterator[Worker]:
    """Run a worker of an agent: it is registered when this yields, and gone at the end."""
    token = AccessToken(livekit.key, livekit.secret).with_grants(VideoGrants(agent=True)).to_jwt()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.ws_connect(f"{livekit.url}/agent") as socket,
    ):
        worker = Worker(socket)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await worker.register(agent_name, deployment)
        serving = asyncio.create_task(worker.serve())
        try:
            yield worker
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
