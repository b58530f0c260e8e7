"""A deadline: something that happens after a while, unless it is lifted before."""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable


class Deadline:
    """Waits for one thing at a time; to set it anew begins anew."""

    __slots__ = ("_loop", "_missed", "_seconds", "_timer")

    def __init__(self, loop: AbstractEventLoop, seconds: float, missed: Callable[[], object]) -> None:
        """Call `missed` on `loop` when the deadline was set, and not lifted, for `seconds`."""
        self._loop, self._seconds, self._missed = loop, seconds, missed
        self._timer: TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether something is waited for."""
        return self._timer is not None

    def set(self) -> None:
        """Begin to wait."""
        self.lift()
        self._timer = self._loop.call_later(self._seconds, self._missed)

    def let_go(self) -> None:
        """Wait no more, ever, and forget who would have been told."""
        self.lift()
        self._missed = _nothing

    def lift(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing() -> None:
    pass
