"""Tokens that an attacker would send: each is 401, soon, and tells nothing. A new one is one line."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.support.contract import assert_fits
from tests.support.issuer import AUDIENCE, Issuer, encoded
from tests.support.raw_http import JSON, connect, read_answer, send
from tests.support.server import SECRET, make_settings, serve

BODY = b'{"roomName":"room-1"}'
FOREIGN_RSA, FOREIGN_EC = RSAKey.generate_key(2048), ECKey.generate_key("P-256")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer of caller tokens."""
    with Issuer().serving() as serving:
        serving.published += [
            {"kty": "oct", "kid": "oct", "k": encoded("x" * 32)},
            serving.public("RS256", kid="only-RS256", alg="RS256"),
        ]
        yield serving


@pytest.fixture(scope="module")
def url(issuer: Issuer) -> Iterator[str]:
    """A service whose callers have tokens of the issuer; its keys are fetched."""
    settings = make_settings(auth="oidc", oidc_issuer=issuer.url, oidc_audience=AUDIENCE)
    with serve(settings) as address:
        assert post(address, f"Authorization: Bearer {issuer.token()}") == 400
        yield address


def post(url: str, *headers: str | bytes, target: str = "/api/token") -> int:
    """Ask for a token without a room or identity, so that no caller gets one; tell the status."""
    lines = [line if isinstance(line, bytes) else line.encode() for line in headers]
    head = [f"POST {target} HTTP/1.1".encode(), b"Host: x", JSON.encode(), b"Content-Length: 2", *lines]
    answer = send(url, b"\r\n".join([*head, b"", b"{}"]))
    assert_fits("ErrorResponse", answer.json())
    if answer.status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert "validationErrors" not in answer.json()
    return answer.status


def unsigned(issuer: Issuer, alg: Any, signature: str = "", **header: Any) -> str:
    """Write a token with any algorithm in its header, and any signature."""
    protected = json.dumps({"alg": alg, "typ": "JWT", "kid": "RS256", **header})
    return f"{encoded(protected)}.{encoded(json.dumps(issuer.claims()))}.{signature}"


def hmac_signed(issuer: Issuer, secret: bytes, alg: str = "HS256", **header: Any) -> str:
    """Sign a token with HMAC: the attack on verifiers that let the header choose."""
    signed = unsigned(issuer, alg, **header).rpartition(".")[0]
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[alg]
    return f"{signed}.{encoded(hmac.new(secret, signed.encode(), digest).digest())}"


def public_keys(issuer: Issuer) -> list[bytes]:
    """Write the public RSA key in each way that somebody may have taken for a secret."""
    key = issuer.keys["RS256"]
    assert isinstance(key, RSAKey)
    jwk = issuer.public("RS256")
    pem, der = key.as_pem(private=False), key.as_der(private=False)
    return [
        pem,
        pem.strip(),
        pem.replace(b"\n", b"\r\n"),
        der,
        base64.b64encode(der),
        json.dumps(jwk).encode(),
        json.dumps(jwk, separators=(",", ":")).encode(),
        jwk["n"].encode(),
        base64.urlsafe_b64decode(jwk["n"] + "=="),
        b"",
    ]


def with_algorithm(alg: Any, signature: str = "") -> Callable[[Issuer], str]:
    """Name another algorithm."""
    return lambda issuer: unsigned(issuer, alg, signature)


def with_public_key(number: int, alg: str = "HS256") -> Callable[[Issuer], str]:
    """Sign by HMAC, with the public key for a secret."""
    return lambda issuer: hmac_signed(issuer, public_keys(issuer)[number], alg)


def with_payload(payload: str | bytes, alg: str = "RS256") -> Callable[[Issuer], str]:
    """Sign something else than claims with a good key."""
    return lambda issuer: issuer.sign(payload, alg)


def with_header(**header: Any) -> Callable[[Issuer], str]:
    """Sign good claims with a good key, and another header."""
    return lambda issuer: issuer.token(header=header)


def raw_header(content: str | bytes) -> Callable[[Issuer], str]:
    """Write a token with anything for a header."""
    return lambda _: f"{encoded(content)}.e30.AAAA"


def with_claims(**claims: Any) -> Callable[[Issuer], str]:
    """Sign other claims with a good key."""
    return lambda issuer: issuer.token(**claims)


def with_raw_claim(name: str, value: str) -> Callable[[Issuer], str]:
    """Sign claims of which one is written as Python would not write it."""

    def make(issuer: Issuer) -> str:
        claims = json.dumps({k: v for k, v in issuer.claims().items() if k != name})
        return issuer.sign(f'{claims[:-1]}, "{name}": {value}}}')

    return make


def mangled(change: Callable[[str], str]) -> Callable[[Issuer], str]:
    """Change a good token."""
    return lambda issuer: change(issuer.token())


