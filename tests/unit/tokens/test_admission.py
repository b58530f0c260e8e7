"""Whom tokens may admit to which room."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tokens.admission import (
    UNRESTRICTED,
    AdmissionPolicy,
    Entitlement,
    IdentityMismatch,
    RoomNotListed,
    RoomOutsidePrefix,
    matches,
)
from app.tokens.orders import TokenOrder

ORDER = TokenOrder("room", "alice", "Alice")


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("room", "room", True),
        ("room", "rooms", False),
        ("*", "room", True),
        ("*", "", True),
        ("", "", True),
        ("", "room", False),
        ("ro*", "room", True),
        ("ro*", "ro", True),
        ("ro*", "r", False),
        ("*om", "room", True),
        ("*om", "om", True),
        ("r*m", "room", True),
        ("r*m", "rm", True),
        ("r*m", "rome", False),
        ("*om", "rooms", False),
        ("ro*om", "room", True),
        ("roo*oom", "room", False),
        ("*o*o*", "room", True),
        ("*o*o*o*", "room", False),
        ("a*b*c", "abc", True),
        ("a*bc*c", "abc", False),
        ("**", "room", True),
        ("r.om", "room", False),
        ("r?om", "room", False),
        ("[r]oom", "room", False),
    ],
)
def test_a_pattern_is_a_text_with_stars(pattern: str, name: str, expected: bool) -> None:  # noqa: FBT001
    """A star is any text, and everything else is itself."""
    assert matches(pattern, name) is expected


@given(st.lists(st.text("ab", max_size=3), min_size=1, max_size=5), st.text("ab", max_size=9))
def test_whatever_stands_for_the_stars_matches(parts: list[str], filling: str) -> None:
    """Each star of a pattern may be replaced by the same text, or by none."""
    assert matches("*".join(parts), filling.join(parts))
    assert matches("*".join(parts), "".join(parts))


def test_a_pattern_takes_no_exponential_time() -> None:
    """An issuer's users may have a say in what their tokens list."""
    started = time.perf_counter()
    assert not matches("*a" * 4000 + "b", "a" * 255)
    assert time.perf_counter() - started < 1


def test_an_unrestricted_order_is_completed_only() -> None:
    """What it says stays."""
    assert AdmissionPolicy().admit(ORDER, UNRESTRICTED) == ORDER


def test_a_caller_is_itself() -> None:
    """Identity and name are filled in; what the order says of the name stays."""
    entitlement = Entitlement("alice", "Alice of the token")
    admitted = AdmissionPolicy().admit(TokenOrder("room"), entitlement)
    assert (admitted.identity, admitted.name) == ("alice", "Alice of the token")
    assert AdmissionPolicy().admit(ORDER, entitlement) == ORDER
    with pytest.raises(IdentityMismatch):
        AdmissionPolicy().admit(ORDER._replace(identity="bob"), entitlement)


def test_a_caller_without_a_name_is_called_by_its_identity() -> None:
    """As everybody is."""
    assert AdmissionPolicy().admit(TokenOrder("room"), Entitlement("alice")).name == "alice"


def test_a_name_is_only_of_a_caller_with_an_identity() -> None:
    """Nobody else has one."""
    assert AdmissionPolicy().admit(TokenOrder("room", "bob"), UNRESTRICTED).name == "bob"


@pytest.mark.parametrize(("room", "rooms"), [("room", ()), ("room", ("other",)), ("", ("*",)), ("", ())])
def test_rooms_that_are_not_listed_are_closed(room: str, rooms: tuple[str, ...]) -> None:
    """And so are fresh ones, which nobody can have listed."""
    with pytest.raises(RoomNotListed) as refusal:
        AdmissionPolicy().admit(ORDER._replace(room=room), Entitlement("alice", rooms=rooms))
    assert refusal.value.fresh == (not room)


def test_every_room_has_the_prefix() -> None:
    """Fresh ones are given it; a list of rooms does not help."""
    policy = AdmissionPolicy("voice-")
    assert policy.admit(TokenOrder(), UNRESTRICTED).room.startswith("voice-room-")
    assert policy.admit(ORDER._replace(room="voice-1"), UNRESTRICTED).room == "voice-1"
    for entitlement in (UNRESTRICTED, Entitlement("alice", rooms=("*",))):
        for room in ("room", "my-voice-1"):
            with pytest.raises(RoomOutsidePrefix) as refusal:
                policy.admit(ORDER._replace(room=room), entitlement)
            assert refusal.value.prefix == "voice-"
