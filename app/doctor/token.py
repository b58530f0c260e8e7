"""Any LiveKit token, explained: what it says, and what is amiss with it."""

import hmac
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from app.doctor import grants, validity
from app.doctor.claim_types import wrong_types
from app.doctor.credentials import Source
from app.doctor.finding import Finding
from app.doctor.known import MINT, Known, length_of
from app.doctor.limits import (
    ATTRIBUTES_BYTES,
    IDENTITY_BYTES,
    METADATA_BYTES,
    NAME_BYTES,
)
from app.doctor.pasted import unwrapped

_PARTS = 3
_MAX_BYTES = 8000  # Browsers send a token in a URL.
_MOST_BYTES = 1 << 20
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def explain(token: str, known: Known, now: float) -> list[Finding]:
    """Say of a token what is in it, and whether LiveKit would accept it; it is not shown itself.

    Args:
        token: whatever somebody takes for one.
        known: what it is explained by.
        now: in seconds since 1970.
    """
    if len(token) > _MOST_BYTES:
        words = "this is no token: it is longer than a MiB"
        return [Finding("form", "problem", words, "copy all of it, and nothing else")]
    text, findings = unwrapped(token)
    if "://" in text:
        words = "this is an address, without a token in it"
        return [Finding("form", "problem", words, "give the token that goes with it")]
    parts = text.split(".")
    if len(parts) != _PARTS:
        words = (
            f"this is no token: it has {len(parts)} parts between dots, not three"
            if text
            else "there is none"
        )
        # Nothing need be said of how a text was given that is none.
        return [Finding("form", "problem", words, "copy all of it, and nothing else")]
    return [*findings, *_explained(parts, known, now)]


def _explained(parts: Sequence[str], known: Known, now: float) -> list[Finding]:
    header, claims = (_decoded(part) for part in parts[:2])
    if header is None or claims is None:
        which = "header" if header is None else "claims"
        words = f"its {which} cannot be read: no JSON object in base64url"
        return [Finding("form", "problem", words, "copy all of it, unchanged")]
    return [
        _form(header, len(".".join(parts)), known),
        _issuer(claims.get("iss"), known),
        _signature(parts, claims.get("iss"), known.sources),
        *wrong_types(claims),
        *validity.told(claims, now),
        *_participant(claims, known),
        *grants.told(claims.get("video"), known),
        *_extras(claims, known),
    ]


