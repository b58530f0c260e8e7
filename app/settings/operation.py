"""What the operator sees: the log, metrics, traces."""

from typing import Literal

from pydantic import Field, field_validator

from app.settings.reading import Group
from app.settings.urls import is_plain_url


class OperationSettings(Group):
    """What is written down of the service, and where."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least severe level that is logged; audit lines always are."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="json, text for people, or auto: text on a terminal, else json."
    )
    audit_required: bool = Field(
        default=False, description="Issue no token that is not in the log first; else 503."
    )
    metrics: bool = Field(default=True, description="Serve metrics for Prometheus at /api/metrics.")
    metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="Serve them at /metrics of this port instead."
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        default=None, description="The OpenTelemetry collector that gets traces; needs the extra [otel]."
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_upper_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("log_format", mode="before")
    @classmethod
    def _in_lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _check_collector(cls, value: str | None) -> str | None:
        if value is not None and not (is_plain_url(value) and value.startswith(("http://", "https://"))):
            raise ValueError("must be a URL such as http://localhost:4318, without credentials or query")
        return value
