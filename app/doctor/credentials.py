"""The credentials: where they come from, and how they are written."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.doctor.finding import Finding
from app.settings.environment import is_vault_reference
from app.tokens.claims import TokensDiffer, TokenWriter, UnusableSecret
from app.tokens.credentials import STRONG_SECRET_BYTES, Credentials
from app.tokens.policy import TokenPolicy

_QUOTES = ("\"'", "'\"", '""', "''", "``")


class Source(NamedTuple):
    """Credentials, and the variables to change if they are wrong; never to be printed as it is."""

    credentials: Credentials
    key: str
    secret: str


def as_written(variable: str, value: str | None) -> Finding:
    """Judge the value of a variable, as the environment has it; not one character of it is told."""
    text = (value or "").strip()
    if not text:
        return Finding(variable, "problem", "is not set", f"set {variable} to that of your LiveKit project")
    if found := _slip(variable, text):
        return found
    if text != value:
        return Finding(
            variable,
            "warning",
            "has white space around it, which the service leaves out",
            f"take it away from {variable}: a line end at the end of a file, mostly",
        )
    return Finding(variable, "ok", f"is set, {_bytes(text)}")


def secret_as_written(variable: str, value: str | None) -> Finding:
    """Do as `as_written`, and find out whether the value can sign."""
    text = (value or "").strip()
    if text and not _can_sign(text):
        words = "is a key of another kind (PEM, SSH, JSON), or no text: nothing can be signed with it"
        return Finding(variable, "problem", words, f"set {variable} to the secret of a LiveKit project")
    return as_written(variable, value)


def slips(source: Source) -> Iterator[Finding]:
    """Judge how credentials are written in the files that they were read from."""
    found = source.credentials
    for variable, text in ((source.key, found.api_key), (source.secret, found.api_secret)):
        if slip := _slip(variable, text):
            yield slip


def _slip(variable: str, text: str) -> Finding | None:
    for found, words, fix in _slips(text):
        if found:
            return Finding(variable, "problem", words, fix.format(variable))
    return None


def strength(sources: Sequence[Source]) -> Iterator[Finding]:
    """Judge how hard the secrets are to guess."""
    for source in sources:
        key, secret = source.credentials.api_key, source.credentials.api_secret
        if (key, secret) == ("devkey", "secret"):
            words = "the credentials are those of `livekit-server --dev`, which everybody knows"
            yield Finding(source.secret, "warning", words, "take others for anything but development")
        elif _length(secret) < STRONG_SECRET_BYTES:
            yield Finding(
                source.secret,
                "warning",
                f"the secret is weak, {_bytes(secret)}: it can be found by trying",
                f"take one of at least {STRONG_SECRET_BYTES} bytes, here and in LiveKit",
            )


def _slips(text: str) -> Iterator[tuple[bool, str, str]]:
    """List what may have gone wrong on the value's way here."""
    yield (
        is_vault_reference(text),
        "is a reference to a key vault that was not resolved",
        "let the app's identity read the vault's secrets, and correct the reference in {}",
    )
    yield (
        text[:1] + text[-1:] in _QUOTES and len(text) > 1,
        "has quotation marks around it, which count as a part of it",
        "write {} without them: only a shell takes them away, and `docker --env-file`, for one, does not",
    )
    yield (
        not text.isprintable() or any(character.isspace() for character in text),
        "has white space or control characters within it",
        "write {} anew: something was copied with it",
    )


def _can_sign(text: str) -> bool:
    try:
        TokenWriter(Credentials("key", text), TokenPolicy())
    except UnusableSecret:
        return False
    except TokensDiffer:  # It has signed.
        return True
    return True


def _bytes(text: str) -> str:
    length = _length(text)
    return f"{length} byte{'' if length == 1 else 's'}"


def _length(text: str) -> int:
    # A variable need not be UTF-8.
    return len(text.encode(errors="surrogateescape"))
