"""Hostile and unusual input, byte by byte over a socket. A new case is one line of a table."""

import gzip
import json
from typing import Any

import jwt
import pytest

from tests.support.contract import assert_fits
from tests.support.raw_http import chunked, request, send
from tests.support.server import SECRET

JSON = "Content-Type: application/json"
ROOM, IDENTITY = "room-1", "alice"
VALID = json.dumps({"roomName": ROOM, "participantIdentity": IDENTITY}).encode()
LIMIT = 16 * 1024


def post(body: bytes, *headers: str | bytes, target: str | bytes = "/api/token") -> bytes:
    """Write a token request; as JSON, unless `headers` say otherwise."""
    return request("POST", target, *(headers or (JSON,)), body=body)


def member(text: str | bytes) -> bytes:
    """Write a token request that is valid but for one further member, given as JSON text."""
    extra = text if isinstance(text, bytes) else text.encode()
    return post(VALID[:-1] + b"," + extra + b"}")


def with_values(**values: Any) -> bytes:
    """Write a token request that is valid but for these members."""
    return post(json.dumps({"roomName": ROOM, "participantIdentity": IDENTITY, **values}).encode())


def padded(size: int) -> bytes:
    """Make a valid body of `size` bytes, by white space."""
    return VALID.ljust(size)


ACCEPTED = {
    "plain": post(VALID),
    "media type in upper case": post(VALID, "Content-Type: APPLICATION/JSON"),
    "media type in mixed case": post(VALID, "Content-Type: Application/json"),
    "header name in upper case": post(VALID, "CONTENT-TYPE: application/json"),
    "charset": post(VALID, "Content-Type: application/json;charset=utf-8"),
    "charset in upper case, spaced": post(VALID, "Content-Type: application/json ;  Charset=UTF-8"),
    "charset quoted": post(VALID, 'Content-Type: application/json; charset="utf-8"'),
    "empty media type parameter": post(VALID, "Content-Type: application/json;"),
    "white space around the media type": post(VALID, "Content-Type: \t application/json \t"),
    "identity as content encoding": post(VALID, JSON, "Content-Encoding: identity"),
    "white space around the JSON": post(b" \r\n\t" + VALID + b"\n"),
    "exactly 16 KiB": post(padded(LIMIT)),
    "chunked": request(
        "POST", "/api/token", JSON, "Transfer-Encoding: chunked", body=chunked(VALID), length=False
    ),
    "chunked in single bytes": request(
        "POST",
        "/api/token",
        JSON,
        "Transfer-Encoding: chunked",
        body=chunked(*(VALID[i : i + 1] for i in range(len(VALID)))),
        length=False,
    ),
    "expects 100-continue, body sent at once": post(VALID, JSON, "Expect: 100-continue"),
    "an upgrade that is not offered": post(VALID, JSON, "Connection: Upgrade", "Upgrade: h2c"),
    "an upgrade as Java's client asks for it": post(
        VALID, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA", JSON
    ),
    "a range": post(VALID, JSON, "Range: bytes=0-1"),
    "accepts HTML only": post(VALID, JSON, "Accept: text/html"),
    "absolute request target": post(VALID, target="http://localhost/api/token"),
    "percent-encoded letter in the path": post(VALID, target="/api/%74oken"),
    "empty query": post(VALID, target="/api/token?"),
    "escaped member name": post(VALID.replace(b"roomName", b"\\u0072oomName")),
    "room of 1 character": with_values(roomName="r"),
    "room of 255 characters": with_values(roomName="r" * 255),
    "identity of 255 characters": with_values(participantIdentity="i" * 255),
    "empty name": with_values(participantName=""),
    "name of 255 characters": with_values(participantName="n" * 255),
    "name of 255 characters and 1,020 bytes": with_values(participantName="\U0001f600" * 255),
    "name beyond the basic plane": with_values(participantName="Ada \U0001f600"),
    "name by surrogate pair": member(r'"participantName": "\ud83d\ude00"'),
    "shortest expiration": with_values(expirationSeconds=60),
    "longest expiration": with_values(expirationSeconds=86400),
}  # fmt: skip

