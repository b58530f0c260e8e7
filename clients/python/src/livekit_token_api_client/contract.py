"""What is sent and what is answered, by the names of the contract. `make clients-python` generates it."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from livekit_token_api_client.access_token import AccessToken

OPENAPI_INFO_VERSION = '1.1.0'


ParticipantAttributes: TypeAlias = dict[str, str]
"""Values that the others in the room shall know of the participant, by key."""


class AgentDispatch(TypedDict):
    """An agent to dispatch to the room."""

    agent_name: NotRequired[str]
    """
    The name that the agent's workers registered with. Omitted or empty: workers that
    registered without a name. The operator may restrict the names in `LIVEKIT_AGENTS`.

    """
    metadata: NotRequired[str]
    """What the agent gets to know about its job."""
    deployment: NotRequired[str]
    """Which deployment of the agent to take, where there are several."""


class ConnectionDetails(TypedDict):
    """What an SDK needs to connect, with the names that LiveKit's standard gives them."""

    server_url: str
    """The LiveKit server to connect to."""
    participant_token: AccessToken
    room_name: str
    """The room that the token opens, as requested or made."""
    participant_name: str
    """The name that other participants see."""


class TokenRequest(TypedDict):
    """What a token is asked for."""

    roomName: str
    """The room that the token opens. LiveKit creates it when the first participant joins."""
    participantIdentity: NotRequired[str]
    """
    Identifies the participant; unique within the room. A caller with a `callerToken` gets that of
    the token, may ask for no other, and may leave it out; any other caller may not.

    """
    participantName: NotRequired[str]
    """
    The name that other participants see. Omitted or empty: the name in the `callerToken`, if there
    is one, else the identity.

    """
    expirationSeconds: NotRequired[int]
    """
    How long the token may be used to join, in seconds from now. The operator may lower the
    maximum in `MAX_TOKEN_TTL_SECONDS`; the contract that the deployment publishes then says so.

    """


class TokenResponse(TypedDict):
    """An access token, and what it is for."""

    token: AccessToken
    expiresAt: str
    """When the token expires, RFC 3339 in UTC; the same second as its `exp` claim."""
    roomName: str
    """The room that the token opens, as requested."""
    participantIdentity: str
    """The participant that the token names, as requested, or as the `callerToken` says."""
    serverUrl: NotRequired[str]
    """The LiveKit server to connect to; present when the operator configured one."""


class FieldFault(TypedDict):
    """One fault of a request."""

    field: str
    """
    Where the fault is: the path of a property (`roomName`, `agents[0].agent_name`), `body` for
    the body as a whole, `query` or `query.NAME` for the query, the name of a header, or `request`
    where the request could not be read as HTTP. A long name is cut.

    """
    message: str
    """What to change, for a person."""


Reason: TypeAlias = Literal[
    "audit_unavailable",
    "authentication_off",
    "draining",
    "issuer_unreachable",
    "keys_file_broken",
    "log_unwritable",
    "missing_credentials",
    "redis_unreachable",
    "weak_secret",
]
"""
Something that the operator may want to mend.

| reason | what it means | tokens |
|---|---|---|
| `audit_unavailable` | the log, without which no token is issued, cannot be written | not ready |
| `authentication_off` | `AUTH` is `none`: anybody may ask | are issued: a warning |
| `draining` | this process is about to stop | are issued for a while yet: not ready |
| `issuer_unreachable` | the OpenID issuer's keys have not been fetched yet | not ready |
| `keys_file_broken` | a file of credentials cannot be used: the credentials before stay | are issued: a warning |
| `log_unwritable` | lines of the log are being lost | are issued: a warning |
| `missing_credentials` | the service has no LiveKit credentials | not ready |
| `redis_unreachable` | rate limits are not enforced until Redis answers | are issued: a warning |
| `weak_secret` | the API secret is shorter than 32 bytes | are issued: a warning |

"""


Metrics: TypeAlias = str
"""Metrics in Prometheus' text format 0.0.4."""


RequestId: TypeAlias = str
"""
Identifies one request in the answer, its `X-Request-Id` header and every log line. A caller's
own `X-Request-Id` that does not fit is replaced by one made by the service.

"""


class RoomConfig(TypedDict):
    """What the room shall be like. Of LiveKit's options only `agents` may be chosen by a caller; `{}`
    is the same as leaving it out.

    """

    agents: NotRequired[list[AgentDispatch]]
    """The agents to dispatch to the room."""


