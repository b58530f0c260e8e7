"""Who asks: an API key, a caller token, or nobody in particular."""

import re
from dataclasses import dataclass, field

_VISIBLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Credential:
    """A header that says who asks."""

    header: str
    value: str = field(repr=False)


def credential_of(api_key: str | None, bearer: str | None) -> Credential | None:
    """Make the header of an API key, or that of a caller token; of neither, none.

    Raises:
        ValueError: it cannot be sent. The message does not show it.
    """
    if api_key is not None:
        return Credential("X-API-Key", _sendable("api_key", api_key))
    if bearer is not None:
        return Credential("Authorization", f"Bearer {_sendable('bearer', bearer)}")
    return None


def _sendable(name: str, value: str) -> str:
    # httpx would refuse a line break too, with the whole header in its message.
    if not _VISIBLE.fullmatch(value):
        raise ValueError(f"{name} must be visible ASCII characters, without blanks or line breaks around it")
    return value