# name: (request, status, errorCode, fields of the validation errors)
V, M, L, P, N = (
    "VALIDATION_ERROR",
    "UNSUPPORTED_MEDIA_TYPE",
    "PAYLOAD_TOO_LARGE",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
)
REFUSED: dict[str, tuple[bytes, int, str, list[str]]] = {
    # Media types, charsets, encodings
    "no content type": (post(VALID, "X-Other: 1"), 415, M, []),
    "no content type, no body": (request("POST", "/api/token"), 415, M, []),
    "empty content type": (post(VALID, "Content-Type:"), 415, M, []),
    "text/plain": (post(VALID, "Content-Type: text/plain"), 415, M, []),
    "a form": (post(b"roomName=a", "Content-Type: application/x-www-form-urlencoded"), 415, M, []),
    "multipart": (post(VALID, "Content-Type: multipart/form-data; boundary=x"), 415, M, []),
    "a suffix of JSON": (post(VALID, "Content-Type: application/problem+json"), 415, M, []),
    "a prefix of JSON": (post(VALID, "Content-Type: application/jsonp"), 415, M, []),
    "a media range": (post(VALID, "Content-Type: */*"), 415, M, []),
    "a wildcard subtype": (post(VALID, "Content-Type: application/*"), 415, M, []),
    "utf-7": (post(VALID, "Content-Type: application/json;charset=utf-7"), 415, M, []),
    "utf-16": (post(VALID.decode().encode("utf-16"), "Content-Type: application/json;charset=utf-16"), 415, M, []),
    "latin-1": (post(VALID, "Content-Type: application/json; charset=iso-8859-1"), 415, M, []),
    "klingon": (post(VALID, "Content-Type: application/json;charset=klingon"), 415, M, []),
    "rot13": (post(VALID, "Content-Type: application/json; charset=rot13"), 415, M, []),
    "two charsets": (post(VALID, "Content-Type: application/json;charset=utf-8;charset=utf-7"), 415, M, []),
    "another parameter": (post(VALID, "Content-Type: application/json; profile=x"), 415, M, []),
    "content type twice": (post(VALID, JSON, JSON), 415, M, []),
    "two content types": (post(VALID, JSON, "Content-Type: text/plain"), 415, M, []),
    "two content types in one": (post(VALID, "Content-Type: application/json, text/plain"), 415, M, []),
    "60,000 blanks": (post(VALID, f"Content-Type: application/json;{' ' * 60_000}x"), 415, M, []),
    "20,000 empty parameters": (post(VALID, f"Content-Type: application/json{'; ' * 20_000}x"), 415, M, []),
    "content type not ASCII": (post(VALID, b"Content-Type: application/json\xff"), 415, M, []),
    "gzip": (post(gzip.compress(VALID), JSON, "Content-Encoding: gzip"), 415, M, []),
    "gzip in upper case": (post(gzip.compress(VALID), JSON, "Content-Encoding: GZIP"), 415, M, []),
    "gzip twice": (post(VALID, JSON, "Content-Encoding: identity", "Content-Encoding: gzip"), 415, M, []),
    "gzip as transfer encoding": (
        request("POST", "/api/token", JSON, "Transfer-Encoding: gzip, chunked", body=chunked(gzip.compress(VALID)), length=False), 415, M, []),
    # Bytes
    "no body": (request("POST", "/api/token", JSON), 400, V, ["body"]),
    "length of 0": (request("POST", "/api/token", JSON, "Content-Length: 0"), 400, V, ["body"]),
    "white space only": (post(b"  "), 400, V, ["body"]),
    "utf-16 unannounced": (post(VALID.decode().encode("utf-16")), 400, V, ["body"]),
    "utf-16-le without mark": (post(VALID.decode().encode("utf-16-le")), 400, V, ["body"]),
    "utf-32": (post(VALID.decode().encode("utf-32")), 400, V, ["body"]),
    "byte order mark": (post(b"\xef\xbb\xbf" + VALID), 400, V, ["body"]),
    "gzip unannounced": (post(gzip.compress(VALID)), 400, V, ["body"]),
    "not UTF-8": (member(b'"participantName": "\xff"'), 400, V, ["body"]),
    "overlong UTF-8": (member(b'"participantName": "\xc0\xaf"'), 400, V, ["body"]),
    "UTF-8 cut short": (member(b'"participantName": "\xe2\x82"'), 400, V, ["body"]),
    "surrogate in UTF-8": (member(b'"participantName": "\xed\xa0\x80"'), 400, V, ["body"]),
    "NUL after the JSON": (post(VALID + b"\0"), 400, V, ["body"]),
    # JSON
    "not JSON": (post(b"roomName"), 400, V, ["body"]),
    "cut short": (post(VALID[:-1]), 400, V, ["body"]),
    "trailing comma": (post(VALID[:-1] + b",}"), 400, V, ["body"]),
    "comment": (post(VALID + b" // x"), 400, V, ["body"]),
    "single quotes": (post(VALID.replace(b'"', b"'")), 400, V, ["body"]),
    "two values": (post(VALID + VALID), 400, V, ["body"]),
    "an array": (post(b"[" + VALID + b"]"), 400, V, ["body"]),
    "a string": (post(b'"x"'), 400, V, ["body"]),
    "a number": (post(b"1"), 400, V, ["body"]),
    "null": (post(b"null"), 400, V, ["body"]),
    "true": (post(b"true"), 400, V, ["body"]),
    "duplicate member": (member('"roomName": "other"'), 400, V, ["body"]),
    "duplicate member, escaped": (member(r'"room\u004eame": "other"'), 400, V, ["body"]),
    "duplicate member, the same value": (member(f'"roomName": "{ROOM}"'), 400, V, ["body"]),
    "NaN": (member('"expirationSeconds": NaN'), 400, V, ["body"]),
    "Infinity": (member('"expirationSeconds": Infinity'), 400, V, ["body"]),
    "-Infinity": (member('"expirationSeconds": -Infinity'), 400, V, ["body"]),
    "lone surrogate": (member(r'"participantName": "\ud800"'), 400, V, ["body"]),
    "lone low surrogate": (member(r'"participantName": "\udc00"'), 400, V, ["body"]),
    "lone surrogate in a member name": (member(r'"\ud800": 1'), 400, V, ["body"]),
    "raw newline in a string": (member('"participantName": "a\nb"'), 400, V, ["body"]),
    "leading zero": (member('"expirationSeconds": 060'), 400, V, ["body"]),
    "plus sign": (member('"expirationSeconds": +60'), 400, V, ["body"]),
    "hexadecimal": (member('"expirationSeconds": 0x3c'), 400, V, ["body"]),
    "5,000 digits": (member('"expirationSeconds": ' + "9" * 5000), 400, V, ["body"]),
    "4,000 digits": (member('"expirationSeconds": ' + "9" * 4000), 400, V, ["expirationSeconds"]),
    "10,000 arrays open": (post(b"[" * 10_000), 400, V, ["body"]),
    "arrays 5,000 deep": (member('"x": ' + "[" * 5000 + "]" * 5000), 400, V, ["body"]),
    "objects 1,000 deep": (member('"x": ' + '{"a":' * 1000 + "1" + "}" * 1000), 400, V, ["body"]),
    "arrays 150 deep": (member('"x": ' + "[" * 150 + "]" * 150), 400, V, ["x"]),
    # Size
    "one byte over 16 KiB": (post(padded(LIMIT + 1)), 413, L, []),
    "1 MiB": (post(padded(2**20)), 413, L, []),
    "a terabyte announced": (request("POST", "/api/token", JSON, "Content-Length: 1099511627776"), 413, L, []),
    "chunked over 16 KiB": (
        request("POST", "/api/token", JSON, "Transfer-Encoding: chunked", body=chunked(*[b" " * 1024] * 17), length=False), 413, L, []),
    "a chunk that announces a gigabyte": (
        request("POST", "/api/token", JSON, "Transfer-Encoding: chunked", body=b"40000000\r\n" + b" " * 20_000, length=False), 413, L, []),
    # Properties
    "nothing": (post(b"{}"), 400, V, ["participantIdentity", "roomName"]),
    "room missing": (post(b'{"participantIdentity": "a"}'), 400, V, ["roomName"]),
    "identity missing": (post(b'{"roomName": "a"}'), 400, V, ["participantIdentity"]),
    "room empty": (with_values(roomName=""), 400, V, ["roomName"]),
    "room of 256 characters": (with_values(roomName="r" * 256), 400, V, ["roomName"]),
    "room too long and of the wrong characters": (with_values(roomName="." * 256), 400, V, ["roomName", "roomName"]),
    "room with a trailing newline": (with_values(roomName="room\n"), 400, V, ["roomName"]),
    "room with a trailing line separator": (with_values(roomName="room\u2028"), 400, V, ["roomName"]),
    "room with a leading newline": (with_values(roomName="\nroom"), 400, V, ["roomName"]),
    "room with a space": (with_values(roomName="my room"), 400, V, ["roomName"]),
    "room with a NUL": (with_values(roomName="room\0"), 400, V, ["roomName"]),
    "room with a full-width digit": (with_values(roomName="room１"), 400, V, ["roomName"]),
    "room with an umlaut": (with_values(roomName="räume"), 400, V, ["roomName"]),
    "room a path": (with_values(roomName="../etc/passwd"), 400, V, ["roomName"]),
    "room null": (with_values(roomName=None), 400, V, ["roomName"]),
    "room a number": (with_values(roomName=1), 400, V, ["roomName"]),
    "room an array": (with_values(roomName=["a"]), 400, V, ["roomName"]),
    "room an object": (with_values(roomName={}), 400, V, ["roomName"]),
    "identity with a trailing newline": (with_values(participantIdentity="alice\n"), 400, V, ["participantIdentity"]),
    "identity of 256 characters": (with_values(participantIdentity="i" * 256), 400, V, ["participantIdentity"]),
    "name of 256 characters": (with_values(participantName="n" * 256), 400, V, ["participantName"]),
    "name of 256 characters beyond the basic plane": (with_values(participantName="\U0001f600" * 256), 400, V, ["participantName"]),
    "name with a NUL": (with_values(participantName="a\0"), 400, V, ["participantName"]),
    "name with a newline": (with_values(participantName="a\nb"), 400, V, ["participantName"]),
    "name with a trailing newline": (with_values(participantName="a\n"), 400, V, ["participantName"]),
    "name with a tab": (with_values(participantName="a\tb"), 400, V, ["participantName"]),
    "name with a DEL": (with_values(participantName="a\x7f"), 400, V, ["participantName"]),
    "name with a C1 control": (with_values(participantName="a\x9b31m"), 400, V, ["participantName"]),
    "name null": (with_values(participantName=None), 400, V, ["participantName"]),
    "name a boolean": (with_values(participantName=True), 400, V, ["participantName"]),
    "expiration one too short": (with_values(expirationSeconds=59), 400, V, ["expirationSeconds"]),
    "expiration one too long": (with_values(expirationSeconds=86401), 400, V, ["expirationSeconds"]),
    "expiration 0": (with_values(expirationSeconds=0), 400, V, ["expirationSeconds"]),
    "expiration -0": (member('"expirationSeconds": -0'), 400, V, ["expirationSeconds"]),
    "expiration negative": (with_values(expirationSeconds=-3600), 400, V, ["expirationSeconds"]),
    "expiration of 64 bits": (with_values(expirationSeconds=2**64 + 60), 400, V, ["expirationSeconds"]),
    "expiration 60.0": (member('"expirationSeconds": 60.0'), 400, V, ["expirationSeconds"]),
    "expiration 1e3": (member('"expirationSeconds": 1e3'), 400, V, ["expirationSeconds"]),
    "expiration 1e999": (member('"expirationSeconds": 1e999'), 400, V, ["expirationSeconds"]),
    "expiration 60.5": (with_values(expirationSeconds=60.5), 400, V, ["expirationSeconds"]),
    "expiration a string": (with_values(expirationSeconds="3600"), 400, V, ["expirationSeconds"]),
    "expiration true": (with_values(expirationSeconds=True), 400, V, ["expirationSeconds"]),
    "expiration null": (with_values(expirationSeconds=None), 400, V, ["expirationSeconds"]),
    "expiration an array": (with_values(expirationSeconds=[60]), 400, V, ["expirationSeconds"]),
    "unknown property": (with_values(admin=True), 400, V, ["admin"]),
    "unknown property by case": (with_values(roomname="a"), 400, V, ["roomname"]),
    "unknown property __proto__": (member('"__proto__": {}'), 400, V, ["__proto__"]),
    "unknown property without a name": (member('"": 1'), 400, V, ["(empty)"]),
    "grants from outside": (with_values(video={"roomAdmin": True}, grants={}), 400, V, ["grants", "video"]),
    "every property wrong": (
        post(b'{"roomName": 1, "participantIdentity": "", "participantName": "\\n", "expirationSeconds": 1, "x": 1}'),
        400, V, ["expirationSeconds", "participantIdentity", "participantName", "roomName", "x"]),
    # Query
    "unknown query parameter": (post(VALID, target="/api/token?debug=1"), 400, V, ["query.debug"]),
    "unknown query parameters": (post(VALID, target="/api/token?b=1&a=2&a=3"), 400, V, ["query.a", "query.b"]),
    "query parameter without a value": (post(VALID, target="/api/token?debug"), 400, V, ["query.debug"]),
    "query parameter not UTF-8": (post(VALID, target="/api/token?%ff=1"), 400, V, ["query.\ufffd"]),
    "query of 60,000 bytes": (post(VALID, target="/api/token?" + "a&" * 30_000), 400, V, ["query"]),
    "query on a health check": (request("GET", "/api/health/live?x=1"), 400, V, ["query.x"]),
    # Paths
    "the root": (request("GET", "/"), 404, P, []),
    "the base path": (request("GET", "/api"), 404, P, []),
    "the base path with a slash": (request("GET", "/api/"), 404, P, []),
    "unknown path": (post(VALID, target="/api/tokens"), 404, P, []),
    "path without its base": (post(VALID, target="/token"), 404, P, []),
    "path in upper case": (post(VALID, target="/API/TOKEN"), 404, P, []),
    "trailing slash": (post(VALID, target="/api/token/"), 404, P, []),
    "trailing slash, encoded": (post(VALID, target="/api/token%2F"), 404, P, []),
    "trailing slash, encoded in lower case": (post(VALID, target="/api/token%2f"), 404, P, []),
    "slash encoded inside": (post(VALID, target="/api%2Ftoken"), 404, P, []),
    "slash encoded twice": (post(VALID, target="/api/token%252F"), 404, P, []),
    "doubled slash first": (post(VALID, target="//api/token"), 404, P, []),
    "doubled slash inside": (post(VALID, target="/api//token"), 404, P, []),
    "doubled slash last": (post(VALID, target="/api/token//"), 404, P, []),
    "dot segment": (post(VALID, target="/api/./token"), 404, P, []),
    "dot segments": (post(VALID, target="/api/x/../token"), 404, P, []),
    "the asterisk": (request("OPTIONS", "*"), 404, P, []),
    "backslash": (post(VALID, target="/api\\token"), 404, P, []),
    "path parameter": (post(VALID, target="/api/token;v=1"), 404, P, []),
    "NUL in the path": (post(VALID, target="/api/token%00"), 404, P, []),
    "newline in the path": (post(VALID, target="/api/token%0A"), 404, P, []),
    "path not UTF-8": (post(VALID, target="/api/token%FF"), 404, P, []),
    "path of 60,000 characters": (post(VALID, target="/api/" + "a" * 60_000), 404, P, []),
    "health check with a slash": (request("GET", "/api/health/live/"), 404, P, []),
    "half a health check": (request("GET", "/api/health"), 404, P, []),
    "document with a slash": (request("GET", "/api/openapi.json/"), 404, P, []),
    "unknown file of the UI": (request("GET", "/api/ui/nothing.js"), 404, P, []),
    "dot segments in the UI": (request("GET", "/api/ui/a/../swagger-ui.css"), 404, P, []),
    "out of the UI's folder": (request("GET", "/api/ui/../../etc/passwd"), 404, P, []),
    "out of the UI's folder, encoded": (request("GET", "/api/ui/%2e%2e/%2e%2e/etc/passwd"), 404, P, []),
    # Methods
    **{
        f"{method} on {path}": (request(method, f"/api{path}", body=body), 405, N, [])
        for path, methods in {
            "/token": ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"),
            "/health/live": ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"),
            "/health/ready": ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"),
            "/openapi.json": ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
            "/ui/": ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
        }.items()
        for method in methods
        for body in ((VALID,) if method in {"POST", "PUT", "PATCH"} else (b"",))
    },
    # HTTP itself: what uvicorn cannot read
    "not HTTP": (b"hello\r\n\r\n", 400, V, ["request"]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400, V, ["request"]),
    "unknown method": (request("FROBNICATE", "/api/token"), 400, V, ["request"]),
    "method in lower case": (request("post", "/api/token", JSON, body=VALID), 400, V, ["request"]),
    "HTTP/2 without upgrade": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, V, ["request"]),
    "CONNECT": (request("CONNECT", "localhost:80"), 400, V, ["request"]),
    "target not ASCII": (request("GET", b"/api/\xff"), 400, V, ["request"]),
    "space in the target": (request("GET", "/api/to ken"), 400, V, ["request"]),
    "two lengths": (post(VALID, JSON, f"Content-Length: {len(VALID)}", "Content-Length: 5"), 400, V, ["request"]),
    "the same length twice": (post(VALID, JSON, f"Content-Length: {len(VALID)}"), 400, V, ["request"]),
    "length not a number": (request("POST", "/api/token", JSON, "Content-Length: x"), 400, V, ["request"]),
    "length negative": (request("POST", "/api/token", JSON, "Content-Length: -1"), 400, V, ["request"]),
    "length and chunks": (
        request("POST", "/api/token", JSON, "Transfer-Encoding: chunked", "Content-Length: 5", body=chunked(VALID), length=False), 400, V, ["request"]),
    "malformed chunk": (
        request("POST", "/api/token", JSON, "Transfer-Encoding: chunked", body=b"zz\r\n", length=False), 400, V, ["request"]),
    "header without a colon": (request("GET", "/api/health/live", "nonsense"), 400, V, ["request"]),
    "header with a space before the colon": (request("GET", "/api/health/live", "X-A : 1"), 400, V, ["request"]),
    "header folded": (request("GET", "/api/health/live", "X-A: 1\r\n 2"), 400, V, ["request"]),
    "NUL in a header": (request("GET", "/api/health/live", b"X-A: a\0b"), 400, V, ["request"]),
    # Preflight
    "preflight from an unknown origin": (
        request("OPTIONS", "/api/token", "Origin: https://evil.example", "Access-Control-Request-Method: POST"), 400, V, ["request"]),
    "preflight for an unknown method": (
        request("OPTIONS", "/api/token", "Origin: http://localhost:4200", "Access-Control-Request-Method: DELETE"), 400, V, ["request"]),
    "preflight for an unknown header": (
        request("OPTIONS", "/api/token", "Origin: http://localhost:4200", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-evil"),
        400, V, ["request"]),
}  # fmt: skip


