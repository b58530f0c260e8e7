"""Who asks."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class UnknownCaller(Exception):
    """Nobody can tell who asks; the message says what to send instead."""


class IssuerUnreachable(Exception):
    """The issuer's keys have never been fetched: no token can be verified, whoever sends it."""


class ClaimNames(NamedTuple):
    """The claims that say of a caller what it is as a participant; without `rooms`, it may enter any."""

    identity: str = "sub"
    name: str = "name"
    rooms: str | None = None


class Profile(NamedTuple):
    """What a caller's token says of it as a participant.

    Attributes:
        identity: the participant's identity; empty: the claim is missing, or no text.
        name: what others see; empty: likewise.
        rooms: the rooms that the caller may enter, names or patterns; None: any.
        claims: where that was read.
    """

    identity: str
    name: str
    rooms: Sequence[str] | None
    claims: ClaimNames

    @classmethod
    def read(cls, claims: Mapping[str, Any], names: ClaimNames) -> "Profile":
        """Read a profile from a token's claims; a list of rooms that is missing or malformed opens none."""
        rooms: Sequence[str] | None = None
        if names.rooms is not None:
            listed = claims.get(names.rooms)
            is_list = isinstance(listed, list) and all(isinstance(room, str) for room in listed)
            rooms = listed if is_list else ()
        return cls(_text(claims.get(names.identity)), _text(claims.get(names.name)), rooms, names)


class Caller(NamedTuple):
    """Who asks.

    Attributes:
        name: the subject of the caller's token, or the name of its API key; empty: nobody was asked.
        auth: how that is known: `oidc`, `api-key` or `none`.
        profile: what the caller may be as a participant; None: anybody, anywhere.
    """

    name: str
    auth: str
    profile: Profile | None = None


ANYBODY = Caller("", "none")


def _text(value: object) -> str:
    # JSON can write half a character, which is no text.
    return value if isinstance(value, str) and _is_unicode(value) else ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
