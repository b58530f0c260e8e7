"""What `make soak` calls broken: a soak that finds nothing wrong is worth what it would notice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jwt
import pytest

from tests.soak.log_reader import LogReader
from tests.soak.report import Report, Row
from tests.soak.subject import KeyFile, Subject
from tests.soak.turn import Turn
from tests.support.process import Service

TOKEN = b'{"token": "%s"}'


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    """A key file."""
    return KeyFile(tmp_path / "keys.yaml")


@pytest.fixture
def turn(keys: KeyFile) -> Turn:
    """The turn of a phase in which one token was issued, as it should be."""
    with subprocess.Popen([sys.executable, "-c", ""], text=True) as process:
        made = Turn(Subject(Service("http://127.0.0.1:9/api", process, 0), keys, LogReader(0)), 1)
    made.tally.statuses[200] = 1
    made.watch.statuses[200] = 1
    return made


def signed(path: Path) -> bytes:
    """Write an answer with a token that is signed with the key in a file."""
    key, secret = path.read_text().split(": ")
    return TOKEN % jwt.encode({"iss": key}, secret.strip(), "HS256").encode()


def test_a_phase_in_which_all_was_well_has_kept_its_rule(turn: Turn, tmp_path: Path) -> None:
    """Tokens of either key are good."""
    path = tmp_path / "keys.yaml"
    turn.tally.bodies.append(signed(path))
    turn.subject.keys.rotate()
    turn.tally.bodies.append(signed(path))
    turn.judge()
    assert turn.faults == []
    assert turn.subject.keys.signers(turn.tally.bodies) == {"soak-a", "soak-b"}


def test_each_thing_that_goes_wrong_breaks_the_rule(turn: Turn) -> None:
    """Another status, a lost request, health that is not answered: all are told."""
    turn.tally.statuses[500] = 1
    turn.tally.failures += ["ConnectionResetError()"]
    turn.watch.statuses[404] = 1
    turn.judge()
    assert turn.faults == [
        "answered with 500",
        "1 failed, 0 may: ConnectionResetError()",
        "health or metrics were not answered",
    ]


def test_no_token_at_all_breaks_the_rule(turn: Turn) -> None:
    """Nothing has failed where nothing was asked, and nothing was shown."""
    turn.tally.statuses.clear()
    turn.judge()
    assert turn.faults == ["no request was answered with a token"]


def test_only_some_phases_may_refuse_and_lose(turn: Turn) -> None:
    """503 and lost requests are faults, unless the phase is one that brings them about."""
    turn.tally.statuses[503] = 1
    turn.tally.failures += ["one"]
    turn.may_refuse, turn.may_fail = True, 1
    turn.judge()
    assert turn.faults == []
    turn.may_refuse, turn.may_fail = False, 0
    turn.judge()
    assert turn.faults == ["answered with 503", "1 failed, 0 may: one"]


@pytest.mark.parametrize("key", ["soak-a", "another"])
def test_a_token_that_is_signed_wrongly_breaks_the_rule(turn: Turn, key: str) -> None:
    """With another secret, or by another key; the token is not shown."""
    token = jwt.encode({"iss": key}, "the-secret-of-somebody-else-0123456789", "HS256")
    turn.tally.bodies.append(TOKEN % token.encode())
    turn.judge()
    (fault,) = turn.faults
    assert fault.startswith("a token is wrong: ")
    assert token not in fault


def test_memory_that_grows_breaks_the_soak() -> None:
    """By more than 5 MB of a process, whichever it is."""
    before = {"supervisor": 60_000_000, "largest worker": 70_000_000}
    for name, used in before.items():
        good, bad = Report(), Report()
        good.compare(before, {**before, name: used + 5_000_000})
        bad.compare(before, {**before, name: used + 5_000_001})
        assert good.is_good
        assert not bad.is_good
        assert f"memory grew by more than 5 MB: {name}" in bad.table()


def test_the_table_tells_of_each_phase(turn: Turn) -> None:
    """Counts, milliseconds, memory, and the verdict with what is wrong."""
    turn.tally.statuses.update({200: 1199, 503: 5})
    turn.tally.seconds += [0.001] * 98 + [0.2, 0.3]
    turn.faults.append("something")
    turn.notes.append("2 killed")
    report = Report([Row.of("killed workers", turn, 3 << 20)])
    assert not report.is_good
    assert report.table().splitlines()[1].split() == [
        *("killed", "workers", "1,205", "1,200", "5", "0", "1.0", "200.0", "300.0", "3.0"),
        *("BROKEN:", "something", "-", "2", "killed"),
    ]


def test_a_log_line_that_is_no_object_or_has_a_token_is_noticed() -> None:
    """Half a line at the end is none, too; starts of processes are counted."""
    reading, writing = os.pipe()
    good = json.dumps({"message": "Started server process [1]"}, separators=(",", ":"))
    bad = ["Traceback", "[1]", '{"path": "eyJh.eyJi.c"}', '{"half": ']
    with os.fdopen(reading), LogReader(reading).reading() as log:
        os.write(writing, "\n".join([good, *bad]).encode())
        os.close(writing)
    assert log.bad == [line.encode() for line in bad]
    assert (log.lines, log.starts) == (5, 1)
