"""The token service: an order in, a signed token out. It knows nothing of HTTP."""

import time
from typing import NamedTuple

from app.tokens.claims import TokenWriter, longest_part
from app.tokens.credentials import Credentials
from app.tokens.orders import TokenOrder
from app.tokens.policy import TokenPolicy, TokenTooLong


class MissingCredentials(Exception):
    """The service has no API key or no API secret to sign with."""


class MissingServerUrl(Exception):
    """The service does not know the LiveKit server that it issues tokens for."""


class NotReady(Exception):
    """The service cannot do what it is for."""


class TokenGenerationFailed(Exception):
    """The token could not be written; the cause is chained."""


class IssuedToken(NamedTuple):
    """A signed token, whom it admits to which room, and its `exp` claim: seconds since 1970 in UTC."""

    jwt: str
    room: str
    identity: str
    name: str
    expires_at: int


class TokenService:
    """Issues access tokens with the least that a voice session needs."""

    def __init__(self, credentials: Credentials | None, policy: TokenPolicy | None = None) -> None:
        """Sign with `credentials`; without them the service is not ready and issues nothing.

        Raises:
            TokensDiffer: see claims.TokenWriter.
            UnusableSecret: likewise.
        """
        self._policy = policy or TokenPolicy()
        self._writer = TokenWriter(credentials, self._policy) if credentials else None

    def check_readiness(self) -> None:
        """Return if there are credentials to sign with.

        Raises:
            NotReady: there are none.
        """
        if self._writer is None:
            raise NotReady

    def issue(self, order: TokenOrder) -> IssuedToken:
        """Issue a token.

        Raises:
            AgentNotAllowed: the operator does not let callers dispatch an agent of the order.
            MissingCredentials: the service is not ready.
            TokenGenerationFailed: the token could not be written.
            TokenTooLong: the order asks for more than a token may carry.
        """
        policy = self._policy
        policy.check_agents(order.agents)
        if self._writer is None:
            raise MissingCredentials
        completed = order.completed()
        # One reading of the clock: what is answered as the expiry is what the token says.
        now = int(time.time())
        try:
            expiry = now + int((order.ttl or policy.ttl).total_seconds())
            jwt = self._writer.write(completed, now, expiry)
        except Exception as error:
            raise TokenGenerationFailed from error
        if len(jwt) > policy.max_bytes:
            raise TokenTooLong(longest_part(order), len(jwt), policy.max_bytes)
        return IssuedToken(jwt, completed.room, completed.identity, completed.name, expiry)
