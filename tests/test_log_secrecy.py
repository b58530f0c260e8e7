"""The log of the whole test run, this process and those it started: runs last, and searches it."""

import json
import re

from tests.support import run_log

FORBIDDEN = {
    # Its header and the beginning of its claims: callers may give names that begin like a header.
    "a token": re.compile(r"eyJ[\w-]{8,}\.eyJ"),
    # Other processes log through the service's formatter, which marks what it found.
    "a token that was blacked out": re.compile(r"\[token\]"),
    "an API key": re.compile(r"lktoken_"),
    "a body": re.compile(r'"(room_?name|participant\w+|token)\\*"\s*:', re.IGNORECASE),
    "a name, which only a body holds": re.compile(r"Alice M"),
    "an Authorization header": re.compile(r"Bearer|authorization", re.IGNORECASE),
}
# The path of a request is logged, and two tests put a token there.
EXPECTED = {"issued-jwt", "path-jwt"}


def test_no_log_line_holds_a_secret() -> None:
    """No line of the run holds a secret, a token, a body or an Authorization header."""
    lines = run_log.PATH.read_text(encoding="utf-8").split("\n")
    assert len(lines) > 10
    found = [
        (what, line)
        for line in lines
        for what, pattern in FORBIDDEN.items()
        if pattern.search(line) and json.loads(line)["requestId"] not in EXPECTED
    ]
    found += [
        (f"a secret of {len(secret)} characters", line)
        for line in lines
        for secret in run_log.secrets()
        if secret in line
    ]
    assert not found


def test_the_search_would_find_something() -> None:
    """There are audit lines of issued tokens among what is searched."""
    lines = run_log.PATH.read_text(encoding="utf-8")
    assert lines.count('"outcome":"issued"') >= 5
    assert run_log.secrets() - {run_log.AUTHORIZATION.split()[1]}
