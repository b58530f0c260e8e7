"""What an answer means."""

import json
import re
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard, TypeVar, cast

import httpx

from livekit_token_api_client.access_token import AccessToken
from livekit_token_api_client.contract import ErrorResponse
from livekit_token_api_client.errors import BY_CODE, BY_STATUS, ErrorAnswer, TokenApiError, UnexpectedAnswer
from livekit_token_api_client.operations import Operation

_SECONDS = re.compile(r"[0-9]+")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, whole."""

    status_code: int
    headers: httpx.Headers
    content: bytes = field(repr=False)


def read(heard: Heard, operation: Operation[T]) -> T:
    """Read the answer to an operation.

    Raises:
        TokenApiError: it is none, or one that says what went wrong.
    """
    try:
        body: Any = json.loads(heard.content)
    except (ValueError, RecursionError):
        body = None
    if not httpx.codes.is_success(heard.status_code):
        raise _failure(heard, body)
    # What is required of an answer is a text, each time; a test holds the contract to it.
    required: frozenset[str] = cast("Any", operation.answer).__required_keys__
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in required):
        raise _unexpected(heard)
    if operation.token is not None:
        body[operation.token] = AccessToken(body[operation.token])
    return cast("T", body)


def _failure(heard: Heard, body: Any) -> TokenApiError:
    if httpx.codes.is_error(heard.status_code) and _is_error_response(body):
        kind = BY_CODE.get(body["errorCode"]) or BY_STATUS.get(heard.status_code, ErrorAnswer)
        return kind(body, heard.status_code, retry_after(heard.headers))
    return _unexpected(heard)


def _is_error_response(body: Any) -> TypeGuard[ErrorResponse]:
    """Tell whether an answer has the form of an error, as far as we read it."""
    if not isinstance(body, dict):
        return False
    texts = [body.get(name) for name in ("errorCode", "message", "requestId")]
    faults, reasons = body.get("validationErrors", []), body.get("reasons", [])
    if not isinstance(faults, list) or not isinstance(reasons, list):
        return False
    for fault in faults:
        texts += [fault.get("field"), fault.get("message")] if isinstance(fault, dict) else [None]
    return all(isinstance(text, str) for text in (*texts, *reasons))


def _unexpected(heard: Heard) -> UnexpectedAnswer:
    media_type = heard.headers.get("Content-Type", "no media type").partition(";")[0][:64]
    what = f"The answer, {heard.status_code} with {media_type}, is not one of the contract"
    if httpx.codes.is_redirect(heard.status_code):
        advice = "it leads elsewhere, which is not followed: give the address that it leads to"
    else:
        advice = "a proxy may have answered, or the service's address is wrong"
    return UnexpectedAnswer(f"{what}; {advice}.", heard.status_code, retry_after(heard.headers))


def retry_after(headers: httpx.Headers) -> float | None:
    """Read in how many seconds to ask again, from seconds or a date; None where nothing says it.

    A date is compared with the answer's own, where there is one: the clocks may differ.
    """
    text = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    until = _timestamp(text)
    now = _timestamp(headers.get("Date", ""))
    return None if until is None else max(0.0, until - (time.time() if now is None else now))


def _timestamp(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
