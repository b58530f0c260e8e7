"""Cross-origin resource sharing: which pages' browsers may read the answers."""

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.wire import request_id
from app.wire.answers import MEDIA_TYPE
from app.wire.errors import answer
from app.wire.faults import ContractViolation, Fault

METHODS = ("GET", "HEAD", "POST")
HEADERS = ("Content-Type", request_id.HEADER)


class CrossOrigin(CORSMiddleware):
    """Starlette's CORS middleware, with answers to a preflight that fit the contract."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        """Let pages of `origins` read the answers; of any, if it is `*` alone."""
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=HEADERS,
            expose_headers=(request_id.HEADER,),
        )
        self._simple = [
            (name.lower().encode(), value.encode()) for name, value in self.simple_headers.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; pass another request on, and have its answer say who may read it."""
        origin = None
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value
                break
        if origin is not None and scope["method"] == "OPTIONS" and "refusal" not in scope["state"]:
            await super().__call__(scope, receive, send)
            return
        # What Starlette would say, without its taking the headers apart twice.
        headers = [(b"vary", b"Origin")]
        if origin is not None:
            headers += self._simple
            if not self.allow_all_origins and self.is_allowed_origin(origin.decode("latin-1")):
                headers.append((b"access-control-allow-origin", origin))

        async def share(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += headers
            await send(message)

        await self.app(scope, receive, share)

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
        found = answer(refusal)
        headers["Cache-Control"] = "no-store"
        return Response(found.body, found.failure.status, headers, media_type=MEDIA_TYPE)
