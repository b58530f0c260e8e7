"""The JSON types of what LiveKit reads of a token: one that is wrong, and it refuses all of the token."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from app.doctor.finding import Finding


class _Kind(NamedTuple):
    """A type: what it is called, how to write it, and whether a value is of it."""

    words: str
    fix: str
    fits: Callable[[Any], bool]


_Shape = _Kind | dict[str, "_Shape"] | list["_Shape"]


def _is_count(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and value.isdecimal()
    )


_TEXT = _Kind(
    "a text",
    "write it in quotation marks, and what is no text as JSON within a text",
    lambda value: isinstance(value, str),
)
_FLAG = _Kind(
    "true or false",
    "write true or false, without quotation marks",
    lambda value: isinstance(value, bool),
)
_COUNT = _Kind("a whole number", "write it without a fraction", _is_count)
_TIME = _Kind(
    "a number of seconds",
    "write it without quotation marks",
    lambda value: isinstance(value, int | float) and not isinstance(value, bool),
)
_AUDIENCE = _Kind(
    "a text, or a list of texts",
    _TEXT.fix,
    lambda value: all(isinstance(item, str) for item in (value if isinstance(value, list) else [value])),
)
_LIST = _Kind("a list", "write it in square brackets", lambda value: isinstance(value, list))
_OBJECT = _Kind("an object", "write it in braces", lambda value: isinstance(value, dict))
_ANY_NAME = "*"
_TEXTS_BY_NAME: _Shape = {_ANY_NAME: _TEXT}
# `iss`, `sub`, `nbf`, `exp`, `video` and what a client joins by are looked at where they are explained.
_CLAIMS: _Shape = {
    **dict.fromkeys(("jti", "name", "kind", "roomPreset", "sha256", "metadata"), _TEXT),
    "aud": _AUDIENCE,
    "iat": _TIME,
    "kindDetails": [_TEXT],
    "attributes": _TEXTS_BY_NAME,
    "video": {
        **dict.fromkeys(
            (
                "roomCreate", "roomList", "roomRecord", "roomAdmin", "canPublish", "canSubscribe",
                "canPublishData", "canUpdateOwnMetadata", "canSubscribeMetrics", "canManageAgentSession",
                "ingressAdmin", "hidden", "recorder", "agent",
            ),
            _FLAG,
        ),
        "canPublishSources": [_TEXT],
        "destinationRoom": _TEXT,
    },
    "sip": {"admin": _FLAG, "call": _FLAG},
    "agent": {"admin": _FLAG, "simulationAdmin": _FLAG},
    "inference": {"perform": _FLAG},
    "observability": {"write": _FLAG},
    "roomConfig": {
        "name": _TEXT,
        "metadata": _TEXT,
        **dict.fromkeys(
            ("emptyTimeout", "departureTimeout", "maxParticipants", "minPlayoutDelay", "maxPlayoutDelay"),
            _COUNT,
        ),
        "syncStreams": _FLAG,
        "egress": _OBJECT,
        "agents": [
            {
                **dict.fromkeys(("agentName", "metadata", "deployment"), _TEXT),
                "attributes": _TEXTS_BY_NAME,
            }
        ],
        "tags": _TEXTS_BY_NAME,
    },
}  # fmt: skip


def wrong_types(claims: Mapping[str, Any]) -> Iterator[Finding]:
    """List the claims of a token that are of another type than LiveKit's; nothing of their values is told."""
    # Once, of however many values.
    for path, kind in dict.fromkeys(_wrong_in(dict(claims), _CLAIMS, "")):
        yield Finding("claims", "problem", f"`{path}` must be {kind.words}: LiveKit refuses it", kind.fix)


def _wrong_in(value: Any, shape: _Shape, path: str) -> Iterator[tuple[str, _Kind]]:
    # What is null counts as what is not there.
    if value is None:
        return
    if isinstance(shape, _Kind):
        if not shape.fits(value):
            yield path, shape
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield path, _LIST
            return
        for item in value:
            yield from _wrong_in(item, shape[0], f"{path}[]")
    elif not isinstance(value, dict):
        yield path, _OBJECT
    else:
        for name, member in value.items():
            known = name if name in shape else _ANY_NAME
            if known in shape:
                yield from _wrong_in(member, shape[known], f"{path}.{known}".removeprefix("."))
