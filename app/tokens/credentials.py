"""What tokens are signed with."""

from dataclasses import dataclass

STRONG_SECRET_BYTES = 32
"""What HMAC-SHA-256 wants; a shorter secret can be found by trying."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A LiveKit project's API key and the secret that signs for it."""

    api_key: str
    api_secret: str

    @property
    def is_weak(self) -> bool:
        """Whether the secret is shorter than it should be."""
        return len(self.api_secret.encode()) < STRONG_SECRET_BYTES

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"Credentials(api_key={self.api_key!r})"
