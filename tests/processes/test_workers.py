"""The process that watches over workers, with real processes: what becomes of it when they fail."""

import os
import resource
import signal
import time
from pathlib import Path

import pytest

from tests.support.workers import DEAF, FAIL, SERVE, UNABLE, WAIT, Supervised, supervised


def serving(workers: Supervised, count: int) -> list[int]:
    """Wait until so many serve, from the start on; return them in their order."""
    workers.wait(lambda: len(workers.pids(SERVE, DEAF)) >= count)
    workers.wait(lambda: len(workers.logged(" serves.")) >= count)
    return workers.pids(SERVE, DEAF)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("plan", [SERVE, WAIT])
def test_a_signal_is_passed_on_to_all(number: signal.Signals, plan: str) -> None:
    """Whether they serve yet or not: they end, are forgotten, and the exit status is 0."""
    with supervised(2, plan) as workers:
        workers.wait(lambda: len(workers.pids(plan)) == 2)
        workers.process.send_signal(number)
        assert workers.end() == 0
        pids = sorted(workers.pids(plan))
        # Who does not serve yet is told by the signal that it hears in any case; it may hear the other, too.
        told = {number.name} if plan == SERVE else {number.name, "SIGTERM"}
        assert sorted({pid for name in told for pid in workers.pids(name)}) == pids
        assert sorted(workers.pids("forgotten")) == pids
        assert not workers.logged("has ended")
        assert not workers.logged("could not start")


def test_a_worker_that_cannot_start_ends_all() -> None:
    """What is wrong at the start stays so: the exit status is that of a failed start, and nobody is left."""
    with supervised(2, FAIL) as workers:
        assert workers.end() == 3
        # The first to fail may have the other one stopped before it begins.
        assert set(workers.pids(FAIL)) <= set(workers.pids("forgotten"))
        assert len(workers.pids("forgotten")) == 2
        assert workers.logged("could not start: the service stops.")


def test_a_worker_that_ends_is_replaced_at_once() -> None:
    """The others go on, and the log says which one it was, and how it ended."""
    with supervised(2) as workers:
        first, second = serving(workers, 2)
        os.kill(first, signal.SIGKILL)
        assert len(serving(workers, 3)) == 3
        assert workers.pids("forgotten") == [first]
        assert workers.logged(f"Worker {first} has ended (-9): a new one starts.")
        assert not workers.pids("SIGTERM")
        os.kill(second, signal.SIGKILL)
        serving(workers, 4)
        workers.process.terminate()
        assert workers.end() == 0


def test_a_successor_that_cannot_start_is_tried_again_and_again() -> None:
    """Not more than once a second, and the others go on meanwhile; once it can, it serves."""
    with supervised(2) as workers:
        first, second = serving(workers, 2)
        workers.plan(FAIL)
        os.kill(first, signal.SIGKILL)
        workers.wait(lambda: workers.pids(FAIL))
        begun = time.monotonic()
        workers.wait(lambda: len(workers.pids(FAIL)) == 3)
        # Two pauses lie between three attempts.
        assert time.monotonic() - begun > 1.5
        workers.plan(SERVE)
        serving(workers, 3)
        assert second not in workers.pids("SIGTERM", "SIGUSR1", "forgotten")
        assert len(workers.logged("could not start.")) == len(workers.pids(FAIL))
        workers.process.terminate()
        assert workers.end() == 0


def test_without_descriptors_the_others_go_on_until_there_are_some() -> None:
    """A worker that cannot even be started is tried again once a second."""
    with supervised(2) as workers:
        first, _ = serving(workers, 2)
        none_left = (5, resource.prlimit(workers.process.pid, resource.RLIMIT_NOFILE)[1])
        before = resource.prlimit(workers.process.pid, resource.RLIMIT_NOFILE, none_left)
        os.kill(first, signal.SIGKILL)
        workers.wait(lambda: len(workers.logged("A worker cannot be started: Too many open files.")) == 2)
        workers.process.send_signal(signal.SIGHUP)
        resource.prlimit(workers.process.pid, resource.RLIMIT_NOFILE, before)
        assert len(serving(workers, 3)) >= 3
        workers.process.terminate()
        assert workers.end() == 0


