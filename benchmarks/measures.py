"""The measurements, each of a few servers in turn, so that a machine whose speed drifts is fair to all."""

import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import claims, load
from benchmarks.processes import resident_mib
from benchmarks.servers import Running, Server, run

REFUSALS = ("accepted", "invalid", "malformed", "not_found", "method", "media_type", "too_large")
GROWTHS = ("accepted", "fresh", "faults")
CONNECTIONS = 16

_OK = 200


@dataclass(frozen=True, slots=True)
class Schedule:
    """How much is measured.

    Attributes:
        seconds: how long one run of wrk takes.
        rounds: how often each server gets its turn, by the number of connections.
        starts: how often each server is started to time its start.
        requests: how many a server has answered when its memory is read.
        cost_rounds: how often each form of this service gets a short turn, to find what they differ by.
        refusal_rounds: how often each kind of refusal gets its turn.
        slices: into how many runs of wrk the life of a process is cut.
        stage_rounds: how often each stage gets its turn.
    """

    seconds: int
    rounds: dict[int, int]
    starts: int
    requests: int
    cost_rounds: int
    refusal_rounds: int
    slices: int
    stage_rounds: int


FULL = Schedule(2, {1: 3, CONNECTIONS: 5, 100: 3, 500: 3}, 7, 5000, 40, 3, 10, 60)
QUICK = Schedule(1, {CONNECTIONS: 2, 500: 1}, 2, 1000, 3, 1, 4, 15)


def compare(servers: Sequence[Server], schedule: Schedule, folder: Path) -> dict[str, Any]:
    """Measure the memory of each server, then what it does under load."""
    memory, loads = {}, []
    with ExitStack() as stack:
        everyone = [stack.enter_context(run(server, folder)) for server in servers]
        for running in everyone:
            running.wait_for_socket()
            claims.check(running)
            memory[running.server.label] = _memory_mib(running, schedule.requests)
            load.put(running, CONNECTIONS, schedule.seconds)  # Warms it up.
        for connections, rounds in schedule.rounds.items():
            present = [running for running in everyone if connections in _asked_of(running.server, schedule)]
            for number in range(rounds):
                _say(f"{connections} connections, round {number + 1} of {rounds}")
                loads += [
                    {
                        "server": running.server.label,
                        **asdict(load.put(running, connections, schedule.seconds)),
                    }
                    for running in present
                ]
    return {"memory_mib": memory, "loads": loads}


def _asked_of(server: Server, schedule: Schedule) -> Collection[int]:
    """Tell by how many connections a server is asked: what our forms cost shows at `CONNECTIONS` alone."""
    return schedule.rounds if server.form in ("full", "bare") else (CONNECTIONS,)


def costs(servers: Sequence[Server], schedule: Schedule, folder: Path) -> dict[str, list[float]]:
    """Measure the processor time of a request of each server, in turns of a second, in microseconds.

    Between long turns a machine drifts by more than these differ.
    """
    _say("costs")
    found: dict[str, list[float]] = {server.label: [] for server in servers}
    with ExitStack() as stack:
        everyone = [stack.enter_context(_warm(server, schedule, folder)) for server in servers]
        for running in everyone:
            claims.check(running)
        for _ in range(schedule.cost_rounds):
            everyone.reverse()  # Nobody is always the first.
            for running in everyone:
                found[running.server.label].append(load.put(running, CONNECTIONS, 1).cpu_us)
    return found


def cold_starts(servers: Sequence[Server], schedule: Schedule, folder: Path) -> dict[str, list[float]]:
    """Measure how long it takes from the start of a process to its first token, in seconds."""
    _say("cold starts")
    found: dict[str, list[float]] = {server.label: [] for server in servers}
    for _ in range(schedule.starts):
        for server in servers:
            with run(server, folder) as running:
                running.wait_for_socket()
                client = claims.Client(running)
                answer = client.post(claims.ORDER)
                found[server.label].append(round(time.perf_counter() - running.started, 4))
                client.close()
                if answer.status != _OK:
                    sys.exit(f"{server.label} answers its first request with {answer.status}.")
    return found


def refusals(server: Server, schedule: Schedule, folder: Path) -> list[dict[str, Any]]:
    """Measure what the server spends on requests that it refuses, beside those that it accepts."""
    _say("refusals")
    with _warm(server, schedule, folder) as running:
        return [
            asdict(load.put(running, CONNECTIONS, schedule.seconds, scenario))
            for _ in range(schedule.refusal_rounds)
            for scenario in REFUSALS
        ]


def growth(server: Server, schedule: Schedule, folder: Path) -> dict[str, Any]:
    """Measure what a request costs in the course of a process's life, in one life for each scenario."""
    found = {}
    for scenario in GROWTHS:
        _say(f"growth, {scenario}")
        with _warm(server, schedule, folder) as running:
            memory = [round(resident_mib(running.pid), 1)]
            loads = []
            for part in range(schedule.slices):
                loads.append(asdict(load.put(running, CONNECTIONS, schedule.seconds, scenario, part)))
                memory.append(round(resident_mib(running.pid), 1))
        found[scenario] = {"loads": loads, "memory_mib": memory}
    return found


@contextmanager
def _warm(server: Server, schedule: Schedule, folder: Path) -> Iterator[Running]:
    with run(server, folder) as running:
        running.wait_for_socket()
        load.put(running, CONNECTIONS, schedule.seconds)
        yield running


def _memory_mib(running: Running, requests: int) -> float:
    client = claims.Client(running)
    for _ in range(requests):
        client.post(claims.ORDER)
    client.close()
    return round(resident_mib(running.pid), 1)


def _say(what: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {what}\n")
