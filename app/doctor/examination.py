"""The whole examination: which checks there are, and in which order they are told."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from app.doctor import configuration, credentials, issuer, livekit, redis
from app.doctor.credentials import Source
from app.doctor.finding import Finding
from app.doctor.known import Known
from app.doctor.token import explain
from app.settings.callers import CallerSettings
from app.settings.environment import as_written
from app.settings.livekit import PUBLISH_SOURCES, LiveKitSettings
from app.settings.server import ServerSettings
from app.tokens.credentials import Credentials
from app.tokens.key_files import KeyFileFault, KeyFiles

_KEY, _SECRET, _URL = "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_URL"
_KEYS_FILE = "LIVEKIT_KEYS_FILE"


class Examination(NamedTuple):
    """What was found, and the secrets that must not be shown with it."""

    findings: Sequence[Finding]
    secrets: Sequence[str]


def of_the_service(clock: Callable[[], float] = time.time) -> Examination:
    """Look at everything that the environment names."""
    return asyncio.run(_of_the_service(clock))


def of_a_token(token: str, clock: Callable[[], float] = time.time) -> Examination:
    """Look at a token, by the credentials that the environment names, if it does."""
    sources, _ = _sources()
    secrets = _secrets(sources)
    return Examination(explain(token, Known(sources, PUBLISH_SOURCES, secrets), clock()), secrets)


async def _of_the_service(clock: Callable[[], float]) -> Examination:
    project, callers = configuration.read(LiveKitSettings), configuration.read(CallerSettings)
    server = configuration.read(ServerSettings)
    sources, of_credentials = _sources()
    findings = [*await configuration.faults(), *of_credentials, *credentials.strength(sources)]
    remote: list[Awaitable[list[Finding]]] = []
    if project is not None and project.livekit_url is not None:
        remote.append(livekit.examine(project.livekit_url, sources, clock))
    elif project is not None:
        words = "is not set: /connection-details cannot answer, and no server can be tried"
        findings.append(Finding(_URL, "warning", words, f"set {_URL} to that of your LiveKit project"))
    if callers is not None:
        remote.append(_of_callers(callers))
    # At once, for whoever is away is waited for.
    findings += [finding for found in await asyncio.gather(*remote) for finding in found]
    if server is not None:
        findings.append(configuration.of_origins(server))
    return Examination(findings, _secrets(sources))


async def _of_callers(settings: CallerSettings) -> list[Finding]:
    findings = list(configuration.of_callers(settings))
    if settings.oidc_issuer is not None:
        findings.append(await issuer.examine(settings.oidc_issuer))
    if not settings.counts_in_memory:
        findings.append(await redis.examine(settings.rate_limit_storage))
    return findings


def _sources() -> tuple[list[Source], list[Finding]]:
    """Find the credentials, and what is to be said of where they are, whatever else the settings say."""
    key, secret = ((as_written(name) or "").strip() or None for name in (_KEY, _SECRET))
    names = (f"{_KEY}_FILE", f"{_SECRET}_FILE", _KEYS_FILE)
    key_file, secret_file, keys_file = (Path(path) if path else None for path in map(as_written, names))
    if key_file is None and secret_file is None and keys_file is None:
        findings = [
            credentials.as_written(_KEY, as_written(_KEY)),
            credentials.secret_as_written(_SECRET, as_written(_SECRET)),
        ]
        return ([Source(Credentials(key, secret), _KEY, _SECRET)] if key and secret else []), findings
    variables = (names[0] if key_file else _KEY, names[1] if secret_file else _SECRET)
    if keys_file is not None:
        variables = (_KEYS_FILE, _KEYS_FILE)
    try:
        found = KeyFiles(key, secret, key_file, secret_file, keys_file).read()
    except KeyFileFault as fault:
        name, _, words = str(fault).partition(": ")
        return [], [Finding(name, "problem", words, f"correct {name}, or what is in the file")]
    words = f"credentials are read, {len(found)} {'key' if len(found) == 1 else 'keys'}"
    sources = [Source(each, *variables) for each in found]
    # Once, of however many keys of a file.
    slips = dict.fromkeys(slip for source in sources for slip in credentials.slips(source))
    named = {slip.check for slip in slips}
    read = [Finding(name, "ok", words) for name in dict.fromkeys(variables) if name not in named]
    return sources, [*read, *slips]


def _secrets(sources: Sequence[Source]) -> list[str]:
    secrets = [source.credentials.api_secret for source in sources]
    # Whatever is written there: a value that cannot be used may be a secret in the wrong place.
    secrets.append((as_written(_SECRET) or "").strip())
    storage = urlsplit(as_written("RATE_LIMIT_STORAGE") or "")
    secrets.append(unquote(storage.netloc.rpartition("@")[0].partition(":")[2]))
    # Without the quotation marks that somebody has left around one it is the same secret.
    secrets += [secret.strip("\"'`") for secret in secrets]
    return [secret for secret in secrets if secret]
