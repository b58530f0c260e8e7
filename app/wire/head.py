"""The head of a request: what RFC 9112 demands of it beyond what the parser checks, and what follows it."""

import re
from collections.abc import Iterable

from app.wire.faults import Fault

_VERSIONS = ("1.1", "1.0")
_HOST = re.compile(
    rb"""(?:[A-Za-z0-9._~!$&'()*+,;=-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~!$&'()*+,;=-]*)*|\[[0-9A-Fa-f:.]+\])"""
    rb"(?::([0-9]*))?"
)
_MAX_PORT = 65535
_LONGEST = 20  # No longer number is told from another one.


def examine(
    version: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> tuple[int | None, Fault | None]:
    """Look at a head.

    Args:
        version: of HTTP: `1.1`.
        target: what is asked for: `/api/token`.
        headers: names in lower case, and values.

    Returns:
        The length of the body, in bytes, or None if it is chunked; and why the request is refused, if it is.
    """
    length, hosts, codings = 0, [], []
    for name, value in headers:
        if name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            length = number(value)
        elif name == b"transfer-encoding":
            codings.append(value)
    return None if codings else length, _fault(version, target, hosts, codings)


def number(digits: bytes) -> int:
    """Read a number of however many digits; Python's `int` reads no more than 4,300. Without any, it is 0."""
    if len(digits) > _LONGEST:
        digits = digits.strip().lstrip(b"0")[:_LONGEST]
    return int(digits or b"0")


def _fault(version: str, target: bytes, hosts: list[bytes], codings: list[bytes]) -> Fault | None:
    if version not in _VERSIONS:
        return Fault.at("request", "must be HTTP/1.1 or HTTP/1.0")
    if b"#" in target:
        return Fault.at("request", "must have no fragment: leave out what begins with #")
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        return Fault.at("Host", "must be sent exactly once")
    if hosts and not _is_host(hosts[0].strip()):
        return Fault.at("Host", "must be a host name or address, with or without a port")
    if codings and [coding.strip().lower() for coding in codings] != [b"chunked"]:
        return Fault.at("Transfer-Encoding", "must be chunked, and nothing else, or be left out")
    return None


def _is_host(value: bytes) -> bool:
    found = _HOST.fullmatch(value)
    return found is not None and (not found[1] or number(found[1]) <= _MAX_PORT)
