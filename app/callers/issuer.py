"""The OpenID issuer that callers have their tokens from: its signing keys, discovered and kept."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from app.callers.caller import IssuerUnreachable

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 1.5  # of a request whose token names a key that is not known
_TIMEOUT_SECONDS = 5.0
_PAUSE_SECONDS = 30.0  # between two fetches that requests bring about
_REFRESH_SECONDS = 300.0
_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0)
_MAX_BYTES = 1 << 18
_MAX_KEYS = 100
# Of a modulus of 2,048 to 8,192 bits, in base 64.
_RSA_CHARACTERS = range(342, 1367)
# What a key of a type, and of a curve, verifies.
_ALGORITHMS: dict[Any, tuple[str, ...]] = {
    ("RSA", None): ("RS256", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
_PUBLIC = {"kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y"}

_Keys = dict[tuple[str, str], Key]


class _Unusable(Exception):
    """What the issuer answered is of no use; the message says why."""


class Issuer:
    """An issuer's keys, which are fetched once, and kept while it is away."""

    def __init__(self, url: str) -> None:
        """Take the keys of the issuer at `url`, which is also what tokens call it; fetch nothing yet."""
        self.url = url
        self._tls = httpx.create_ssl_context()
        self._keys: _Keys = {}
        self._fetch: asyncio.Task[bool] | None = None
        self._next_fetch = 0.0
        self._is_away = False

    @property
    def is_known(self) -> bool:
        """Whether its keys have been fetched."""
        return bool(self._keys)

    async def key(self, kid: str, algorithm: str) -> Key | None:
        """Find the key with an id that verifies an algorithm; of an unknown one the issuer is asked.

        Raises:
            IssuerUnreachable: no key is known, for the issuer does not answer.
        """
        found = self._keys.get((kid, algorithm))
        if found is None:
            await self._ask_again()
            found = self._keys.get((kid, algorithm))
        if not self._keys:
            raise IssuerUnreachable
        return found

    async def watch(self) -> None:
        """Fetch the keys, again and again, until cancelled; sooner while the issuer is away."""
        failures = 0
        while True:
            failures = 0 if await asyncio.shield(self._fetching()) else failures + 1
            last = len(_RETRY_SECONDS)
            await asyncio.sleep(_RETRY_SECONDS[min(failures, last) - 1] if failures else _REFRESH_SECONDS)

    async def probe(self) -> int:
        """Fetch the keys once, keep none of them, and count them; what httpx raises passes.

        Raises:
            IssuerUnreachable: what it answers is of no use; the message says why.
            TimeoutError: it takes too long.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return len({kid for kid, _ in await self._fetched()})
        except _Unusable as fault:
            raise IssuerUnreachable(str(fault)) from None

    async def _ask_again(self) -> None:
        if self._fetch is None:
            if time.monotonic() < self._next_fetch:
                return
            self._next_fetch = time.monotonic() + _PAUSE_SECONDS
        # Not wait_for: the fetch is everybody's, and goes on when one of them leaves.
        await asyncio.wait({self._fetching()}, timeout=_PATIENCE_SECONDS)

    def _fetching(self) -> "asyncio.Task[bool]":
        """Begin a fetch, or join the one that is under way: an older one must not end last."""
        if self._fetch is None:
            self._fetch = asyncio.create_task(self._refresh())
            self._fetch.add_done_callback(self._forget)
        return self._fetch

    def _forget(self, _fetch: "asyncio.Task[bool]") -> None:
        self._fetch = None

    async def _refresh(self) -> bool:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                keys = await self._fetched()
        except Exception as fault:  # noqa: BLE001  # Whatever it answers, it is asked again.
            if not self._is_away:
                logger.warning(
                    "The issuer's keys cannot be fetched (%s); %s.",
                    # Of others' words only the kind: they may hold an address with credentials.
                    fault if isinstance(fault, _Unusable) else type(fault).__name__,
                    "those that are known are kept" if self._keys else "no caller token can be verified",
                )
            self._is_away = True
            return False
        if self._is_away or not self._keys:
            logger.info("The issuer's keys are known: %d.", len({kid for kid, _ in keys}))
        self._keys, self._is_away = keys, False
        return True

    async def _fetched(self) -> _Keys:
        # Not compressed: a small answer could become a large one.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with httpx.AsyncClient(verify=self._tls, timeout=_TIMEOUT_SECONDS, headers=headers) as client:
            metadata = await _get(client, f"{self.url.rstrip('/')}/.well-known/openid-configuration")
            if metadata.get("issuer") != self.url:
                raise _Unusable("it calls itself otherwise: OIDC_ISSUER must be what it says")
            address = metadata.get("jwks_uri")
            scheme = "https://" if self.url.startswith("https://") else "http"
            if not isinstance(address, str) or not address.startswith(scheme):
                raise _Unusable("its jwks_uri is no https URL")
            listed = (await _get(client, address)).get("keys")
        keys = {
            (key_id, algorithm): key
            for published in (listed[:_MAX_KEYS] if isinstance(listed, list) else ())
            for key_id, algorithm, key in _usable(published)
        }
        if not keys:
            raise _Unusable("it publishes no key that could be used")
        return keys


async def _get(client: httpx.AsyncClient, address: str) -> dict[str, Any]:
    async with client.stream("GET", address) as answer:
        if answer.status_code != httpx.codes.OK or "Content-Encoding" in answer.headers:
            raise _Unusable(f"it answers {answer.status_code}, or compressed")
        content = b""
        async for part in answer.aiter_raw():
            content += part
            if len(content) > _MAX_BYTES:
                raise _Unusable("its answer is too long")
    found = json.loads(content)
    if not isinstance(found, dict):
        raise _Unusable("its answer is not a JSON object")
    return found


def _usable(published: Any) -> Iterator[tuple[str, str, Key]]:
    """Import a published key, for each algorithm that is accepted here and that it can verify."""
    if not isinstance(published, dict) or published.get("use", "sig") != "sig":
        return
    kid, key_type, curve = (published.get(name) for name in ("kid", "kty", "crv"))
    if not isinstance(kid, str):
        return
    try:
        algorithms = _ALGORITHMS.get((key_type, curve), ())
        if key_type == "RSA" and len(published["n"]) not in _RSA_CHARACTERS:
            return
        key = import_key({name: value for name, value in published.items() if name in _PUBLIC})
    except (JoseError, LookupError, TypeError, ValueError):
        return
    for algorithm in algorithms:
        if published.get("alg", algorithm) == algorithm:
            yield kid, algorithm, key
