"""Findings, for people or for programs."""

from collections.abc import Collection, Sequence

import orjson

from app.doctor.finding import Finding, is_well
from app.doctor.secrecy import without_secrets
from app.operation.redaction import without_credentials
from app.operation.text import printable

_COLOURS = {"ok": 32, "warning": 33, "problem": 31, "skipped": 2}
_MAX_LINE = 1000


def as_lines(findings: Sequence[Finding], secrets: Collection[str] = (), *, coloured: bool = False) -> str:
    """Write a line for each finding.

    Args:
        findings: in their order.
        secrets: what must not be shown, wherever it turned up.
        coloured: whether a terminal shows the verdicts in colours.
    """
    width = max((len(finding.check) for finding in findings), default=0)
    return "".join(_line(_safe(finding, secrets), width, coloured=coloured) + "\n" for finding in findings)


def as_json(findings: Sequence[Finding], secrets: Collection[str] = ()) -> str:
    """Write one JSON object; the arguments are those of `as_lines`."""
    shown = [_safe(finding, secrets)._asdict() for finding in findings]
    return (
        orjson.dumps({"ok": is_well(findings), "findings": shown}, option=orjson.OPT_INDENT_2).decode() + "\n"
    )


def _line(finding: Finding, width: int, *, coloured: bool) -> str:
    verdict = f"{finding.verdict:8}"
    if coloured:
        verdict = f"\x1b[{_COLOURS[finding.verdict]}m{verdict}\x1b[0m"
    line = f"{verdict} {finding.check:{width}}  {finding.words}"
    return f"{line} -> {finding.fix}" if finding.fix else line


def _safe(finding: Finding, secrets: Collection[str]) -> Finding:
    return finding._replace(words=_shown(finding.words, secrets), fix=_shown(finding.fix, secrets))


def _shown(text: str, secrets: Collection[str]) -> str:
    return printable(without_credentials(without_secrets(text, secrets)), _MAX_LINE)
