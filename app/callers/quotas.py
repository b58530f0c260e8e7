"""What is left to a caller."""

from typing import NamedTuple


class Quota(NamedTuple):
    """What is left of a limit after a request.

    Attributes:
        name: `caller` or `total`.
        amount: how many requests are allowed in a window.
        window_seconds: how long that is.
        remaining: how many are left.
        reset_seconds: when there are more again.
        is_exceeded: whether the request was one too many.
    """

    name: str
    amount: int
    window_seconds: int
    remaining: int
    reset_seconds: int
    is_exceeded: bool
