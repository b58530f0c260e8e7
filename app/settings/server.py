"""The server: where it listens, whom it lets in, how long it waits."""

import re
from ipaddress import ip_network

from pydantic import Field, field_validator

from app.settings.reading import CommaSeparated, Group
from app.settings.urls import is_origin

_ROOT_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*")


class ServerSettings(Group):
    """How the service is served."""

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
    head_timeout_seconds: float = Field(
        default=10, gt=0, le=300, description="How long the head of a request may take to arrive."
    )
    body_timeout_seconds: float = Field(
        default=10, gt=0, le=300, description="How long a body may take to arrive, and answers to be read."
    )
    max_in_flight: int = Field(
        default=128, ge=1, le=100_000, description="Requests that a process answers at once; more get 503."
    )
    drain_seconds: float = Field(
        default=5, ge=0, le=300, description="How long SIGTERM leaves to be answered while not ready."
    )
    shutdown_grace_seconds: float = Field(
        default=10, gt=0, le=300, description="How long what is under way may take after that."
    )
    swagger_ui: bool = Field(default=True, description="Serve the Swagger UI at /api/ui.")
    validate_responses: bool = Field(
        default=False, description="Check every answer against the contract; for tests, it costs time."
    )

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

    @field_validator("cors_allowed_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value != ("*",) and not (value and all(map(is_origin, value))):
            raise ValueError(
                "must list origins such as https://app.example.com, in lower case, without a path, a "
                "slash at the end or the scheme's own port, separated by commas; or be * alone, for any "
                "origin"
            )
        return value
