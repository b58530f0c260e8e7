"""Whoever reads the service's log from a pipe, and may stop reading for a while."""

import json
import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.1
_AT_ONCE = 1 << 16
_KEPT = 10


class LogReader:
    """Reads lines until the end, and keeps none that is as it should be.

    Attributes:
        lines: how many there were.
        bad: those that are no JSON object, or have a token; the first ones only.
        starts: how many server processes have said that they start.
    """

    def __init__(self, descriptor: int) -> None:
        """Read from `descriptor`."""
        self._descriptor = descriptor
        self.lines = self.starts = 0
        self.bad: list[bytes] = []
        self._reads, self._ended = threading.Event(), threading.Event()
        self._reads.set()

    @contextmanager
    def reading(self) -> Iterator["LogReader"]:
        """Read; at the end, up to what has been written."""
        thread = threading.Thread(target=self._run, name="log reader")
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._reads.set()
            thread.join()

    def pause(self) -> None:
        """Read no more for now."""
        self._reads.clear()

    def resume(self) -> None:
        """Read on."""
        self._reads.set()

    def _run(self) -> None:
        rest = b""
        while True:
            self._reads.wait()
            if not select.select([self._descriptor], [], [], _LOOK_SECONDS)[0]:
                if self._ended.is_set():
                    break
                continue
            if not (content := os.read(self._descriptor, _AT_ONCE)):
                break
            *lines, rest = (rest + content).split(b"\n")
            for line in lines:
                self._judge(line)
        if rest:
            self._judge(rest)

    def _judge(self, line: bytes) -> None:
        self.lines += 1
        self.starts += b'"Started server process' in line
        try:
            is_object = isinstance(json.loads(line), dict)
        except ValueError:
            is_object = False
        # The middle of a token, its claims, begins like this.
        if (not is_object or b".eyJ" in line) and len(self.bad) < _KEPT:
            self.bad.append(line)
