"""Load: requests sent by wrk, as many as a server answers."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import LOAD_CORE, cpu_seconds
from benchmarks.servers import Running

_SCRIPT = Path(__file__).parent / "wrk.lua"
_TIMEOUT_SECONDS = 30
_ACCEPTED = ("accepted", "fresh")


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk found.

    Attributes:
        scenario: the kind of requests, by the name in `wrk.lua`.
        connections: how many were open, each with one request under way.
        requests: how many were answered.
        seconds: how long the run took.
        cpu_us: processor time of the server for a request, in microseconds.
        refused: how many answers had a status of 400 or more.
        socket_errors: how many connections failed, or waited too long for an answer.
        p50_ms: the latency that half of the requests kept below, in milliseconds.
        p95_ms: likewise, 95 % of them.
        p99_ms: likewise, 99 % of them.
        max_ms: the longest latency.
    """

    scenario: str
    connections: int
    requests: int
    seconds: float
    cpu_us: float
    refused: int
    socket_errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


def put(
    running: Running, connections: int, seconds: float, scenario: str = "accepted", part: int = 0
) -> Load:
    """Send requests to a server, from the other core.

    Args:
        running: the server.
        connections: how many to keep open.
        seconds: for how long.
        scenario: the kind of requests, by the name in `wrk.lua`.
        part: makes the requests of one run differ from those of another, where a scenario makes each anew.
    """
    command = ["taskset", "--cpu-list", str(LOAD_CORE), "wrk", "--threads", "1"]
    command += ["--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"]
    command += ["--timeout", "5s", "--script", str(_SCRIPT)]
    command += [f"--header={name}: {value}" for name, value in running.server.guard.credentials.items()]
    command += [running.url, "--", scenario, str(part)]
    running.forget_log()
    before = cpu_seconds(running.pid)
    done = subprocess.run(  # noqa: S603  # as written above
        command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_SECONDS
    )
    found = json.loads(done.stdout.splitlines()[-1])
    if running.server.form != "bare":
        running.wait_for_log(found["requests"])
    spent = cpu_seconds(running.pid) - before
    if running.server.guard.limits and '"WARNING"' in running.log.read_text():
        sys.exit(f"{running.server.label} has stopped counting: Redis took too long, or went away.")
    running.forget_log()
    if found["refused"] != (0 if scenario in _ACCEPTED else found["requests"]):
        sys.exit(f"{running.server.label} refuses {found['refused']} of {found['requests']}: {scenario}.")
    return Load(scenario, connections, cpu_us=round(spent / max(1, found["requests"]) * 1e6, 1), **found)
