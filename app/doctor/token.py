"""Any LiveKit token, explained: what it says, and what is amiss with it."""

import binascii
import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.doctor.credentials import Source
from app.doctor.finding import Finding
from app.operation.text import printable

_PARTS = 3
_MAX_BYTES = 8000  # Browsers send a token in a URL.
_MOST_BYTES = 1 << 20
_MAX_TEXT = 80
_MAX_IDENTITY = 256
_LEEWAY_SECONDS = 60
_DAY_SECONDS = 86400
_END_OF_TIME = 253_402_300_799  # The last second of the year 9999.
_UNITS = ((_DAY_SECONDS, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_SOURCES = ("camera", "microphone", "screen_share", "screen_share_audio")
# What LiveKit reads beside the identity and the room, in words.
_RIGHTS = {
    "canSubscribe": "may subscribe",
    "canPublishData": "may send data",
    "canUpdateOwnMetadata": "may change its own metadata",
    "canSubscribeMetrics": "may read metrics",
    "canManageAgentSession": "may manage agent sessions",
}
_BY_DEFAULT = {"canSubscribe", "canPublish", "canPublishData"}
_DANGERS = {
    "roomAdmin": "may throw out and mute others",
    "roomCreate": "may create and delete any room",
    "roomList": "may list all rooms",
    "roomRecord": "may record any room",
    "ingressAdmin": "may bring streams into any room",
    "recorder": "records, unseen",
    "hidden": "is not seen by others",
}
_OTHERS = {"room", "roomJoin", "canPublish", "canPublishSources", "agent", "destinationRoom"}
_FETCH = "fetch a new token"
_MINT = "mint it with livekit-api, or have this service issue it"


def explain(token: str, sources: Sequence[Source], now: float) -> list[Finding]:
    """Say of a token what is in it, and whether LiveKit would accept it; it is not shown itself.

    Args:
        token: whatever somebody takes for one.
        sources: the credentials that are known.
        now: in seconds since 1970.
    """
    text = token.strip().strip("\"'").removeprefix("Bearer ").strip()
    parts = text.split(".")
    if len(parts) != _PARTS or len(text) > _MOST_BYTES:
        words = (
            f"this is no token: it has {len(parts)} parts between dots, not three"
            if text
            else "there is none"
        )
        return [Finding("form", "problem", words, "copy all of it, and nothing else")]
    header, claims = (_decoded(part) for part in parts[:2])
    if header is None or claims is None:
        which = "header" if header is None else "claims"
        words = f"its {which} cannot be read: no JSON object in base64url"
        return [Finding("form", "problem", words, "copy all of it, unchanged")]
    return [
        _form(header, len(text)),
        _issuer(claims.get("iss"), sources),
        _signature(parts, claims.get("iss"), sources),
        *_times(claims, now),
        *_participant(claims),
        *_grants(claims.get("video")),
        *_extras(claims),
    ]


def _decoded(part: str) -> dict[str, Any] | None:
    try:
        found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _form(header: Mapping[str, Any], length: int) -> Finding:
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    words = f"{_quoted(kind)}, signed by {_quoted(algorithm)}, {length} bytes"
    if algorithm != "HS256":
        return Finding("form", "problem", f"{words}: LiveKit takes HS256 only", _MINT)
    if length > _MAX_BYTES:
        return Finding(
            "form",
            "warning",
            f"{words}: browsers send it in a URL, which may become too long for a proxy",
            "put less into metadata and attributes",
        )
    return Finding("form", "ok", words)


def _issuer(issuer: Any, sources: Sequence[Source]) -> Finding:
    if not isinstance(issuer, str) or not issuer:
        return Finding("issuer", "problem", "`iss` is missing: LiveKit finds the secret by it", _MINT)
    if issuer in {source.credentials.api_key for source in sources}:
        return Finding("issuer", "ok", f"signed for {_quoted(issuer)}, a key of this service")
    if not sources:
        return Finding("issuer", "skipped", f"signed for {_quoted(issuer)}; no key is set here to compare")
    return Finding(
        "issuer",
        "problem",
        f"signed for {_quoted(issuer)}, which is no key of this service",
        f"find out who issued it, or set {sources[0].key} to that key",
    )


def _signature(parts: Sequence[str], issuer: Any, sources: Sequence[Source]) -> Finding:
    signed = ".".join(parts[:2]).encode(errors="replace")
    try:
        given = urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4))
    except (binascii.Error, ValueError):
        return Finding("signature", "problem", "cannot be read: it is no base64url", "copy all of the token")
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


def _times(claims: Mapping[str, Any], now: float) -> Iterator[Finding]:
    for name in ("nbf", "exp"):
        if name in claims and not _is_time(claims[name]):
            yield Finding(name, "problem", "is no time in seconds since 1970", _MINT)
    begins, ends = (_time(claims.get(name)) for name in ("nbf", "exp"))
    if begins is not None:
        words = f"valid from {_at(begins, now)}"
        if begins > now + _LEEWAY_SECONDS:
            yield Finding(
                "nbf", "problem", f"{words}: not yet", "set the clocks here and at its issuer, by NTP"
            )
        else:
            yield Finding("nbf", "ok", words)
    if ends is not None:
        yield _expiry(begins or 0, ends, now)
    elif "exp" not in claims:
        yield Finding("exp", "warning", "is missing: the token never expires", "mint it with a time to live")


