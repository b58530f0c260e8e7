"""What a token is explained by, and how its texts are shown."""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from app.doctor.credentials import Source
from app.doctor.finding import Finding
from app.doctor.secrecy import without_secrets
from app.operation.text import printable

MINT = "mint it with livekit-api, or have this service issue it"
"""What to do about a token that whoever wrote it has not written as LiveKit reads it."""

_MAX_TEXT = 80


class Known(NamedTuple):
    """What a token is explained by.

    Attributes:
        sources: the credentials that are known.
        publish_sources: the tracks that LiveKit knows.
        secrets: what must not be shown, wherever in the token it is.
    """

    sources: Sequence[Source]
    publish_sources: Sequence[str]
    secrets: Collection[str] = ()

    def quoted(self, value: Any) -> str:
        """Write a value for people, of which they see the beginning."""
        text = value if isinstance(value, str) else json.dumps(value)
        return f'"{printable(without_secrets(text, self.secrets), _MAX_TEXT)}"'

    def too_long(self, check: str, text: str, limit: int) -> Finding:
        """Say of a text that it has more bytes than LiveKit takes."""
        words = f"is longer than the {limit} bytes that LiveKit takes: {self.quoted(text)}"
        return Finding(check, "problem", words, "take a shorter one")


def length_of(text: str) -> int:
    """Count the bytes of a text."""
    return len(text.encode(errors="replace"))
