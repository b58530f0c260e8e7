"""What an issuer may answer, and what is made of it."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.callers import issuer as module
from app.callers.issuer import Issuer
from tests.support.issuer import encoded

URL = "https://login.example.com"
GOOD = {**RSAKey.generate_key(2048).as_dict(private=False), "kid": "good", "use": "sig"}
OTHER = {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "other"}
ED448 = OKPKey.generate_key("Ed448").as_dict(private=False)
METADATA = {"issuer": URL, "jwks_uri": f"{URL}/jwks"}

WHOLE = json.dumps({**METADATA, "keys": [GOOD]}).encode()

Handler = Callable[[httpx.Request], httpx.Response]


def sent(content: bytes, **headers: str) -> httpx.Response:
    """Answer as over a network: nothing has been read yet."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, stream=httpx.ByteStream(content), headers=named)


def answering(keys: Any, metadata: Any = METADATA) -> Handler:
    """Make an issuer that publishes keys."""
    published = {"keys": keys}
    return lambda request: sent(json.dumps(published if request.url.path == "/jwks" else metadata).encode())


class _Transport(httpx.AsyncBaseTransport):
    """httpx's own for tests reads an answer before anybody asks for it."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handler(request)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Handler]:
    """What the issuer answers with: the last of the list."""
    handlers = [answering([GOOD])]
    client = httpx.AsyncClient

    def make(**arguments: Any) -> httpx.AsyncClient:
        return client(**arguments, transport=_Transport(handlers[-1]))

    monkeypatch.setattr(httpx, "AsyncClient", make)
    return handlers


async def known(issuer: Issuer) -> set[str]:
    """Have the keys fetched, and tell which are known."""
    await asyncio.wait({issuer._fetching()})  # noqa: SLF001  # as its watch and its callers do
    return {kid for kid, _ in issuer._keys}  # noqa: SLF001


WRONG: dict[str, Handler] = {
    "another issuer's metadata": answering([GOOD], {**METADATA, "issuer": "https://evil.example"}),
    "no name": answering([GOOD], {"jwks_uri": f"{URL}/jwks"}),
    "keys without TLS": answering([GOOD], {**METADATA, "jwks_uri": "http://login.example.com/jwks"}),
    "keys in a file": answering([GOOD], {**METADATA, "jwks_uri": "file:///jwks"}),
    "no address of keys": answering([GOOD], {"issuer": URL}),
    "an address that is none": answering([GOOD], {**METADATA, "jwks_uri": 7}),
    "a list for metadata": answering([GOOD], [METADATA]),
    "no keys": answering([]),
    "no list of keys": answering({"good": GOOD}),
    "keys for encryption": answering([{**GOOD, "use": "enc"}]),
    "a weak key": answering([{**GOOD, "n": encoded(b"\xc1" * 128)}]),
    "a huge key": answering([{**GOOD, "n": encoded(b"\xc1" * 2048)}]),
    "a key of another curve": answering(
        [{**OKPKey.generate_key("Ed448").as_dict(private=False), "kid": "x"}]
    ),
    "a key of P-384": answering([{**ECKey.generate_key("P-384").as_dict(private=False), "kid": "x"}]),
    "a key without an id": answering([{name: value for name, value in GOOD.items() if name != "kid"}]),
    "a key for another algorithm": answering([{**GOOD, "alg": "RS512"}]),
    "odd keys": answering([7, None, [], {"kid": "x", "kty": []}, {"kid": "x", "kty": "RSA"}]),
    "a redirection": lambda request: (
        sent(WHOLE)
        if request.url.path == "/elsewhere"
        else httpx.Response(302, headers={"Location": f"{URL}/elsewhere"})
    ),
    "an error": lambda _: httpx.Response(503),
    "no JSON": lambda _: sent(b"<html>"),
    "deep JSON": lambda _: sent(b"[" * 100_000),
    "no UTF-8": lambda _: sent(b'{"issuer":"\xff"}'),
    "too much": lambda _: sent(WHOLE + b" " * (1 << 20)),
    "something compressed": lambda _: sent(WHOLE, Content_Encoding="identity"),
}


@pytest.mark.filterwarnings("ignore:Key size")
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_what_is_of_no_use_is_said_and_takes_nothing_away(
    answers: list[Handler], wrong: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    """The keys that are known are kept, and the operator is told once."""
    issuer = Issuer(URL)
    answers.append(wrong)
    assert await known(issuer) == set()
    assert await known(issuer) == set()
    assert len(caplog.records) == 1
    answers.append(answering([GOOD]))
    assert await known(issuer) == {"good"}
    answers.append(wrong)
    assert await known(issuer) == {"good"}
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO, logging.WARNING]


async def test_a_fault_of_the_network_names_no_address(
    answers: list[Handler], caplog: pytest.LogCaptureFixture
) -> None:
    """It could hold credentials."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot reach {request.url}")

    answers.append(fail)
    await known(Issuer(URL))
    assert "(ConnectError)" in caplog.text
    assert "login.example.com" not in caplog.text


async def test_what_cannot_be_used_does_not_spoil_the_rest(answers: list[Handler]) -> None:
    """An issuer may publish what this service does not know."""
    broken = {"kty": "RSA", "kid": "broken", "n": "!" * 342, "e": "AQAB"}
    answers.append(answering([broken, {"kty": "AKP", "kid": "x"}, GOOD, OTHER]))
    assert await known(Issuer(URL)) == {"good", "other"}


async def test_one_id_may_have_a_key_for_each_algorithm(answers: list[Handler]) -> None:
    """RS256 and PS256 are for keys of one type."""
    first, second = (RSAKey.generate_key(2048).as_dict(private=False) for _ in range(2))
    answers.append(answering([{**first, "kid": "k", "alg": "RS256"}, {**second, "kid": "k", "alg": "PS256"}]))
    issuer = Issuer(URL)
    await known(issuer)
    found = [await issuer.key("k", algorithm) for algorithm in ("RS256", "PS256")]
    assert [key.as_dict(private=False)["n"] for key in found if key] == [first["n"], second["n"]]


async def test_the_issuer_is_asked_again_after_a_pause(
    answers: list[Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not within it, and not only once."""
    issuer = Issuer(URL)
    await known(issuer)
    answers.append(answering([OTHER]))
    assert await issuer.key("other", "ES256")
    answers.append(answering([GOOD]))
    assert await issuer.key("good", "RS256") is None
    monkeypatch.setattr(issuer, "_next_fetch", 0.0)
    assert await issuer.key("good", "RS256")


async def test_withdrawn_keys_end_without_anybody_asking(
    answers: list[Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch looks at them from time to time."""
    monkeypatch.setattr(module, "_REFRESH_SECONDS", 0.01)
    issuer = Issuer(URL)
    watch = asyncio.create_task(issuer.watch())
    await issuer.key("good", "RS256")
    answers.append(answering([OTHER]))
    await asyncio.sleep(0.2)
    assert {kid for kid, _ in issuer._keys} == {"other"}  # noqa: SLF001
    watch.cancel()


async def test_a_fetch_is_joined_and_not_overtaken(answers: list[Handler]) -> None:
    """An older answer never replaces a newer one, for there is one fetch at a time."""
    asked = []

    def count(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return answering([GOOD])(request)

    answers.append(count)
    issuer = Issuer(URL)
    watch = asyncio.create_task(issuer.watch())
    await asyncio.gather(*(issuer.key("good", "RS256") for _ in range(20)))
    assert len(asked) == 2
    watch.cancel()
