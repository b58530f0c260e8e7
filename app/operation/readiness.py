"""Readiness: whether the service can do what it is for, and what the operator may want to mend."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple


class Reason(NamedTuple):
    """Something to mend.

    Attributes:
        code: for programs.
        words: for a person, where the service is not ready for it; empty: a warning.
    """

    code: str
    words: str = ""


AUDIT_UNAVAILABLE = Reason(
    "audit_unavailable",
    "The service must not issue what it cannot record, and its log cannot be written; "
    "its operator must have it read, or make room for it.",
)
AUTHENTICATION_OFF = Reason("authentication_off")
DRAINING = Reason("draining", "The service is about to stop; ask another one.")
ISSUER_UNREACHABLE = Reason(
    "issuer_unreachable",
    "The service cannot verify caller tokens: their issuer has not been reached yet; "
    "its operator must check OIDC_ISSUER.",
)
KEYS_FILE_BROKEN = Reason("keys_file_broken")
LOG_UNWRITABLE = Reason("log_unwritable")
MISSING_CREDENTIALS = Reason(
    "missing_credentials",
    "The service cannot issue tokens; its operator must set LIVEKIT_API_KEY and LIVEKIT_API_SECRET.",
)
REDIS_UNREACHABLE = Reason("redis_unreachable")
WEAK_SECRET = Reason("weak_secret")


class NotReady(Exception):
    """The service cannot do what it is for; the message says why.

    Attributes:
        codes: of the reasons, warnings among them.
    """

    def __init__(self, reasons: Iterable[Reason]) -> None:
        """Take the reasons, one of which is no mere warning."""
        reasons = tuple(reasons)
        super().__init__(" ".join(reason.words for reason in reasons if reason.words))
        self.codes = [reason.code for reason in reasons]


class Readiness:
    """What there is to mend, found anew at each question."""

    def __init__(self, checks: Sequence[tuple[Reason, Callable[[], bool]]]) -> None:
        """Take for each reason what tells whether it holds; that must cost nothing."""
        self._checks = checks

    def check(self) -> list[str]:
        """List the codes of what there is to mend.

        Raises:
            NotReady: it is more than warnings.
        """
        reasons = [reason for reason, holds in self._checks if holds()]
        if any(reason.words for reason in reasons):
            raise NotReady(reasons)
        return [reason.code for reason in reasons]
