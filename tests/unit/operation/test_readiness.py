"""What makes the service unready, and what only warns."""

import pytest

from app.operation.readiness import (
    AUTHENTICATION_OFF,
    ISSUER_UNREACHABLE,
    MISSING_CREDENTIALS,
    REDIS_UNREACHABLE,
    NotReady,
    Readiness,
    Reason,
)

WARNINGS = (AUTHENTICATION_OFF, REDIS_UNREACHABLE)


def test_where_there_is_nothing_to_mend_nothing_is_listed() -> None:
    """Checks that find nothing."""
    assert Readiness([(MISSING_CREDENTIALS, lambda: False)]).check() == []


def test_warnings_leave_it_ready() -> None:
    """They are listed in their order."""
    readiness = Readiness([(reason, lambda: True) for reason in WARNINGS])
    assert readiness.check() == ["authentication_off", "redis_unreachable"]


@pytest.mark.parametrize("reason", [MISSING_CREDENTIALS, ISSUER_UNREACHABLE])
def test_anything_else_makes_it_unready(reason: Reason) -> None:
    """The message says what, and warnings are listed beside it."""
    with pytest.raises(NotReady) as refusal:
        Readiness([(reason, lambda: True), (AUTHENTICATION_OFF, lambda: True)]).check()
    assert str(refusal.value) == reason.words
    assert refusal.value.codes == [reason.code, "authentication_off"]


def test_it_is_found_out_anew_each_time() -> None:
    """What was mended is no longer listed."""
    missing = [True]
    readiness = Readiness([(MISSING_CREDENTIALS, lambda: missing[0])])
    with pytest.raises(NotReady):
        readiness.check()
    missing[0] = False
    assert readiness.check() == []
