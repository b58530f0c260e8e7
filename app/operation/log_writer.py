"""The writer of the log: whoever logs leaves a line with it, and never waits for whoever reads the log."""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

CAPACITY = 4096
"""How many lines wait at most: of the longest, eight megabytes."""

# As much as goes into a pipe as a whole: lines of several processes do not mix.
_CHUNK_BYTES = select.PIPE_BUF
_PAUSE_SECONDS = 0.005
_RETRY_SECONDS = 1.0
_STUCK_SECONDS = 1.0
_FLUSH_SECONDS = 1.0


class Receipt:
    """Tells what became of a line, in the thread of the writer."""

    def __init__(self, settle: Callable[[bool], None]) -> None:
        """Have `settle` called, once at most, with whether the line was written."""
        self.settle = settle
        self.is_withdrawn = False

    def withdraw(self) -> None:
        """Have the line not written, unless that has begun."""
        self.is_withdrawn = True


_Entry = tuple[bytes, Receipt | None]


class LogWriter:
    """Writes lines to a file descriptor, in a thread of its own.

    What cannot be written is lost, and counted: where the reader is slow, once `CAPACITY` lines wait; where
    writing fails, at once. Then a line is written about once a second that says how many were lost, until
    that succeeds.
    """

    def __init__(self, descriptor: int, report: Callable[[int], bytes]) -> None:
        """Write to `descriptor`; `report` writes the line about so many lost ones."""
        self._descriptor, self._report = descriptor, report
        # No lock: a line may come from a finaliser, while the same thread is in here.
        self._pending: deque[_Entry] = deque()
        self._overflowed = self._failed = self._reported = 0
        self._next_report = 0.0
        self._waiting_since: float | None = None
        self._is_failing = self._is_torn = self._is_ending = self._is_closed = False
        self._patience = _FLUSH_SECONDS
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """How many lines were lost since the start."""
        return self._overflowed + self._failed

    @property
    def is_writable(self) -> bool:
        """Whether lines are written: none was lost since the last report, and none waits for long."""
        since = self._waiting_since
        is_stuck = since is not None and time.monotonic() - since > _STUCK_SECONDS
        return self.lost == self._reported and not is_stuck

    def write(self, line: bytes, receipt: Receipt | None = None) -> None:
        """Take a line, which ends in a newline. Several threads must not do so at once."""
        if self._is_closed or len(self._pending) >= CAPACITY:
            self._overflowed += 1
            if receipt:
                receipt.settle(False)  # noqa: FBT003  # the one argument that it has
            return
        self._pending.append((line, receipt))
        if not self._wake.is_set():
            self._wake.set()
        if self._is_ending:
            self.flush()

    def flush(self) -> None:
        """Wait until what is pending was written; all these waits together take a second at most."""
        started = time.monotonic()
        done = threading.Event()
        self._pending.append((b"", Receipt(lambda _: done.set())))
        self._hurry.set()
        self._wake.set()
        done.wait(self._patience)
        self._patience = max(0.0, self._patience - (time.monotonic() - started))

    def finish(self) -> None:
        """Flush after each line from now on: nobody knows which one is the last."""
        self._is_ending = True
        self.flush()

    def close(self) -> None:
        """Flush, and stop."""
        self.flush()
        self._is_closed = True
        self._hurry.set()
        self._wake.set()
        self._thread.join(self._patience)

    def _run(self) -> None:
        while not self._is_closed:
            if self._is_failing:
                self._hurry.wait(_RETRY_SECONDS)
            else:
                self._wake.wait(_RETRY_SECONDS if self.lost > self._reported else None)
            self._hurry.clear()
            self._wake.clear()
            if not self._write_pending():
                # Under load, lines are written together; and nobody waits for them.
                time.sleep(_PAUSE_SECONDS)

    def _write_pending(self) -> bool:
        """Write all there is, and tell whether somebody waits for it."""
        is_awaited = False
        while self._pending or self._is_report_due():
            # Not in the write itself: until then, a line can be withdrawn.
            self._wait_for_room()
            prefix, lost = self._prefix()
            entries = self._next_entries(_CHUNK_BYTES - len(prefix))
            is_awaited |= any(receipt for _, receipt in entries)
            data = b"".join([prefix, *(line for line, _ in entries)])
            written = self._write(data)
            if lost > self._reported and written >= len(prefix):
                self._reported, self._next_report = lost, time.monotonic() + _RETRY_SECONDS
            end = len(prefix)
            for entry in entries:
                end += len(entry[0])
                self._settle(entry, is_written=end <= written)
            self._is_failing = written < len(data)
            if self._is_failing:
                for _ in range(len(self._pending)):
                    self._settle(self._pending.popleft(), is_written=False)
                break
        return is_awaited

    def _is_report_due(self) -> bool:
        return self.lost > self._reported and (self._is_failing or time.monotonic() >= self._next_report)

    def _prefix(self) -> tuple[bytes, int]:
        """Write what comes before the next lines, and the count of lost ones that is reported with it."""
        newline = b"\n" if self._is_torn else b""
        if not self._is_report_due():
            return newline, self._reported
        lost = self.lost
        return newline + self._report(lost - self._reported), lost

    def _next_entries(self, space: int) -> list[_Entry]:
        entries: list[_Entry] = []
        while self._pending:
            line, receipt = self._pending[0]
            space -= len(line)
            if entries and space < 0:
                break
            self._pending.popleft()
            if not (receipt and receipt.is_withdrawn):
                entries.append((line, receipt))
        return entries

    def _write(self, data: bytes) -> int:
        """Write as much as can be, and tell how many bytes that was."""
        written = 0
        with suppress(OSError):
            while written < len(data):
                # Whoever shares the pipe may have filled it since.
                self._waiting_since = time.monotonic()
                try:
                    written += os.write(self._descriptor, data[written:])
                except BlockingIOError:  # Or have made it one that does not wait.
                    self._wait_for_room()
        self._waiting_since = None
        if written:
            self._is_torn = data[written - 1 : written] != b"\n"
        return written

    def _wait_for_room(self) -> None:
        """Wait until something can be written, or writing fails."""
        if self._descriptor < 0:  # poll() would overlook it.
            return
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        self._waiting_since = time.monotonic()
        poll.poll()
        self._waiting_since = None

    def _settle(self, entry: _Entry, *, is_written: bool) -> None:
        line, receipt = entry
        if line and not is_written:
            self._failed += 1
        if receipt:
            receipt.settle(is_written)