def test_one_that_is_not_able_takes_the_place_of_none_that_is() -> None:
    """It is refused as long as there is another that is; but better than nobody it serves."""
    with supervised(2) as workers:
        first, second = serving(workers, 2)
        workers.plan(UNABLE)
        os.kill(first, signal.SIGKILL)
        workers.wait(lambda: workers.logged("could not start."))
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: len(workers.logged("could not start.")) >= 2)
        assert not workers.pids("SIGUSR1")
        os.kill(second, signal.SIGKILL)
        workers.wait(lambda: len(workers.logged(" serves.")) == 4)
        workers.process.terminate()
        assert workers.end() == 0


def test_what_tells_others_to_open_their_logs_anew_ends_nobody() -> None:
    """SIGUSR1 is for workers; whoever watches over them does not die of it."""
    with supervised(1) as workers:
        (worker,) = serving(workers, 1)
        workers.process.send_signal(signal.SIGUSR1)
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: workers.pids("forgotten") == [worker])
        workers.process.terminate()
        assert workers.end() == 0


def test_a_worker_that_does_not_stop_is_killed() -> None:
    """When it was given its time: the service ends all the same, with 0."""
    with supervised(2, DEAF, stop_seconds=0) as workers:
        pids = serving(workers, 2)
        workers.process.terminate()
        assert workers.end() == 0
        assert sorted(workers.pids("SIGTERM")) == sorted(pids)
        for pid in pids:
            assert len(workers.logged(f"Worker {pid} does not stop: it is killed.")) == 1
            assert not Path(f"/proc/{pid}").exists()


def test_sigint_shortens_the_time_to_stop() -> None:
    """Whoever cannot wait after SIGTERM need not kill; a second SIGTERM changes nothing."""
    with supervised(1, DEAF, stop_seconds=300) as workers:
        serving(workers, 1)
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            workers.process.send_signal(number)
            time.sleep(0.1)
        assert workers.end() == 0
        assert len(workers.pids("SIGTERM")) == len(workers.pids("SIGINT")) == 1


def test_sighup_replaces_one_after_the_other() -> None:
    """Each serves before the one whose place it takes is told to leave."""
    with supervised(2) as workers:
        old = serving(workers, 2)
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: len(workers.pids("forgotten")) == 2)
        steps = [line.split()[1] for line in workers.lines() if not line.startswith("log ")]
        steps = [step for step in steps if step in {SERVE, "SIGUSR1"}]
        assert steps == [SERVE, SERVE, SERVE, "SIGUSR1", SERVE, "SIGUSR1"]
        assert sorted(workers.pids("SIGUSR1")) == sorted(workers.pids("forgotten")) == sorted(old)
        assert not workers.logged("has ended")
        time.sleep(1)
        assert len(workers.pids(SERVE)) == 4
        # And once more, when it is said again.
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: len(workers.pids("forgotten")) == 4)
        assert len(workers.pids(SERVE)) == 6
        workers.process.terminate()
        assert workers.end() == 0


def test_sighup_said_again_meanwhile_replaces_those_too_that_may_not_know_what_has_changed() -> None:
    """All that had started by then; and each of them once."""
    with supervised(2) as workers:
        old = serving(workers, 2)
        workers.plan(WAIT)
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: workers.pids(WAIT))
        (fresh,) = workers.pids(WAIT)
        workers.plan(SERVE)
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: len(workers.logged("SIGHUP")) == 2)
        os.kill(fresh, signal.SIGUSR2)
        workers.wait(lambda: len(workers.pids("forgotten")) == 3)
        assert sorted(workers.pids("SIGUSR1")) == sorted([*old, fresh])
        time.sleep(1)
        assert len(workers.pids("forgotten")) == 3
        workers.process.terminate()
        assert workers.end() == 0


