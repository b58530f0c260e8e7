"""Whether the service can do what it is for, as an orchestrator or a load balancer asks."""

from app.tokens.service import TokenService


class NotReady(Exception):
    """The service cannot do what it is for."""


class Readiness:
    """What must be true before requests are sent here."""

    def __init__(self, tokens: TokenService) -> None:
        """Look after the token service."""
        self._tokens = tokens

    def check(self) -> None:
        """Return if tokens can be issued.

        Raises:
            NotReady: the token service has no credentials.
        """
        if not self._tokens.ready:
            raise NotReady
