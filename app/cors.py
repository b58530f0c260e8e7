"""Cross-origin resource sharing: which pages' browsers may read the answers."""

from http import HTTPStatus

from asgi_correlation_id import correlation_id
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from app.contract import MEDIA_TYPE
from app.errors import answer
from app.faults import ContractViolation, Fault

METHODS = ("GET", "HEAD", "POST")
REQUEST_ID_HEADER = "X-Request-Id"
HEADERS = ("Content-Type", REQUEST_ID_HEADER)


class CrossOrigin(CORSMiddleware):
    """Starlette's CORS middleware, with answers to a preflight that fit the contract."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer 204, or 400 with an ErrorResponse where Starlette refuses in plain text."""
        decided = super().preflight_response(request_headers)
        headers = {name: value for name, value in decided.headers.items() if not name.startswith("content-")}
        if decided.status_code == HTTPStatus.OK:
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
        refusal = ContractViolation(
            [
                Fault.at(
                    "request",
                    f"{bytes(decided.body).decode()}; the operator allows origins in "
                    f"CORS_ALLOWED_ORIGINS, the methods are {', '.join(METHODS)}, "
                    f"the headers {', '.join(HEADERS)}",
                )
            ]
        )
        found = answer(refusal, correlation_id.get() or "")
        return Response(found.body, found.failure.status, {**headers, **found.headers}, media_type=MEDIA_TYPE)
