"""`python -m app` as the operator runs it: from the environment alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support import run_log
from tests.support.raw_http import connect, read_answer, request
from tests.support.server import KEY, SECRET, claims_of

ROOT = Path(__file__).parent.parent.parent
VALID = {"roomName": "room-1", "participantIdentity": "alice"}
_DEADLINE_SECONDS = 30


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**variables: str) -> dict[str, str]:
    """Make an environment without the settings of whoever runs the tests."""
    # COVERAGE_PROCESS_CONFIG has the process measured as well.
    kept = {"PATH", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"}
    return {**{k: v for k, v in os.environ.items() if k in kept}, **variables}


@dataclass
class Service:
    """A running service, and what it has logged once it is stopped."""

    url: str
    process: "subprocess.Popen[str]"
    output: str = ""

    def log(self) -> list[dict[str, object]]:
        """Parse the log, every line of which is JSON."""
        return [json.loads(line) for line in self.output.splitlines()]


@contextmanager
def running(**variables: str) -> Iterator[Service]:
    """Start the service, wait until it serves, and stop it by SIGTERM."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "app"],
        cwd=ROOT,
        env=environment(PORT=str(port), **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    service = Service(f"http://127.0.0.1:{port}/api", process)
    try:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not serves(service):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "the service did not start"
            time.sleep(0.05)
        yield service
    finally:
        process.terminate()
        service.output = process.communicate(timeout=_DEADLINE_SECONDS)[0]
        run_log.add(service.output)


def serves(service: Service) -> bool:
    """Tell whether the service answers yet."""
    try:
        return httpx.get(f"{service.url}/health/live").status_code == 200
    except httpx.TransportError:
        return False


def test_the_service_starts_from_the_environment() -> None:
    """With credentials it is ready, issues tokens, logs JSON only, and stops at SIGTERM."""
    with running(
        LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=f"{SECRET}\n", LIVEKIT_URL="https://lk.example"
    ) as service:
        assert httpx.get(f"{service.url}/health/ready").status_code == 200
        answer = httpx.post(f"{service.url}/token", json=VALID)
        assert answer.json()["serverUrl"] == "wss://lk.example"
        assert claims_of(answer.json()["token"])["iss"] == KEY
        assert "server" not in answer.headers
    # uvicorn ends by the signal that it was sent, once it has shut down.
    assert service.process.returncode in {0, -signal.SIGTERM}
    assert service.log()[-1]["message"].startswith("Finished server process")  # type: ignore[attr-defined]
    assert {line["logger"] for line in service.log()} >= {"app.audit", "uvicorn.error"}


def test_several_workers_serve() -> None:
    """WORKERS starts so many processes, which answer alike."""
    with running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, WORKERS="2") as service:
        assert {httpx.post(f"{service.url}/token", json=VALID).status_code for _ in range(10)} == {200}
        answer = httpx.get(f"{service.url}/token")
        assert answer.json()["errorCode"] == "METHOD_NOT_ALLOWED"
    assert service.process.returncode == 0
    started = [line for line in service.log() if "Started server process" in str(line["message"])]
    assert len(started) == 2


def test_without_credentials_the_service_starts_and_says_so_once() -> None:
    """The operator reads which variable to set, once, whatever is asked of the service."""
    with running(LIVEKIT_API_SECRET=SECRET, WORKERS="2") as service:
        for _ in range(3):
            answer = httpx.post(f"{service.url}/token", json=VALID)
            assert answer.json()["errorCode"] == "MISSING_CREDENTIALS"
        assert httpx.get(f"{service.url}/health/ready").status_code == 503
    (said,) = [line for line in service.log() if "LIVEKIT_API_KEY" in str(line["message"])]
    assert said["level"] == "ERROR"
    assert "LIVEKIT_API_SECRET" not in str(said["message"])


def test_the_audit_log_cannot_be_switched_off() -> None:
    """At the least verbose level there are audit lines, and nothing else."""
    with running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, LOG_LEVEL="error") as service:
        httpx.post(f"{service.url}/token", json=VALID)
    assert {line["logger"] for line in service.log()} == {"app.audit"}


def test_a_request_that_stalls_is_answered_before_the_service_stops() -> None:
    """SIGTERM waits for as long as a body may take to arrive."""
    stalled = request("POST", "/api/token", "Content-Type: application/json", "Content-Length: 9")
    with (
        running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, BODY_TIMEOUT_SECONDS="1") as service,
        connect(service.url) as connection,
    ):
        connection.sendall(stalled)
        time.sleep(0.2)
        service.process.terminate()
        assert read_answer(connection).status == 408
    assert "Traceback" not in service.output


def test_settings_that_cannot_be_used_are_named() -> None:
    """The process does not start, and says which variables to change, but not their values."""
    run = subprocess.run(
        [sys.executable, "-m", "app"],
        cwd=ROOT,
        env=environment(PORT="hunter2", LIVEKIT_URL="ftp://hunter2", LIVEKIT_API_SECRET="hunter2"),
        capture_output=True,
        text=True,
        timeout=_DEADLINE_SECONDS,
        check=False,
    )
    assert run.returncode == 1
    assert "\nPORT: " in run.stderr
    assert "\nLIVEKIT_URL: " in run.stderr
    assert "hunter2" not in run.stderr + run.stdout
    assert "Traceback" not in run.stderr
