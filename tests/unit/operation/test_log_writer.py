"""The writer of the log, with pipes and files of the system."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.operation import log_writer
from app.operation.log_writer import CAPACITY, LogWriter, Receipt

DEADLINE_SECONDS = 10


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def report(lost: int) -> bytes:
    """Write the line about lost lines."""
    return b"%d lost\n" % lost


class Pipe:
    """A named pipe, whose reader may go and come back."""

    def __init__(self, path: Path) -> None:
        """Make it, with a reader."""
        self.path = path
        os.mkfifo(path)
        self.open_reader()
        self.end = os.open(path, os.O_WRONLY)

    def open_reader(self) -> None:
        """Read from it."""
        self.reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self) -> bytes:
        """Read what there is."""
        with suppress(BlockingIOError):
            return os.read(self.reader, 1 << 20)
        return b""

    def fill(self) -> int:
        """Leave no room in it, and tell how many bytes that took."""
        filler = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        size = fcntl.fcntl(filler, fcntl.F_GETPIPE_SZ)
        assert os.write(filler, b"." * size) == size
        os.close(filler)
        return size


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no test wait for a second."""
    for name in ("_RETRY_SECONDS", "_STUCK_SECONDS", "_FLUSH_SECONDS"):
        monkeypatch.setattr(log_writer, name, 0.3)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    """A pipe with a reader."""
    made = Pipe(tmp_path / "pipe")
    yield made
    os.close(made.end)
    with suppress(OSError):
        os.close(made.reader)


@pytest.fixture
def writer(pipe: Pipe) -> Iterator[LogWriter]:
    """A writer into the pipe, which has been emptied in the end."""
    made = LogWriter(pipe.end, report)
    yield made
    pipe.read()
    made.close()


def all_of(pipe: Pipe, writer: LogWriter) -> bytes:
    """Read until all that was pending has come."""
    writer.write(b"last\n")
    content = bytearray()

    def has_come() -> bool:
        content.extend(pipe.read())
        return content.endswith(b"last\n")

    until(has_come)
    return bytes(content)


def test_lines_come_out_as_they_went_in(pipe: Pipe, writer: LogWriter) -> None:
    """Each once, in their order."""
    lines = [b"%d %s\n" % (i, b"x" * (i % 2000)) for i in range(1000)]
    for line in lines:
        writer.write(line)
    assert all_of(pipe, writer) == b"".join([*lines, b"last\n"])
    assert writer.is_writable
    assert writer.lost == 0


def test_what_nobody_reads_is_lost_and_reported(pipe: Pipe, writer: LogWriter) -> None:
    """Whoever logs goes on; the reader finds whole lines, and how many are missing."""
    size = pipe.fill()
    for i in range(CAPACITY + 100):
        writer.write(b"%d\n" % i)
    assert writer.lost == 100
    assert not writer.is_writable
    assert len(os.read(pipe.reader, size)) == size
    until(lambda: writer.is_writable)
    lines = all_of(pipe, writer).split(b"\n")
    assert [line for line in lines if b"lost" in line] == [b"100 lost"]
    assert [line for line in lines if line.isdigit()] == [b"%d" % i for i in range(CAPACITY)]
    assert writer.lost == 100


def test_a_line_that_waits_for_long_makes_the_log_unwritable(pipe: Pipe, writer: LogWriter) -> None:
    """Though none is lost yet; it is over once somebody reads."""
    pipe.fill()
    writer.write(b"waits\n")
    until(lambda: not writer.is_writable)
    assert writer.lost == 0
    pipe.read()
    until(lambda: writer.is_writable)
    assert all_of(pipe, writer) == b"waits\nlast\n"


def test_a_reader_that_comes_back_is_told_what_it_missed(pipe: Pipe, writer: LogWriter) -> None:
    """The report comes by itself, though nothing else is logged."""
    os.close(pipe.reader)
    writer.write(b"missed\n")
    until(lambda: writer.lost == 1)
    assert not writer.is_writable
    pipe.open_reader()
    until(lambda: writer.is_writable)
    assert all_of(pipe, writer) == b"1 lost\nlast\n"


def test_a_pipe_that_does_not_wait_loses_nothing(pipe: Pipe, writer: LogWriter) -> None:
    """Whoever shares the descriptor may have switched the waiting off."""
    os.set_blocking(pipe.end, False)
    lines = [b"%d %s\n" % (i, b"x" * 1000) for i in range(1000)]
    for line in lines:
        writer.write(line)
    assert all_of(pipe, writer) == b"".join([*lines, b"last\n"])
    assert writer.lost == 0


def test_a_receipt_tells_that_a_line_is_written(pipe: Pipe, writer: LogWriter) -> None:
    """It says so once the line can be read."""
    told: list[tuple[bool, bytes]] = []
    writer.write(b"x\n", Receipt(lambda is_written: told.append((is_written, pipe.read()))))
    until(lambda: bool(told))
    assert told == [(True, b"x\n")]


def test_a_receipt_tells_that_a_line_is_lost(pipe: Pipe, writer: LogWriter) -> None:
    """Where writing fails, and where too many lines wait."""
    told: list[bool] = []
    os.close(pipe.reader)
    writer.write(b"x\n", Receipt(told.append))
    until(lambda: told == [False])
    pipe.open_reader()
    until(lambda: writer.is_writable)
    pipe.read()
    pipe.fill()
    for _ in range(CAPACITY):
        writer.write(b"y\n")
    writer.write(b"z\n", Receipt(told.append))
    assert told == [False, False]


def test_a_line_that_was_withdrawn_is_not_written(pipe: Pipe, writer: LogWriter) -> None:
    """It is not lost, either: nobody wants it."""
    size = pipe.fill()
    receipt = Receipt(lambda _: None)
    writer.write(b"kept\n")
    writer.write(b"withdrawn\n", receipt)
    receipt.withdraw()
    os.read(pipe.reader, size)
    assert all_of(pipe, writer) == b"kept\nlast\n"
    assert writer.lost == 0


def test_the_end_does_not_wait_for_ever(pipe: Pipe) -> None:
    """A reader that is stuck does not hold up the end of the process."""
    before = threading.enumerate()
    writer = LogWriter(pipe.end, report)
    size = pipe.fill()
    writer.finish()
    for _ in range(100):
        writer.write(b"x\n")
    writer.close()
    os.read(pipe.reader, size)
    # The next test's pipe may get the number of this one.
    until(lambda: set(threading.enumerate()) <= set(before))


def test_in_the_end_each_line_is_written_at_once(pipe: Pipe) -> None:
    """The process may be gone a moment later."""
    writer = LogWriter(pipe.end, report)
    writer.write(b"1\n")
    writer.finish()
    assert pipe.read() == b"1\n"
    writer.write(b"2\n")
    assert pipe.read() == b"2\n"
    writer.close()
    writer.write(b"too late\n")
    assert pipe.read() == b""
    assert writer.lost == 1


def test_without_anywhere_to_write_all_is_lost() -> None:
    """A process may be started without standard output."""
    writer = LogWriter(-1, report)
    writer.write(b"x\n")
    until(lambda: writer.lost == 1)
    assert not writer.is_writable
    writer.close()
