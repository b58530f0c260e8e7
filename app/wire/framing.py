"""What of the bytes of a connection is one request: how far a parser may read."""

from app.wire.faults import ContractViolation, Fault
from app.wire.request_body import PayloadTooLarge

MAX_HEAD = 64 * 1024
MAX_HEAD_LINES = 200
MAX_BODY = 64 * 1024
MAX_BODY_LINES = 2000  # There is no cheaper count of what a parser has to look at: chunks, and blank lines.

_LINE_END = b"\r\n"
_BLANK_LINE = b"\r\n\r\n"
_STARTS_OF_BLANK_LINE = (b"\r\n\r", b"\r\n", b"\r")

_LONG_HEAD = Fault.at("request", f"has a head of more than {MAX_HEAD} bytes")
_MANY_LINES = Fault.at("request", f"has a head of more than {MAX_HEAD_LINES} lines")
_LONG_CHUNKS = (
    f"The body is longer than {MAX_BODY} bytes or {MAX_BODY_LINES} lines, chunks and trailers counted; "
    "send a smaller one."
)


class Framing:
    """Cuts what arrives into parts, none of which reaches beyond a head, or beyond the end of a body.

    All bytes count, whatever they are called: header, body, chunk, extension or trailer.
    """

    __slots__ = ("_at", "_has_begun", "_lines", "_missing", "_received", "_size", "in_head")

    def __init__(self) -> None:
        """Begin with a head."""
        self._received, self._at = b"", 0
        self.in_head = True
        self._has_begun = False
        self._size = self._lines = 0  # of the head, or of the chunked body, so far
        self._missing: int | None = None  # of a body; None if it is chunked

    def add(self, data: bytes) -> None:
        """Take what has arrived."""
        self._received, self._at = self._received[self._at :] + data, 0

    def drop(self) -> None:
        """Throw away what has arrived."""
        self._received, self._at = b"", 0

    def expect_body(self, length: int | None) -> None:
        """Begin with a body of so many bytes, or a chunked one."""
        self.in_head, self._has_begun, self._missing = False, False, length
        self._size = self._lines = 0

    def expect_head(self) -> None:
        """Begin with a head."""
        self.in_head, self._size, self._lines = True, 0, 0

    @property
    def is_waiting(self) -> bool:
        """Whether something has arrived that is in no part yet."""
        return self._at < len(self._received)

    @property
    def is_between(self) -> bool:
        """Whether the last request has ended, and nothing of the next one is there."""
        return self.in_head and not self._has_begun and not self.is_waiting

    def next_part(self) -> bytes:
        """Cut off as much as there is of the head or body that is expected; nothing, if more must arrive.

        Raises:
            ContractViolation: the head is longer than any may be.
            PayloadTooLarge: the body is longer than any may be.
        """
        return self._next_of_head() if self.in_head else self._next_of_body()

    def _next_of_head(self) -> bytes:
        if not self._has_begun:
            self._skip_blank_lines()
        part = self._received[self._at : self._end_of_lines()]
        self._size += len(part)
        self._lines += part.count(b"\n")
        fault = self._fault_of_head(part)
        if fault:
            raise ContractViolation([fault])
        self._at += len(part)
        self._has_begun |= bool(part)
        return part

    def _skip_blank_lines(self) -> None:
        # They may stand before a head, but count as a part of it.
        received, at = self._received, self._at
        if at < len(received) and received[at] in _LINE_END:
            self._at = len(received) - len(received[at:].lstrip(_LINE_END))
            self._size += self._at - at

    def _end_of_lines(self) -> int:
        received, at = self._received, self._at
        if received.startswith(_LINE_END, at):
            return at + len(_LINE_END)
        found = received.find(_BLANK_LINE, at)
        if found >= 0:
            return found + len(_BLANK_LINE)
        if self._has_begun or received[at : at + 1].isupper():
            # Whole lines: one that is malformed need not wait for the others.
            return max(at, received.rfind(b"\n", at) + 1)
        return len(received)  # No method begins like this, and perhaps no line will ever end: TLS.

    def _fault_of_head(self, part: bytes) -> Fault | None:
        if self._size > MAX_HEAD or (not part and self._size + len(self._received) - self._at > MAX_HEAD):
            return _LONG_HEAD
        return _MANY_LINES if self._lines > MAX_HEAD_LINES else None

    def _next_of_body(self) -> bytes:
        received, at = self._received, self._at
        if self._missing is not None:
            part = received[at : at + self._missing]
            self._missing -= len(part)
        else:
            part = received[at : self._end_of_chunks()]
            left = MAX_BODY - self._size
            is_too_long = bool(part) and not left
            part = part[:left]
            self._size += len(part)
            self._lines += part.count(b"\n")
            if is_too_long or self._lines > MAX_BODY_LINES:
                raise PayloadTooLarge(_LONG_CHUNKS)
        self._at += len(part)
        return part

    def _end_of_chunks(self) -> int:
        # A chunked body ends with a blank line, so that no blank line is beyond its end.
        received, at = self._received, self._at
        found = received.find(_BLANK_LINE, at)
        if found >= 0:
            return found + len(_BLANK_LINE)
        # One may have been cut by the network.
        start = next((start for start in _STARTS_OF_BLANK_LINE if received.endswith(start, at)), b"")
        return len(received) - len(start)
