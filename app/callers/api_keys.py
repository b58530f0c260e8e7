"""API keys, for trusted backends that act for many users; only their digests are known here."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from app.callers.caller import Caller, UnknownCaller

_KEY_BYTES = 32


class ApiKeys:
    """The keys that are accepted."""

    def __init__(self, digests: Iterable[tuple[str, bytes]]) -> None:
        """Accept keys by their SHA-256 digests, each with the name of whom it was given to."""
        self._digests = tuple(digests)

    def identify(self, key: bytes) -> Caller:
        """Tell whose key it is.

        Raises:
            UnknownCaller: nobody's.
        """
        given, owner = hashlib.sha256(key).digest(), None
        # All of them, so that the time tells nothing.
        for name, digest in self._digests:
            if hmac.compare_digest(given, digest):
                owner = name
        if owner is None:
            raise UnknownCaller(
                "The API key is not known; "
                "the operator lists the digests of those that are, in API_KEY_DIGESTS."
            )
        return Caller(owner, "api-key")


def new_key() -> tuple[str, str]:
    """Make a key of 256 random bits, and its digest in hexadecimal."""
    key = f"lktoken_{secrets.token_urlsafe(_KEY_BYTES)}"
    return key, hashlib.sha256(key.encode()).hexdigest()