def _bytes_in(part: str) -> bytes | None:
    # Python's own would skip what is not of the alphabet, and LiveKit refuses it.
    if not _BASE64URL.fullmatch(part) or len(part) % 4 == 1:
        return None
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _decoded(part: str) -> dict[str, Any] | None:
    try:
        found = json.loads((_bytes_in(part) or b"").decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refuse(name: str) -> NoReturn:
    # Only Python knows NaN in JSON.
    raise ValueError(name)


def _form(header: Mapping[str, Any], length: int, known: Known) -> Finding:
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    words = f"{known.quoted(kind)}, signed by {known.quoted(algorithm)}, {length} bytes"
    if algorithm != "HS256":
        return Finding("form", "problem", f"{words}: LiveKit takes HS256 only", MINT)
    if length > _MAX_BYTES:
        return Finding(
            "form",
            "warning",
            f"{words}: browsers send it in a URL, which may become too long for a proxy",
            "put less into metadata and attributes",
        )
    return Finding("form", "ok", words)


def _issuer(issuer: Any, known: Known) -> Finding:
    sources = known.sources
    if not isinstance(issuer, str) or not issuer:
        return Finding(
            "issuer", "problem", "`iss` is missing, or no text: LiveKit finds the secret by it", MINT
        )
    if issuer in {source.credentials.api_key for source in sources}:
        return Finding("issuer", "ok", f"signed for {known.quoted(issuer)}, a key of this service")
    if not sources:
        return Finding(
            "issuer", "skipped", f"signed for {known.quoted(issuer)}; no key is set here to compare"
        )
    return Finding(
        "issuer",
        "problem",
        f"signed for {known.quoted(issuer)}, which is no key of this service",
        f"find out who issued it, or set {sources[0].key} to that key",
    )


def _signature(parts: Sequence[str], issuer: Any, sources: Sequence[Source]) -> Finding:
    signed = ".".join(parts[:2]).encode(errors="replace")
    given = _bytes_in(parts[2])
    if given is None:
        words = "cannot be read: LiveKit takes base64url only, without = at its end"
        return Finding("signature", "problem", words, "copy all of the token, and nothing else")
    right = [s for s in sources if hmac.compare_digest(given, _signed_by(s, signed))]
    named = [s for s in sources if s.credentials.api_key == issuer]
    if any(source in right for source in named):
        return Finding("signature", "ok", "is right for that key")
    if right:
        words = f"is that of another key here, not of the one it names ({right[0].secret})"
        return Finding("signature", "problem", words, "mint it with key and secret of the same project")
    if named:
        words = f"is wrong: it was signed by another secret than {named[0].secret}, or changed since"
        return Finding("signature", "problem", words, f"compare {named[0].secret} with whoever signed it")
    return Finding("signature", "skipped", "cannot be checked without the secret of that key")


def _signed_by(source: Source, signed: bytes) -> bytes:
    return hmac.digest(source.credentials.api_secret.encode(errors="replace"), signed, "sha256")


def _participant(claims: Mapping[str, Any], known: Known) -> Iterator[Finding]:
    identity = claims.get("sub")
    if not isinstance(identity, str) or not identity:
        yield Finding(
            "identity", "problem", "`sub` is missing, or no text: nobody can join without an identity", MINT
        )
    elif length_of(identity) > IDENTITY_BYTES:
        yield known.too_long("identity", identity, IDENTITY_BYTES)
    else:
        yield Finding("identity", "ok", f"joins as {known.quoted(identity)}")
    name = claims.get("name")
    if isinstance(name, str):
        if length_of(name) > NAME_BYTES:
            # Its server does not count them in a token.
            words = f"is longer than the {NAME_BYTES} bytes that LiveKit takes when a name is changed"
            yield Finding("name", "warning", f"{words}: {known.quoted(name)}", "take a shorter one")
        else:
            yield Finding("name", "ok", f"others see {known.quoted(name)}")


def _extras(claims: Mapping[str, Any], known: Known) -> Iterator[Finding]:
    metadata, attributes = claims.get("metadata"), claims.get("attributes")
    if metadata and isinstance(metadata, str):
        yield _readable("metadata", [metadata], METADATA_BYTES)
    if attributes and isinstance(attributes, dict):
        texts = [text for pair in attributes.items() for text in pair if isinstance(text, str)]
        yield _readable("attributes", texts, ATTRIBUTES_BYTES)
    room = claims.get("roomConfig")
    if isinstance(room, dict):
        agents = room.get("agents")
        names = (
            [a.get("agentName", "") for a in agents if isinstance(a, dict)]
            if isinstance(agents, list)
            else []
        )
        if names:
            yield Finding("agents", "ok", f"dispatches {', '.join(map(known.quoted, names[:5]))}")
        if room.get("egress"):
            words = "`roomConfig.egress` starts a recording when the room is created"
            yield Finding("rights", "warning", words, "let only your backend mint such a token")
    if claims.get("sip"):
        yield Finding("rights", "warning", "`sip` lets it use the telephone", "grant that to backends only")


def _readable(check: str, texts: Sequence[str], limit: int) -> Finding:
    length = sum(map(length_of, texts))
    if length > limit:
        words = f"has {length} bytes: LiveKit takes at most {limit}, and lets nobody join with it"
        return Finding(check, "problem", words, "put less into it")
    return Finding(check, "ok", f"has some, {length} bytes; others in the room can read it")
