"""Caller tokens: JWTs of the operator's OpenID issuer, verified as RFC 8725 recommends."""

import json
import re
from collections.abc import Collection
from typing import Any, ClassVar

from joserfc import jws
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.registry import HeaderParameter

from app.callers.caller import Caller, ClaimNames, Profile, UnknownCaller
from app.callers.issuer import Issuer

_MAX_TOKEN = 8192
_LEEWAY_SECONDS = 60
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES = {"jwt", "at+jwt", "application/jwt", "application/at+jwt"}
_KEY_TYPES = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
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
            claims = await self._verified(token)
            self._claims.validate(claims)
        except ExpiredTokenError:
            raise UnknownCaller("The caller token has expired; get a fresh one from its issuer.") from None
        except MissingClaimError:
            raise UnknownCaller("The caller token must have the claims aud, exp, iss and sub.") from None
        except InvalidClaimError as error:
            raise UnknownCaller(_BY_CLAIM.get(error.claim, _UNVERIFIABLE)) from None
        except _FAULTS:
            raise UnknownCaller(_UNVERIFIABLE) from None
        return Caller(claims["sub"], "oidc", Profile.read(claims, self._names))

    async def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > _MAX_TOKEN or not _COMPACT.fullmatch(token):
            raise ValueError("no JWT in its compact form")
        parsed = jws.extract_compact(token.encode(), None, self._signatures)
        header = parsed.headers()
        if not isinstance(header, dict):
            raise ValueError("no object")  # noqa: TRY004  # it is the caller's
        self._signatures.check_header(header)
        algorithm = header["alg"]
        self._signatures.get_alg(algorithm)
        key = await self._issuer.key(header["kid"], _KEY_TYPES[algorithm])
        if key is None or not jws.validate_compact(parsed, key, None, self._signatures):
            raise ValueError("not signed by a key of the issuer")
        claims = json.loads(parsed.payload)
        if not isinstance(claims, dict):
            raise ValueError("no object")  # noqa: TRY004  # it is the caller's
        return claims