def foreign(**header: Any) -> Callable[[Issuer], str]:
    """Sign with a key of the attacker's own, which the header may point to."""
    jwk = FOREIGN_RSA.as_dict(private=False)
    values = {
        "jwk": jwk,
        "x5c": ["MIIB"],
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/x",
    }
    chosen = {name: values.get(name, value) for name, value in header.items()}
    return lambda issuer: issuer.sign(json.dumps(issuer.claims()), "RS256", chosen, key=FOREIGN_RSA)


NOW = int(time.time())
DEEP = "[" * 3000 + "]" * 3000
TOKENS: dict[str, Callable[[Issuer], str]] = {
    **{f"alg {alg!r}": with_algorithm(alg) for alg in ("none", "None", "NONE", "nOnE", "", " none", "none\0", None, 0, [], {}, ["RS256"], {"RS256": 1}, True)},
    **{f"alg {alg!r} with a signature": with_algorithm(alg, "AAAA") for alg in ("none", "HS256", "RS1", "RS384", "RS512", "ES384", "ES256K", "Ed448", "dir", "RSA-OAEP", "rs256", "RS256 ")},
    **{f"HMAC with the public key {n}": with_public_key(n) for n in range(10)},
    **{f"{alg} with the public key": with_public_key(0, alg) for alg in ("HS384", "HS512")},
    "HMAC with a published oct key": lambda i: hmac_signed(i, b"x" * 32, kid="oct"),
    "a LiveKit token of ours": lambda i: jwt.encode(i.claims(), SECRET, "HS256"),
    "a foreign key": foreign(),
    **{f"a foreign key in {name}": foreign(**{name: None}) for name in ("jwk", "x5c", "jku", "x5u")},
    "a good key, and a jwk": with_header(jwk=FOREIGN_RSA.as_dict(private=False)),
    "a good key, and a jku": with_header(jku="https://evil.example"),
    "a good key, and an x5c": with_header(x5c=["MIIB"]),
    "a good key, and an x5u": with_header(x5u="https://evil.example"),
    "crit that nobody knows": with_header(crit=["exp"], exp=1),
    "crit b64": with_header(crit=["b64"], b64=True),
    "crit empty": with_header(crit=[]),
    "crit a number": with_header(crit=7),
    "b64 false": with_header(b64=False),
    "zip": with_header(zip="DEF"),
    **{f"typ {typ!r}": with_header(typ=typ) for typ in ("logout+jwt", "dpop+jwt", "", 7, ["JWT"], "secevent+jwt")},
    **{f"kid {str(kid)[:12]!r}": with_header(kid=kid) for kid in (None, "", 7, 0.5, True, [], {}, ["RS256"], {"a": 1}, "x", "ES256", "RS256\0", "../RS256", "' OR 1=1 --", "x" * 1500, "x" * 5000, "ü")},
    "another key's kid": lambda i: i.sign(json.dumps(i.claims()), "RS256", {"kid": "PS256"}),
    "ES256 signature of zeros": lambda i: unsigned(i, "ES256", encoded(b"\0" * 64), kid="ES256"),
    "ES256 signature empty": lambda i: unsigned(i, "ES256", "", kid="ES256"),
    "ES256 signature in DER": lambda i: unsigned(i, "ES256", encoded(b"\x30\x06\x02\x01\x01\x02\x01\x01"), kid="ES256"),
    "EdDSA signature of zeros": lambda i: unsigned(i, "EdDSA", encoded(b"\0" * 64), kid="EdDSA"),
    "RS256 signature of zeros": lambda i: unsigned(i, "RS256", encoded(b"\0" * 256)),
    "RS256 with an EC key": lambda i: unsigned(i, "RS256", "AAAA", kid="ES256"),
    "ES256 with an RSA key": lambda i: unsigned(i, "ES256", encoded(b"\0" * 64), kid="RS256"),
    "PS256 with a key that is published for RS256": lambda i: i.sign(json.dumps(i.claims()), "PS256", {"kid": "only-RS256"}, key=i.keys["RS256"]),
    "a payload that is a list": with_payload("[]"),
    "a payload that is a text": with_payload('"alice"'),
    "a payload that is null": with_payload("null"),
    "a payload that is no JSON": with_payload("alice"),
    "a payload that is no UTF-8": with_payload(b'{"sub":"\xff"}'),
    "a payload that is deep": with_payload(f'{{"a":{DEEP}}}'[:6000]),
    "a payload that is deep and whole": with_payload('{"a":' + "[" * 2500 + "]" * 2500 + "}"),
    "a header that is deep": raw_header(DEEP),
    "a header that is deep in an object": raw_header(f'{{"alg":{"[" * 2000 + "]" * 2000}}}'),
    "a header that is a list": raw_header("[]"),
    "a header that is a list of names": raw_header('["alg", "kid"]'),
    "a header that is a text": raw_header('"alg"'),
    "a header that is a number": raw_header("7"),
    "a header that is null": raw_header("null"),
    "a header that is no JSON": raw_header("x"),
    "a header that is no UTF-8": raw_header(b"\xff\xfe"),
    "a header with a long number": raw_header(f'{{"alg":{"9" * 5000}}}'),
    "no exp": with_claims(exp=None),
    "no iss": with_claims(iss=None),
    "no aud": with_claims(aud=None),
    "no sub": with_claims(sub=None),
    "exp long ago": with_claims(exp=1),
    "exp beyond the leeway": with_claims(exp=NOW - 70),
    "exp a text": with_claims(exp=str(NOW + 300)),
    "exp true": with_claims(exp=True),
    "exp a list": with_claims(exp=[NOW + 300]),
    "exp an object": with_claims(exp={}),
    "exp infinite": with_raw_claim("exp", "1e400"),
    "exp Infinity": with_raw_claim("exp", "Infinity"),
    "exp NaN": with_raw_claim("exp", "NaN"),
    "exp in the year 10000": with_claims(exp=253_402_300_800),
    "exp beyond any date": with_claims(exp=10**18),
    "exp of 300 digits": with_claims(exp=10**300),
    "exp of 4000 digits": with_raw_claim("exp", "9" * 4000),
    "exp 1e308": with_raw_claim("exp", "1e308"),
    "nbf before any date": with_claims(nbf=-1),
    "nbf of -1e308": with_raw_claim("nbf", "-1e308"),
    "iat before any date": with_claims(iat=-(10**300)),
    "sub of half a character": with_raw_claim("sub", r'"\ud800"'),
    "exp with too many digits": with_raw_claim("exp", "9" * 4400),
    "nbf beyond the leeway": with_claims(nbf=NOW + 86400),
    "nbf beyond any date": with_claims(nbf=10**18),
    "nbf infinite": with_raw_claim("nbf", "1e400"),
    "nbf a text": with_claims(nbf="0"),
    "iat in the future": with_claims(iat=NOW + 86400),
    "iat a text": with_claims(iat="0"),
    "another issuer": with_claims(iss="https://evil.example"),
    "the issuer with a slash": lambda i: i.token(iss=f"{i.url}/"),
    "issuer a list": lambda i: i.token(iss=[i.url]),
    "issuer an object": lambda i: i.token(iss={"a": i.url}),
    "another audience": with_claims(aud="https://other.example.com"),
    "audience empty": with_claims(aud=""),
    "audience no text": with_claims(aud=7),
    "audience an object": with_claims(aud={AUDIENCE: 1}),
    "audience a list of none": with_claims(aud=[]),
    "audience a list of another": with_claims(aud=["https://other.example.com"]),
    "audience a list with a number": with_claims(aud=[AUDIENCE, 7]),
    "the audience and more": with_claims(aud=f"{AUDIENCE}.evil.example"),
    "sub empty": with_claims(sub=""),
    "sub a number": with_claims(sub=7),
    "sub a list": with_claims(sub=["alice"]),
    "JWE": lambda _: ".".join([encoded('{"alg":"RSA-OAEP","enc":"A256GCM"}'), "AA", "AA", "AA", "AA"]),
    "JSON serialisation": lambda _: json.dumps({"payload": "e30", "signatures": [{"protected": "e30", "signature": "AA"}]}),
    "flattened JSON": lambda _: json.dumps({"payload": "e30", "protected": "e30", "signature": "AA"}),
    "60 KB": with_claims(x="x" * 45_000),
    "60 KB of a header": lambda _: f"{'e' * 60_000}.e30.AAAA",
    "60 KB of dots": lambda _: "." * 60_000,
    "9 KB": with_claims(x="x" * 6_500),
    "nothing": lambda _: "",
    "two dots": lambda _: "..",
    "one part": mangled(lambda token: token.split(".")[0]),
    "two parts": mangled(lambda token: token.rpartition(".")[0]),
    "four parts": mangled(lambda token: f"{token}.AAAA"),
    "no signature": mangled(lambda token: f"{token.rpartition('.')[0]}."),
    "a signature cut": mangled(lambda token: token[:-8]),
    "a signature with more": mangled(lambda token: f"{token}AAAA"),
    "padding": mangled(lambda token: f"{token}=="),
    "blanks within": mangled(lambda token: token.replace(".", ". ")),
    "another payload": mangled(lambda token: ".".join([token.split(".")[0], encoded("{}"), token.split(".")[2]])),
    "an opaque token": lambda _: "j3GzV0lQOtW8f7oWl4N8qZkqkq6hJxQh9WcLkqyYdNn",
}  # fmt: skip


