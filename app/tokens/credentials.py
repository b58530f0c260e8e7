"""What tokens are signed with."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """A LiveKit project's API key and the secret that signs for it."""

    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"Credentials(api_key={self.api_key!r})"
