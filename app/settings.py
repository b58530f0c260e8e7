"""What the environment may say. Nothing else in the service reads it."""

import re
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:\[\]_-]+")
PUBLISH_SOURCES = ("microphone", "camera", "screen_share", "screen_share_audio")
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_URL = re.compile(r"(?=.{1,2048}$)([!#$&-;=?-\[\]_a-z~]|%[0-9A-Fa-f]{2})*")
_ROOT_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*")
_AGENT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,128}")


def _is_origin(text: str) -> bool:
    # A browser leaves the scheme's own port out of the origin that it sends.
    return bool(_ORIGIN.fullmatch(text)) and not re.fullmatch(r"http:.*:80|https:.*:443", text)


def _port_can_be(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",") if item.strip())


# NoDecode: pydantic-settings would have the operator write JSON.
CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


# What pydantic finds, in words for an operator; {} is what pydantic knows of the limit.
_WORDS = {
    "bool_parsing": "must be true or false",
    "float_parsing": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "string_type": "must be text in UTF-8",
    "string_too_short": "must not be blank",
    "string_too_long": "must be at most {max_length} characters",
    "string_unicode": "must be text in UTF-8",
    "value_error": "{error}",
}


class InvalidSettings(Exception):
    """The environment cannot be used; the message says which variables to change, never their values."""


class Settings(BaseSettings):
    """The settings of one process, read once. A field is the environment variable of the same name.

    An empty variable counts as one that is not set.
    """

    model_config = SettingsConfigDict(
        frozen=True, hide_input_in_errors=True, env_ignore_empty=True, str_strip_whitespace=True
    )

    livekit_api_key: str | None = Field(
        default=None, max_length=256, description="Names the secret; the token's `iss`."
    )
    livekit_api_secret: SecretStr | None = Field(default=None, description="Signs the tokens.")
    livekit_url: str | None = Field(
        default=None, description="The LiveKit server that frontends connect to: ws(s):// or http(s)://."
    )
    livekit_can_publish_data: bool = Field(default=True, description="Grant data messages: chat, RPC.")
    livekit_publish_sources: CommaSeparated = Field(
        default=("microphone",), description="The tracks that tokens let their holders publish."
    )
    # Not `CommaSeparated | None`: pydantic-settings overlooks a NoDecode inside a union.
    livekit_agents: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_split)] = Field(
        default=None, description="The agents that callers may dispatch; not set, any."
    )
    token_ttl_seconds: int = Field(
        default=3600, ge=60, le=86400, description="Validity of the tokens of /connection-details."
    )
    cors_allowed_origins: CommaSeparated = Field(
        default=("http://localhost:4200",), description="Origins separated by commas, or * for any."
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="The address to listen on.")
    port: int = Field(default=7071, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    root_path: str = Field(default="", description="The path prefix that a reverse proxy takes away: /voice.")
    forwarded_allow_ips: CommaSeparated = Field(
        default=(), description="The proxies whose X-Forwarded-For and -Proto are believed; * for any."
    )
    workers: int = Field(default=1, ge=1, le=128, description="Server processes.")
    body_timeout_seconds: float = Field(
        default=10, gt=0, le=300, description="How long a body may take to arrive, and answers to be read."
    )
    swagger_ui: bool = Field(default=True, description="Serve the Swagger UI at /api/ui.")
    validate_responses: bool = Field(
        default=False, description="Check every answer against the contract; for tests, it costs time."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least severe level that is logged; audit lines always are."
    )

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment.

        Raises:
            InvalidSettings: a variable has a value that cannot be used.
        """
        try:
            return cls()
        except ValidationError as error:
            faults = error.errors(include_input=False, include_url=False)
            raise InvalidSettings("\n".join(map(_in_words, faults))) from None

    @classmethod
    def described(cls) -> str:
        """List the environment variables, with what they are for."""
        return "\n".join(
            f"  {name.upper():24} {field.description}" for name, field in cls.model_fields.items()
        )

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_upper_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("livekit_api_key", "livekit_api_secret", mode="before")
    @classmethod
    def _strip(cls, value: object) -> object:
        # A secret read from a file often ends in a newline, which would sign every token wrongly.
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("livekit_url")
    @classmethod
    def _as_websocket_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        plain = _URL.fullmatch(value) and _AUTHORITY.fullmatch(parts.netloc) and _port_can_be(parts)
        if scheme not in {"ws", "wss"} or not plain or parts.query or parts.fragment:
            raise ValueError(
                "must be a URL such as wss://livekit.example.com, without credentials, query or fragment"
            )
        return parts._replace(scheme=scheme).geturl()

    @field_validator("root_path")
    @classmethod
    def _check_root_path(cls, value: str) -> str:
        if not _ROOT_PATH.fullmatch(value):
            raise ValueError("must be a path such as /voice, without a slash at the end")
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            _ = value == ("*",) or [ip_network(address) for address in value]
        except ValueError:
            raise ValueError(
                "must list addresses or networks such as 10.0.0.0/8, separated by commas, or be * alone"
            ) from None
        return value

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

    @field_validator("cors_allowed_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value != ("*",) and not (value and all(map(_is_origin, value))):
            raise ValueError(
                "must list origins such as https://app.example.com, in lower case, without a path, a "
                "slash at the end or the scheme's own port, separated by commas; or be * alone, for any "
                "origin"
            )
        return value

    @property
    def missing_credentials(self) -> tuple[str, ...]:
        """The credential variables that are not set."""
        values = {
            "LIVEKIT_API_KEY": self.livekit_api_key,
            "LIVEKIT_API_SECRET": self.livekit_api_secret,
        }
        return tuple(name for name, value in values.items() if value is None)


def _in_words(fault: Any) -> str:
    words = _WORDS.get(fault["type"], fault["msg"]).format(**fault.get("ctx", {}))
    return f"{'_'.join(map(str, fault['loc'][:1])).upper()}: {words}"