@pytest.mark.parametrize("make", TOKENS.values(), ids=TOKENS.keys())
def test_a_hostile_token_is_refused(url: str, issuer: Issuer, make: Callable[[Issuer], str]) -> None:
    """With 401, never 5xx, within 2 s; the service goes on."""
    token = make(issuer).encode("latin-1", "replace")
    started = time.monotonic()
    assert post(url, b"Authorization: Bearer " + token) == 401
    assert time.monotonic() - started < 2


HEADERS: dict[str, Callable[[str], list[bytes]]] = {
    "none": lambda _: [],
    "empty": lambda _: [b"Authorization:"],
    "blank": lambda _: [b"Authorization:   "],
    "the token alone": lambda token: [f"Authorization: {token}".encode()],
    "a scheme alone": lambda _: [b"Authorization: Bearer"],
    "another scheme": lambda token: [f"Authorization: Token {token}".encode()],
    "Basic": lambda token: [b"Authorization: Basic " + base64.b64encode(token.encode())],
    "DPoP": lambda token: [f"Authorization: DPoP {token}".encode()],
    "a no-break space": lambda token: [b"Authorization: Bearer\xa0" + token.encode()],
    "a tab": lambda token: [f"Authorization: Bearer\t{token}".encode()],
    "a comma": lambda token: [f"Authorization: Bearer {token},Bearer {token}".encode()],
    "a quote": lambda token: [f'Authorization: Bearer "{token}"'.encode()],
    "a parameter": lambda token: [f"Authorization: Bearer token={token}".encode()],
    "two headers": lambda token: [f"Authorization: Bearer {token}".encode()] * 2,
    "two headers, one bad": lambda token: [f"Authorization: Bearer {token}".encode(), b"Authorization: Bearer x"],
    "another header": lambda token: [f"X-Authorization: Bearer {token}".encode()],
    "a proxy's header": lambda token: [f"Proxy-Authorization: Bearer {token}".encode()],
    "a cookie": lambda token: [f"Cookie: token={token}; access_token={token}".encode()],
    "an API key, which is not asked for": lambda token: [f"X-API-Key: {token}".encode()],
}  # fmt: skip


