"""Every failure becomes an ErrorResponse here, by one table.

Exception
├── ContractViolation        400 VALIDATION_ERROR          wire/faults.py
├── Unauthenticated          401 UNAUTHENTICATED           wire/authentication.py
├── AgentRefused             403 AGENT_NOT_ALLOWED         wire/faults.py
├── IdentityRefused          403 IDENTITY_MISMATCH         wire/faults.py
├── IdentityUnusable         403 IDENTITY_UNUSABLE         wire/faults.py
├── RoomRefused              403 ROOM_NOT_ALLOWED          wire/faults.py
├── PayloadTooLarge          413 PAYLOAD_TOO_LARGE         wire/request_body.py
├── HeadTimeout              408 REQUEST_TIMEOUT           wire/request_body.py
├── BodyTimeout              408 REQUEST_TIMEOUT           wire/request_body.py
├── UnsupportedMediaType     415 UNSUPPORTED_MEDIA_TYPE    wire/request_body.py
├── RateLimited              429 RATE_LIMITED              wire/throttling.py
├── MissingCredentials       500 MISSING_CREDENTIALS       tokens/service.py
├── MissingServerUrl         500 MISSING_CREDENTIALS       tokens/service.py
├── TokenGenerationFailed    500 TOKEN_GENERATION_FAILED   tokens/service.py
├── NotReady                 503 NOT_READY                 operation/readiness.py
├── Overloaded               503 OVERLOADED                wire/shedding.py
├── AuditUnavailable         503 AUDIT_UNAVAILABLE         operation/write_ahead.py
├── starlette HTTPException  404, 405, else as its status  Starlette, Connexion
└── anything else            500 INTERNAL_ERROR
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from app.operation import logs
from app.operation.readiness import NotReady
from app.operation.write_ahead import AuditUnavailable
from app.tokens.service import MissingCredentials, MissingServerUrl, TokenGenerationFailed
from app.wire.answers import NO_HEADERS, send_json
from app.wire.authentication import Unauthenticated
from app.wire.faults import (
    MAX_FAULTS,
    AgentRefused,
    ContractViolation,
    Fault,
    IdentityRefused,
    IdentityUnusable,
    RoomRefused,
)
from app.wire.request_body import BodyTimeout, HeadTimeout, PayloadTooLarge, UnsupportedMediaType
from app.wire.shedding import Overloaded
from app.wire.throttling import RateLimited
from app.wire.timestamps import rfc3339

# As in audit.py: operators filter by the name.
logger = logging.getLogger("app.errors")

_SEE_LOG = "the operator finds the cause in the log, by requestId."


@dataclass(frozen=True, slots=True)
class Failure:
    """How a kind of failure is answered.

    Attributes:
        status: the HTTP status.
        code: the `errorCode`.
        message: the `message`; None for exceptions whose own text was written for the caller.
        headers: further headers of the answer, beside those of the exception.
        logged: whether the operator needs the exception itself to find the cause.
    """

    status: int
    code: str
    message: str | None
    headers: Mapping[str, str] = field(default_factory=dict)
    logged: bool = False


_BY_EXCEPTION: Mapping[type[Exception], Failure] = {
    ContractViolation: Failure(
        400,
        "VALIDATION_ERROR",
        "The request does not fit the contract; validationErrors says what to change.",
    ),
    PayloadTooLarge: Failure(413, "PAYLOAD_TOO_LARGE", None),
    HeadTimeout: Failure(
        408, "REQUEST_TIMEOUT", "The head of the request did not arrive in time; send all of it at once."
    ),
    # The rest of a body that stalled would be taken for the next request.
    BodyTimeout: Failure(
        408,
        "REQUEST_TIMEOUT",
        "The body did not arrive in time; send all of it at once.",
        headers={"Connection": "close"},
    ),
    UnsupportedMediaType: Failure(415, "UNSUPPORTED_MEDIA_TYPE", None),
    Unauthenticated: Failure(401, "UNAUTHENTICATED", None),
    AgentRefused: Failure(403, "AGENT_NOT_ALLOWED", None),
    IdentityRefused: Failure(403, "IDENTITY_MISMATCH", None),
    IdentityUnusable: Failure(403, "IDENTITY_UNUSABLE", None),
    RoomRefused: Failure(403, "ROOM_NOT_ALLOWED", None),
    RateLimited: Failure(429, "RATE_LIMITED", None),
    MissingServerUrl: Failure(
        500,
        "MISSING_CREDENTIALS",
        "The service does not know its LiveKit server; its operator must set LIVEKIT_URL.",
    ),
    MissingCredentials: Failure(
        500,
        "MISSING_CREDENTIALS",
        "The service has no LiveKit credentials; "
        "its operator must set LIVEKIT_API_KEY and LIVEKIT_API_SECRET.",
    ),
    TokenGenerationFailed: Failure(
        500,
        "TOKEN_GENERATION_FAILED",
        f"The token could not be generated; {_SEE_LOG}",
        logged=True,
    ),
    Overloaded: Failure(
        503,
        "OVERLOADED",
        "The service has too many requests at once; Retry-After says in how many seconds to ask again.",
        headers={"Retry-After": "1"},
    ),
    NotReady: Failure(503, "NOT_READY", None, headers={"Retry-After": "5"}),
    AuditUnavailable: Failure(
        503,
        "AUDIT_UNAVAILABLE",
        "The service must not issue what it cannot record; its operator must see to the log.",
        headers={"Retry-After": "5"},
    ),
    Exception: Failure(500, "INTERNAL_ERROR", f"The service failed; {_SEE_LOG}", logged=True),
}

_BY_STATUS: Mapping[int, Failure] = {
    404: Failure(
        404,
        "NOT_FOUND",
        "Nothing is served at this path; the paths are in the contract, and are exact.",
    ),
    405: Failure(
        405,
        "METHOD_NOT_ALLOWED",
        "This path does not answer to this method; the Allow header lists those it does.",
    ),
}


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An ErrorResponse, ready to be sent by whichever layer noticed the failure."""

    failure: Failure
    headers: Mapping[str, str]
    body: bytes

    async def send(self, scope: Scope, send: Send, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Send it, with further `headers`, and tell the audit log why."""
        scope["state"]["audit"]["errorCode"] = self.failure.code
        found = {**self.headers, **scope["state"].get("headers", NO_HEADERS), **headers}
        await send_json(send, self.failure.status, self.body, found)


class ErrorResponses:
    """ASGI middleware that answers every exception by the table."""

    def __init__(self, app: ASGIApp) -> None:
        """Answer what `app` raises."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and answer it if that fails; or if our HTTP protocol could not read it."""
        app = _refuse if "refusal" in scope["state"] else self._app
        try:
            await app(scope, receive, send)
        except Exception as error:
            found = answer(error)
            if found.failure.logged:
                logger.exception("%s", found.failure.code)
            await found.send(scope, send)


async def _refuse(scope: Scope, _receive: Receive, _send: Send) -> None:
    raise scope["state"]["refusal"]


def answer(error: Exception) -> ErrorAnswer:
    """Find the answer to an exception of the request that is in the context."""
    if isinstance(error, HTTPException) and _is_callers(error.status_code):
        if error.status_code not in _BY_STATUS:
            return answer(ContractViolation([Fault.at("request", "cannot be read")]))
        failure = _BY_STATUS[error.status_code]
    else:
        failure = next(_BY_EXCEPTION[c] for c in type(error).__mro__ if c in _BY_EXCEPTION)
    own = error.headers if isinstance(error, HTTPException | RateLimited | Unauthenticated) else None
    headers = {**failure.headers, **(own or {})}
    return ErrorAnswer(failure, headers, orjson.dumps(_content(failure, error)))


def _content(failure: Failure, error: Exception) -> dict[str, Any]:
    content: dict[str, Any] = {
        "statusCode": failure.status,
        "errorCode": failure.code,
        "message": failure.message or str(error),
        "timestamp": rfc3339(time.time()),
        "requestId": logs.request_id.get(),
    }
    if isinstance(error, NotReady):
        content["reasons"] = error.codes
    if isinstance(error, ContractViolation):
        content["validationErrors"] = [
            {"field": fault.field, "message": fault.message} for fault in error.faults[:MAX_FAULTS]
        ]
        if len(error.faults) > MAX_FAULTS:
            content["message"] += f" There are more faults than these {MAX_FAULTS}."
    return content


def _is_callers(status: int) -> bool:
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
