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

    @property
    def shown_key(self) -> str:
        """The API key for people; of one as long as a secret, which it may be by mistake, the beginning."""
        return self.api_key if len(self.api_key) < STRONG_SECRET_BYTES else f"{self.api_key[:8]}…"

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"Credentials(api_key={self.shown_key!r})"