def _expiry(begins: float, ends: float, now: float) -> Finding:
    words = f"valid until {_at(ends, now)}"
    if ends <= begins:
        return Finding("exp", "problem", f"{words}: before it begins", _MINT)
    if ends < now - _LEEWAY_SECONDS:
        return Finding("exp", "problem", f"{words}: expired", _FETCH)
    if ends < now:
        return Finding("exp", "warning", f"{words}: expired, but LiveKit lets a minute pass", _FETCH)
    if ends - now > _DAY_SECONDS:
        return Finding("exp", "warning", f"{words}: who finds it has long to use it", "let it expire sooner")
    return Finding("exp", "ok", words)


def _time(value: Any) -> float | None:
    return float(value) if _is_time(value) else None


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _END_OF_TIME


def _at(moment: float, now: float) -> str:
    distance = abs(moment - now)
    size, unit = next((pair for pair in _UNITS if distance >= pair[0]), _UNITS[-1])
    count = int(distance // size)
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    relative = f"in {words}" if moment > now else f"{words} ago"
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ} ({relative})"


def _participant(claims: Mapping[str, Any]) -> Iterator[Finding]:
    identity = claims.get("sub")
    if not isinstance(identity, str) or not identity:
        yield Finding("identity", "problem", "`sub` is missing: nobody can join without an identity", _MINT)
    elif len(identity.encode(errors="replace")) > _MAX_IDENTITY:
        words = f"is longer than the {_MAX_IDENTITY} bytes that LiveKit takes: {_quoted(identity)}"
        yield Finding("identity", "problem", words, "take a shorter one")
    else:
        yield Finding("identity", "ok", f"joins as {_quoted(identity)}")
    if "name" in claims:
        yield Finding("name", "ok", f"others see {_quoted(claims['name'])}")


def _grants(grants: Any) -> Iterator[Finding]:
    if not isinstance(grants, dict):
        yield Finding("room", "problem", "`video` is missing: the token grants nothing", _MINT)
        return
    room = grants.get("room")
    if grants.get("roomJoin") is not True:
        yield Finding("room", "problem", "`roomJoin` is not true: the token lets nobody join", _MINT)
    elif not isinstance(room, str) or not room:
        yield Finding("room", "problem", "`room` is missing: there is nowhere to join", _MINT)
    else:
        yield Finding("room", "ok", f"may join {_quoted(room)}")
    yield from _publishing(grants)
    rights = [words for name, words in _RIGHTS.items() if _is_granted(grants, name)]
    if not _is_granted(grants, "canSubscribe"):
        rights.append("hears and sees nobody")
    yield Finding("rights", "ok", ", ".join(rights))
    dangers = [f"{name}: {words}" for name, words in _DANGERS.items() if grants.get(name) is True]
    if dangers:
        words = f"more than a participant needs: {'; '.join(dangers)}"
        yield Finding("rights", "warning", words, "grant that to backends only, never to a frontend")
    unknown = sorted(grants.keys() - _RIGHTS.keys() - _DANGERS.keys() - _OTHERS)
    if unknown:
        words = (
            f"LiveKit may not know {', '.join(map(_quoted, unknown[:5]))}: its grants are as in `roomJoin`"
        )
        yield Finding("rights", "warning", words, "correct the names")


def _is_granted(grants: Mapping[str, Any], name: str) -> bool:
    return grants.get(name, name in _BY_DEFAULT) is True


def _publishing(grants: Mapping[str, Any]) -> Iterator[Finding]:
    listed = grants.get("canPublishSources") or []
    if not _is_granted(grants, "canPublish"):
        yield Finding("publishing", "ok", "may publish no track")
        return
    wrong = [item for item in listed if item not in _SOURCES] if isinstance(listed, list) else [listed]
    if wrong:
        words = f"`canPublishSources` has what LiveKit does not know: {', '.join(map(_quoted, wrong[:5]))}"
        yield Finding("publishing", "problem", words, f"take some of {', '.join(_SOURCES)}")
    else:
        yield Finding("publishing", "ok", f"may publish {', '.join(listed) or 'any track'}")


def _extras(claims: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("metadata", "attributes"):
        if claims.get(name):
            length = len(json.dumps(claims[name]))
            yield Finding(name, "ok", f"has some, {length} bytes; others in the room can read it")
    room = claims.get("roomConfig")
    if isinstance(room, dict):
        agents = room.get("agents")
        names = (
            [a.get("agentName", "") for a in agents if isinstance(a, dict)]
            if isinstance(agents, list)
            else []
        )
        if names:
            yield Finding("agents", "ok", f"dispatches {', '.join(map(_quoted, names[:5]))}")
        if room.get("egress"):
            words = "`roomConfig.egress` starts a recording when the room is created"
            yield Finding("rights", "warning", words, "let only your backend mint such a token")
    if claims.get("sip"):
        yield Finding("rights", "warning", "`sip` lets it use the telephone", "grant that to backends only")


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f'"{printable(text, _MAX_TEXT)}"'