class HealthResponse(TypedDict):
    """The answer of a health check that succeeded."""

    status: Literal["live", "ready"]
    """What was found."""
    reasons: NotRequired[list[Reason]]
    """
    What the operator may want to mend; empty where there is nothing. `/health/ready` only.

    """
    version: NotRequired[str]
    """
    The version of the service, which is that of this document. `/health/live` only.

    """


class ErrorResponse(TypedDict):
    """What went wrong, and what to change. Every failure has this form."""

    statusCode: int
    """The HTTP status of this answer."""
    errorCode: Literal[
        "VALIDATION_ERROR",
        "UNAUTHENTICATED",
        "AGENT_NOT_ALLOWED",
        "IDENTITY_MISMATCH",
        "IDENTITY_UNUSABLE",
        "ROOM_NOT_ALLOWED",
        "NOT_FOUND",
        "METHOD_NOT_ALLOWED",
        "REQUEST_TIMEOUT",
        "PAYLOAD_TOO_LARGE",
        "UNSUPPORTED_MEDIA_TYPE",
        "RATE_LIMITED",
        "MISSING_CREDENTIALS",
        "TOKEN_GENERATION_FAILED",
        "INTERNAL_ERROR",
        "NOT_READY",
        "OVERLOADED",
        "AUDIT_UNAVAILABLE",
    ]
    """
    The kind of failure, for programs.

    | code | status | who can mend it |
    |---|---|---|
    | `VALIDATION_ERROR` | 400 | the caller: see `validationErrors` |
    | `UNAUTHENTICATED` | 401 | the caller: send a valid credential |
    | `AGENT_NOT_ALLOWED` | 403 | the caller: dispatch another agent; or the operator: list it |
    | `IDENTITY_MISMATCH` | 403 | the caller: leave the identity out |
    | `IDENTITY_UNUSABLE` | 403 | the operator: name another claim in `OIDC_IDENTITY_CLAIM` |
    | `ROOM_NOT_ALLOWED` | 403 | the caller: another room |
    | `NOT_FOUND` | 404 | the caller: the path |
    | `METHOD_NOT_ALLOWED` | 405 | the caller: see the `Allow` header |
    | `REQUEST_TIMEOUT` | 408 | the caller: send the whole body at once |
    | `PAYLOAD_TOO_LARGE` | 413 | the caller: send a smaller body |
    | `UNSUPPORTED_MEDIA_TYPE` | 415 | the caller: send uncompressed `application/json` |
    | `RATE_LIMITED` | 429 | the caller: wait as `Retry-After` says |
    | `MISSING_CREDENTIALS` | 500 | the operator: set the variables that `message` names |
    | `TOKEN_GENERATION_FAILED` | 500 | the operator: see the log for this `requestId` |
    | `INTERNAL_ERROR` | 500 | the operator: see the log for this `requestId` |
    | `NOT_READY` | 503 | the operator: see `reasons` |
    | `OVERLOADED` | 503 | the caller: wait as `Retry-After` says; or the operator: more of them |
    | `AUDIT_UNAVAILABLE` | 503 | the operator: have the log read, or make room for it |

    """
    message: str
    """What went wrong, for a person."""
    timestamp: str
    """When the answer was made, RFC 3339 in UTC."""
    requestId: RequestId
    validationErrors: NotRequired[list[FieldFault]]
    """
    One entry for every fault, present when `errorCode` is `VALIDATION_ERROR`. The service stops
    looking after 100, and where a list or an object has too many entries, after one too many;
    `message` says so if there are more than 100.

    """
    reasons: NotRequired[list[Reason]]
    """What the operator may want to mend; present when `errorCode` is `NOT_READY`."""


class ConnectionDetailsRequest(TypedDict):
    """What a token is asked for by a LiveKit client SDK. Everything may be left out."""

    room_name: NotRequired[str]
    """The room that the token opens. Omitted or empty, a fresh one that nobody can guess."""
    participant_identity: NotRequired[str]
    """
    Identifies the participant; unique within the room. Omitted or empty: a fresh one. A caller with
    a `callerToken` gets that of the token, and may ask for no other.

    """
    participant_name: NotRequired[str]
    """
    The name that other participants see. Omitted or empty: the name in the `callerToken`, if there
    is one, else the identity.

    """
    participant_metadata: NotRequired[str]
    """Anything that the others in the room shall know of the participant."""
    participant_attributes: NotRequired[ParticipantAttributes]
    room_config: NotRequired[RoomConfig]
