"""By what callers are told apart where nobody says who they are, and what they are told."""

import pytest

from app.callers.caller import ANYBODY, Caller
from app.callers.quotas import Quota
from app.wire.throttling import RateLimited, headers_of, key_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("2001:db8::1%eth0", "2001:db8::2", True),
        ("made up", "made up", True),
        ("made up", "made up too", False),
    ],
)
def test_an_address_counts_as_its_network(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    """Of IPv6, a subscriber has 64 bits to choose from."""
    assert (key_of(ANYBODY, (one, 1)) == key_of(ANYBODY, (other, 2))) is same


def test_a_caller_who_is_known_counts_by_name() -> None:
    """Wherever it calls from; a token's subject is nobody's key."""
    token, key = Caller("alice", "oidc"), Caller("alice", "api-key")
    assert key_of(token, ("192.0.2.1", 1)) == key_of(token, ("192.0.2.2", 1))
    assert len({key_of(token, None), key_of(key, None), key_of(ANYBODY, None)}) == 3


def test_quotas_are_written_as_the_draft_has_them() -> None:
    """One after another; of none nothing is said."""
    quotas = [Quota("caller", 5, 60, 4, 7, is_exceeded=False), Quota("total", 9, 1, 8, 1, is_exceeded=False)]
    assert headers_of(quotas) == {
        "RateLimit": '"caller";r=4;t=7, "total";r=8;t=1',
        "RateLimit-Policy": '"caller";q=5;w=60, "total";q=9;w=1',
    }
    assert headers_of([]) == {}


def test_it_is_said_whose_requests_were_too_many() -> None:
    """And when to ask again."""
    refusal = RateLimited(Quota("total", 9, 1, 0, 3, is_exceeded=True))
    assert str(refusal).startswith("All callers together have")
    assert refusal.headers == {"Retry-After": "3"}
