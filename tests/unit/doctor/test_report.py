"""How findings are told."""

import json

from app.doctor import report
from app.doctor.finding import Finding, is_well
from tests.support.server import SECRET

FINDINGS = [
    Finding("LIVEKIT_URL", "ok", "is wss://livekit.example.com"),
    Finding("token", "problem", "refused", "copy the secret anew"),
    Finding("AUTH", "warning", "is none", "set it"),
    Finding("clock", "skipped", "nobody tells the time"),
]


def test_a_finding_is_a_line() -> None:
    """Verdict, check, words; the fix after an arrow, where there is one."""
    assert report.as_lines(FINDINGS) == (
        "ok       LIVEKIT_URL  is wss://livekit.example.com\n"
        "problem  token        refused -> copy the secret anew\n"
        "warning  AUTH         is none -> set it\n"
        "skipped  clock        nobody tells the time\n"
    )


def test_on_a_terminal_verdicts_are_coloured() -> None:
    """Each in its own colour, and nothing but the verdict."""
    lines = report.as_lines(FINDINGS, coloured=True).splitlines()
    assert lines[1] == "\x1b[31mproblem \x1b[0m token        refused -> copy the secret anew"
    assert len({line.split("m")[0] for line in lines}) == 4


def test_programs_get_one_object() -> None:
    """It has every finding, and whether all is well."""
    told = json.loads(report.as_json(FINDINGS))
    assert told["ok"] is False
    assert told["findings"][1] == {
        "check": "token",
        "verdict": "problem",
        "words": "refused",
        "fix": "copy the secret anew",
    }
    assert json.loads(report.as_json(FINDINGS[:1]))["ok"] is True


def test_only_a_problem_is_not_well() -> None:
    """A warning breaks nothing, nor does what was left out."""
    assert is_well([finding for finding in FINDINGS if finding.verdict != "problem"])
    assert not is_well(FINDINGS)


def test_a_secret_that_turned_up_somewhere_is_not_shown() -> None:
    """Somebody may have written it into a claim, or into another variable."""
    findings = [Finding("room", "ok", f"may join {SECRET}", f"not {SECRET}")]
    for told in (report.as_lines(findings, [SECRET]), report.as_json(findings, [SECRET])):
        assert SECRET not in told
        assert told.count("[secret]") == 2


def test_a_token_that_turned_up_somewhere_is_not_shown() -> None:
    """As in the log."""
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    assert (
        report.as_lines([Finding("name", "ok", f"others see {token}")])
        == "ok       name  others see [token]\n"
    )
