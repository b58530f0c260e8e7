"""The phases, in their order: what is done to the service in each."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import cycle

from tests.soak import hostile
from tests.soak.subject import MAX_IN_FLIGHT, WORKERS
from tests.soak.turn import CLIENTS, METRICS, Turn
from tests.support.load import READY, TOKEN, Client
from tests.support.metrics import parsed, written

AT_ONCE = 2 * MAX_IN_FLIGHT * WORKERS
LATE_SECONDS = 0.25
"""What an accepted request should take at most, of a hundred 99."""

_EVERY_SECONDS = 3.0
_HOSTILE_CLIENTS = 8
_ENDS_WITHIN_SECONDS = 30

Act = Callable[[Turn], Awaitable[None]]


async def warm_up(turn: Turn) -> None:
    """Bring about what the first requests of each kind need, so that it is not taken for growth."""
    await _bursts(turn, turn.seconds / 4)
    turn.may_refuse = True
    async with turn.load():
        await _leave_the_log_unread(turn, turn.seconds / 4)
        await turn.rest()


async def steady_load(turn: Turn) -> None:
    """Do nothing to the service but ask."""
    async with turn.load():
        await turn.rest()


async def key_rotation(turn: Turn) -> None:
    """Replace the key file every few seconds; each time until all tokens are of its key."""
    keys, count = turn.subject.keys, 0

    def is_in_use() -> bool:
        return keys.signers(list(turn.tally.bodies)[-CLIENTS:]) == {keys.key}

    async with turn.load():
        while turn.goes_on():
            keys.rotate()
            count += 1
            await turn.until(is_in_use, "a new key is not in use")
            await turn.rest(_EVERY_SECONDS)
    turn.notes.append(f"{count} rotations")


async def rolling_restart(turn: Turn) -> None:
    """Have all workers replaced by SIGHUP, again and again."""
    subject, count = turn.subject, 0
    async with turn.load():
        while turn.goes_on():
            before, starts = subject.workers(), subject.log.starts
            subject.process.send_signal(signal.SIGHUP)
            count += 1

            def are_replaced(before: set[int] = before, starts: int = starts) -> bool:
                workers = subject.workers()
                return (
                    not workers & before
                    and len(workers) == WORKERS
                    and subject.log.starts - starts >= WORKERS
                )

            if not await turn.until(are_replaced, "the workers are not replaced"):
                break
            await turn.rest(_EVERY_SECONDS)
    turn.notes.append(f"{count} restarts")


async def killed_workers(turn: Turn) -> None:
    """Kill a worker, again and again; each client loses one request by that at most."""
    subject, count = turn.subject, 0
    async with turn.load():
        while turn.goes_on():
            victim, starts = min(subject.workers()), subject.log.starts
            os.kill(victim, signal.SIGKILL)
            count += 1

            def is_replaced(victim: int = victim, starts: int = starts) -> bool:
                workers = subject.workers() - {victim}
                return len(workers) == WORKERS and subject.log.starts > starts

            if not await turn.until(is_replaced, "the worker is not replaced"):
                break
            await turn.rest(_EVERY_SECONDS)
    turn.may_fail = count * CLIENTS
    turn.notes.append(f"{count} killed")


async def overload(turn: Turn) -> None:
    """Ask in bursts, each twice what the workers answer at once: each request is answered or refused."""
    turn.may_refuse = True
    before = await _late(turn)
    async with turn.watched():
        await _bursts(turn, turn.seconds)
    late = await _late(turn) - before
    if not turn.tally.statuses[503]:
        turn.faults.append("nothing was refused: it was no overload")
    # The clients take time as well, on the same processors.
    turn.notes.append(
        f"{AT_ONCE} at once; p99 should be under {LATE_SECONDS * 1000:.0f} ms; "
        f"by the service's own clock {late:,.0f} took longer"
    )


async def hostile_bytes(turn: Turn) -> None:
    """Have others send what is no request, or half of one, beside the load."""
    contents, answers = cycle(hostile.BYTES.items()), Counter[int | None]()

    async def attack() -> None:
        while turn.goes_on():
            name, content = next(contents)
            status = await hostile.send(turn.subject.url, content)
            answers[status] += 1
            if status is not None and not 400 <= status < 500:
                turn.faults.append(f"{name} was answered with {status}")
                return

    async with turn.load():
        await asyncio.gather(*(attack() for _ in range(_HOSTILE_CLIENTS)))
    turn.notes.append(f"{answers.total()} hostile connections")


async def unread_log(turn: Turn) -> None:
    """Leave the log unread for most of the time, and read on."""
    log = turn.subject.log
    async with turn.load():
        await _leave_the_log_unread(turn, turn.seconds * 2 / 3)
        before = log.lines
        await turn.until(lambda: log.lines > before, "no line comes once the log is read again")
        await turn.rest()


async def stop(turn: Turn) -> None:
    """Send SIGTERM; clients leave when the service is no longer ready."""
    process = turn.subject.process
    health = Client(turn.subject.url)
    async with turn.load():
        await turn.rest()
        process.terminate()
        told = time.monotonic()
        while (await health.ask(READY))[0] == 200:
            await asyncio.sleep(0.02)
            if time.monotonic() - told > _ENDS_WITHIN_SECONDS:
                turn.faults.append("it stays ready")
                break
    # The watch may have met what was to be expected.
    turn.watch.statuses.pop(503, None)
    await health.leave()
    if (
        await turn.until(lambda: process.poll() is not None, "the service does not end")
        and process.returncode
    ):
        turn.faults.append(f"the service ended with {process.returncode}")
    turn.notes.append("SIGTERM at the end")


PHASES: dict[str, Act] = {
    "warm-up": warm_up,
    "steady load": steady_load,
    "key rotation": key_rotation,
    "rolling restart": rolling_restart,
    "killed workers": killed_workers,
    "2x overload": overload,
    "hostile bytes": hostile_bytes,
    "unread log": unread_log,
    "stop": stop,
}


async def _bursts(turn: Turn, seconds: float) -> None:
    clients = [Client(turn.subject.url) for _ in range(AT_ONCE)]
    ends = time.monotonic() + seconds

    async def ask(client: Client) -> None:
        begun = time.perf_counter()
        try:
            status, body = await client.ask(TOKEN)
        except (OSError, EOFError) as error:
            turn.tally.failures.append(repr(error))
            return
        turn.tally.statuses[status] += 1
        if status == 200:
            turn.tally.seconds.append(time.perf_counter() - begun)
            turn.tally.bodies.append(body)

    while turn.goes_on() and time.monotonic() < ends:
        await asyncio.gather(*map(ask, clients))
    await asyncio.gather(*(client.leave() for client in clients))


async def _late(turn: Turn) -> float:
    client = Client(turn.subject.url)
    found = parsed((await client.ask(METRICS))[1].decode())
    await client.leave()
    labels = {"operation": "generateToken"}
    within = found[written("request_duration_seconds_bucket", le=str(LATE_SECONDS), **labels)]
    return found[written("request_duration_seconds_count", **labels)] - within


async def _leave_the_log_unread(turn: Turn, seconds: float) -> None:
    turn.subject.log.pause()
    try:
        await turn.rest(seconds)
    finally:
        turn.subject.log.resume()
