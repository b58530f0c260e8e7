"""What was found, and what to do about it."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Verdict = Literal["ok", "warning", "problem", "skipped"]


class Finding(NamedTuple):
    """What one check has found.

    Attributes:
        check: what was looked at; a variable, where it is one.
        verdict: `ok`; `warning`: it works, but the operator should know; `problem`: it does not work;
            `skipped`: it could not be looked at.
        words: what was found; never a secret, nor a token.
        fix: what to do; empty: nothing.
    """

    check: str
    verdict: Verdict
    words: str
    fix: str = ""


def is_well(findings: Sequence[Finding]) -> bool:
    """Tell whether nothing is broken; warnings break nothing."""
    return all(finding.verdict != "problem" for finding in findings)