@pytest.mark.parametrize("sent", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_is_accepted(api_url: str, sent: bytes) -> None:
    """The request is answered with a token for exactly what it asked for."""
    answer = send(api_url, sent)
    assert answer.status == 200, answer.content
    assert_fits("TokenResponse", answer.json())
    claims = jwt.decode(answer.json()["token"], SECRET, algorithms=["HS256"])
    assert claims["sub"] == answer.json()["participantIdentity"]
    assert claims["video"]["room"] == answer.json()["roomName"]


@pytest.mark.parametrize(("sent", "status", "code", "fields"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused(api_url: str, sent: bytes, status: int, code: str, fields: list[str]) -> None:
    """The request is refused with an ErrorResponse that names every fault."""
    answer = send(api_url, sent)
    assert answer.status == status, answer.content
    assert answer.headers.get_all("Content-Type") == ["application/json"]
    assert answer.headers.get_all("Cache-Control") == ["no-store"]
    body = answer.json()
    assert_fits("ErrorResponse", body)
    assert (body["statusCode"], body["errorCode"]) == (status, code)
    assert [fault["field"] for fault in body.get("validationErrors", [])] == fields
    assert answer.headers.get_all("X-Request-Id") == [body["requestId"]]
    assert bool(answer.headers["Allow"]) == (status == 405)
    assert len(answer.content) < 2048
