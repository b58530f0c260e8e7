"""Whom tokens may admit to which room: what the operator says of rooms, and the caller's entitlement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.tokens.orders import TokenOrder


class IdentityMismatch(Exception):
    """The order is for another participant than the caller."""


class RoomOutsidePrefix(Exception):
    """The room's name does not begin with what the operator demands.

    Attributes:
        prefix: what that is.
    """

    def __init__(self, prefix: str) -> None:
        """Say what the name must begin with."""
        super().__init__(prefix)
        self.prefix = prefix


class RoomNotListed(Exception):
    """The caller may not enter the room.

    Attributes:
        fresh: whether the order names no room, and so is for a fresh one.
    """

    def __init__(self, *, fresh: bool) -> None:
        """Say whether a room was named."""
        super().__init__(fresh)
        self.fresh = fresh


class Entitlement(NamedTuple):
    """What a caller may have tokens for.

    Attributes:
        identity: the only participant; empty: any.
        name: what others see of a participant for whom the order has no name.
        rooms: the rooms, by name or by a pattern in which `*` is any text; None: any, fresh ones included.
    """

    identity: str = ""
    name: str = ""
    rooms: Sequence[str] | None = None


UNRESTRICTED = Entitlement()
"""Of a caller who may have tokens for any participant and any room."""


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """What the operator says of rooms.

    Attributes:
        room_prefix: what the name of every room begins with.
    """

    room_prefix: str = ""

    def admit(self, order: TokenOrder, entitlement: Entitlement) -> TokenOrder:
        """Complete an order that may be carried out.

        Raises:
            IdentityMismatch: the order is for another participant than the caller.
            RoomNotListed: the caller may not enter the room.
            RoomOutsidePrefix: nobody may have a token for the room.
        """
        only = entitlement.identity
        if only and order.identity not in {"", only}:
            raise IdentityMismatch
        if order.room and not order.room.startswith(self.room_prefix):
            raise RoomOutsidePrefix(self.room_prefix)
        rooms = entitlement.rooms
        if rooms is not None and not (order.room and any(matches(p, order.room) for p in rooms)):
            raise RoomNotListed(fresh=not order.room)
        if only:
            order = order._replace(identity=only, name=order.name or entitlement.name)
        return order.completed(self.room_prefix)


def matches(pattern: str, name: str) -> bool:
    """Tell whether a name is what a pattern says, in which `*` is any text, and all else is itself.

    A regular expression would take exponential time over some patterns.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    if not name.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - len(last) >= at and name.endswith(last)
