"""What was copied together with a token, which is none of it."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from app.doctor.finding import Finding

_CHECK = "input"
_QUOTES = "\"'`"
_HEADER = re.compile(r"(?:authorization[\"']?\s*:\s*[\"']?)?(?:bearer\s+)?", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"(?:^|[?&#])(?:access_)?token=([^&#\s\"'`]*)")


class Pasted(NamedTuple):
    """The token, and what is to be said of how it was given."""

    token: str
    findings: list[Finding]


def unwrapped(text: str) -> Pasted:
    """Take a token out of a header, an address, quotation marks, or lines that a terminal has wrapped."""
    findings = []
    given = text.strip()
    inner = given.strip(_QUOTES).strip()
    if inner != given:
        words = "has quotation marks around it, which LiveKit would not take; what is in them is explained"
        findings.append(Finding(_CHECK, "warning", words, "see that clients send it without them"))
    address = _IN_ADDRESS.search(inner)
    header = _HEADER.match(inner)
    if address:
        inner = unquote(address[1])
        findings.append(Finding(_CHECK, "ok", "is an address: the token in it is explained"))
    elif header and header[0]:
        inner = inner[header.end() :].strip(_QUOTES)
        findings.append(Finding(_CHECK, "ok", "is a header: the token in it is explained"))
    whole = "".join(_shown(inner))
    if whole != inner:
        words = (
            "has white space or what cannot be seen within it, which LiveKit refuses; it is explained without"
        )
        findings.append(
            Finding(_CHECK, "problem", words, "copy it in one piece: a terminal or an editor breaks lines")
        )
    return Pasted(whole, findings)


def _shown(text: str) -> Iterator[str]:
    return (character for character in text if character.isprintable() and not character.isspace())
