"""The request body: read once, strictly; the value that is validated is the value that is handled."""

import asyncio
import codecs
import re
from typing import Any

import jiter
from starlette.types import ASGIApp, Receive, Scope, Send

from app.contract import MEDIA_TYPE, BodyRule, Contract
from app.faults import ContractViolation, Fault

_JSON_IN_UTF8 = re.compile(
    # One way to match each blank: two would take quadratic time over a long run of them.
    rb'application/json[ \t]*(;[ \t]*(charset=("utf-8"|utf-8)[ \t]*)?)*',
    re.IGNORECASE,
)
_MAX_MEDIA_TYPE = 256
_SURROGATE = re.compile(r"\\u[dD][89aAbBcCdDeEfF][0-9a-fA-F]{2}")
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)

NOT_HTTP = Fault.at("request", "is not well-formed HTTP/1.1")


class UnsupportedMediaType(Exception):
    """The body is not sent as plain JSON; the message says how to send it."""


class PayloadTooLarge(Exception):
    """The body is longer than the contract allows; the message says how long it may be."""


class BodyTimeout(Exception):
    """The body did not arrive in time."""


class MediaTypeGate:
    """ASGI middleware that lets a body through only as uncompressed JSON in UTF-8.

    Connexion compares media types with case, and skips the validation of one that it does not
    know; behind this gate it only ever sees `application/json`.
    """

    def __init__(self, app: ASGIApp, contract: Contract) -> None:
        """Guard the operations of `contract` that have a body."""
        self._app = app
        self._contract = contract

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its Content-Type normalised and the rule of its body.

        Raises:
            UnsupportedMediaType: the headers announce something else.
        """
        if scope["type"] == "http":
            operation_id = scope["extensions"]["connexion_routing"]["operation_id"]
            rule = self._contract.operations[operation_id].body if operation_id else None
            if rule is not None:
                scope["headers"] = self._normalised(scope["headers"])
                scope["state"]["body_rule"] = rule
        await self._app(scope, receive, send)

    @staticmethod
    def _normalised(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        encodings = [value for name, value in headers if name == b"content-encoding"]
        if any(value.strip().lower() != b"identity" for value in encodings):
            raise UnsupportedMediaType("Send the body uncompressed, without a Content-Encoding header.")
        codings = [value for name, value in headers if name == b"transfer-encoding"]
        if any(value.strip().lower() != b"chunked" for value in codings):
            raise UnsupportedMediaType("Send the body uncompressed; Transfer-Encoding may be chunked only.")
        types = [value for name, value in headers if name == b"content-type"]
        if len(types) != 1 or not _is_json(types[0]):
            raise UnsupportedMediaType(
                'Send exactly one header "Content-Type: application/json"; '
                "its only parameter may be charset=utf-8."
            )
        others = [header for header in headers if header[0] != b"content-type"]
        return [*others, (b"content-type", MEDIA_TYPE.encode())]


class BodyValidator:
    """Connexion's body validator for JSON: reads, parses and checks, then leaves the value in the scope.

    Connexion makes one for each request, through `functools.partial`, and passes its own reading of
    the rule, which the gate has left in the scope as the contract has it.
    """

    def __init__(self, *, timeout_seconds: float, **_connexion: object) -> None:
        """Read bodies that arrive within `timeout_seconds`."""
        self._timeout_seconds = timeout_seconds

    async def wrap_receive(self, receive: Receive, *, scope: Scope) -> tuple[Receive, Scope]:
        """Put the validated body into `scope["state"]["body"]`, defaults included.

        Raises:
            ContractViolation: the body is not what the contract demands.
            PayloadTooLarge: the body is too long; the rest of it was not read.
            BodyTimeout: the body did not arrive in time.
        """
        rule: BodyRule = scope["state"]["body_rule"]
        try:
            async with asyncio.timeout(self._timeout_seconds):
                content = await _read(receive, scope, rule.max_bytes)
        except TimeoutError:
            raise BodyTimeout from None
        body = _parse(content)
        rule.validate(body, scope["state"]["audit"])
        for name, default in rule.defaults.items():
            body.setdefault(name, default)
        scope["state"]["body"] = body
        return receive, scope


def _is_json(media_type: bytes) -> bool:
    return len(media_type) <= _MAX_MEDIA_TYPE and bool(_JSON_IN_UTF8.fullmatch(media_type.strip()))


async def _read(receive: Receive, scope: Scope, limit: int) -> bytes:
    lengths = [v for name, v in scope["headers"] if name == b"content-length" and v.isdigit()]
    announced = int(lengths[0]) if lengths else 0
    content = bytearray()
    more = announced <= limit
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _body_fault("ended before it was complete")
        # Our HTTP protocol found the rest of the body to be malformed.
        if "malformed" in scope["state"]:
            raise ContractViolation([NOT_HTTP])
        content += message.get("body", b"")
        more = message.get("more_body", False) and len(content) <= limit
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
