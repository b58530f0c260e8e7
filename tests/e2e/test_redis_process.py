"""How the end-to-end tests come by a Redis, and what it does for them."""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.redis_server import RedisFailed, RedisServer, RedisUnavailable, run_redis_server


def _send(server: RedisServer, command: str) -> str:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=0.5) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(1024).decode()


def test_it_keeps_nothing(redis: RedisServer) -> None:
    """It comes back on the same port, and what was counted is forgotten."""
    assert _send(redis, "INCR visits") == ":1\r\n"
    redis.stop()
    with pytest.raises(ConnectionRefusedError):
        _send(redis, "PING")
    redis.start()
    assert _send(redis, "INCR visits") == ":1\r\n"


def test_it_can_crash(redis: RedisServer) -> None:
    """Nothing listens, and it can be started again."""
    redis.kill()
    with pytest.raises(ConnectionRefusedError):
        _send(redis, "PING")
    redis.start()
    assert _send(redis, "PING") == "+PONG\r\n"


def test_a_frozen_one_takes_connections_and_is_silent(redis: RedisServer) -> None:
    """That is what a deadline is for."""
    redis.freeze()
    with pytest.raises(TimeoutError):
        _send(redis, "PING")
    redis.thaw()
    assert _send(redis, "PING") == "+PONG\r\n"


def test_without_redis_the_reason_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A PATH with nothing in it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RedisUnavailable, match="install Redis or Valkey"), run_redis_server():
        pytest.fail("it does not run")


def test_one_that_dies_is_reported_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That is a failure, never a reason to skip. Where there is no Redis, Valkey will do."""
    (tmp_path / "valkey-server").write_text("#!/bin/sh\necho out of luck; exit 3\n")
    (tmp_path / "valkey-server").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RedisFailed, match=r"ended with status 3:\nout of luck"), run_redis_server():
        pytest.fail("it does not run")


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("frozen", [False, True])
def test_it_is_stopped_even_when_the_test_fails(*, frozen: bool) -> None:
    """The process is gone, and has been waited for."""
    pids = []

    def failing_test() -> None:
        with run_redis_server() as server:
            pids.append(server.pid)
            if frozen:
                server.freeze()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_test()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
