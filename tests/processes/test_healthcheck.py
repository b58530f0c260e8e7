"""The image's health check, as a process of its own, beside the service."""

import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.support.process import COMMAND, ROOT, Service, environment, free_port, running

SCRIPT = ROOT / "deploy" / "container" / "healthcheck.py"


def check(**variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the check as the image does, with the environment of its container."""
    return subprocess.run(
        [sys.executable, "-IS", SCRIPT],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def port_of(service: Service) -> str:
    """Find the port that a service listens on."""
    return service.url.removesuffix("/api").rpartition(":")[2]


def ask(listener: socket.socket, answer: bytes, **variables: str) -> tuple[int, str]:
    """Check something that answers whatever it is asked; return the exit status, and what was said of it."""
    given = environment(PORT=str(listener.getsockname()[1]), **variables)
    command = [sys.executable, "-IS", str(SCRIPT)]
    with subprocess.Popen(command, env=given, stderr=subprocess.PIPE, text=True) as process:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)
        _, error = process.communicate(timeout=30)
    return process.returncode, error


def test_a_service_that_answers_is_healthy() -> None:
    """An empty setting is its default; behind a path prefix the path is the same."""
    with running(COMMAND, ROOT, ROOT_PATH="/voice") as service:
        done = check(HOST="", PORT=port_of(service))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("host", "loopback"), [("0.0.0.0", "127.0.0.1"), (" :: ", "::1")])  # noqa: S104
def test_one_that_listens_on_all_addresses_is_asked_at_the_loopback(host: str, loopback: str) -> None:
    """For that is one of them, and no other need be known."""
    family = socket.AF_INET6 if ":" in loopback else socket.AF_INET
    with socket.create_server((loopback, 0), family=family) as listener:
        assert ask(listener, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HOST=host) == (0, "")


def test_a_service_that_drains_is_healthy() -> None:
    """It is not ready; but it answers, and whoever killed it now would lose requests."""
    with running(COMMAND, ROOT, DRAIN_SECONDS="10") as service:
        service.process.send_signal(signal.SIGTERM)
        service.wait_for_log("Not ready from now on")
        assert check(PORT=port_of(service)).returncode == 0
        # Without the drain's end.
        service.process.send_signal(signal.SIGINT)


def test_a_service_that_hangs_is_not_healthy() -> None:
    """The check has given up before the engine gives up on it."""
    with running() as service:
        service.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        done = check(PORT=port_of(service))
        seconds = time.monotonic() - begun
        service.process.send_signal(signal.SIGCONT)
    assert done.returncode == 1
    assert "no answer: TimeoutError" in done.stderr
    assert seconds < 5


def test_no_service_is_not_healthy() -> None:
    """Nothing listens there."""
    done = check(PORT=str(free_port()))
    assert (done.returncode, "no answer: ConnectionRefusedError" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "the answer is 500"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no answer: BadStatusLine"),
        (b"", "no answer: RemoteDisconnected"),
    ],
)
def test_something_else_that_listens_is_not_healthy(answer: bytes, reason: str) -> None:
    """What has taken the port, or what has become of the service."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        status, error = ask(listener, answer)
    assert status == 1
    assert reason in error
