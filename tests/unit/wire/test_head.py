"""What HTTP demands of the head of a request."""

import pytest

from app.wire.head import examine, number

HOST = (b"host", b"localhost")


@pytest.mark.parametrize(
    "value",
    [
        b"localhost", b"localhost:7071", b"example.com:", b"", b"a_b.example", b"127.0.0.1:80", b"[::1]",
        b"[::1]:65535",
        b"[::ffff:1.2.3.4]", b"a%20b", b"xn--bcher-kva.example", b" localhost\t", b"localhost:000080",
    ],
)  # fmt: skip
def test_a_host_is_taken(value: bytes) -> None:
    """Names, addresses, with a port or without; RFC 9112 has a client send an empty one if there is none."""
    assert examine("1.1", b"/", [(b"host", value)])[1] is None


@pytest.mark.parametrize(
    "value",
    [
        b"a b", b"a/b", b"user@a", b"a:x", b"a:1:2", b"::1", b"[::1", b"[localhost]", b"a%2", b"a,b c",
        b"a?b", b"a#b", b"<a>",
        b"a\\b", b"b\xfccher.example", b"localhost:65536", b"localhost:99999999999999999999999",
        b"a:-1", b"http://a",
    ],
)  # fmt: skip
def test_an_impossible_host_is_refused(value: bytes) -> None:
    """RFC 9112, 3.2: a server must answer 400."""
    _, fault = examine("1.1", b"/", [(b"host", value)])
    assert fault is not None
    assert fault.field == "Host"


@pytest.mark.parametrize(
    ("version", "hosts", "is_fine"),
    [
        ("1.1", 0, False), ("1.1", 1, True), ("1.1", 2, False),
        ("1.0", 0, True), ("1.0", 1, True), ("1.0", 2, False),
    ],
)  # fmt: skip
def test_there_is_one_host(version: str, hosts: int, is_fine: bool) -> None:  # noqa: FBT001  # a column
    """HTTP/1.0 did not know it."""
    _, fault = examine(version, b"/", [HOST] * hosts)
    assert (fault is None) == is_fine


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "3.0"])
def test_another_version_is_refused(version: str) -> None:
    """What looks like another version would be read as 1.1, and perhaps differently by whoever sent it."""
    _, fault = examine(version, b"/", [HOST])
    assert fault is not None
    assert fault.field == "request"


@pytest.mark.parametrize(
    ("values", "is_fine"),
    [
        ([b"chunked"], True),
        ([b"Chunked "], True),
        ([b"gzip, chunked"], False),
        ([b"gzip", b"chunked"], False),
        ([b"chunked", b"chunked"], False),
        ([b"identity"], False),
        ([b""], False),
    ],
)
def test_a_body_may_be_chunked_and_nothing_else(values: list[bytes], is_fine: bool) -> None:  # noqa: FBT001
    """Another coding would be taken for a part of the body."""
    length, fault = examine("1.1", b"/", [HOST, *((b"transfer-encoding", value) for value in values)])
    assert length is None
    assert (fault is None) == is_fine


@pytest.mark.parametrize(
    ("digits", "value"),
    [
        (b"47", 47),
        (b" 47 ", 47),
        (b"0", 0),
        (b"", 0),
        (b"0" * 5000 + b"47", 47),
        (b"18446744073709551615", 2**64 - 1),
    ],
)
def test_a_length_is_read(digits: bytes, value: int) -> None:
    """However many zeros lead it."""
    assert number(digits) == value
    assert examine("1.1", b"/", [HOST, (b"content-length", digits)]) == (value, None)


def test_a_length_of_very_many_digits_is_very_long() -> None:
    """Python's own `int` would fail."""
    assert number(b"9" * 5000) > 2**64


def test_a_fragment_is_no_part_of_a_request() -> None:
    """RFC 9112, 3.2: who looks at the path before us might see another one."""
    _, fault = examine("1.1", b"/api/token#/../x", [HOST])
    assert fault is not None
    assert fault.field == "request"
