"""Where the service is."""

import httpx


def base_of(url: str) -> str:
    """Read where the paths of the contract begin, such as `https://tokens.example.com/api`.

    Raises:
        ValueError: it cannot be such an address. The message does not show it: it may hold a password.
    """
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError("the service's address is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ValueError("the service's address must begin with https:// or http://, and a host")
    if parts.userinfo or parts.query or parts.fragment:
        raise ValueError("the service's address must have no user, no password, no query and no fragment")
    return str(parts).rstrip("/")
