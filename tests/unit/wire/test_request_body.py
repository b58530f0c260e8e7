"""Reading a body: how much of it is asked for, and what is made of one that ends badly."""

from collections.abc import Iterable
from typing import Any

import pytest

from app.callers.caller import ANYBODY
from app.wire.contract import Contract
from app.wire.faults import ContractViolation, Fault
from app.wire.request_body import BodyReader, PayloadTooLarge

VALID = b'{"roomName": "room", "participantIdentity": "alice"}'
LEFT = {"type": "http.disconnect"}


def part(body: bytes, *, more: bool = True) -> dict[str, Any]:
    """Make a message with a part of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


class Reading:
    """A body that is read; `left` are the messages that nobody has asked for."""

    def __init__(self, messages: Iterable[dict[str, Any]], length: int | None = None) -> None:
        """Send `messages`, and announce a `length`, if any."""
        self.left = list(messages)
        self.audit: dict[str, Any] = {}
        announced = [] if length is None else [(b"content-length", b"%d" % length)]
        self._scope = {
            "headers": [(b"content-type", b"application/json"), *announced],
            "state": {"audit": self.audit, "caller": ANYBODY},
        }

    async def result(self) -> Any:
        """Read the body of a token request."""
        rule = Contract.load().operations["generateToken"].body
        assert rule is not None

        async def receive() -> dict[str, Any]:
            return self.left.pop(0)

        return await BodyReader(rule, timeout_seconds=1).read(receive, self._scope)


async def test_a_body_in_parts_is_read_to_its_end_and_no_further() -> None:
    """The parts are put together, defaults are added, and the next message is another request's."""
    reading = Reading([part(VALID[:10]), part(b""), part(VALID[10:], more=False), LEFT])
    assert await reading.result() == {
        "roomName": "room",
        "participantIdentity": "alice",
        "expirationSeconds": 3600,
    }
    assert reading.left == [LEFT]
    assert reading.audit == {"room": "room", "identity": "alice"}


async def test_a_body_whose_sender_has_left_is_not_used() -> None:
    """Not even if what has arrived is valid by itself: more was to come, and nobody waits for a token."""
    reading = Reading([part(VALID), LEFT])
    with pytest.raises(ContractViolation) as caught:
        await reading.result()
    assert caught.value.faults == (Fault("body", "ended before it was complete"),)
    assert reading.audit == {}


async def test_a_body_that_is_announced_too_long_is_not_asked_for() -> None:
    """No part of it is read."""
    reading = Reading([part(VALID)], length=16 * 1024 + 1)
    with pytest.raises(PayloadTooLarge, match="16384 bytes"):
        await reading.result()
    assert len(reading.left) == 1


async def test_a_body_that_grows_too_long_is_read_no_further() -> None:
    """The part with the first byte too many is the last one that is read."""
    reading = Reading([part(b" " * 2**14), part(b" "), part(VALID)])
    with pytest.raises(PayloadTooLarge):
        await reading.result()
    assert reading.left == [part(VALID)]
