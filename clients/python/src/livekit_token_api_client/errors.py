"""What may go wrong.

* TokenApiError
  + ErrorAnswer - the service says what went wrong, by an `errorCode`
    - ValidationError
    - Unauthenticated
    - Forbidden
      · AgentNotAllowed
      · IdentityMismatch
      · IdentityUnusable
      · RoomNotAllowed
    - NotFound
    - MethodNotAllowed
    - RequestTimeout
    - PayloadTooLarge
    - UnsupportedMediaType
    - RateLimited
    - MissingCredentials
    - TokenGenerationFailed
    - InternalError
    - Unavailable
      · NotReady
      · Overloaded
      · AuditUnavailable
  + UnexpectedAnswer - something else has answered, such as a proxy
  + Unreachable - nothing has answered
    - TimedOut

An `errorCode` of a later version is a `Forbidden` with status 403, an `Unavailable` with 503, else an
`ErrorAnswer`.
"""

from collections.abc import Sequence

from livekit_token_api_client.contract import ErrorResponse, FieldFault


class TokenApiError(Exception):
    """The service gave no token, or did not tell how it is.

    Attributes:
        status_code: the HTTP status of the answer; None where there was none.
        retry_after: in how many seconds to ask again, if the answer says it.
    """

    status_code: int | None = None
    retry_after: float | None = None


class Unreachable(TokenApiError):
    """No answer came, or not all of it: the network, a name, a certificate, a port."""


class TimedOut(Unreachable):
    """The answer did not come in time."""


class UnexpectedAnswer(TokenApiError):
    """The answer is not in the contract; it may be a proxy's, or the address another server's."""

    def __init__(self, message: str, status_code: int, retry_after: float | None = None) -> None:
        """Say what came."""
        super().__init__(message, status_code, retry_after)
        self.status_code = status_code
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Say what came."""
        return str(self.args[0])


class ErrorAnswer(TokenApiError):
    """The service says what went wrong. Each `errorCode` of the contract has a class of its own.

    Attributes:
        answer: what the service answered, whole.
        error_code: the kind of failure, for programs.
        message: what went wrong, for a person.
        request_id: joins the failure to the operator's log.
        validation_errors: one for every fault of the request, `{"field": …, "message": …}`.
        reasons: what the operator may want to mend, where the service is not ready.
    """

    status_code: int

    def __init__(self, answer: ErrorResponse, status_code: int, retry_after: float | None = None) -> None:
        """Take an answer."""
        super().__init__(answer, status_code, retry_after)
        self.answer = answer
        self.status_code = status_code
        self.retry_after = retry_after
        self.error_code: str = answer["errorCode"]
        self.message: str = answer["message"]
        self.request_id: str = answer["requestId"]
        self.validation_errors: Sequence[FieldFault] = answer.get("validationErrors", ())
        self.reasons: Sequence[str] = answer.get("reasons", ())

    def __str__(self) -> str:
        """Say it in one line."""
        faults = "".join(f" {fault['field']}: {fault['message']}." for fault in self.validation_errors)
        reasons = f" {', '.join(self.reasons)}." if self.reasons else ""
        origin = f"(status {self.status_code}, request {self.request_id})"
        return f"{self.error_code}: {self.message}{faults}{reasons} {origin}"


class ValidationError(ErrorAnswer):
    """The request does not fit the contract; `validation_errors` says what to change."""


class Unauthenticated(ErrorAnswer):
    """The credential is missing or not valid; with a fresh caller token it may be."""


class Forbidden(ErrorAnswer):
    """The credential is good, but not for this."""


class AgentNotAllowed(Forbidden):
    """The operator has not listed this agent."""


class IdentityMismatch(Forbidden):
    """The caller token says another identity; leave it out of the request."""


class IdentityUnusable(Forbidden):
    """The identity of the caller token does not fit the endpoint's rule."""


class RoomNotAllowed(Forbidden):
    """This room is not open to the caller."""


class NotFound(ErrorAnswer):
    """The service has no such path; the address may lack the contract's `/api`."""


class MethodNotAllowed(ErrorAnswer):
    """The path does not know the method."""


class RequestTimeout(ErrorAnswer):
    """The request did not arrive in time."""


class PayloadTooLarge(ErrorAnswer):
    """The request is too long."""


class UnsupportedMediaType(ErrorAnswer):
    """The request is not plain JSON in UTF-8; something between may have changed it."""


class RateLimited(ErrorAnswer):
    """Asked too often; `retry_after` says in how many seconds to ask again."""


class MissingCredentials(ErrorAnswer):
    """The operator has not given the service its LiveKit credentials."""


class TokenGenerationFailed(ErrorAnswer):
    """The token could not be signed; the operator finds the cause by `request_id`."""


class InternalError(ErrorAnswer):
    """A fault of the service; the operator finds the cause by `request_id`."""


class Unavailable(ErrorAnswer):
    """The service cannot answer now; the same request may be answered later."""


class NotReady(Unavailable):
    """The service cannot issue tokens; `reasons` says why."""


class Overloaded(Unavailable):
    """The service has too many requests at once."""


class AuditUnavailable(Unavailable):
    """The service must not issue what it cannot record."""


BY_CODE: dict[str, type[ErrorAnswer]] = {
    "VALIDATION_ERROR": ValidationError,
    "UNAUTHENTICATED": Unauthenticated,
    "AGENT_NOT_ALLOWED": AgentNotAllowed,
    "IDENTITY_MISMATCH": IdentityMismatch,
    "IDENTITY_UNUSABLE": IdentityUnusable,
    "ROOM_NOT_ALLOWED": RoomNotAllowed,
    "NOT_FOUND": NotFound,
    "METHOD_NOT_ALLOWED": MethodNotAllowed,
    "REQUEST_TIMEOUT": RequestTimeout,
    "PAYLOAD_TOO_LARGE": PayloadTooLarge,
    "UNSUPPORTED_MEDIA_TYPE": UnsupportedMediaType,
    "RATE_LIMITED": RateLimited,
    "MISSING_CREDENTIALS": MissingCredentials,
    "TOKEN_GENERATION_FAILED": TokenGenerationFailed,
    "INTERNAL_ERROR": InternalError,
    "NOT_READY": NotReady,
    "OVERLOADED": Overloaded,
    "AUDIT_UNAVAILABLE": AuditUnavailable,
}
"""The class of each `errorCode`."""

BY_STATUS: dict[int, type[ErrorAnswer]] = {403: Forbidden, 503: Unavailable}
"""The class of an `errorCode` that is not known, by its status; any other is an `ErrorAnswer`."""