def test_a_worker_that_does_not_leave_is_killed() -> None:
    """When it was given its time: else those that were replaced would add up."""
    with supervised(1, DEAF, stop_seconds=0) as workers:
        (old,) = serving(workers, 1)
        workers.plan(SERVE)
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: workers.pids("forgotten") == [old])
        assert workers.pids("SIGUSR1") == [old]
        assert workers.logged(f"Worker {old} does not stop: it is killed.")
        workers.process.terminate()
        assert workers.end() == 0


def test_a_successor_that_cannot_start_replaces_nobody() -> None:
    """SIGHUP with settings that cannot be used changes nothing, and is not tried again until it is said."""
    with supervised(2) as workers:
        old = serving(workers, 2)
        workers.plan(FAIL)
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: workers.pids("forgotten"))
        time.sleep(1.2)
        assert workers.pids("forgotten") == workers.pids(FAIL)
        assert len(workers.pids(FAIL)) == 1
        assert not workers.pids("SIGUSR1", "SIGTERM")
        workers.plan(SERVE)
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: {*old} == {*workers.pids("SIGUSR1")})


@pytest.mark.parametrize("which", [0, 1])
def test_one_that_dies_while_it_is_to_be_replaced_is_replaced_once(which: int) -> None:
    """Whether its successor is on its way or not: there are as many as before, all of them fresh."""
    with supervised(2) as workers:
        old = serving(workers, 2)
        workers.plan(WAIT)
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: workers.pids(WAIT))
        (slow,) = workers.pids(WAIT)
        workers.plan(SERVE)
        # They are replaced in the order in which they were started, as their ids tell.
        os.kill(sorted(old)[which], signal.SIGKILL)
        # The first one's successor is on its way; the second one's turn has not come.
        workers.wait(lambda: len(workers.pids(SERVE, WAIT)) == 3 + which)
        time.sleep(0.5)
        os.kill(slow, signal.SIGUSR2)
        workers.wait(lambda: not living(workers) & {*old})
        time.sleep(1)
        assert len(living(workers)) == 2
        assert len(workers.pids(SERVE, WAIT)) == 5
        workers.process.terminate()
        assert workers.end() == 0


def test_one_that_takes_long_to_leave_is_in_nobodys_place() -> None:
    """Its successor is replaced, although there is another process."""
    with supervised(1, DEAF) as workers:
        (old,) = serving(workers, 1)
        workers.plan(SERVE)
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: workers.pids("SIGUSR1") == [old])
        os.kill(workers.pids(SERVE)[0], signal.SIGKILL)
        workers.wait(lambda: len(workers.pids(SERVE)) == 2)
        assert old not in workers.pids("forgotten")


def living(workers: Supervised) -> set[int]:
    """Tell which workers serve."""
    return {*workers.pids(SERVE)} - {*workers.pids("forgotten", "SIGUSR1")}


def test_a_hangup_of_the_terminal_ends_no_worker() -> None:
    """It sends the signal to all of its processes; only the one that watches decides what follows."""
    with supervised(1) as workers:
        (worker,) = serving(workers, 1)
        os.kill(worker, signal.SIGHUP)
        time.sleep(0.3)
        assert not workers.pids("forgotten")
        workers.process.terminate()
        assert workers.end() == 0
        assert workers.pids("SIGTERM") == [worker]


def test_whoever_watches_takes_no_time_of_the_processor() -> None:
    """Not even when there was a signal, a worker was replaced, and another does not get to serve."""
    with supervised(2) as workers:
        first, _ = serving(workers, 2)
        workers.process.send_signal(signal.SIGHUP)
        workers.wait(lambda: len(workers.pids("forgotten")) == 2)
        workers.plan(WAIT)
        os.kill(serving(workers, 4)[-1], signal.SIGKILL)
        workers.wait(lambda: workers.pids(WAIT))
        assert first in workers.pids("forgotten")
        before = processor_ticks(workers.process.pid)
        time.sleep(1)
        assert processor_ticks(workers.process.pid) - before < os.sysconf("SC_CLK_TCK") / 4


def processor_ticks(pid: int) -> int:
    """Read how long a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
