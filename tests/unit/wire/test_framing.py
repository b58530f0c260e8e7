"""What of the bytes of a connection is one request."""

from collections.abc import Iterator

import pytest
from httptools import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from app.wire.faults import ContractViolation
from app.wire.framing import (
    MAX_BODY,
    MAX_BODY_LINES,
    MAX_HEAD,
    MAX_HEAD_LINES,
    Framing,
)
from app.wire.head import examine
from app.wire.request_body import PayloadTooLarge

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
MESSAGES = [
    HEAD + b"\r\n",
    b"\r\n\r\n" + HEAD + b"\r\n",
    HEAD + b"Content-Length: 0\r\n\r\n",
    HEAD + b"Content-Length: 9\r\n\r\n\r\n\r\n\r\n\r\n!",
    HEAD + b"Content-Length: 30\r\n\r\nGET / HTTP/1.1\r\nHost: evil\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n1;a=b\r\nx\r\n0;c\r\nX: y\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n1e\r\nGET / HTTP/1.1\r\nHost: evil\r\n\r\n\r\n0\r\n\r\n",
]


class Reading:
    """A parser that gets what a framing cuts off, as the protocol gives it."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self.framing = Framing()
        self.parser = HttpRequestParser(self)
        self.messages, self.parts = 0, list[bytes]()

    def on_url(self, url: bytes) -> None:
        """Begin with a head."""
        self._url, self._headers = url, list[tuple[bytes, bytes]]()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Expect a body."""
        assert self.framing.in_head
        length, _ = examine("1.1", self._url, self._headers)
        self.framing.expect_body(length)

    def on_message_complete(self) -> None:
        """Expect a head."""
        self.messages += 1
        self.framing.expect_head()

    def read(self, data: bytes) -> None:
        """Read what has arrived."""
        self.framing.add(data)
        while part := self.framing.next_part():
            before = self.messages
            self.parser.feed_data(part)
            self.parts.append(part)
            assert self.messages - before <= 1


@given(st.lists(st.sampled_from(MESSAGES), max_size=6), st.lists(st.integers(0, 400), max_size=12))
def test_no_part_reaches_beyond_a_message(messages: list[bytes], cuts: list[int]) -> None:
    """Whatever a body holds, and wherever the network cuts, the parser finds what was sent, one by one."""
    sent, reading = b"".join(messages), Reading()
    ends = sorted({min(cut, len(sent)) for cut in cuts} | {len(sent)})
    for start, end in zip([0, *ends], ends, strict=False):
        reading.read(sent[start:end])
    assert reading.messages == len(messages)
    assert reading.framing.is_between
    assert b"".join(reading.parts) == b"".join(message.lstrip() for message in messages)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_may_be_cut_anywhere(message: bytes) -> None:
    """What has not arrived may come together with the next message."""
    for cut in range(len(message)):
        reading = Reading()
        reading.read(message[:cut])
        reading.read(message[cut:] + MESSAGES[0])
        assert reading.messages == 2, cut


def test_a_message_may_arrive_byte_by_byte() -> None:
    """The end of a head and the end of a body are found, though none of their bytes come together."""
    sent, reading = b"".join(MESSAGES), Reading()
    for i in range(len(sent)):
        reading.read(sent[i : i + 1])
    assert reading.messages == len(MESSAGES)


@pytest.mark.parametrize(
    ("received", "part"),
    [
        (b"GET / HTT", b""),
        (b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\n"),
        (b"GET / HTTP/1.1\nHo", b"GET / HTTP/1.1\n"),
        (b"\x16\x03\x01", b"\x16\x03\x01"),
        (b"get /", b"get /"),
        (b"\r\n\r\n", b""),
        (b"", b""),
    ],
)
def test_of_a_head_there_are_whole_lines(received: bytes, part: bytes) -> None:
    """A malformed one is found without waiting for the others; what begins no method, at once."""
    framing = Framing()
    framing.add(received)
    assert framing.next_part() == part


def endless(unit: bytes, size: int = 1000) -> Iterator[bytes]:
    """Repeat some bytes, more often than they may be, in pieces of about `size`."""
    for _ in range(300_000 // size):
        yield unit * (size // len(unit) or 1)


def pour(framing: Framing, pieces: Iterator[bytes], given: list[int]) -> None:
    """Frame pieces as they come, and note how long the parts are."""
    for piece in pieces:
        framing.add(piece)
        while part := framing.next_part():
            given.append(len(part))


@pytest.mark.parametrize("size", [1, 1000, 300_000])
@pytest.mark.parametrize(
    ("start", "unit"),
    [(b"GET /", b"a"), (HEAD, b"X: y\r\n"), (HEAD, b"X:\r\n"), (b"", b"\r\n"), (HEAD + b"X: ", b"a")],
    ids=["target", "headers", "short headers", "blank lines", "value"],
)
def test_a_head_has_an_end(start: bytes, unit: bytes, size: int) -> None:
    """However it arrives, and whatever it is made of."""
    framing = Framing()
    framing.add(start)
    given: list[int] = []
    with pytest.raises(ContractViolation):
        pour(framing, endless(unit, size), given)
    assert sum(given) <= MAX_HEAD


@pytest.mark.parametrize("lines", [MAX_HEAD_LINES, MAX_HEAD_LINES + 1])
def test_a_head_has_so_many_lines(lines: int) -> None:
    """The first and the blank one are counted with the headers."""
    framing = Framing()
    framing.add(HEAD + b"X: y\r\n" * (lines - 3) + b"\r\n")
    if lines <= MAX_HEAD_LINES:
        assert framing.next_part()
    else:
        with pytest.raises(ContractViolation):
            framing.next_part()


@pytest.mark.parametrize("size", [1, 1000, 300_000])
@pytest.mark.parametrize("unit", [b"1;" + b"e" * 98, b"e", b"400\r\n" + b"x" * 1024 + b"\r\n"])
def test_a_chunked_body_has_an_end(unit: bytes, size: int) -> None:
    """All of its bytes count, whatever they are, and `MAX_BODY` of them get to the parser."""
    framing = Framing()
    framing.expect_body(None)
    given: list[int] = []
    with pytest.raises(PayloadTooLarge, match=str(MAX_BODY)):
        pour(framing, endless(unit, size), given)
    assert sum(given) == MAX_BODY


@pytest.mark.parametrize("size", [1, 1000, 300_000])
@pytest.mark.parametrize("unit", [b"\r\n", b"1\r\nx\r\n", b"a: b\r\n"])
def test_a_chunked_body_has_so_many_lines(unit: bytes, size: int) -> None:
    """Each is something to look at for the parser, be it a chunk, a trailer or a blank line."""
    framing = Framing()
    framing.expect_body(None)
    given: list[int] = []
    with pytest.raises(PayloadTooLarge, match=str(MAX_BODY_LINES)):
        pour(framing, endless(unit, size), given)
    assert sum(given) <= (MAX_BODY_LINES + 1) * len(unit)


def test_every_head_is_counted_anew() -> None:
    """What one request took is not missing to the next."""
    many_lines = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 300 + b"0\r\n\r\n"
    reading = Reading()
    for message in [*MESSAGES, many_lines] * 100:
        reading.read(message)
    assert reading.messages == 100 * len([*MESSAGES, many_lines])
