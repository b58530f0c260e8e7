"""Typed client of the LiveKit Token API.

`TokenApi` and `AsyncTokenApi` ask the service, `TokenSource` and `AsyncTokenSource` also keep the tokens that
it answers, and `TokenApiError` is what may go wrong.
"""

from livekit_token_api_client.access_token import AccessToken
from livekit_token_api_client.api import AsyncTokenApi, TokenApi
from livekit_token_api_client.contract import (
    OPENAPI_INFO_VERSION,
    AgentDispatch,
    ConnectionDetails,
    ConnectionDetailsRequest,
    ErrorResponse,
    FieldFault,
    HealthResponse,
    ParticipantAttributes,
    Reason,
    RoomConfig,
    TokenRequest,
    TokenResponse,
)
from livekit_token_api_client.errors import (
    AgentNotAllowed,
    AuditUnavailable,
    ErrorAnswer,
    Forbidden,
    IdentityMismatch,
    IdentityUnusable,
    InternalError,
    MethodNotAllowed,
    MissingCredentials,
    NotFound,
    NotReady,
    Overloaded,
    PayloadTooLarge,
    RateLimited,
    RequestTimeout,
    RoomNotAllowed,
    TimedOut,
    TokenApiError,
    TokenGenerationFailed,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    UnsupportedMediaType,
    ValidationError,
)
from livekit_token_api_client.patience import Patience
from livekit_token_api_client.sources import AsyncTokenSource, TokenSource

__version__ = OPENAPI_INFO_VERSION

__all__ = [
    "AccessToken",
    "AgentDispatch",
    "AgentNotAllowed",
    "AsyncTokenApi",
    "AsyncTokenSource",
    "AuditUnavailable",
    "ConnectionDetails",
    "ConnectionDetailsRequest",
    "ErrorAnswer",
    "ErrorResponse",
    "FieldFault",
    "Forbidden",
    "HealthResponse",
    "IdentityMismatch",
    "IdentityUnusable",
    "InternalError",
    "MethodNotAllowed",
    "MissingCredentials",
    "NotFound",
    "NotReady",
    "Overloaded",
    "ParticipantAttributes",
    "Patience",
    "PayloadTooLarge",
    "RateLimited",
    "Reason",
    "RequestTimeout",
    "RoomConfig",
    "RoomNotAllowed",
    "TimedOut",
    "TokenApi",
    "TokenApiError",
    "TokenGenerationFailed",
    "TokenRequest",
    "TokenResponse",
    "TokenSource",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "UnsupportedMediaType",
    "ValidationError",
    "__version__",
]
