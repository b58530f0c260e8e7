"""Tokens and API keys are not readable in a log line, wherever they came from."""

import binascii
import json
import re
from base64 import urlsafe_b64decode

# A header, which begins with { and a quote or white space, and the parts after it; the last one may be cut
# off, as long texts of callers are (text.py).
_START = re.compile(r"(?=(e[wy][A-Za-z0-9_-]{1,4096})\.[A-Za-z0-9_-]*[.…])")
_API_KEY = re.compile(r"lktoken_[A-Za-z0-9_-]{20,}")
_EXTENT = re.compile(r"[A-Za-z0-9_.-]*")


def without_credentials(text: str) -> str:
    """Replace tokens, and the API keys that `new-api-key` makes."""
    return _API_KEY.sub("[API key]", without_tokens(text))


def without_tokens(text: str) -> str:
    """Replace what is a token: a header that decodes to a JSON object, and two further parts."""
    if "ey" not in text and "ew" not in text:
        return text
    kept, end = [], 0
    for found in _START.finditer(text):
        start = found.start()
        if start >= end and _is_header(found[1]):
            kept += [text[end:start], "[token]"]
            end = _EXTENT.match(text, start).end()  # type: ignore[union-attr]  # it matches anything
    return "".join([*kept, text[end:]])


def _is_header(part: str) -> bool:
    try:
        return isinstance(json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))), dict)
    except (binascii.Error, ValueError, RecursionError):
        return False
