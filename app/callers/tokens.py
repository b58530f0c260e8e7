"""Caller tokens: JWTs of the operator's OpenID issuer, verified as RFC 8725 recommends."""

import json
import re
from collections.abc import Collection
from typing import Any, ClassVar

from joserfc import jws
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import Key
from joserfc.jws import CompactSignature, JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.registry import HeaderParameter

from app.callers.caller import Caller, ClaimNames, Profile, UnknownCaller
from app.callers.issuer import Issuer

_MAX_TOKEN = 8192
_LEEWAY_SECONDS = 60
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES = {"jwt", "at+jwt", "application/jwt", "application/at+jwt"}
_LAST_SECOND = 253_402_300_799  # of the year 9999
# joserfc has an error of its own for most of what hostile tokens hold, but not for all.
_FAULTS = (ArithmeticError, AttributeError, JoseError, LookupError, RecursionError, TypeError, ValueError)
_UNVERIFIABLE = "The caller token cannot be verified; send a JWT that the operator's OIDC_ISSUER signed."
_BY_CLAIM = {
    "iss": "The caller token is another issuer's; get one of the operator's OIDC_ISSUER.",
    "aud": "The caller token is for another audience; get one for the audience that the operator names in "
    "OIDC_AUDIENCE.",
    "nbf": "The caller token is not valid yet; its issuer's clock is ahead of this service's.",
    "iat": "The caller token is not issued yet; its issuer's clock is ahead of this service's.",
}


def _refuse(_value: object) -> None:
    raise ValueError("is not accepted")


def _check_type(value: object) -> None:
    if not isinstance(value, str) or value.lower() not in _TYPES:
        raise ValueError("is not the type of an access token")


class _Signatures(JWSRegistry):
    """The signatures that are accepted, and the headers: none may say where to find its key."""

    max_header_length = 2048
    refused: ClassVar = ("b64", "crit", "jku", "jwk", "x5c", "x5u", "zip")

    def __init__(self, algorithms: Collection[str]) -> None:
        headers = {name: HeaderParameter("Refused", _refuse) for name in self.refused}
        headers["kid"] = HeaderParameter("Key ID", "str", required=True)
        headers["typ"] = HeaderParameter("Type", _check_type)
        super().__init__(headers, algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        # joserfc would warn of EdDSA's name each time, which RFC 9864 makes two of.
        if self.allowed is None or name not in self.allowed:
            raise JoseError(f"{name} is not accepted")
        return self.algorithms[name]


class CallerTokens:
    """Verifies caller tokens; nothing of one is kept."""

    def __init__(self, issuer: Issuer, audience: str, algorithms: Collection[str], names: ClaimNames) -> None:
        """Accept tokens that `issuer` signed for `audience`, and read profiles from the claims of `names`."""
        self._issuer = issuer
        self._names = names
        self._signatures = _Signatures(algorithms)
        self._claims = JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer.url},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
        )

    async def identify(self, token: str) -> Caller:
        """Tell whose token it is.

        Raises:
            IssuerUnreachable: see issuer.Issuer.key.
            UnknownCaller: it is none that is accepted.
        """
        try:
            signed = self._parsed(token)
        except _FAULTS:
            raise UnknownCaller(_UNVERIFIABLE) from None
        header = signed.headers()
        key = await self._issuer.key(header["kid"], header["alg"])
        try:
            claims = self._verified(signed, key)
        except ExpiredTokenError:
            raise UnknownCaller("The caller token has expired; get a fresh one from its issuer.") from None
        except MissingClaimError:
            raise UnknownCaller("The caller token must have the claims aud, exp, iss and sub.") from None
        except InvalidClaimError as error:
            raise UnknownCaller(_BY_CLAIM.get(error.claim, _UNVERIFIABLE)) from None
        except _FAULTS:
            raise UnknownCaller(_UNVERIFIABLE) from None
        return Caller(claims["sub"], "oidc", Profile.read(claims, self._names))

    def _parsed(self, token: str) -> CompactSignature:
        """Read the header of a token, which is not verified yet."""
        if len(token) > _MAX_TOKEN or not _COMPACT.fullmatch(token):
            raise ValueError("no JWT in its compact form")
        signed = jws.extract_compact(token.encode(), None, self._signatures)
        self._signatures.check_header(signed.headers())
        self._signatures.get_alg(signed.headers()["alg"])
        return signed

    def _verified(self, signed: CompactSignature, key: Key | None) -> dict[str, Any]:
        """Read the claims of a token that a key of the issuer signed."""
        if key is None or not jws.validate_compact(signed, key, None, self._signatures):
            raise ValueError("not signed by a key of the issuer")
        claims: dict[str, Any] = json.loads(signed.payload)
        self._claims.validate(claims)
        for name in ("exp", "iat", "nbf"):
            if not 0 <= claims.get(name, 0) <= _LAST_SECOND:
                raise ValueError("no date")
        claims["sub"].encode()  # JSON can write half a character, which is no text.
        return claims
