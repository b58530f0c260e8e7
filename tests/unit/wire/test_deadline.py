"""A deadline happens once, when it was set and not lifted."""

import asyncio
import weakref
from collections.abc import Callable

from app.wire.deadline import Deadline

SECONDS = 0.05


def deadline(missed: Callable[[], object], seconds: float = SECONDS) -> Deadline:
    """Make one of the loop that runs."""
    return Deadline(asyncio.get_running_loop(), seconds, missed)


async def test_who_is_late_is_told_once() -> None:
    """To set it anew begins anew, and does not leave the first one running."""
    missed: list[bool] = []
    found = deadline(lambda: missed.append(True))
    found.set()
    await asyncio.sleep(SECONDS / 2)
    found.set()
    assert found.is_set
    await asyncio.sleep(SECONDS * 4)
    assert missed == [True]


async def test_who_is_in_time_is_told_nothing() -> None:
    """It is lifted, and can be set again."""
    missed: list[bool] = []
    found = deadline(lambda: missed.append(True))
    found.set()
    found.lift()
    assert not found.is_set
    await asyncio.sleep(SECONDS * 2)
    assert not missed
    found.set()
    await asyncio.sleep(SECONDS * 2)
    assert missed == [True]


async def test_who_is_let_go_is_neither_told_nor_remembered() -> None:
    """The loop keeps a timer that was lifted until its time comes, which may be long."""

    class Client:
        def missed(self) -> None:
            raise AssertionError("it was let go")

    client = Client()
    known = weakref.ref(client)
    found = deadline(client.missed)
    found.set()
    found.let_go()
    del client
    assert known() is None
    assert not found.is_set
    await asyncio.sleep(SECONDS * 2)
