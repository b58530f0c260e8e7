"""Who asks: the credentials of a request, handed to Connexion's security layer."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from connexion.lifecycle import ConnexionRequest
from connexion.security import NO_VALUE, AbstractSecurityHandler
from starlette.types import Scope

from app.callers.api_keys import ApiKeys
from app.callers.caller import Caller, IssuerUnreachable, UnknownCaller
from app.operation.readiness import ISSUER_UNREACHABLE, NotReady
from app.operation.text import printable

if TYPE_CHECKING:  # It is large, and for who needs it.
    from app.callers.tokens import CallerTokens

_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")
_REALM = 'realm="livekit-token-api"'
_MAX_NAME = 256
_NO_CREDENTIALS = (
    'Say who asks: send "Authorization: Bearer TOKEN" or "X-API-Key: KEY", '
    "whichever this deployment's contract lists."
)
_Verify = Callable[[ConnexionRequest], Awaitable[Any]]


class Unauthenticated(Exception):
    """Nobody can tell who asks; the message says what to send.

    Attributes:
        headers: of the answer: how to say who asks.
    """

    def __init__(self, message: str, headers: Mapping[str, str]) -> None:
        """Say what to send."""
        super().__init__(message)
        self.headers = headers


class _Scheme(AbstractSecurityHandler):  # type: ignore[misc]  # connexion ships no types
    """What Connexion asks for the function of a security scheme."""

    def __init__(self, verify: _Verify) -> None:
        self._verify = verify

    def get_fn(self, _scheme: Mapping[str, Any], _scopes: list[str]) -> _Verify:
        return self._verify


class Authentication:
    """Finds out who asks, by the contract's security schemes; leaves it in the scope's state as `caller`."""

    SCHEMES: ClassVar = {"oidc": "callerToken", "api-key": "apiKey"}

    def __init__(self, tokens: "CallerTokens | None", keys: ApiKeys | None) -> None:
        """Accept caller tokens, API keys, or either."""
        self._tokens, self._keys = tokens, keys
        self._headers = {
            "WWW-Authenticate": ", ".join(
                f"{scheme} {_REALM}"
                for scheme, accepted in (("Bearer", tokens), ("ApiKey", keys))
                if accepted is not None
            )
        }

    def security_map(self) -> Mapping[str, Callable[[], _Scheme]]:
        """Map Connexion's kinds of security schemes to what verifies them."""
        return {
            "bearer": partial(_Scheme, self._verify_token),
            "apiKey": partial(_Scheme, self._verify_key),
        }

    async def _verify_token(self, request: ConnexionRequest) -> Any:
        scope = request.scope
        sent = _values(scope, b"authorization")
        if not sent:
            raise Unauthenticated(_NO_CREDENTIALS, self._headers)
        found = _BEARER.fullmatch(sent[0]) if len(sent) == 1 else None
        if found is None or self._tokens is None:
            raise self._refusal('Send exactly one header "Authorization: Bearer TOKEN".')
        try:
            caller = await self._tokens.identify(found[1].decode())
        except UnknownCaller as error:
            raise self._refusal(str(error)) from None
        except IssuerUnreachable:
            raise NotReady([ISSUER_UNREACHABLE]) from None
        return _admit(scope, caller)

    async def _verify_key(self, request: ConnexionRequest) -> Any:
        scope = request.scope
        if self._tokens is not None and _values(scope, b"authorization"):
            # Where a token is sent it alone decides: a key would let in whom the token keeps out.
            return NO_VALUE
        sent = _values(scope, b"x-api-key")
        if not sent:
            raise Unauthenticated(_NO_CREDENTIALS, self._headers)
        if len(sent) > 1 or not sent[0] or self._keys is None:
            raise Unauthenticated("Send exactly one header X-API-Key.", self._headers)
        try:
            caller = self._keys.identify(sent[0])
        except UnknownCaller as error:
            raise Unauthenticated(str(error), self._headers) from None
        return _admit(scope, caller)

    def _refusal(self, message: str) -> Unauthenticated:
        challenge = self._headers["WWW-Authenticate"].replace(_REALM, f'{_REALM}, error="invalid_token"', 1)
        return Unauthenticated(message, {"WWW-Authenticate": challenge})


def _values(scope: Scope, header: bytes) -> list[bytes]:
    return [value.strip(b" \t") for name, value in scope["headers"] if name == header]


def _admit(scope: Scope, caller: Caller) -> dict[str, Any]:
    scope["state"]["caller"] = caller
    scope["state"]["audit"] |= {"caller": printable(caller.name, _MAX_NAME), "auth": caller.auth}
    return {"sub": caller.name}
