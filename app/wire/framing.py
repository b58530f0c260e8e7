"""What of the bytes of a connection is one request: how far a parser may read."""

import re

from app.wire.faults import ContractViolation, Fault
from app.wire.request_body import PayloadTooLarge

MAX_HEAD = 64 * 1024
MAX_LINES = 200
MAX_BODY = 64 * 1024

_LINE_END = b"\r\n"
_BLANK_LINE = b"\r\n\r\n"
_START_OF_BLANK_LINE = re.compile(rb"(\r(\n\r?)?)?\Z")

_LONG_HEAD = Fault.at("request", f"has a head of more than {MAX_HEAD} bytes")
_MANY_LINES = Fault.at("request", f"has a head of more than {MAX_LINES} lines")
_LONG_CHUNKS = f"The body is longer than {MAX_BODY} bytes with its chunks and trailers; send a smaller one."


class Framing:
    """Cuts what arrives into parts, none of which reaches beyond a head, or beyond the end of a body.

    All bytes count, whatever they are called: header, body, chunk, extension or trailer.
    """

    def __init__(self) -> None:
        """Begin with a head."""
        self._received = bytearray()
        self.in_head = True
        self._has_begun = False
        self._size = self._lines = 0  # of the head, or of the chunked body, so far
        self._missing: int | None = None  # of a body; None if it is chunked

    def add(self, data: bytes) -> None:
        """Take what has arrived."""
        self._received += data

    def drop(self) -> None:
        """Throw away what has arrived."""
        self._received.clear()

    def expect_body(self, length: int | None) -> None:
        """Begin with a body of so many bytes, or a chunked one."""
        self.in_head, self._has_begun, self._size, self._missing = False, False, 0, length

    def expect_head(self) -> None:
        """Begin with a head."""
        self.in_head, self._size, self._lines = True, 0, 0

    @property
    def is_waiting(self) -> bool:
        """Whether something has arrived that is in no part yet."""
        return bool(self._received)

    @property
    def is_between(self) -> bool:
        """Whether the last request has ended, and nothing of the next one is there."""
        return self.in_head and not self._has_begun and not self._received

    def next_part(self) -> bytes:
        """Cut off as much as there is of the head or body that is expected; nothing, if more must arrive.

        Raises:
            ContractViolation: the head is longer than any may be.
            PayloadTooLarge: the body is longer than any may be.
        """
        return self._next_of_head() if self.in_head else self._next_of_body()

    def _next_of_head(self) -> bytes:
        received = self._received
        if received and received[0] in _LINE_END and not self._has_begun:
            # Blank lines before a head count as a part of it.
            self._size += len(received)
            received[:] = received.lstrip(_LINE_END)
            self._size -= len(received)
        if received.startswith(_LINE_END):
            end = len(_LINE_END)
        elif (found := received.find(_BLANK_LINE)) >= 0:
            end = found + len(_BLANK_LINE)
        elif self._has_begun or received[:1].isupper():
            # Whole lines: one that is malformed need not wait for the others.
            end = received.rfind(b"\n") + 1
        else:
            end = len(received)  # No method begins like this, and perhaps no line will ever end: TLS.
        if self._size + (end or len(received)) > MAX_HEAD:
            raise ContractViolation([_LONG_HEAD])
        part = self._take(end)
        self._size += end
        self._lines += part.count(b"\n")
        if self._lines > MAX_LINES:
            raise ContractViolation([_MANY_LINES])
        self._has_begun |= end > 0
        return part

    def _next_of_body(self) -> bytes:
        received = self._received
        if self._missing is not None:
            part = self._take(min(self._missing, len(received)))
            self._missing -= len(part)
            return part
        # A chunked body ends with a blank line, so that no blank line is beyond its end.
        if (found := received.find(_BLANK_LINE)) >= 0:
            end = found + len(_BLANK_LINE)
        else:
            cut = _START_OF_BLANK_LINE.search(received, max(0, len(received) - 3))
            end = cut.start() if cut else len(received)
        left = MAX_BODY - self._size
        if end and not left:
            raise PayloadTooLarge(_LONG_CHUNKS)
        part = self._take(min(end, left))
        self._size += len(part)
        return part

    def _take(self, size: int) -> bytes:
        part = bytes(self._received[:size])
        del self._received[:size]
        return part
