"""What the settings say: whether they can be used, and who may ask and read."""

import asyncio
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import urlsplit

from app.doctor.finding import Finding
from app.parts import make_traces
from app.settings.callers import CallerSettings
from app.settings.listening import check_host
from app.settings.reading import Group, InvalidSettings
from app.settings.server import ServerSettings
from app.settings.settings import Settings

_LOCAL = {"localhost", "127.0.0.1", "[::1]"}

AnyGroup = TypeVar("AnyGroup", bound=Group)


def read(group: type[AnyGroup]) -> AnyGroup | None:
    """Read one group of the settings; None: a variable of it cannot be used."""
    try:
        return group.from_environment()
    except InvalidSettings:
        return None


async def faults() -> list[Finding]:
    """List each variable that keeps the service from starting."""
    try:
        settings = Settings.from_environment()
    except InvalidSettings as invalid:
        return _named_in(invalid)
    found = []
    for check in (_try_host, _try_traces):
        try:
            await check(settings)
        except InvalidSettings as invalid:
            found += _named_in(invalid)
    return found or [Finding("settings", "ok", "can all be used")]


def _named_in(invalid: InvalidSettings) -> list[Finding]:
    lines = (line.partition(": ") for line in str(invalid).splitlines())
    return [
        Finding(name, "problem", words, f"correct {name}: --help says what it is for")
        for name, _, words in lines
    ]


async def _try_host(settings: Settings) -> None:
    # In a thread: a name may have to be looked up.
    await asyncio.to_thread(check_host, settings)


async def _try_traces(settings: Settings) -> None:
    traces = make_traces(settings, "")
    if traces is not None:
        await traces.close()


def of_callers(settings: CallerSettings) -> Iterator[Finding]:
    """Judge how callers are known."""
    if settings.auth == ("none",):
        words = "is none: anybody who reaches the service gets a token for any participant"
        yield Finding("AUTH", "warning", words, "set AUTH to oidc or api-key, if that is not what you want")
    else:
        yield Finding("AUTH", "ok", f"is {','.join(settings.auth)}")
    if settings.has_insecure_issuer:
        words = "is not https: whoever is on the way can replace its keys"
        yield Finding("OIDC_ISSUER", "warning", words, "have the issuer served with TLS")


def of_origins(settings: ServerSettings) -> Finding:
    """Say which pages can read the answers."""
    name, origins = "CORS_ALLOWED_ORIGINS", settings.cors_allowed_origins
    if origins == ("*",):
        words = "is *: any web page may ask for tokens"
        return Finding(name, "warning", words, "list the origins of your pages")
    if all(urlsplit(origin).netloc.split(":")[0] in _LOCAL or "[::1]" in origin for origin in origins):
        words = (
            f"lets pages of this machine in only, {', '.join(origins)}: a browser keeps answers from others"
        )
        return Finding(name, "warning", words, "list the origins of your pages, as https://app.example.com")
    return Finding(name, "ok", f"lets in pages of {', '.join(origins)}; a browser keeps answers from others")
