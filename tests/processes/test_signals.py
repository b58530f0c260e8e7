"""What signals do to a service, and what else its process meets: with few clients, and real processes."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.support.process import COMMAND, ROOT, environment, free_port, run, running
from tests.support.raw_http import JSON, answers_from, connect, read_answer, request
from tests.support.server import KEY, SECRET

VALID = {"roomName": "room-1", "participantIdentity": "alice"}
HALF = request("POST", "/api/token", JSON, "Content-Length: 100") + b'{"roomName"'
READY = request("GET", "/api/health/ready")
CREDENTIALS = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
# Ends of processes are waited for longer, but not as long as what must not be waited for.
SOON_SECONDS = 15
LONG = "300"


def test_a_service_that_drains_answers_but_is_not_ready() -> None:
    """Answers end their connections; SIGTERM said twice is done once, and SIGINT ends it at once, with 0."""
    with (
        running(
            DRAIN_SECONDS=LONG, SHUTDOWN_GRACE_SECONDS=LONG, BODY_TIMEOUT_SECONDS=LONG, **CREDENTIALS
        ) as service,
        connect(service.url) as stuck,
        httpx.Client() as client,
    ):
        assert "connection" not in client.get(f"{service.url}/health/live").headers
        stuck.sendall(HALF)
        service.process.terminate()
        service.wait_for_log("Not ready from now on")
        service.process.terminate()
        answer = client.get(f"{service.url}/health/ready")
        assert answer.status_code == 503
        assert "draining" in answer.json()["reasons"]
        assert answer.headers["connection"] == "close"
        answer = httpx.post(f"{service.url}/token", json=VALID)
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        service.process.send_signal(signal.SIGINT)
        assert read_answer(stuck).status == 408
        assert service.process.wait(SOON_SECONDS) == 0
    assert service.output.count("Not ready from now on") == 1
    assert "Traceback" not in service.output


def test_a_drain_ends_by_itself() -> None:
    """When its time is over the service stops."""
    with running(DRAIN_SECONDS="0.5", **CREDENTIALS) as service:
        service.process.terminate()
        assert service.process.wait(SOON_SECONDS) == 0


def test_a_body_that_was_asked_for_closes_its_connection_while_the_service_drains() -> None:
    """The drain began after its head, and before its body."""
    body = json.dumps(VALID).encode()
    head = request("POST", "/api/token", JSON, f"Content-Length: {len(body)}", "Expect: 100-continue")
    with running(DRAIN_SECONDS="2", **CREDENTIALS) as service, connect(service.url) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        service.process.terminate()
        service.wait_for_log("Not ready")
        connection.sendall(body)
        answer = read_answer(connection)
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert service.process.wait(10) == 0


@pytest.mark.parametrize("sent", [b"", READY, READY + READY[:20]], ids=["nothing", "one", "more than one"])
def test_whoever_is_not_answered_is_not_waited_for(sent: bytes) -> None:
    """A connection without a request that is all there holds up nobody."""
    patient = {"SHUTDOWN_GRACE_SECONDS": LONG, "HEAD_TIMEOUT_SECONDS": LONG}
    with running(**patient, **CREDENTIALS) as service, connect(service.url) as idle:
        idle.sendall(sent)
        if sent:
            assert read_answer(idle).status == 200
        service.process.terminate()
        assert service.process.wait(SOON_SECONDS) == 0


def test_whoever_does_not_read_is_cut_off_after_the_grace() -> None:
    """It is told to nobody but the log."""
    with (
        running(SHUTDOWN_GRACE_SECONDS="1", BODY_TIMEOUT_SECONDS=LONG, **CREDENTIALS) as service,
        connect(service.url) as deaf,
    ):
        deaf.settimeout(0.5)
        try:
            for _ in range(100_000):
                deaf.sendall(request("GET", "/api/openapi.json"))
        except TimeoutError:
            pass
        service.process.terminate()
        assert service.process.wait(SOON_SECONDS) == 0
    assert "1 connections are cut off" in service.output
    assert "Traceback" not in service.output


def test_a_worker_that_retires_stays_ready_but_lets_nobody_in() -> None:
    """Its successor listens at the same port; who is connected is told to connect anew."""
    with running(DRAIN_SECONDS="2", **CREDENTIALS) as service, connect(service.url) as known:
        answers = answers_from(known.makefile("rb"))
        known.sendall(READY)
        assert "connection" not in next(answers).headers
        service.process.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{service.url}/health/ready")
        known.sendall(READY)
        answer = next(answers)
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert service.process.wait(SOON_SECONDS) == 0


def test_a_hangup_does_not_end_a_process_alone() -> None:
    """It says that there is nothing to do."""
    with running(**CREDENTIALS) as service:
        service.process.send_signal(signal.SIGHUP)
        service.wait_for_log("SIGHUP: the only process goes on")
        assert httpx.get(f"{service.url}/health/ready").status_code == 200


BEGINNING = """
import os, signal, sys
# A signal leaves a byte there, whether it is waited for already or not.
told, telling = os.pipe()
os.set_blocking(telling, False)
signal.set_wakeup_fd(telling)
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "app.command_line":
            print("It begins.", flush=True)
            os.read(told, 1)
            print("It goes on.", flush=True)
            os.read(told, 1)
