"""Who may ask, as whom, and how often."""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from app.settings.reading import CommaSeparated, Group, split
from app.settings.urls import is_plain_url, port_can_be

METHODS = ("oidc", "api-key")
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
API_KEY_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(rf"{API_KEY_NAME.pattern}:[0-9A-Fa-f]{{64}}")
_RATE = re.compile(r"[1-9][0-9]{0,6} ?/ ?([1-9][0-9]{0,3} ?)?(second|minute|hour|day)s?")
_REDIS = re.compile(
    # A password is written without what has a meaning in a URL, or as %xx.
    r"rediss?://([A-Za-z0-9._~!$&'()*+,;=:%-]*@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[0-9]{0,3})?"
)
_EMPTY = hashlib.sha256(b"").hexdigest()
_MEMORY = "memory://"


def _entries_of(file: object) -> object:
    if not isinstance(file, str):
        return file
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise ValueError("must be a file that can be read, of text in UTF-8") from None
    entries = split(text.replace("\n", ","))
    if not entries:
        raise ValueError("must have entries such as backend:sha256, separated by commas or line ends")
    return entries


def _variable(name: str) -> str:
    return "API_KEY_DIGESTS" if name == "api_keys" else name.upper()


class CallerSettings(Group):
    """How callers are known, what their tokens say of them, and their limits."""

    auth: CommaSeparated = Field(
        default=("none",), description="Who may ask: none (anybody), oidc, api-key, or oidc,api-key."
    )
    oidc_issuer: str | None = Field(
        default=None, description="The OpenID issuer of caller tokens: https://login.example.com/tenant."
    )
    oidc_audience: str | None = Field(
        default=None, max_length=512, description="What the `aud` of a caller token must name."
    )
    oidc_algorithms: CommaSeparated = Field(
        default=ALGORITHMS, description="The signatures of caller tokens that are accepted."
    )
    oidc_identity_claim: str = Field(
        default="sub",
        min_length=1,
        max_length=128,
        description="The claim that is the participant's identity.",
    )
    oidc_name_claim: str = Field(
        default="name",
        min_length=1,
        max_length=128,
        description="The claim that is the participant's name, if none is asked.",
    )
    oidc_rooms_claim: str | None = Field(
        default=None,
        max_length=128,
        description="The claim that lists the rooms a caller may enter; not set, any.",
    )
    api_key_digests: CommaSeparated = Field(
        default=(), description="The API keys: NAME:SHA-256 in hexadecimal, separated by commas."
    )
    api_key_digests_file: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_entries_of)] = Field(
        default=(), description="A file with the API keys, instead."
    )
    rate_limit: str | None = Field(
        default=None, description="How often each caller may ask: 60/minute; not set, without limit."
    )
    rate_limit_total: str | None = Field(
        default=None, description="How often all callers together may ask: 1000/minute."
    )
    rate_limit_storage: str = Field(
        default=_MEMORY, repr=False, description="Where the limits are counted: memory://, redis://HOST."
    )

    @field_validator("auth")
    @classmethod
    def _check_auth(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value != ("none",) and not (value and set(value) <= set(METHODS)):
            raise ValueError("must be none, oidc, api-key or oidc,api-key")
        return tuple(dict.fromkeys(value))

    @field_validator("oidc_issuer")
    @classmethod
    def _check_issuer(cls, value: str | None) -> str | None:
        if value is not None and not (value.startswith(("http://", "https://")) and is_plain_url(value)):
            raise ValueError(
                "must be an http(s) URL such as https://login.example.com/tenant, exactly as the issuer "
                "writes it, without credentials, query or fragment"
            )
        return value

    @field_validator("oidc_algorithms")
    @classmethod
    def _check_algorithms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not set(value) <= set(ALGORITHMS):
            raise ValueError(f"must list some of {', '.join(ALGORITHMS)}, separated by commas")
        return value

    @field_validator("api_key_digests", "api_key_digests_file")
    @classmethod
    def _check_digests(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # The digest of nothing is that of a variable that was not set.
        if not all(map(_DIGEST.fullmatch, value)) or any(_EMPTY in entry.lower() for entry in value):
            raise ValueError(
                "must have entries such as backend:SHA-256, a name of letters, digits and . _ - and 64 "
                "hexadecimal digits, as `new-api-key` prints them"
            )
        return value

    @field_validator("rate_limit", "rate_limit_total")
    @classmethod
    def _check_rate(cls, value: str | None) -> str | None:
        if value is not None and not _RATE.fullmatch(value):
            raise ValueError("must be a count and a time such as 60/minute or 10/5 seconds")
        return value

    @field_validator("rate_limit_storage")
    @classmethod
    def _check_storage(cls, value: str) -> str:
        if value != _MEMORY and not (_REDIS.fullmatch(value) and port_can_be(value)):
            raise ValueError("must be memory://, or a URL such as redis://:PASSWORD@redis.example.com:6379/0")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        needed = {"oidc": ("oidc_issuer", "oidc_audience"), "api-key": ("api_keys",)}
        chosen = {"oidc": [name for name in self.model_fields_set if name.startswith("oidc_")]}
        faults = []
        for method, names in needed.items():
            if method in self.auth:
                faults += [
                    f"{_variable(name)}: must be set where AUTH names {method}"
                    for name in names
                    if not getattr(self, name)
                ]
            else:
                # An operator who sets it takes it for asked for.
                faults += [
                    f"AUTH: must name {method} where {_variable(name)} is set"
                    for name in sorted(chosen.get(method, names))
                    if getattr(self, name)
                ]
        if not self.counts_in_memory and not self.is_limited:
            faults.append("RATE_LIMIT: must be set where RATE_LIMIT_STORAGE is, or RATE_LIMIT_TOTAL")
        if self.api_key_digests and self.api_key_digests_file:
            faults.append("API_KEY_DIGESTS: must not be set beside API_KEY_DIGESTS_FILE")
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit to how often callers may ask."""
        return bool(self.rate_limit or self.rate_limit_total)

    @property
    def counts_in_memory(self) -> bool:
        """Whether requests are counted in the process."""
        return self.rate_limit_storage == _MEMORY

    @property
    def has_insecure_issuer(self) -> bool:
        """Whether the issuer's keys come over the network without TLS."""
        parts = urlsplit(self.oidc_issuer or "")
        return parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}

    @property
    def api_keys(self) -> tuple[tuple[str, bytes], ...]:
        """The name of each API key, and the SHA-256 of the key."""
        entries = [entry.split(":") for entry in self.api_key_digests or self.api_key_digests_file]
        return tuple((name, bytes.fromhex(digest)) for name, digest in entries)
