"""Whether the service can listen where the environment says, which only the machine knows."""

from contextlib import suppress
from socket import AF_INET, AF_INET6, AI_PASSIVE, SOCK_STREAM, getaddrinfo, socket

from app.settings.reading import InvalidSettings
from app.settings.server import ServerSettings


def check_host(settings: ServerSettings) -> None:
    """Try HOST, at a free port: the server would not name it, and fail with a traceback at some values.

    Raises:
        InvalidSettings: nothing can listen there.
    """
    host = settings.host
    try:
        # With several workers uvicorn opens one socket by itself, else the event loop opens all there are.
        one = (AF_INET6 if ":" in host else AF_INET, SOCK_STREAM, 0, "", (host, 0))
        several = settings.workers > 1
        candidates = [one] if several else getaddrinfo(host, 0, type=SOCK_STREAM, flags=AI_PASSIVE)
        for family, kind, protocol, _, address in candidates:
            with suppress(OSError), socket(family, kind, protocol) as probe:
                probe.bind(address)
                return
    except (OSError, UnicodeError):
        pass
    raise InvalidSettings("HOST: must be a name or an address of this machine, or 0.0.0.0 for all it has")
