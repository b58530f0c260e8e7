"""What may be asked: the operations of the contract, but for the metrics, which are a monitoring system's."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from livekit_token_api_client.contract import ConnectionDetails, HealthResponse, TokenResponse

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """An operation.

    Attributes:
        method: of the request.
        path: behind the address of the service.
        answer: the form of its answer.
        token: which property of the answer is the access token, if one is.
        is_repeated: whether to ask again when it fails; a health check tells how it is now.
    """

    method: str
    path: str
    answer: type[T]
    token: str | None = None
    is_repeated: bool = True


GENERATE_TOKEN = Operation("POST", "/token", TokenResponse, token="token")  # noqa: S106  # a property's name
CREATE_CONNECTION_DETAILS = Operation(
    "POST",
    "/connection-details",
    ConnectionDetails,
    token="participant_token",  # noqa: S106  # likewise
)
CHECK_LIVENESS = Operation("GET", "/health/live", HealthResponse, is_repeated=False)
CHECK_READINESS = Operation("GET", "/health/ready", HealthResponse, is_repeated=False)
