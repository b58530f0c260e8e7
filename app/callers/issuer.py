"""The OpenID issuer that callers have their tokens from: its signing keys, discovered and kept."""

import asyncio
import json
import logging
import time
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import Key, RSAKey, import_key

from app.callers.caller import IssuerUnreachable

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 1.5  # of a request whose token names a key that is not known
_TIMEOUT_SECONDS = 5.0
_PAUSE_SECONDS = 30.0  # between two fetches that requests bring about
_REFRESH_SECONDS = 300.0
_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0)
_MAX_BYTES = 1 << 20
_MAX_KEYS = 100
_RSA_BITS = range(2048, 8193)
_CURVES = {"EC": "P-256", "OKP": "Ed25519"}
_PUBLIC = {"kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y"}


class Issuer:
    """An issuer's keys, which are fetched once, and kept while it is away."""

    def __init__(self, url: str) -> None:
        """Take the keys of the issuer at `url`, which is also what tokens call it; fetch nothing yet."""
        self.url = url
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS)
        self._keys: dict[tuple[str, str], Key] = {}
        self._fetch: asyncio.Task[bool] | None = None
        self._next_fetch = 0.0
        self._is_away = False

    @property
    def is_known(self) -> bool:
        """Whether its keys have been fetched."""
        return bool(self._keys)

    async def key(self, kid: str, key_type: str) -> Key | None:
        """Find a key by its id and its type, `RSA`, `EC` or `OKP`; of an unknown one the issuer is asked.

        Raises:
            IssuerUnreachable: no key is known, for the issuer does not answer.
        """
        found = self._keys.get((kid, key_type))
        if found is None:
            await self._ask_again()
            found = self._keys.get((kid, key_type))
        if not self._keys:
            raise IssuerUnreachable
        return found

    async def watch(self) -> None:
        """Fetch the keys, again and again, until cancelled; sooner while the issuer is away."""
        failures = 0
        try:
            while True:
                failures = 0 if await self._refresh() else failures + 1
                await asyncio.sleep(_RETRY_SECONDS[min(failures, 4) - 1] if failures else _REFRESH_SECONDS)
        finally:
            await self._client.aclose()

    async def _ask_again(self) -> None:
        if self._fetch is None:
            if time.monotonic() < self._next_fetch:
                return
            self._next_fetch = time.monotonic() + _PAUSE_SECONDS
            self._fetch = asyncio.create_task(self._refresh())
            self._fetch.add_done_callback(self._forget)
        # Not wait_for: the fetch is everybody's, and goes on when one of them leaves.
        await asyncio.wait({self._fetch}, timeout=_PATIENCE_SECONDS)

    def _forget(self, _fetch: asyncio.Task[bool]) -> None:
        self._fetch = None

    async def _refresh(self) -> bool:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                keys = await self._fetched()
        except Exception as fault:  # noqa: BLE001  # Whatever it answers, it is asked again.
            if not self._is_away:
                logger.warning(
                    "The issuer's keys cannot be fetched (%s); %s.",
                    f"{type(fault).__name__}: {fault}".rstrip(": "),
                    "those that are known are kept" if self._keys else "no caller token can be verified",
                )
            self._is_away = True
            return False
        if self._is_away or not self._keys:
            logger.info("%d keys of the issuer %s are known.", len(keys), self.url)
        self._keys, self._is_away = keys, False
        return True

    async def _fetched(self) -> dict[tuple[str, str], Key]:
        metadata = await self._get(f"{self.url.rstrip('/')}/.well-known/openid-configuration")
        if metadata.get("issuer") != self.url:
            raise ValueError("the issuer calls itself otherwise; OIDC_ISSUER must be what it says")
        address = metadata.get("jwks_uri")
        if not isinstance(address, str) or (
            self.url.startswith("https:") and not address.startswith("https:")
        ):
            raise ValueError("the issuer's jwks_uri is no https URL")
        listed = (await self._get(address)).get("keys")
        keys = dict(filter(None, map(_usable, listed[:_MAX_KEYS] if isinstance(listed, list) else ())))
        if not keys:
            raise ValueError("the issuer publishes no key that could be used")
        return keys

    async def _get(self, address: str) -> dict[str, Any]:
        async with self._client.stream("GET", address, headers={"Accept": "application/json"}) as answer:
            answer.raise_for_status()
            content = b""
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > _MAX_BYTES:
                    raise ValueError("the issuer's answer is too long")
        found = json.loads(content)
        if not isinstance(found, dict):
            raise ValueError("the issuer's answer is not a JSON object")  # noqa: TRY004  # it is the issuer's
        return found


def _usable(published: Any) -> tuple[tuple[str, str], Key] | None:
    """Import a published key, if it can verify signatures that are accepted here."""
    if not isinstance(published, dict):
        return None
    kid, key_type = published.get("kid"), published.get("kty")
    if not isinstance(kid, str) or not isinstance(key_type, str) or published.get("use", "sig") != "sig":
        return None
    if key_type != "RSA" and (key_type not in _CURVES or published.get("crv") != _CURVES[key_type]):
        return None
    try:
        key = import_key({name: value for name, value in published.items() if name in _PUBLIC})
    except (JoseError, LookupError, TypeError, ValueError):
        return None
    if isinstance(key, RSAKey) and key.raw_value.key_size not in _RSA_BITS:
        return None
    return (kid, key_type), key
