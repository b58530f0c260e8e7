"""All the settings of one process."""

from typing import Self

from pydantic import model_validator

from app.settings.callers import CallerSettings
from app.settings.livekit import LiveKitSettings
from app.settings.operation import OperationSettings
from app.settings.server import ServerSettings


# pydantic lists the fields of the last base first.
class Settings(OperationSettings, ServerSettings, CallerSettings, LiveKitSettings):
    """The settings of one process, read once."""

    @property
    def is_limited_by_each_worker(self) -> bool:
        """Whether several processes each let through what one may."""
        return self.is_limited and self.counts_in_memory and self.workers > 1

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.metrics and self.metrics_port == self.port:
            raise ValueError("METRICS_PORT: must be another port than PORT")
        return self

    @classmethod
    def described(cls) -> str:
        """List the environment variables, with what they are for."""
        return "\n".join(
            f"  {name.upper():24} {field.description}" for name, field in cls.model_fields.items()
        )
