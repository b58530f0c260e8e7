"""The token service: an order in, a signed token out. It knows nothing of HTTP."""

import time
from typing import NamedTuple

from app.tokens.admission import UNRESTRICTED, AdmissionPolicy, Entitlement
from app.tokens.claims import TokenWriter, longest_part
from app.tokens.credentials import Credentials
from app.tokens.orders import TokenOrder
from app.tokens.policy import TokenPolicy, TokenTooLong


class MissingCredentials(Exception):
    """The service has no API key or no API secret to sign with."""


class MissingServerUrl(Exception):
    """The service does not know the LiveKit server that it issues tokens for."""


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

    def __init__(
        self,
        credentials: Credentials | None,
        policy: TokenPolicy | None = None,
        admission: AdmissionPolicy | None = None,
    ) -> None:
        """Sign with `credentials`; without them the service issues nothing.

        Raises:
            TokensDiffer: see claims.TokenWriter.
            UnusableSecret: likewise.
        """
        self._policy = policy or TokenPolicy()
        self._admission = admission or AdmissionPolicy()
        self._writer = TokenWriter(credentials, self._policy) if credentials else None

    @property
    def can_sign(self) -> bool:
        """Whether there are credentials."""
        return self._writer is not None

    @property
    def is_weak(self) -> bool:
        """Whether the secret in use is shorter than it should be."""
        writer = self._writer
        return writer is not None and writer.is_weak

    def sign_with(self, credentials: Credentials) -> None:
        """Sign with other credentials from the next token on; where that fails, nothing changes.

        Raises:
            TokensDiffer: see claims.TokenWriter.
            UnusableSecret: likewise.
        """
        self._writer = TokenWriter(credentials, self._policy)

    def issue(self, order: TokenOrder, entitlement: Entitlement = UNRESTRICTED) -> IssuedToken:
        """Issue a token to a caller with an entitlement.

        Raises:
            AgentNotAllowed: the operator does not let callers dispatch an agent of the order.
            IdentityMismatch: see admission.AdmissionPolicy.admit.
            MissingCredentials: the service has nothing to sign with.
            RoomNotListed: see admission.AdmissionPolicy.admit.
            RoomOutsidePrefix: likewise.
            TokenGenerationFailed: the token could not be written.
            TokenTooLong: the order asks for more than a token may carry.
        """
        policy = self._policy
        completed = self._admission.admit(order, entitlement)
        policy.check_agents(order.agents)
        writer = self._writer
        if writer is None:
            raise MissingCredentials
        # One reading of the clock: what is answered as the expiry is what the token says.
        now = int(time.time())
        try:
            expiry = now + int(policy.lifetime(order.ttl).total_seconds())
            jwt = writer.write(completed, now, expiry)
        except Exception as error:
            raise TokenGenerationFailed from error
        if len(jwt) > policy.max_bytes:
            raise TokenTooLong(longest_part(order), len(jwt), policy.max_bytes)
        return IssuedToken(jwt, completed.room, completed.identity, completed.name, expiry)
