"""URLs and origins that an operator may write."""

import re
from urllib.parse import urlsplit

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:\[\]_-]+")
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_URL = re.compile(r"(?=.{1,2048}$)([!#$&-;=?-\[\]_a-z~]|%[0-9A-Fa-f]{2})*")


def is_origin(text: str) -> bool:
    """Tell whether a text is an origin as browsers send it: without the scheme's own port."""
    return bool(_ORIGIN.fullmatch(text)) and not re.fullmatch(r"http:.*:80|https:.*:443", text)


def is_plain_url(text: str) -> bool:
    """Tell whether a text is a URL with a host, and without credentials, query and fragment."""
    if not _URL.fullmatch(text) or not port_can_be(text):
        return False
    parts = urlsplit(text)
    return bool(_AUTHORITY.fullmatch(parts.netloc)) and not parts.query and not parts.fragment


def port_can_be(text: str) -> bool:
    """Tell whether a text is a URL whose port, if it has one, can be one."""
    try:
        return urlsplit(text).port != 0
    except ValueError:
        return False
