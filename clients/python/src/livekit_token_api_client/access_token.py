"""An access token, which is a password."""

import base64
import json


class AccessToken(str):
    """A JWT for one room and one participant: a text that a `repr` does not show, so that no log has it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Hide it."""
        return "AccessToken('…')"

    @property
    def lifetime_seconds(self) -> float:
        """How long it is valid from when it was issued, by its own claims; 0 where they do not say."""
        try:
            claims = self.split(".")[1]
            read = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
            return float(read["exp"] - read["nbf"])
        except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
            return 0.0
