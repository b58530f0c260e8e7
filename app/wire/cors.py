"""Cross-origin resource sharing: which pages' browsers may read the answers."""

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.wire import request_id
from app.wire.errors import answer
from app.wire.faults import ContractViolation, Fault

METHODS = ("GET", "HEAD", "POST")
HEADERS = ("Authorization", "Content-Type", "X-API-Key", request_id.HEADER, "traceparent")
EXPOSED = (request_id.HEADER, "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate")


class CrossOrigin(CORSMiddleware):
    """Starlette's CORS middleware, with answers to a preflight that fit the contract."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        """Let pages of `origins` read the answers; of any, if it is `*` alone."""
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=HEADERS,
            expose_headers=EXPOSED,
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
            headers = Headers(scope=scope)
            if "access-control-request-method" in headers:
                await self._answer_preflight(headers, scope, receive, send)
                return
        # What Starlette would say, without its taking the headers apart twice.
        shared = [(b"vary", b"Origin")]
        if origin is not None:
            shared += self._simple
            if not self.allow_all_origins and self.is_allowed_origin(origin.decode("latin-1")):
                shared.append((b"access-control-allow-origin", origin))

        async def share(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += shared
            await send(message)

        await self.app(scope, receive, share)

    async def _answer_preflight(self, asked: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        decided = self.preflight_response(asked)
        headers = {name: value for name, value in decided.headers.items() if not name.startswith("content-")}
        if decided.status_code == HTTPStatus.OK:
            await Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)(scope, receive, send)
            return
        fault = Fault.at(
            "request",
            f"{bytes(decided.body).decode()}; the operator allows origins in CORS_ALLOWED_ORIGINS, "
            f"the methods are {', '.join(METHODS)}, the headers {', '.join(HEADERS)}",
        )
        await answer(ContractViolation([fault])).send(scope, send, headers)
