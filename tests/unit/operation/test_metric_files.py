"""Metrics of several processes: what they count together, and what is left of those that are gone."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.multiprocess import MultiProcessCollector

from app.operation.metric_files import forget, render_shared, shared_directory
from tests.support.metrics import parsed

COUNT = "requests_total{operation=checkLiveness,status=200}"
DURATIONS = "request_duration_seconds_{},operation=checkLiveness}}"

WORKER = """
import os, signal, sys
from app.operation.metrics import Metrics
metrics = Metrics({{"checkLiveness": (200,)}}, [], [], ["draining"], os.environ["PROMETHEUS_MULTIPROC_DIR"])
for _ in range(int(sys.argv[1])):
    metrics.observe({{"operation": "checkLiveness", "audit": {{}}}}, 200, 0.001)
metrics.refresh(
    reasons=sys.argv[3:], is_ready=not sys.argv[3:], in_flight=2, key_timestamp=float(sys.argv[2]), lost=1
)
sys.stdout.write(metrics.render())
{end}
"""


def work(directory: str, *arguments: str, end: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a process that counts so many requests, and ends."""
    return subprocess.run(
        [sys.executable, "-c", WORKER.format(end=end), *arguments],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": directory},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_processes_that_share_a_directory_count_together() -> None:
    """Counts add up, the worst says whether all are ready, and the oldest key is the one that is told."""
    with shared_directory() as directory:
        assert not work(directory, "3", "2000", "draining", end="os.kill(os.getpid(), 9)").stderr
        other = work(directory, "4", "1000")
        found = parsed(render_shared(directory))
        # Each of them tells of all.
        assert parsed(other.stdout) == found
    assert found["requests_total{operation=checkLiveness,status=200}"] == 7
    assert found["request_duration_seconds_count{operation=checkLiveness}"] == 7
    assert (found["workers"], found["requests_in_flight"]) == (2, 4)
    assert (found["ready"], found["ready_reason{reason=draining}"]) == (0, 1)
    assert found["signing_key_timestamp_seconds"] == 1000
    assert found["log_lines_lost_total"] == 2


def test_a_process_that_is_gone_is_forgotten_but_for_what_it_has_counted() -> None:
    """Counters do not go back; what is so now is what those say that are there."""
    with shared_directory() as directory:
        work(directory, "3", "1000", "draining")
        (pid,) = {int(path.stem.rsplit("_", 1)[1]) for path in Path(directory).iterdir()}
        work(directory, "4", "2000")
        forget(pid, directory)
        found = parsed(render_shared(directory))
    assert found["requests_total{operation=checkLiveness,status=200}"] == 7
    assert (found["workers"], found["requests_in_flight"]) == (1, 2)
    assert (found["ready"], found["ready_reason{reason=draining}"]) == (1, 0)
    assert found["signing_key_timestamp_seconds"] == 2000


def test_a_process_that_only_begins_is_no_hindrance() -> None:
    """A file without anything in it says nothing; what others have counted is told."""
    with shared_directory() as directory:
        work(directory, "3", "1000")
        (Path(directory) / "counter_1.db").touch()
        (Path(directory) / "gauge_livemin_1.db").touch()
        found = parsed(render_shared(directory))
    assert found["requests_total{operation=checkLiveness,status=200}"] == 3
    assert found["ready"] == 1


def test_the_shared_directory_is_empty_and_gone_in_the_end() -> None:
    """Nothing of an earlier start is counted, nothing is left, and nobody else may look."""
    with shared_directory() as directory:
        path = Path(directory)
        assert not list(path.iterdir())
        assert path.stat().st_mode & 0o077 == 0
        (path / "counter_1.db").write_bytes(b"")
    assert not path.exists()


@pytest.fixture
def directory() -> Iterator[str]:
    """Three processes have counted 3 requests each, and are gone: 1, 2 and 3."""
    with shared_directory() as path:
        assert not work(path, "3", "1000").stderr
        for file in list(Path(path).glob("*.db")):
            kind = file.stem.rsplit("_", 1)[0]
            for pid in (1, 2, 3):
                shutil.copy(file, file.with_name(f"{kind}_{pid}.db"))
            file.unlink()
        yield path


def names(directory: str) -> set[str]:
    """List the files."""
    return {path.name for path in Path(directory).iterdir()}


def test_what_is_left_of_all_that_are_gone_is_two_files(directory: str) -> None:
    """However many they were; every count, bucket and sum is what it would be with a file for each."""
    before = parsed(render_shared(directory))
    for pid in (1, 2, 3):
        forget(pid, directory)
    after = parsed(render_shared(directory))
    assert names(directory) == {"counter_gone.db", "histogram_gone.db"}
    assert after[COUNT] == after[DURATIONS.format("bucket{le=0.001")] == 9
    assert after == {name: value for name, value in before.items() if name in after}
    # Of what is so now, they say no more.
    assert {name.split("{")[0] for name in before.keys() - after.keys()} == {
        "workers", "requests_in_flight", "ready", "ready_reason", "signing_key_timestamp_seconds",
    }  # fmt: skip


def test_counts_that_others_have_not_stay(directory: str) -> None:
    """One counted what the next did not, and the other way round."""
    forget(1, directory)
    code = WORKER.format(end="").replace("checkLiveness", "checkReadiness")
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": directory}
    with subprocess.Popen(
        [sys.executable, "-c", code, "5", "0"], env=environment, stdout=subprocess.DEVNULL
    ) as process:
        pass
    forget(process.pid, directory)
    forget(2, directory)
    found = parsed(render_shared(directory))
    assert (found[COUNT], found[COUNT.replace("Liveness", "Readiness")]) == (9, 5)


def test_a_process_that_is_killed_as_it_begins_leaves_nothing(directory: str) -> None:
    """Its files are empty, or it has none."""
    forget(1, directory)
    (Path(directory) / "counter_4.db").touch()
    forget(4, directory)
    assert not {"counter_4.db", "counter.fresh"} & names(directory)
    assert parsed(render_shared(directory))[COUNT] == 9


def meanwhile(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, do: Callable[[], object]) -> list[Any]:
    """Do something in another thread when a function is first called; collect what came of it."""
    begun: list[Future[object]] = []
    function, threads = getattr(place, name), ThreadPoolExecutor(1)

    def interrupted(*arguments: Any, **named: Any) -> object:
        if not begun:
            begun.append(threads.submit(do))
            # As long as it would take, if it did not wait for this to end.
            with pytest.raises(TimeoutError):
                begun[0].result(0.3)
        return function(*arguments, **named)

    monkeypatch.setattr(place, name, interrupted)
    return begun


def test_who_is_forgotten_during_a_scrape_is_counted_by_it_once(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not gone between the list of the files and the reading of them."""
    forget(1, directory)
    begun = meanwhile(monkeypatch, MultiProcessCollector, "merge", lambda: forget(2, directory))
    assert parsed(render_shared(directory))[COUNT] == 9
    begun[0].result(10)
    assert "counter_2.db" not in names(directory)
    assert parsed(render_shared(directory))[COUNT] == 9


def test_a_scrape_while_somebody_is_forgotten_counts_it_once(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not among those that are gone, and by its own file besides."""
    forget(1, directory)
    begun = meanwhile(monkeypatch, Path, "unlink", lambda: parsed(render_shared(directory)))
    forget(2, directory)
    assert begun[0].result(10)[COUNT] == 9


def test_where_the_disk_is_full_counts_stay_where_they_are(
    directory: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so, and whoever supervises goes on."""
    forget(1, directory)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with caplog.at_level(logging.WARNING):
        forget(2, directory)
    assert caplog.messages == [
        "What worker 2 has counted stays in a file of its own: No space left on device."
    ]
    assert {"counter_1.db", "counter_2.db", "counter_gone.db"} & names(directory) == {
        "counter_2.db", "counter_gone.db",
    }  # fmt: skip
    assert parsed(render_shared(directory))[COUNT] == 9
