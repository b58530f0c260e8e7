"""`make mock`: a frontend can be built on it before there is a service."""

import os
import signal
import subprocess
import sys
import time

import httpx

from tests.support.contract import assert_fits
from tests.support.process import DEADLINE_SECONDS, ROOT, environment, free_port


def test_the_mock_answers_without_credentials() -> None:
    """Each operation answers an example that fits the contract."""
    port = free_port()
    process = subprocess.Popen(
        ["make", "--no-print-directory", "mock", f"PORT={port}", f"VENV={sys.prefix}"],  # noqa: S607
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}/api"
    try:
        await_answer(url, process)
        token = httpx.post(f"{url}/token", json={"roomName": "room-1", "participantIdentity": "alice"})
        details = httpx.post(f"{url}/connection-details", json={})
        health = [httpx.get(f"{url}/health/{kind}") for kind in ("live", "ready")]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(DEADLINE_SECONDS)
    assert (token.status_code, details.status_code) == (200, 201)
    assert_fits("TokenResponse", token.json())
    assert_fits("ConnectionDetails", details.json())
    for answer in health:
        assert_fits("HealthResponse", answer.json())


def await_answer(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the mock answers."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        assert process.poll() is None, "the mock ended"
        assert time.monotonic() < deadline, "the mock does not answer"
        try:
            httpx.get(f"{url}/health/live")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
