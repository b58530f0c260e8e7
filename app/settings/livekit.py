"""The LiveKit project, and what its tokens may grant."""

import re
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.settings.environment import as_written, is_vault_reference
from app.settings.reading import CommaSeparated, CommaSeparatedIfSet, Group
from app.settings.urls import is_plain_url

PUBLISH_SOURCES = ("microphone", "camera", "screen_share", "screen_share_audio")
_AGENT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,128}")
_ROOM_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,128}")


class LiveKitSettings(Group):
    """What tokens are signed with, for which server, and what they may grant."""

    livekit_api_key: str | None = Field(
        default=None, max_length=256, description="Names the secret; the token's `iss`."
    )
    livekit_api_secret: SecretStr | None = Field(default=None, description="Signs the tokens.")
    livekit_api_key_file: Path | None = Field(
        default=None, description="A file with the key instead; read again when it changes."
    )
    livekit_api_secret_file: Path | None = Field(
        default=None, description="A file with the secret instead; read again when it changes."
    )
    livekit_keys_file: Path | None = Field(
        default=None, description="A key file as LiveKit has it, `key: secret`, instead of both."
    )
    livekit_url: str | None = Field(
        default=None, description="The LiveKit server that frontends connect to: ws(s):// or http(s)://."
    )
    livekit_can_publish_data: bool = Field(default=True, description="Grant data messages: chat, RPC.")
    livekit_publish_sources: CommaSeparated = Field(
        default=("microphone",), description="The tracks that tokens let their holders publish."
    )
    livekit_agents: CommaSeparatedIfSet = Field(
        default=None, description="The agents that callers may dispatch; not set, any."
    )
    token_ttl_seconds: int = Field(
        default=3600, ge=60, le=86400, description="Validity of the tokens of /connection-details."
    )
    max_token_ttl_seconds: int = Field(
        default=86400, ge=60, le=86400, description="The longest validity of any token."
    )
    room_name_prefix: str = Field(default="", description="What the name of every room begins with.")

    @field_validator("livekit_api_key", "livekit_api_secret", mode="before")
    @classmethod
    def _strip(cls, value: object) -> object:
        # A reference says where a credential is, and is none itself.
        if is_vault_reference(value):
            return None
        # A secret read from a file often ends in a newline, which would sign every token wrongly.
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("livekit_url")
    @classmethod
    def _as_websocket_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not is_plain_url(value) or urlsplit(value).scheme not in {"http", "https", "ws", "wss"}:
            raise ValueError(
                "must be a URL such as wss://livekit.example.com, without credentials, query or fragment"
            )
        parts = urlsplit(value)
        return parts._replace(scheme={"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)).geturl()

    @field_validator("livekit_publish_sources")
    @classmethod
    def _check_sources(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # livekit-api signs any text, and a server ignores what it does not know.
        if not value or not set(value) <= set(PUBLISH_SOURCES):
            raise ValueError(f"must list some of {', '.join(PUBLISH_SOURCES)}, separated by commas")
        return tuple(dict.fromkeys(value))

    @field_validator("livekit_agents")
    @classmethod
    def _check_agents(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and not (value and all(map(_AGENT.fullmatch, value))):
            raise ValueError(
                "must list names of agents of at most 128 characters, separated by commas; not set, any "
                "agent may be dispatched"
            )
        return value

    @field_validator("room_name_prefix")
    @classmethod
    def _check_prefix(cls, value: str) -> str:
        if not _ROOM_PREFIX.fullmatch(value):
            raise ValueError("must be at most 128 letters A-Z and a-z, digits, '-' and '_'")
        return value

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        halves = ("livekit_api_key", "livekit_api_secret")
        files = tuple(f"{name}_file" for name in halves)
        if self.livekit_keys_file is not None:
            pairs = [("livekit_keys_file", name) for name in (*halves, *files)]
        else:
            pairs = list(zip(halves, files, strict=True))
        faults = [
            f"{one.upper()}: must not be set beside {other.upper()}"
            for one, other in pairs
            if getattr(self, one) is not None and getattr(self, other) is not None
        ]
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def key_files(self) -> tuple[Path, ...]:
        """The files that credentials come from, or a part of them."""
        files = (self.livekit_api_key_file, self.livekit_api_secret_file, self.livekit_keys_file)
        return tuple(file for file in files if file is not None)

    @property
    def missing_credentials(self) -> tuple[str, ...]:
        """The credential variables that are not set, and no file is instead."""
        if self.livekit_keys_file is not None:
            return ()
        values = {
            "LIVEKIT_API_KEY": self.livekit_api_key or self.livekit_api_key_file,
            "LIVEKIT_API_SECRET": self.livekit_api_secret or self.livekit_api_secret_file,
        }
        return tuple(name for name, value in values.items() if value is None)

    @property
    def unresolved_credentials(self) -> tuple[str, ...]:
        """Those of the missing credential variables that the environment has a Key Vault reference in."""
        return tuple(name for name in self.missing_credentials if is_vault_reference(as_written(name)))