sys.meta_path.insert(0, Slow())
from app.__main__ import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_service_begins_ends_it(number: int) -> None:
    """With 0, and without a word, although it is not there yet; SIGHUP does not."""
    command = (COMMAND[0], "-c", BEGINNING)
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=-1, stderr=-2, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "It begins.\n"
            process.send_signal(signal.SIGHUP)
            assert process.stdout.readline() == "It goes on.\n"
            process.send_signal(number)
            assert process.wait(SOON_SECONDS) == 0
            assert not process.stdout.read()
        finally:
            process.kill()


def test_a_failure_of_the_start_is_told_by_the_exit_status() -> None:
    """It is not that of a service which was told to stop, nor that of wrong settings."""
    code = (
        "import gc\n"
        "gc.freeze = None\n"  # Which the start calls.
        "from app.__main__ import main\n"
        "main()"
    )
    failed = run(command=(COMMAND[0], "-c", code), PORT=str(free_port()))
    assert failed.returncode == 3


def test_standard_streams_may_be_closed() -> None:
    """Their numbers go to no connection: the service goes on after its end."""
    command = ("sh", "-c", 'exec "$@" <&-', "sh", *COMMAND)
    with running(command, ROOT, **CREDENTIALS) as service:
        for _ in range(5):
            assert httpx.post(f"{service.url}/token", json=VALID).status_code == 200
        link = Path(f"/proc/{service.process.pid}/fd/0")
        assert str(link.readlink()) == "/dev/null"


def test_out_of_descriptors_it_says_so_once_and_when_it_is_over() -> None:
    """Who is connected is answered meanwhile."""
    command = ("sh", "-c", 'ulimit -n 48; exec "$@"', "sh", *COMMAND)
    with (
        running(command, ROOT, HEAD_TIMEOUT_SECONDS=LONG, **CREDENTIALS) as service,
        connect(service.url) as known,
    ):
        answers = answers_from(known.makefile("rb"))
        known.sendall(READY)
        assert next(answers).status == 200
        crowd = [connect(service.url) for _ in range(60)]
        service.wait_for_log("New connections are turned away")
        # It looks every second.
        time.sleep(1.5)
        known.sendall(READY)
        assert next(answers).status == 200
        for connection in crowd:
            connection.close()
        service.wait_for_log("New connections are accepted again")
        descriptors = Path(f"/proc/{service.process.pid}/fd").iterdir()
        held = [each.name for each in descriptors if str(each.readlink()) == os.devnull]
        # Whoever looks lets go of what it has tried.
        assert {*held} <= {"0", "1", "2"}
    said = [line for line in service.log() if "file descriptors" in str(line["message"])]
    assert [line["level"] for line in said] == ["ERROR", "INFO"]
