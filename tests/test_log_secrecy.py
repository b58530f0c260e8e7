"""The log of the whole test run, this process and those it started: runs last, and searches it."""

import re

from tests.support import run_log
from tests.support.server import SECRET

FORBIDDEN = {
    "a token": re.compile(r"eyJ[\w-]{5,}\.[\w-]"),
    "the secret": re.compile(re.escape(SECRET)),
    "a body": re.compile(r"\{\\*\"(roomName|participantIdentity|participantName|token)\\*\""),
    "a name, which only a body holds": re.compile(r"participantName|Alice M"),
    "an Authorization header": re.compile(r"Bearer|authorization", re.IGNORECASE),
}


def test_no_log_line_holds_a_secret() -> None:
    """No line of the run holds a secret, a token, a body or an Authorization header."""
    lines = run_log.PATH.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 10
    found = [(what, line) for line in lines for what, pattern in FORBIDDEN.items() if pattern.search(line)]
    assert not found
