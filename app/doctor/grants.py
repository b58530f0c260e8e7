"""What a token lets its holder do in a room."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.doctor.finding import Finding
from app.doctor.known import MINT, Known, length_of
from app.doctor.limits import ROOM_BYTES

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


def told(grants: Any, known: Known) -> Iterator[Finding]:
    """Say what `video` lets whoever has the token do."""
    if not isinstance(grants, dict):
        yield Finding("room", "problem", "`video` is missing, or no object: the token grants nothing", MINT)
        return
    room = grants.get("room")
    if grants.get("roomJoin") is not True:
        yield Finding("room", "problem", "`roomJoin` is not true: the token lets nobody join", MINT)
    elif not isinstance(room, str) or not room:
        yield Finding("room", "problem", "`room` is missing, or no text: there is nowhere to join", MINT)
    elif length_of(room) > ROOM_BYTES:
        yield known.too_long("room", room, ROOM_BYTES)
    else:
        yield Finding("room", "ok", f"may join {known.quoted(room)}")
    yield from _publishing(grants, known)
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
        names = ", ".join(map(known.quoted, unknown[:5]))
        words = f"LiveKit may not know {names}: its grants are as in `roomJoin`"
        yield Finding("rights", "warning", words, "correct the names")


def _is_granted(grants: Mapping[str, Any], name: str) -> bool:
    return grants.get(name, name in _BY_DEFAULT) is True


def _publishing(grants: Mapping[str, Any], known: Known) -> Iterator[Finding]:
    listed = grants.get("canPublishSources") or []
    # What is of another type is told with the others.
    listed = [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
    if not _is_granted(grants, "canPublish"):
        yield Finding("publishing", "ok", "may publish no track")
        return
    wrong = [item for item in listed if item not in known.publish_sources]
    if wrong:
        names = ", ".join(map(known.quoted, wrong[:5]))
        words = f"`canPublishSources` has what LiveKit does not know: {names}"
        yield Finding("publishing", "problem", words, f"take some of {', '.join(known.publish_sources)}")
    else:
        yield Finding("publishing", "ok", f"may publish {', '.join(listed) or 'any track'}")
