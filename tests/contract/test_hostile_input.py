"""Hostile and unusual input, byte by byte over a socket. A new case is one line of a table."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.contract import assert_fits
from tests.support.raw_http import JSON, chunked, request, send
from tests.support.server import claims_of, make_settings, serve

ROOM, IDENTITY = "room-1", "alice"
CLAIMS = {"iss", "sub", "name", "nbf", "exp", "video"}
GRANTS = {"roomJoin", "room", "canPublish", "canPublishSources", "canSubscribe", "canPublishData"}
LIMIT = 16 * 1024


@dataclass(frozen=True)
class Endpoint:
    """An operation that issues tokens: its path, its success, and the names that it uses."""

    path: str
    status: int
    answer: str
    token: str
    room: str
    identity: str
    name: str

    @property
    def valid(self) -> bytes:
        """A valid body."""
        return json.dumps({self.room: ROOM, self.identity: IDENTITY}).encode()

    def post(
        self, body: bytes, *headers: str | bytes, target: str | bytes = "", length: bool = True
    ) -> bytes:
        """Write a request; as JSON, unless `headers` say otherwise."""
        return request("POST", target or self.path, *(headers or (JSON,)), body=body, length=length)

    def member(self, text: str | bytes) -> bytes:
        """Write a request that is valid but for one further member, given as JSON text."""
        extra = text if isinstance(text, bytes) else text.encode()
        return self.post(self.valid[:-1] + b"," + extra + b"}")

    def raw(self, name: str, value: str | bytes) -> bytes:
        """Write a request that is valid but for a further member, its value given as JSON text."""
        return self.member(f'"{name}": '.encode() + (value if isinstance(value, bytes) else value.encode()))

    def with_values(self, **values: Any) -> bytes:
        """Write a request that is valid but for these members: `room`, `identity`, `name`, or as on the wire."""
        names = {"room": self.room, "identity": self.identity, "name": self.name}
        changed = {names.get(name, name): value for name, value in values.items()}
        return self.post(json.dumps({self.room: ROOM, self.identity: IDENTITY, **changed}).encode())

    def padded(self, size: int) -> bytes:
        """Make a valid body of `size` bytes, by white space."""
        return self.valid.ljust(size)


TOKEN = Endpoint(
    "/api/token", 200, "TokenResponse", "token", "roomName", "participantIdentity", "participantName"
)
DETAILS = Endpoint(
    "/api/connection-details", 201, "ConnectionDetails", "participant_token",
    "room_name", "participant_identity", "participant_name",
)  # fmt: skip

# What a refused request is answered with: status, errorCode, fields of the validation errors.
Refusal = tuple[bytes, int, str, list[str]]
V, M, L, P, N, A = (
    "VALIDATION_ERROR", "UNSUPPORTED_MEDIA_TYPE", "PAYLOAD_TOO_LARGE", "NOT_FOUND",
    "METHOD_NOT_ALLOWED", "AGENT_NOT_ALLOWED",
)  # fmt: skip


def accepted_by(e: Endpoint) -> dict[str, bytes]:
    """List what each endpoint takes."""
    return {
        "plain": e.post(e.valid),
        "media type in upper case": e.post(e.valid, "Content-Type: APPLICATION/JSON"),
        "media type in mixed case": e.post(e.valid, "Content-Type: Application/json"),
        "header name in upper case": e.post(e.valid, "CONTENT-TYPE: application/json"),
        "charset": e.post(e.valid, "Content-Type: application/json;charset=utf-8"),
        "charset in upper case, spaced": e.post(e.valid, "Content-Type: application/json ;  Charset=UTF-8"),
        "charset quoted": e.post(e.valid, 'Content-Type: application/json; charset="utf-8"'),
        "empty media type parameter": e.post(e.valid, "Content-Type: application/json;"),
        "white space around the media type": e.post(e.valid, "Content-Type: \t application/json \t"),
        "a length with 5,000 zeros before it": e.post(e.valid, JSON, f"Content-Length: {'0' * 5000}{len(e.valid)}", length=False),
        "identity as content encoding": e.post(e.valid, JSON, "Content-Encoding: identity"),
        "white space around the JSON": e.post(b" \r\n\t" + e.valid + b"\n"),
        "exactly 16 KiB": e.post(e.padded(LIMIT)),
        "chunked": request(
            "POST", e.path, JSON, "Transfer-Encoding: chunked", body=chunked(e.valid), length=False
        ),
        "chunked in single bytes": request(
            "POST",
            e.path,
            JSON,
            "Transfer-Encoding: chunked",
            body=chunked(*(e.valid[i : i + 1] for i in range(len(e.valid)))),
            length=False,
        ),
        "expects 100-continue, body sent at once": e.post(e.valid, JSON, "Expect: 100-continue"),
        "an upgrade that is not offered": e.post(e.valid, JSON, "Connection: Upgrade", "Upgrade: h2c"),
        "an upgrade as Java's client asks for it": e.post(
            e.valid, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA", JSON
        ),
        "a range": e.post(e.valid, JSON, "Range: bytes=0-1"),
        "accepts HTML only": e.post(e.valid, JSON, "Accept: text/html"),
        "absolute request target": e.post(e.valid, target="http://localhost" + e.path),
        "percent-encoded letter in the path": e.post(e.valid, target=e.path.replace("t", "%74")),
        "empty query": e.post(e.valid, target=e.path + "?"),
        "escaped member name": e.post(e.valid.replace(b"room", b"\\u0072oom", 1)),
        "room of 1 character": e.with_values(room="r"),
        "room of 255 characters": e.with_values(room="r" * 255),
        "identity of 255 characters": e.with_values(identity="i" * 255),
        "empty name": e.with_values(name=""),
        "name of 255 characters": e.with_values(name="n" * 255),
        "name of 255 characters and 1,020 bytes": e.with_values(name="\U0001f600" * 255),
        "name beyond the basic plane": e.with_values(name="Ada \U0001f600"),
        "name by surrogate pair": e.raw(e.name, r'"\ud83d\ude00"'),
    }  # fmt: skip


def refused_by(e: Endpoint) -> dict[str, Refusal]:
    """List what each endpoint refuses."""
    return {
        # Media types, charsets, encodings
        "no content type": (e.post(e.valid, "X-Other: 1"), 415, M, []),
        "no content type, no body": (request("POST", e.path), 415, M, []),
        "empty content type": (e.post(e.valid, "Content-Type:"), 415, M, []),
        "text/plain": (e.post(e.valid, "Content-Type: text/plain"), 415, M, []),
        "a form": (e.post(b"room=a", "Content-Type: application/x-www-form-urlencoded"), 415, M, []),
        "multipart": (e.post(e.valid, "Content-Type: multipart/form-data; boundary=x"), 415, M, []),
        "a suffix of JSON": (e.post(e.valid, "Content-Type: application/problem+json"), 415, M, []),
        "a prefix of JSON": (e.post(e.valid, "Content-Type: application/jsonp"), 415, M, []),
        "a media range": (e.post(e.valid, "Content-Type: */*"), 415, M, []),
        "a wildcard subtype": (e.post(e.valid, "Content-Type: application/*"), 415, M, []),
        "utf-7": (e.post(e.valid, "Content-Type: application/json;charset=utf-7"), 415, M, []),
        "utf-16": (e.post(e.valid.decode().encode("utf-16"), "Content-Type: application/json;charset=utf-16"), 415, M, []),
        "latin-1": (e.post(e.valid, "Content-Type: application/json; charset=iso-8859-1"), 415, M, []),
        "klingon": (e.post(e.valid, "Content-Type: application/json;charset=klingon"), 415, M, []),
        "rot13": (e.post(e.valid, "Content-Type: application/json; charset=rot13"), 415, M, []),
        "two charsets": (e.post(e.valid, "Content-Type: application/json;charset=utf-8;charset=utf-7"), 415, M, []),
        "another parameter": (e.post(e.valid, "Content-Type: application/json; profile=x"), 415, M, []),
        "content type twice": (e.post(e.valid, JSON, JSON), 415, M, []),
        "two content types": (e.post(e.valid, JSON, "Content-Type: text/plain"), 415, M, []),
        "two content types in one": (e.post(e.valid, "Content-Type: application/json, text/plain"), 415, M, []),
        "60,000 blanks": (e.post(e.valid, f"Content-Type: application/json;{' ' * 60_000}x"), 415, M, []),
        "20,000 empty parameters": (e.post(e.valid, f"Content-Type: application/json{'; ' * 20_000}x"), 415, M, []),
        "content type not ASCII": (e.post(e.valid, b"Content-Type: application/json\xff"), 415, M, []),
        "gzip": (e.post(gzip.compress(e.valid), JSON, "Content-Encoding: gzip"), 415, M, []),
        "gzip in upper case": (e.post(gzip.compress(e.valid), JSON, "Content-Encoding: GZIP"), 415, M, []),
        "gzip twice": (e.post(e.valid, JSON, "Content-Encoding: identity", "Content-Encoding: gzip"), 415, M, []),
        # Bytes
        "no body": (request("POST", e.path, JSON), 400, V, ["body"]),
        "length of 0": (request("POST", e.path, JSON, "Content-Length: 0"), 400, V, ["body"]),
        "white space only": (e.post(b"  "), 400, V, ["body"]),
        "utf-16 unannounced": (e.post(e.valid.decode().encode("utf-16")), 400, V, ["body"]),
        "utf-16-le without mark": (e.post(e.valid.decode().encode("utf-16-le")), 400, V, ["body"]),
        "utf-32": (e.post(e.valid.decode().encode("utf-32")), 400, V, ["body"]),
        "byte order mark": (e.post(b"\xef\xbb\xbf" + e.valid), 400, V, ["body"]),
        "gzip unannounced": (e.post(gzip.compress(e.valid)), 400, V, ["body"]),
        "not UTF-8": (e.raw(e.name, b'"\xff"'), 400, V, ["body"]),
        "overlong UTF-8": (e.raw(e.name, b'"\xc0\xaf"'), 400, V, ["body"]),
        "UTF-8 cut short": (e.raw(e.name, b'"\xe2\x82"'), 400, V, ["body"]),
        "surrogate in UTF-8": (e.raw(e.name, b'"\xed\xa0\x80"'), 400, V, ["body"]),
        "NUL after the JSON": (e.post(e.valid + b"\0"), 400, V, ["body"]),
        # JSON
        "not JSON": (e.post(b"roomName"), 400, V, ["body"]),
        "cut short": (e.post(e.valid[:-1]), 400, V, ["body"]),
        "trailing comma": (e.post(e.valid[:-1] + b",}"), 400, V, ["body"]),
        "comment": (e.post(e.valid + b" // x"), 400, V, ["body"]),
        "single quotes": (e.post(e.valid.replace(b'"', b"'")), 400, V, ["body"]),
        "two values": (e.post(e.valid + e.valid), 400, V, ["body"]),
        "an array": (e.post(b"[" + e.valid + b"]"), 400, V, ["body"]),
        "a string": (e.post(b'"x"'), 400, V, ["body"]),
        "a number": (e.post(b"1"), 400, V, ["body"]),
        "null": (e.post(b"null"), 400, V, ["body"]),
        "true": (e.post(b"true"), 400, V, ["body"]),
        "duplicate member": (e.raw(e.room, '"other"'), 400, V, ["body"]),
        "duplicate member, escaped": (e.member('"' + e.room.replace("m", r"\u006d") + '": "other"'), 400, V, ["body"]),
        "duplicate member, the same value": (e.raw(e.room, f'"{ROOM}"'), 400, V, ["body"]),
        "NaN": (e.member('"expirationSeconds": NaN'), 400, V, ["body"]),
        "Infinity": (e.member('"expirationSeconds": Infinity'), 400, V, ["body"]),
        "-Infinity": (e.member('"expirationSeconds": -Infinity'), 400, V, ["body"]),
        "lone surrogate": (e.raw(e.name, r'"\ud800"'), 400, V, ["body"]),
        "lone low surrogate": (e.raw(e.name, r'"\udc00"'), 400, V, ["body"]),
        "lone surrogate in a member name": (e.member(r'"\ud800": 1'), 400, V, ["body"]),
        "raw newline in a string": (e.raw(e.name, '"a\nb"'), 400, V, ["body"]),
        "leading zero": (e.member('"expirationSeconds": 060'), 400, V, ["body"]),
        "plus sign": (e.member('"expirationSeconds": +60'), 400, V, ["body"]),
        "hexadecimal": (e.member('"expirationSeconds": 0x3c'), 400, V, ["body"]),
        "5,000 digits": (e.member('"expirationSeconds": ' + "9" * 5000), 400, V, ["body"]),
        "4,000 digits": (e.member('"expirationSeconds": ' + "9" * 4000), 400, V, ["expirationSeconds"]),
        "10,000 arrays open": (e.post(b"[" * 10_000), 400, V, ["body"]),
        "arrays 5,000 deep": (e.member('"x": ' + "[" * 5000 + "]" * 5000), 400, V, ["body"]),
        "objects 1,000 deep": (e.member('"x": ' + '{"a":' * 1000 + "1" + "}" * 1000), 400, V, ["body"]),
        "arrays 150 deep": (e.member('"x": ' + "[" * 150 + "]" * 150), 400, V, ["x"]),
        # Size
        "unknown query and unknown media type: the query first": (
            e.post(e.valid, "Content-Type: text/plain", target=e.path + "?x=1"), 400, V, ["query.x"]),
        "one byte over 16 KiB": (e.post(e.padded(LIMIT + 1)), 413, L, []),
        "1 MiB": (e.post(e.padded(2**20)), 413, L, []),
        "a terabyte announced": (request("POST", e.path, JSON, "Content-Length: 1099511627776"), 413, L, []),
        "chunked over 16 KiB": (
            request("POST", e.path, JSON, "Transfer-Encoding: chunked", body=chunked(*[b" " * 1024] * 17), length=False), 413, L, []),
        "a chunk that announces a gigabyte": (
            request("POST", e.path, JSON, "Transfer-Encoding: chunked", body=b"40000000\r\n" + b" " * 20_000, length=False), 413, L, []),
        # Properties
        "room of 256 characters": (e.with_values(room="r" * 256), 400, V, [e.room]),
        "room too long and of the wrong characters": (e.with_values(room="/" * 256), 400, V, [e.room, e.room]),
        "room with a trailing newline": (e.with_values(room="room\n"), 400, V, [e.room]),
        "room with a trailing line separator": (e.with_values(room="room\u2028"), 400, V, [e.room]),
        "room with a leading newline": (e.with_values(room="\nroom"), 400, V, [e.room]),
        "room with a space": (e.with_values(room="my room"), 400, V, [e.room]),
        "room with a NUL": (e.with_values(room="room\0"), 400, V, [e.room]),
        "room with a full-width digit": (e.with_values(room="room１"), 400, V, [e.room]),
        "room with an umlaut": (e.with_values(room="räume"), 400, V, [e.room]),
        "room a path": (e.with_values(room="../etc/passwd"), 400, V, [e.room]),
        "room null": (e.with_values(room=None), 400, V, [e.room]),
        "room a number": (e.with_values(room=1), 400, V, [e.room]),
        "room an array": (e.with_values(room=["a"]), 400, V, [e.room]),
        "room an object": (e.with_values(room={}), 400, V, [e.room]),
        "identity with a trailing newline": (e.with_values(identity="alice\n"), 400, V, [e.identity]),
        "identity of 256 characters": (e.with_values(identity="i" * 256), 400, V, [e.identity]),
        "name of 256 characters": (e.with_values(name="n" * 256), 400, V, [e.name]),
        "name of 256 characters beyond the basic plane": (e.with_values(name="\U0001f600" * 256), 400, V, [e.name]),
        "name with a NUL": (e.with_values(name="a\0"), 400, V, [e.name]),
        "name with a newline": (e.with_values(name="a\nb"), 400, V, [e.name]),
        "name with a trailing newline": (e.with_values(name="a\n"), 400, V, [e.name]),
        "name with a tab": (e.with_values(name="a\tb"), 400, V, [e.name]),
        "name with a DEL": (e.with_values(name="a\x7f"), 400, V, [e.name]),
        "name with a line separator": (e.with_values(name="a\u2028b"), 400, V, [e.name]),
        "name with a paragraph separator": (e.with_values(name="a\u2029b"), 400, V, [e.name]),
        "name with a next line": (e.with_values(name="a\x85b"), 400, V, [e.name]),
        "name with a C1 control": (e.with_values(name="a\x9b31m"), 400, V, [e.name]),
        "name null": (e.with_values(name=None), 400, V, [e.name]),
        "name a boolean": (e.with_values(name=True), 400, V, [e.name]),
        "unknown property": (e.with_values(admin=True), 400, V, ["admin"]),
        "unknown property by case": (e.with_values(roomname="a"), 400, V, ["roomname"]),
        "unknown property __proto__": (e.member('"__proto__": {}'), 400, V, ["__proto__"]),
        "unknown property without a name": (e.member('"": 1'), 400, V, ["(empty)"]),
        "grants from outside": (e.with_values(video={"roomAdmin": True}, grants={}), 400, V, ["grants", "video"]),
        # Query
        "unknown query parameter": (e.post(e.valid, target=e.path + "?debug=1"), 400, V, ["query.debug"]),
        "unknown query parameters": (e.post(e.valid, target=e.path + "?b=1&a=2&a=3"), 400, V, ["query.a", "query.b"]),
        "query parameter without a value": (e.post(e.valid, target=e.path + "?debug"), 400, V, ["query.debug"]),
        "query parameter not UTF-8": (e.post(e.valid, target=e.path + "?%ff=1"), 400, V, ["query.\ufffd"]),
        "query of 60,000 bytes": (e.post(e.valid, target=e.path + "?" + "a&" * 30_000), 400, V, ["query"]),
        # Paths
        "unknown path": (e.post(e.valid, target=e.path + "s"), 404, P, []),
        "path without its base": (e.post(e.valid, target=e.path.removeprefix("/api")), 404, P, []),
        "path in upper case": (e.post(e.valid, target=e.path.upper()), 404, P, []),
        "trailing slash": (e.post(e.valid, target=e.path + "/"), 404, P, []),
        "trailing slash, encoded": (e.post(e.valid, target=e.path + "%2F"), 404, P, []),
        "trailing slash, encoded in lower case": (e.post(e.valid, target=e.path + "%2f"), 404, P, []),
        "slash encoded inside": (e.post(e.valid, target=e.path.replace("/api/", "/api%2F")), 404, P, []),
        "slash encoded twice": (e.post(e.valid, target=e.path + "%252F"), 404, P, []),
        "doubled slash first": (e.post(e.valid, target="/" + e.path), 404, P, []),
        "doubled slash inside": (e.post(e.valid, target=e.path.replace("/api/", "/api//")), 404, P, []),
        "doubled slash last": (e.post(e.valid, target=e.path + "//"), 404, P, []),
        "dot segment": (e.post(e.valid, target=e.path.replace("/api/", "/api/./")), 404, P, []),
        "dot segments": (e.post(e.valid, target=e.path.replace("/api/", "/api/x/../")), 404, P, []),
        "backslash": (e.post(e.valid, target=e.path.replace("/api/", "/api\\")), 404, P, []),
        "path parameter": (e.post(e.valid, target=e.path + ";v=1"), 404, P, []),
        "NUL in the path": (e.post(e.valid, target=e.path + "%00"), 404, P, []),
        "newline in the path": (e.post(e.valid, target=e.path + "%0A"), 404, P, []),
        "path not UTF-8": (e.post(e.valid, target=e.path + "%FF"), 404, P, []),
        "path of 60,000 characters": (e.post(e.valid, target="/api/" + "a" * 60_000), 404, P, []),
    }  # fmt: skip


TOKEN_ACCEPTED = {
    "shortest expiration": TOKEN.with_values(expirationSeconds=60),
    "longest expiration": TOKEN.with_values(expirationSeconds=86400),
}  # fmt: skip

TOKEN_REFUSED: dict[str, Refusal] = {
    "room empty": (TOKEN.with_values(room=""), 400, V, [TOKEN.room]),
    "nothing": (TOKEN.post(b"{}"), 400, V, ["participantIdentity", "roomName"]),
    "room missing": (TOKEN.post(b'{"participantIdentity": "a"}'), 400, V, [TOKEN.room]),
    "identity missing": (TOKEN.post(b'{"roomName": "a"}'), 400, V, [TOKEN.identity]),
    "expiration one too short": (TOKEN.with_values(expirationSeconds=59), 400, V, ["expirationSeconds"]),
    "expiration one too long": (TOKEN.with_values(expirationSeconds=86401), 400, V, ["expirationSeconds"]),
    "expiration 0": (TOKEN.with_values(expirationSeconds=0), 400, V, ["expirationSeconds"]),
    "expiration -0": (TOKEN.member('"expirationSeconds": -0'), 400, V, ["expirationSeconds"]),
    "expiration negative": (TOKEN.with_values(expirationSeconds=-3600), 400, V, ["expirationSeconds"]),
    "expiration of 64 bits": (TOKEN.with_values(expirationSeconds=2**64 + 60), 400, V, ["expirationSeconds"]),
    "expiration 60.0": (TOKEN.member('"expirationSeconds": 60.0'), 400, V, ["expirationSeconds"]),
    "expiration 1e3": (TOKEN.member('"expirationSeconds": 1e3'), 400, V, ["expirationSeconds"]),
    "expiration 1e999": (TOKEN.member('"expirationSeconds": 1e999'), 400, V, ["expirationSeconds"]),
    "expiration 60.5": (TOKEN.with_values(expirationSeconds=60.5), 400, V, ["expirationSeconds"]),
    "expiration a string": (TOKEN.with_values(expirationSeconds="3600"), 400, V, ["expirationSeconds"]),
    "expiration true": (TOKEN.with_values(expirationSeconds=True), 400, V, ["expirationSeconds"]),
    "expiration null": (TOKEN.with_values(expirationSeconds=None), 400, V, ["expirationSeconds"]),
    "expiration an array": (TOKEN.with_values(expirationSeconds=[60]), 400, V, ["expirationSeconds"]),
    "every property wrong": (
        TOKEN.post(b'{"roomName": 1, "participantIdentity": "", "participantName": "\\n", "expirationSeconds": 1, "x": 1}'),
        400, V, ["expirationSeconds", "participantIdentity", "participantName", "roomName", "x"]),
}  # fmt: skip

DETAILS_ACCEPTED = {
    "nothing": DETAILS.post(b"{}"),
    "empty texts": DETAILS.post(
        b'{"room_name":"","participant_identity":"","participant_name":"","participant_metadata":""}'),
    "room only": DETAILS.post(b'{"room_name": "a"}'),
    "identity only": DETAILS.post(b'{"participant_identity": "a"}'),
    "every character of a name": DETAILS.with_values(room="aZ09._~@:|+=-", identity="auth0|a@b.example"),
    "metadata of 2,048 characters": DETAILS.with_values(participant_metadata="m" * 2048),
    "metadata in lines": DETAILS.with_values(participant_metadata="{\n\t1\r\n}"),
    "empty metadata": DETAILS.with_values(participant_metadata=""),
    "no attributes": DETAILS.with_values(participant_attributes={}),
    "16 attributes": DETAILS.with_values(participant_attributes={str(i): "" for i in range(16)}),
    "an attribute with an empty key": DETAILS.with_values(participant_attributes={"": ""}),
    "longest key and value": DETAILS.with_values(participant_attributes={"k" * 64: "v" * 256}),
    "empty room config": DETAILS.with_values(room_config={}),
    "no agents": DETAILS.with_values(room_config={"agents": []}),
    "an agent without a name": DETAILS.with_values(room_config={"agents": [{}]}),
    "4 agents": DETAILS.with_values(room_config={"agents": [{"agent_name": str(i)} for i in range(4)]}),
    "everything of an agent": DETAILS.with_values(
        room_config={"agents": [{"agent_name": "a", "metadata": "{}", "deployment": "d"}]}),
}  # fmt: skip

DETAILS_REFUSED: dict[str, Refusal] = {
    "room with a slash": (DETAILS.with_values(room="a/b"), 400, V, ["room_name"]),
    "expiration": (DETAILS.with_values(expirationSeconds=60), 400, V, ["expirationSeconds"]),
    "names of the other endpoint": (
        DETAILS.post(TOKEN.valid), 400, V, ["participantIdentity", "roomName"]),
    "metadata of 2,049 characters": (
        DETAILS.with_values(participant_metadata="m" * 2049), 400, V, ["participant_metadata"]),
    "metadata an object": (DETAILS.with_values(participant_metadata={}), 400, V, ["participant_metadata"]),
    "metadata with a NUL": (
        DETAILS.with_values(participant_metadata="a\0"), 400, V, ["participant_metadata"]),
    "a token too long by its metadata": (
        DETAILS.with_values(participant_metadata="\U0001f600" * 1024), 400, V, ["participant_metadata"]),
    "a token too long by its attributes": (
        DETAILS.with_values(participant_attributes={f"{i:064}": "v" * 256 for i in range(16)},
                            participant_metadata="m" * 2000), 400, V, ["participant_attributes"]),
    "a token too long by its agents": (
        DETAILS.with_values(room_config={"agents": [{"agent_name": "a", "metadata": "m" * 2048}] * 3}),
        400, V, ["room_config.agents"]),
    "17 attributes": (
        DETAILS.with_values(participant_attributes={str(i): "" for i in range(17)}),
        400, V, ["participant_attributes"]),
    "keys of 65 characters and with a NUL": (
        DETAILS.with_values(participant_attributes={"k" * 65: "v", "fine": "v", "a\0": "v"}),
        400, V, ["participant_attributes.a\ufffd", f"participant_attributes.{'k' * 65}"]),
    "value of 257 characters": (
        DETAILS.with_values(participant_attributes={"k": "v" * 257}), 400, V, ["participant_attributes.k"]),
    "value a number": (
        DETAILS.with_values(participant_attributes={"k": 1}), 400, V, ["participant_attributes.k"]),
    "value null": (
        DETAILS.with_values(participant_attributes={"k": None}), 400, V, ["participant_attributes.k"]),
    "attributes an array": (
        DETAILS.with_values(participant_attributes=[]), 400, V, ["participant_attributes"]),
    "duplicate attribute": (
        DETAILS.member('"participant_attributes": {"k": "a", "k": "b"}'), 400, V, ["body"]),
    "room config null": (DETAILS.with_values(room_config=None), 400, V, ["room_config"]),
    "a recording": (
        DETAILS.with_values(room_config={"egress": {"room": {"file_outputs": [{"filepath": "x"}]}}}),
        400, V, ["room_config.egress"]),
    **{
        f"room config with {name}": (
            DETAILS.with_values(room_config={name: value}), 400, V, [f"room_config.{name}"])
        for name, value in {
            "name": "x", "empty_timeout": 1, "departure_timeout": 1, "max_participants": 1, "metadata": "x",
            "min_playout_delay": 1, "max_playout_delay": 1, "sync_streams": True, "tags": {},
        }.items()
    },
    "5 agents": (DETAILS.with_values(room_config={"agents": [{}] * 5}), 400, V, ["room_config.agents"]),
    "8,000 agents that are none": (
        DETAILS.post(b'{"participant_metadata":1,"room_config":{"agents":[%b]}}' % b",".join([b"1"] * 8000)),
        400, V, ["participant_metadata", "room_config.agents", *(f"room_config.agents[{i}]" for i in range(5))]),
    "agents an object": (DETAILS.with_values(room_config={"agents": {}}), 400, V, ["room_config.agents"]),
    "an agent a string": (
        DETAILS.with_values(room_config={"agents": ["a"]}), 400, V, ["room_config.agents[0]"]),
    "an agent with another property": (
        DETAILS.with_values(room_config={"agents": [{}, {"restart_policy": 1}]}),
        400, V, ["room_config.agents[1].restart_policy"]),
    "agent names of the wrong kind": (
        DETAILS.with_values(room_config={"agents": [{"agent_name": 1}, {"agent_name": "a\n"}]}),
        400, V, ["room_config.agents[0].agent_name", "room_config.agents[1].agent_name"]),
    "an agent that is not listed": (
        DETAILS.with_values(room_config={"agents": [{"agent_name": "1"}, {"agent_name": "other"}]}),
        403, A, []),
    "grants of any kind": (
        DETAILS.with_values(video={"roomAdmin": True}, attributes={}, grants={}, metadata="", ttl=1),
        400, V, ["attributes", "grants", "metadata", "ttl", "video"]),
}  # fmt: skip

# What has nothing to do with an endpoint's body.
ONCE_REFUSED: dict[str, Refusal] = {
    "query on a health check": (request("GET", "/api/health/live?x=1"), 400, V, ["query.x"]),
    "the root": (request("GET", "/"), 404, P, []),
    "the base path": (request("GET", "/api"), 404, P, []),
    "the base path with a slash": (request("GET", "/api/"), 404, P, []),
    "the asterisk": (request("OPTIONS", "*"), 404, P, []),
    "health check with a slash": (request("GET", "/api/health/live/"), 404, P, []),
    "half a health check": (request("GET", "/api/health"), 404, P, []),
    "document with a slash": (request("GET", "/api/openapi.json/"), 404, P, []),
    "unknown file of the UI": (request("GET", "/api/ui/nothing.js"), 404, P, []),
    "template of the UI": (request("GET", "/api/ui/index.j2"), 404, P, []),
    "template of the UI, encoded": (request("GET", "/api/ui/index%2ej2"), 404, P, []),
    "doubled slash at the end of the UI": (request("GET", "/api/ui//"), 404, P, []),
    "doubled slash before the UI": (request("GET", "/api//ui/"), 404, P, []),
    "doubled slash in the UI": (request("GET", "/api/ui//swagger-ui.css"), 404, P, []),
    "doubled slash before the document": (request("GET", "/api//openapi.json"), 404, P, []),
    "dot segments in the UI": (request("GET", "/api/ui/a/../swagger-ui.css"), 404, P, []),
    "out of the UI's folder": (request("GET", "/api/ui/../../etc/passwd"), 404, P, []),
    "out of the UI's folder, encoded": (request("GET", "/api/ui/%2e%2e/%2e%2e/etc/passwd"), 404, P, []),
    # Methods
    **{
        f"{method} on {path}": (request(method, f"/api{path}", body=body), 405, N, [])
        for path, methods in {
            DETAILS.path.removeprefix("/api"): ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"),
            TOKEN.path.removeprefix("/api"): ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"),
            "/health/live": ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"),
            "/health/ready": ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"),
            "/openapi.json": ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
            "/ui/": ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
        }.items()
        for method in methods
        for body in ((TOKEN.valid,) if method in {"POST", "PUT", "PATCH"} else (b"",))
    },
    # HTTP itself: what uvicorn cannot read
    "not HTTP": (b"hello\r\n\r\n", 400, V, ["request"]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400, V, ["request"]),
    "unknown method": (request("FROBNICATE", "/api/token"), 400, V, ["request"]),
    "method in lower case": (request("post", "/api/token", JSON, body=TOKEN.valid), 400, V, ["request"]),
    "HTTP/2 without upgrade": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, V, ["request"]),
    "CONNECT to a path": (request("CONNECT", "/api/token"), 405, N, []),
    "OPTIONS from a page, but no preflight": (request("OPTIONS", "/api/token", "Origin: http://localhost:4200"), 405, N, []),
    "CONNECT": (request("CONNECT", "localhost:80"), 400, V, ["request"]),
    "target not ASCII": (request("GET", b"/api/\xff"), 400, V, ["request"]),
    "space in the target": (request("GET", "/api/to ken"), 400, V, ["request"]),
    "two lengths": (TOKEN.post(TOKEN.valid, JSON, f"Content-Length: {len(TOKEN.valid)}", "Content-Length: 5"), 400, V, ["request"]),
    "the same length twice": (TOKEN.post(TOKEN.valid, JSON, f"Content-Length: {len(TOKEN.valid)}"), 400, V, ["request"]),
    "length not a number": (request("POST", TOKEN.path, JSON, "Content-Length: x"), 400, V, ["request"]),
    "length negative": (request("POST", TOKEN.path, JSON, "Content-Length: -1"), 400, V, ["request"]),
    "length and chunks": (
        request("POST", TOKEN.path, JSON, "Transfer-Encoding: chunked", "Content-Length: 5", body=chunked(TOKEN.valid), length=False), 400, V, ["request"]),
    "malformed chunk": (
        request("POST", TOKEN.path, JSON, "Transfer-Encoding: chunked", body=b"zz\r\n", length=False), 400, V, ["request"]),
    "length of 5,000 nines": (request("POST", TOKEN.path, JSON, f"Content-Length: {'9' * 5000}"), 400, V, ["request"]),
    **{
        f"{codings} as transfer encoding on {path}": (
            request("POST", path, JSON, *(f"Transfer-Encoding: {coding}" for coding in codings.split(" then ")),
                    body=chunked(TOKEN.valid), length=False), 400, V, [field])
        for path in (TOKEN.path, DETAILS.path, "/nothing")
        for codings, field in {
            "gzip, chunked": "Transfer-Encoding", "gzip then chunked": "Transfer-Encoding",
            # These the parser refuses.
            "gzip": "Transfer-Encoding", "identity": "Transfer-Encoding", "chunked, gzip": "request",
            "chunked then chunked": "request", "chunked, chunked": "request",
        }.items()
    },
    "a head of 65 KiB": (request("GET", "/api/health/live", f"X-A: {'a' * 65 * 1024}"), 400, V, ["request"]),
    "a head of 200,000 headers": (
        request("GET", "/api/health/live", *["X-A: 1"] * 200_000), 400, V, ["request"]),
    "10,000 chunks": (
        request("POST", TOKEN.path, JSON, "Transfer-Encoding: chunked", body=chunked(*[b" "] * 10_000), length=False), 413, L, []),
    "a chunk of blank lines": (
        request("POST", TOKEN.path, JSON, "Transfer-Encoding: chunked", body=chunked(b"\r\n" * 8000), length=False), 413, L, []),
    "a target of 65 KiB": (request("GET", f"/{'a' * 65 * 1024}"), 400, V, ["request"]),
    "a body announced with extensions of 65 KiB": (
        request("POST", TOKEN.path, JSON, "Transfer-Encoding: chunked",
                body=b"1;" + b"a" * 65 * 1024, length=False), 413, L, []),
    "no Host": (b"GET /api/health/live HTTP/1.1\r\n\r\n", 400, V, ["Host"]),
    "no Host in a preflight": (
        b"OPTIONS /api/token HTTP/1.1\r\nOrigin: http://localhost:4200\r\nAccess-Control-Request-Method: POST\r\n\r\n",
        400, V, ["Host"]),
    "two Hosts": (request("GET", "/api/health/live", "Host: other"), 400, V, ["Host"]),
    "the same Host twice": (request("GET", "/api/health/live", "Host: localhost"), 400, V, ["Host"]),
    "an impossible Host": (b"GET /api/health/live HTTP/1.1\r\nHost: a b\r\n\r\n", 400, V, ["Host"]),
    "an absolute target without a Host": (b"GET http://localhost/api/health/live HTTP/1.1\r\n\r\n", 400, V, ["Host"]),
    **{
        f"HTTP/{version}": (b"GET /api/health/live HTTP/%b\r\nHost: a\r\n\r\n" % version.encode(), 400, V, ["request"])
        for version in ("0.9", "1.2", "2.0", "3.0", "1", "x.y")
    },
    "a fragment": (request("POST", "/api/token#/../x", JSON, body=TOKEN.valid), 400, V, ["request"]),
    "a query of 513 bytes": (request("GET", f"/api/health/live?{'a' * 513}"), 400, V, ["query"]),
    "a path of 257 characters in the UI": (request("GET", f"/api/ui/{'a' * 249}"), 404, P, []),
    "a path of 30,000 folders in the UI": (request("GET", f"/api/ui/{'a/' * 30_000}a"), 404, P, []),
    "no version": (b"GET /api/health/live\r\n\r\n", 400, V, ["request"]),
    "header without a colon": (request("GET", "/api/health/live", "nonsense"), 400, V, ["request"]),
    "header with a space before the colon": (request("GET", "/api/health/live", "X-A : 1"), 400, V, ["request"]),
    "header folded": (request("GET", "/api/health/live", "X-A: 1\r\n 2"), 400, V, ["request"]),
    "NUL in a header": (request("GET", "/api/health/live", b"X-A: a\0b"), 400, V, ["request"]),
    # Preflight
    **{
        f"preflight of {path} from an unknown origin": (
            request("OPTIONS", path, "Origin: https://evil.example", "Access-Control-Request-Method: POST"), 400, V, ["request"])
        for path in (TOKEN.path, DETAILS.path)
    },
    "preflight for an unknown method": (
        request("OPTIONS", "/api/token", "Origin: http://localhost:4200", "Access-Control-Request-Method: DELETE"), 400, V, ["request"]),
    "preflight for an unknown header": (
        request("OPTIONS", "/api/token", "Origin: http://localhost:4200", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-evil"),
        400, V, ["request"]),
}  # fmt: skip

ACCEPTED = [
    pytest.param(endpoint, sent, id=f"{endpoint.path}: {name}")
    for endpoint, own in ((TOKEN, TOKEN_ACCEPTED), (DETAILS, DETAILS_ACCEPTED))
    for name, sent in (accepted_by(endpoint) | own).items()
]
REFUSED = [
    pytest.param(*refusal, id=f"{place}: {name}")
    for place, rows in (
        (TOKEN.path, refused_by(TOKEN) | TOKEN_REFUSED),
        (DETAILS.path, refused_by(DETAILS) | DETAILS_REFUSED),
        ("once", ONCE_REFUSED),
    )
    for name, refusal in rows.items()
]


@pytest.fixture(scope="module")
def strict_url() -> Iterator[str]:
    """Address of a service whose operator lists the agents that may be dispatched."""
    with serve(make_settings(livekit_agents="0,1,2,3,a")) as url:
        yield url


def asked_by(endpoint: Endpoint, sent: bytes) -> dict[str, Any]:
    """Read the body of a request, with the names of `/token`; a chunked one is the valid one."""
    head, _, body = sent.partition(b"\r\n\r\n")
    asked = json.loads(endpoint.valid if b"chunked" in head else body)
    names = {"room": endpoint.room, "identity": endpoint.identity, "name": endpoint.name}
    return {**asked, **{part: asked.get(name, "") for part, name in names.items()}}


@pytest.mark.parametrize(("endpoint", "sent"), ACCEPTED)
def test_is_accepted(api_url: str, endpoint: Endpoint, sent: bytes) -> None:
    """The request is answered with a token for exactly what it asked for, and nothing besides."""
    answer = send(api_url, sent)
    assert answer.status == endpoint.status, answer.content
    body = answer.json()
    assert_fits(endpoint.answer, body)
    claims = claims_of(body[endpoint.token])
    asked = asked_by(endpoint, sent)
    assert claims["video"]["room"] == body[endpoint.room] == (asked["room"] or body[endpoint.room])
    assert claims["sub"] == (asked["identity"] or claims["sub"]) != ""
    assert claims["name"] == (asked["name"] or claims["sub"])
    assert claims["video"].keys() == GRANTS
    further = {
        "metadata": asked.get("participant_metadata"),
        "attributes": asked.get("participant_attributes"),
        "roomConfig": asked.get("room_config", {}).get("agents"),
    }
    assert claims.keys() == CLAIMS | {claim for claim, value in further.items() if value}


@pytest.mark.parametrize(("sent", "status", "code", "fields"), REFUSED)
def test_is_refused(strict_url: str, sent: bytes, status: int, code: str, fields: list[str]) -> None:
    """The request is refused with an ErrorResponse that names every fault."""
    answer = send(strict_url, sent)
    assert answer.status == status, answer.content
    assert answer.headers.get_all("Content-Type") == ["application/json"]
    assert answer.headers.get_all("Cache-Control") == ["no-store"]
    assert len(answer.headers.get_all("Date", [])) == 1
    body = answer.json()
    assert_fits("ErrorResponse", body)
    assert (body["statusCode"], body["errorCode"]) == (status, code)
    assert [fault["field"] for fault in body.get("validationErrors", [])] == fields
    assert answer.headers.get_all("X-Request-Id") == [body["requestId"]]
    assert bool(answer.headers["Allow"]) == (status == 405)
    assert len(answer.content) < 2048
