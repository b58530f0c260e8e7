"""The request body: read once, strictly; the value that is validated is the value that is handled."""

import asyncio
import codecs
import re
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import jiter
from starlette.types import Receive, Scope

from app.wire.contract import BodyRule
from app.wire.faults import ContractViolation, Fault
from app.wire.head import number

_JSON_IN_UTF8 = re.compile(
    # One way to match each blank: two would take quadratic time over a long run of them.
    rb'application/json[ \t]*(;[ \t]*(charset=("utf-8"|utf-8)[ \t]*)?)*',
    re.IGNORECASE,
)
_MAX_MEDIA_TYPE = 256
_SURROGATE = re.compile(r"\\u[dD][89aAbBcCdDeEfF][0-9a-fA-F]{2}")
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)


class UnsupportedMediaType(Exception):
    """The body is not sent as plain JSON; the message says how to send it."""


class PayloadTooLarge(Exception):
    """The body is longer than the contract allows; the message says how long it may be."""


class HeadTimeout(Exception):
    """The head of the request did not arrive in time."""


class BodyTimeout(Exception):
    """The body did not arrive in time."""


class BodyReader:
    """Reads, parses and checks the bodies of one operation."""

    def __init__(self, rule: BodyRule, timeout_seconds: float) -> None:
        """Read bodies that fit `rule`, and arrive within `timeout_seconds`."""
        self.rule = rule
        self._timeout_seconds = timeout_seconds

    async def read(self, receive: Receive, scope: Scope) -> Any:
        """Return the value of the body, defaults included; note its audited properties.

        Raises:
            BodyTimeout: the body did not arrive in time.
            ContractViolation: the body is not what the contract demands.
            PayloadTooLarge: the body is too long; the rest of it was not read.
            UnsupportedMediaType: the headers announce something else than uncompressed JSON in UTF-8.
            Exception: the rest of the body cannot be read; see `HttpProtocol`.
        """
        rule, state = self.rule, scope["state"]
        announced = _announced_length(scope["headers"])
        # Our HTTP protocol tells when all of a body is there: a timer would cost more than reading it.
        timeout = nullcontext() if "arrived" in state else asyncio.timeout(self._timeout_seconds)
        try:
            async with timeout:
                content = await _read(receive, state, announced, rule.max_bytes)
        except TimeoutError:
            raise BodyTimeout from None
        body = _parse(content)
        rule.validate(body, state["audit"], with_token=state["caller"].profile is not None)
        for name, default in rule.defaults.items():
            body.setdefault(name, default)
        return body


def _announced_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Check what the headers say of the body; return its length, or 0 if they do not say."""
    types, length = [], 0
    for name, value in headers:
        if name == b"content-type":
            types.append(value)
        elif name == b"content-length" and value.isdigit():
            length = number(value)
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            raise UnsupportedMediaType("Send the body uncompressed, without a Content-Encoding header.")
    if len(types) != 1 or not _is_json(types[0]):
        raise UnsupportedMediaType(
            'Send exactly one header "Content-Type: application/json"; '
            "its only parameter may be charset=utf-8."
        )
    return length


def _is_json(media_type: bytes) -> bool:
    return len(media_type) <= _MAX_MEDIA_TYPE and bool(_JSON_IN_UTF8.fullmatch(media_type.strip()))


async def _read(receive: Receive, state: Mapping[str, Any], announced: int, limit: int) -> bytes:
    content = bytearray()
    more = announced <= limit
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _body_fault("ended before it was complete")
        content += message.get("body", b"")
        more = message.get("more_body", False) and len(content) <= limit
        if "body_refusal" in state and len(content) <= limit:
            raise state["body_refusal"]
    if max(announced, len(content)) > limit:
        raise PayloadTooLarge(f"The body is longer than {limit} bytes; send a smaller one.")
    return bytes(content)


def _parse(content: bytes) -> Any:
    if not content:
        raise _body_fault("is required: send a JSON object")
    try:
        return jiter.from_json(content, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        raise _body_fault(f"must be JSON in UTF-8: {_diagnosis(content) or error}") from None


def _diagnosis(content: bytes) -> str | None:
    """Say what is wrong with bytes that are not JSON, where the parser's words would not help."""
    if content.startswith(_BYTE_ORDER_MARKS):
        return "it starts with a byte order mark; leave it out"
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} is not UTF-8"
    if _SURROGATE.search(text):
        return r"a \ud800 to \udfff escape is half of a character; write both halves, or the character"
    return None


def _body_fault(message: str) -> ContractViolation:
    return ContractViolation([Fault.at("body", message)])