@pytest.mark.parametrize("write", HEADERS.values(), ids=HEADERS.keys())
def test_a_token_is_sent_in_one_way_only(
    url: str, issuer: Issuer, write: Callable[[str], list[bytes]]
) -> None:
    """Exactly one header, which is the scheme, a blank and a token."""
    assert post(url, *write(issuer.token())) == 401


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "jwt"])
def test_a_token_in_the_query_is_none(url: str, name: str) -> None:
    """It would be in the logs of every proxy; here it is nowhere."""
    assert post(url, target=f"/api/token?{name}=x.y.z") == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_read_as_http_has_it(url: str, issuer: Issuer, scheme: str) -> None:
    """In any case, and with more than one blank."""
    assert post(url, f"Authorization: {scheme} {issuer.token()}") == 400


GOOD: dict[str, Callable[[Issuer], str]] = {
    "expired within the leeway": lambda i: i.token(exp=int(time.time()) - 30),
    "not yet valid, within the leeway": lambda i: i.token(nbf=int(time.time()) + 30),
    "a fraction of a second": lambda i: i.token(exp=time.time() + 300.5),
    "an audience among several": lambda i: i.token(aud=["https://other.example.com", AUDIENCE]),
    "without a type": with_header(typ=None),
    "of the plain type": with_header(typ="JWT"),
    "of the whole media type": with_header(typ="application/at+jwt"),
    "with members that nobody minds": with_header(x5t="abc", nonce="n", org="o"),
    "with half a character for a name": with_raw_claim("name", r'"\ud800"'),
    "of 7 KB": with_claims(x="x" * 5_000),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
def test_a_good_token_is_not_mistaken_for_a_hostile_one(
    url: str, issuer: Issuer, make: Callable[[Issuer], str]
) -> None:
    """Then the body, which is empty here, is what is wrong."""
    assert post(url, f"Authorization: Bearer {make(issuer)}") == 400


def test_algorithms_can_be_narrowed(issuer: Issuer) -> None:
    """What is not listed is refused."""
    settings = make_settings(
        auth="oidc", oidc_issuer=issuer.url, oidc_audience=AUDIENCE, oidc_algorithms="ES256"
    )
    with serve(settings) as url:
        assert post(url, f"Authorization: Bearer {issuer.token('ES256')}") == 400
        assert post(url, f"Authorization: Bearer {issuer.token('RS256')}") == 401


def test_a_large_token_is_answered_before_its_body_comes(url: str) -> None:
    """The refusal costs the attacker more than the service."""
    head = (
        b"POST /api/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nAuthorization: Bearer " + b"x" * 60_000
    )
    with connect(url) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert read_answer(connection).status == 401
