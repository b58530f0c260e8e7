"""Metrics of several workers together, as `python -m app` starts them."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.support.metrics import parsed, scraped
from tests.support.process import DEADLINE_SECONDS, Service, free_port, run, running
from tests.support.server import KEY, SECRET

VALID = {"roomName": "room-1", "participantIdentity": "alice"}
TOKENS = "tokens_issued_total{operation=generateToken}"


@contextmanager
def workers(metrics_port: str = "") -> Iterator[tuple[Service, Path]]:
    """Run two workers, and find the directory that they share."""
    with (
        TemporaryDirectory() as folder,
        running(
            WORKERS="2",
            TMPDIR=folder,
            LIVEKIT_API_KEY=KEY,
            LIVEKIT_API_SECRET=SECRET,
            METRICS_PORT=metrics_port,
        ) as found,
    ):
        yield found, Path(folder)


def asked(service: Service, times: int) -> int:
    """Ask for tokens, each on a connection of its own, so that all workers get some; count them."""
    with httpx.Client(limits=httpx.Limits(max_keepalive_connections=0)) as client:
        statuses = Counter(client.post(f"{service.url}/token", json=VALID).status_code for _ in range(times))
    assert statuses == {200: times}
    return times


def pids(folder: Path) -> set[int]:
    """List the workers that have counted something, and are there."""
    return {int(path.stem.rsplit("_", 1)[1]) for path in folder.glob("*/counter_[0-9]*.db")}


def wait_for(url: str, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """Scrape until something holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds(found := scraped(url)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def test_whoever_is_asked_tells_of_all_workers() -> None:
    """200 tokens are 200, whichever worker issued them; nothing is left of the metrics in the end."""
    with workers() as (service, folder):
        url = f"{service.url}/metrics"
        wait_for(url, lambda found: found.get("workers") == 2)
        issued = asked(service, 200)
        scrapes = [scraped(url) for _ in range(10)]
        assert len(pids(folder)) == 2
        # The connections of the test are short: one worker has not got them all.
        (directory,) = folder.iterdir()
        of_each = [tokens_of(directory, pid) for pid in pids(folder)]
        service.process.terminate()
        service.process.wait(DEADLINE_SECONDS)
        assert not list(folder.iterdir())
    assert {found[TOKENS] for found in scrapes} == {issued}
    assert sum(of_each) == issued
    assert min(of_each) > 0
    for found in scrapes:
        assert found["requests_total{operation=generateToken,status=200}"] == issued
        assert found["request_duration_seconds_count{operation=generateToken}"] == issued
        assert (found["workers"], found["ready"]) == (2, 1)


def test_workers_leave_no_files_when_the_one_that_started_them_is_killed() -> None:
    """It cannot remove them itself any more."""
    with workers() as (service, folder):
        wait_for(f"{service.url}/metrics", lambda found: found.get("workers") == 2)
        assert list(folder.iterdir())
        service.process.kill()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while list(folder.iterdir()):
            assert time.monotonic() < deadline, "the files are still there"
            time.sleep(0.02)


def tokens_of(directory: Path, pid: int) -> float:
    """Read how many tokens one worker has issued."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    with TemporaryDirectory() as alone:
        for path in directory.glob(f"*_{pid}.db"):
            (Path(alone) / path.name).write_bytes(path.read_bytes())
        registry = CollectorRegistry()
        MultiProcessCollector(registry, alone)  # type: ignore[no-untyped-call]
        return parsed(generate_latest(registry).decode())[TOKENS]


@pytest.mark.parametrize("has_port", [False, True])
def test_a_worker_that_is_killed_takes_no_counts_with_it(*, has_port: bool) -> None:
    """Counters do not go back, and go on; what is so now is what those say who are there."""
    port = free_port()
    with workers(str(port) if has_port else "") as (service, folder):
        url = f"http://127.0.0.1:{port}/metrics" if has_port else f"{service.url}/metrics"
        wait_for(url, lambda found: found.get("workers") == 2)
        before = asked(service, 50)
        assert scraped(url)[TOKENS] == before
        killed = min(pids(folder))
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while list(folder.glob(f"*/gauge_live*_{killed}.db")):
            assert time.monotonic() < deadline, "the worker is not forgotten"
            time.sleep(0.02)
        # One is left, or the next is there already; three it never is.
        assert scraped(url)["workers"] in {1, 2}
        found = wait_for(url, lambda found: found["workers"] == 2 and len(pids(folder)) == 2)
        assert killed not in pids(folder)
        assert found[TOKENS] == before
        after = asked(service, 50)
        assert scraped(url)[TOKENS] == before + after
        if has_port:
            assert httpx.get(f"{service.url}/metrics").status_code == 404
    assert service.log()


@pytest.mark.parametrize("number", ["1", "2"])
def test_a_metrics_port_that_is_taken_is_named(number: str) -> None:
    """The service does not start, and says which variable to change."""
    port = free_port()
    with running(METRICS_PORT=str(port), LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET):
        refused = run(
            PORT=str(free_port()),
            METRICS_PORT=str(port),
            WORKERS=number,
            LIVEKIT_API_KEY=KEY,
            LIVEKIT_API_SECRET=SECRET,
        )
    assert refused.returncode == 1
    assert "\nMETRICS_PORT: " in refused.stderr
    assert "in use" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("number", ["1", "2"])
def test_a_directory_of_others_is_not_taken(number: str, tmp_path: Path) -> None:
    """What the environment had for somebody else's metrics is neither read nor written, nor in the way."""
    missing = tmp_path / "missing"
    with running(
        PROMETHEUS_MULTIPROC_DIR=str(missing), WORKERS=number, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET
    ) as service:
        wait_for(f"{service.url}/metrics", lambda found: found.get("workers") == int(number))
    assert not missing.exists()


@pytest.mark.parametrize("number", ["1", "2"])
def test_without_metrics_there_is_nothing_of_them(number: str, tmp_path: Path) -> None:
    """No directory, no path, and no port."""
    port = free_port()
    with running(
        METRICS="false",
        METRICS_PORT=str(port),
        TMPDIR=str(tmp_path),
        WORKERS=number,
        LIVEKIT_API_KEY=KEY,
        LIVEKIT_API_SECRET=SECRET,
    ) as service:
        assert httpx.get(f"{service.url}/metrics").status_code == 404
        assert not list(tmp_path.iterdir())
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{port}/metrics")
