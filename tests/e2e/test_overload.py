"""More at once than the service answers in time: each is answered or refused, and it goes on."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path

import httpx

from tests.support.load import READY, TOKEN, VALID, Client, Tally, ask_on
from tests.support.process import COMMAND, ROOT, running
from tests.support.raw_http import JSON, answers_from, connect, read_answer, request
from tests.support.server import KEY, SECRET

LIMIT = 32
AT_ONCE, ROUNDS = 200, 10


async def burst(clients: list[Client], tally: Tally) -> None:
    """Have all clients ask at once, and wait for all their answers."""

    async def ask(client: Client) -> None:
        begun = time.perf_counter()
        status, body = await client.ask(TOKEN)
        tally.statuses[status] += 1
        if status == 200:
            tally.seconds.append(time.perf_counter() - begun)
        else:
            tally.bodies.append(body)

    await asyncio.gather(*map(ask, clients))


async def overload(url: str, tally: Tally, health: Tally) -> None:
    """Ask in bursts, and for its health all the while."""
    goes_on = True
    watching = asyncio.create_task(ask_on(url, health, lambda: goes_on, wanted=READY))
    clients = [Client(url) for _ in range(AT_ONCE)]
    for _ in range(ROUNDS):
        await burst(clients, tally)
    goes_on = False
    await watching
    await asyncio.gather(*(client.leave() for client in clients))


def test_what_is_too_much_at_once_is_refused() -> None:
    """Every answer is a token or OVERLOADED, health is always answered, and all is well afterwards."""
    tally, health = Tally(), Tally()
    with running(
        COMMAND, ROOT, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, MAX_IN_FLIGHT=str(LIMIT)
    ) as service:
        asyncio.run(overload(service.url, tally, health))
        assert httpx.post(f"{service.url}/token", content=VALID, headers=dict([JSON.split(": ")])).is_success
    assert tally.statuses.keys() == {200, 503}
    assert tally.statuses.total() == AT_ONCE * ROUNDS
    assert {json.loads(body)["errorCode"] for body in tally.bodies} == {"OVERLOADED"}
    assert health.statuses.keys() == {200}
    assert not health.failures
    lines = Counter(line.get("errorCode") for line in service.log() if line.get("path") == "/api/token")
    assert lines["OVERLOADED"] == tally.statuses[503]


def test_slow_bodies_keep_nobody_out() -> None:
    """Ten times as many half-sent requests as are answered at once: others are answered all the same."""
    half = request("POST", "/api/token", JSON, "Content-Length: 100") + b"{"
    with running(COMMAND, ROOT, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, MAX_IN_FLIGHT="2") as service:
        slow = [connect(service.url) for _ in range(20)]
        for connection in slow:
            connection.sendall(half)
        time.sleep(0.3)
        for _ in range(5):
            assert httpx.post(f"{service.url}/token", json=json.loads(VALID)).status_code == 200
        for connection in slow:
            connection.close()


def test_bodies_that_come_together_are_too_much_at_once() -> None:
    """Their heads came before, when there was nothing to do: each is answered or refused all the same."""
    head = request("POST", "/api/token", JSON, f"Content-Length: {len(VALID)}")
    # A token that waits for its line in the log keeps the others waiting.
    variables = {"MAX_IN_FLIGHT": "1", "AUDIT_REQUIRED": "true"}
    with running(COMMAND, ROOT, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, **variables) as service:
        crowd = [connect(service.url) for _ in range(60)]
        for connection in crowd:
            connection.sendall(head)
        time.sleep(0.5)
        for connection in crowd:
            connection.sendall(VALID)
        answers = [read_answer(connection) for connection in crowd]
        for connection in crowd:
            connection.close()
    assert {answer.status for answer in answers} == {200, 503}
    assert {answer.json().get("errorCode") for answer in answers} == {None, "OVERLOADED"}


LIMITED = 'ulimit -n 64; exec "$@"'


def test_out_of_file_descriptors_it_says_so_and_recovers() -> None:
    """Nobody else is accepted meanwhile; once there are some again, all is as before."""
    command = ("sh", "-c", LIMITED, "sh", *COMMAND)
    with running(
        command, ROOT, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, HEAD_TIMEOUT_SECONDS="60"
    ) as service:
        with connect(service.url) as known:
            known.sendall(READY)
            answers = answers_from(known.makefile("rb"))
            assert next(answers).status == 200
            crowd = [connect(service.url) for _ in range(100)]
            time.sleep(1.5)
            known.sendall(TOKEN)
            assert next(answers).status == 200
            for connection in crowd:
                connection.close()
        deadline = time.monotonic() + 20
        while True:
            try:
                answer = httpx.post(f"{service.url}/token", json=json.loads(VALID), timeout=2)
            except httpx.TransportError:
                assert time.monotonic() < deadline, "it does not recover"
                continue
            assert answer.status_code == 200
            break
        while "accepted again" not in service.logged():
            assert time.monotonic() < deadline, "it does not say so"
            time.sleep(0.05)
        descriptors = list(Path(f"/proc/{service.process.pid}/fd").iterdir())
        assert len(descriptors) < 60
    said = [line for line in service.log() if "file descriptors" in str(line["message"])]
    assert [line["level"] for line in said] == ["ERROR", "INFO"]
