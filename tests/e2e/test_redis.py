"""Rate limits that are counted in a real Redis, by several processes, and go on without it."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from tests.e2e.redis_server import RedisServer
from tests.support.process import Service, running
from tests.support.server import KEY, SECRET

BODY = {"roomName": "room-1", "participantIdentity": "alice"}
LOST = "Requests cannot be counted"
FOUND = "Requests are counted again."


def limited(redis: RedisServer, rate: str, **variables: str) -> dict[str, str]:
    """Make the environment of a service whose requests are counted in Redis."""
    return {
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "RATE_LIMIT": rate,
        "RATE_LIMIT_STORAGE": redis.url,
        **variables,
    }


def ask(service: Service, _number: int = 0) -> tuple[int, float]:
    """Ask for a token on a connection of its own; tell the status, and the seconds."""
    started = time.monotonic()
    status = httpx.post(f"{service.url}/token", json=BODY).status_code
    return status, time.monotonic() - started


def reasons(service: Service) -> list[str]:
    """List what the service says there is to mend."""
    return list(httpx.get(f"{service.url}/health/ready").json()["reasons"])


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "requests are not counted"
        time.sleep(0.05)


def until_counting(service: Service) -> None:
    """Wait until requests are counted."""
    until(lambda: "redis_unreachable" not in reasons(service))


def said(service: Service, text: str) -> int:
    """Count the log lines that begin with a text."""
    return sum(str(line["message"]).startswith(text) for line in service.log())


def test_two_workers_share_one_count(redis: RedisServer) -> None:
    """A limit of the service is one, however many processes it has."""
    two = limited(redis, "20/hour", WORKERS="2")
    with running(**two) as service, ThreadPoolExecutor(8) as pool:
        found = Counter(status for status, _ in pool.map(partial(ask, service), range(60)))
    # On a busy machine Redis may be late: then a process goes by its own count, which would let 40 through.
    assert found.keys() == {200, 429}
    assert 20 <= found[200] < 30
    workers = {line["message"] for line in service.log() if "Started server process" in str(line["message"])}
    assert len(workers) == 2


def test_two_services_share_one_count(redis: RedisServer) -> None:
    """On several machines, too."""
    with (
        running(**limited(redis, "5/day")) as one,
        running(**limited(redis, "5/day")) as other,
    ):
        statuses = [ask(service)[0] for _ in range(4) for service in (one, other)]
    assert statuses == [200] * 5 + [429] * 3


@pytest.mark.parametrize("away", [RedisServer.kill, RedisServer.stop, RedisServer.freeze])
def test_without_redis_the_service_goes_on(redis: RedisServer, away: Callable[[RedisServer], None]) -> None:
    """Nobody is limited, nobody waits; it is said once, and ends by itself."""
    with running(**limited(redis, "1000/hour")) as service:
        # On a busy machine an answer may be late; the next one that is not ends that.
        until(lambda: ask(service)[0] == 200 and "redis_unreachable" not in reasons(service))
        away(redis)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(partial(ask, service), range(40)))
        assert {status for status, _ in answers} == {200}
        assert "redis_unreachable" in reasons(service)
        time.sleep(2.5)  # It looks for Redis again, and again.
        answers += [ask(service) for _ in range(5)]
        redis.thaw()
        redis.start()
        until_counting(service)
        assert "RateLimit" in httpx.post(f"{service.url}/token", json=BODY).headers
    # Not for each of 40 requests; but on a busy machine Redis may be away for a moment before that.
    assert 1 <= said(service, LOST) == said(service, FOUND) <= 3
    waited = [
        float(str(line["durationMs"]))
        for line in service.log()
        if line["logger"] == "app.audit" and "room" in line
    ]
    # A busy machine may take its time, but nobody waits for one request after another to time out.
    assert sorted(waited)[len(waited) // 2] < 100


def test_the_limit_holds_again_when_redis_is_back(redis: RedisServer) -> None:
    """Its counts are lost with it, for it keeps nothing here."""
    with running(**limited(redis, "3/hour")) as service:
        assert [ask(service)[0] for _ in range(4)] == [200, 200, 200, 429]
        redis.kill()
        assert [ask(service)[0] for _ in range(4)] == [200] * 4
        redis.start()
        until_counting(service)
        assert [ask(service)[0] for _ in range(5)] == [200, 200, 200, 429, 429]


def test_a_service_that_starts_without_redis_recovers(redis: RedisServer) -> None:
    """It says so at its start, before anybody asks."""
    redis.kill()
    with running(**limited(redis, "2/minute")) as service:
        assert reasons(service) == ["authentication_off", "redis_unreachable"]
        assert [ask(service)[0] for _ in range(3)] == [200] * 3
        redis.start()
        until_counting(service)
        assert [ask(service)[0] for _ in range(3)] == [200, 200, 429]
    assert said(service, LOST) == 1


def test_a_burst_does_not_get_past_the_limit(redis: RedisServer) -> None:
    """However many requests come at once, and whether or not Redis keeps up with them."""
    with running(**limited(redis, "10/hour")) as service, ThreadPoolExecutor(40) as pool:
        found = Counter(status for status, _ in pool.map(partial(ask, service), range(200)))
    assert found == {200: 10, 429: 190}
    assert said(service, LOST) == 0


@pytest.mark.parametrize("url", ["redis://:wrong@{}", "redis://wrong:wrong@{}/1"])
def test_a_redis_that_refuses_is_as_good_as_away(redis: RedisServer, url: str) -> None:
    """A wrong password is nobody's fault but the operator's, who reads of it; it is in no log line."""
    variables = limited(
        redis, "1/hour", RATE_LIMIT_STORAGE=url.format(redis.url.split("//")[1].split("/")[0])
    )
    with running(**variables) as service:
        assert [ask(service)[0] for _ in range(3)] == [200] * 3
        assert "redis_unreachable" in reasons(service)
    assert said(service, LOST) == 1
    assert "wrong" not in service.output
