"""The token endpoint as a FastAPI developer would write it.

FORM=bare leaves out the audit line, the request id, CORS and Cache-Control.
"""
# FastAPI is not among the project's own packages.
# mypy: disable-error-code="import-not-found, untyped-decorator"

import base64
import json
import logging
import os
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from asgi_correlation_id import CorrelationIdFilter, CorrelationIdMiddleware
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from livekit.api import AccessToken, VideoGrants
from pydantic import BaseModel, ConfigDict, Field
from pythonjsonlogger.orjson import OrjsonFormatter

KEY, SECRET = os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"]
SERVER_URL = os.environ["LIVEKIT_URL"]
REQUEST_ID = re.compile(r"[A-Za-z0-9_.~:=+/@-]{1,128}")

logger = logging.getLogger("audit")
app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_-]+$")]


class TokenRequest(BaseModel):
    """What a token is asked for."""

    model_config = ConfigDict(extra="forbid")

    roomName: Name  # noqa: N815  # the wire's names
    participantIdentity: Name  # noqa: N815
    participantName: str = Field("", max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")  # noqa: N815
    expirationSeconds: int = Field(3600, ge=60, le=86400, strict=True)  # noqa: N815


class TokenResponse(BaseModel):
    """A token, and what it is good for."""

    token: str
    expiresAt: str  # noqa: N815
    roomName: str  # noqa: N815
    participantIdentity: str  # noqa: N815
    serverUrl: str  # noqa: N815


class AuditMiddleware:
    """ASGI middleware that writes the audit line, and forbids to store the answer."""

    def __init__(self, app: Any) -> None:
        """Wrap `app`."""
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on, and write its line."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_uncacheable(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        try:
            await self.app(scope, receive, send_uncacheable)
        finally:
            facts = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "durationMs": round((time.perf_counter() - started) * 1000, 3),
                **scope.get("state", {}).get("audit", {}),
            }
            logger.info("request", extra=facts)


def configure_logging() -> None:
    """Write JSON lines with the request id to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(CorrelationIdFilter())
    handler.setFormatter(
        OrjsonFormatter(
            ["levelname", "message", "correlation_id"],
            rename_fields={"levelname": "level", "correlation_id": "requestId"},
            timestamp=True,
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO)


@app.exception_handler(RequestValidationError)
async def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Answer with every fault of the request."""
    faults = [
        {"field": ".".join(map(str, fault["loc"][1:])) or "body", "message": fault["msg"]}
        for fault in error.errors()
    ]
    return JSONResponse(
        {"statusCode": 400, "errorCode": "VALIDATION_ERROR", "validationErrors": faults}, status_code=400
    )


@app.post("/api/token")
async def issue_token(order: TokenRequest, request: Request) -> TokenResponse:
    """Issue a token for one participant in one room."""
    token = (
        AccessToken(KEY, SECRET)
        .with_identity(order.participantIdentity)
        .with_name(order.participantName or order.participantIdentity)
        .with_ttl(timedelta(seconds=order.expirationSeconds))
        .with_grants(VideoGrants(room_join=True, room=order.roomName, can_publish_sources=["microphone"]))
        .to_jwt()
    )
    payload = token.split(".")[1]
    expiry = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
    expires_at = datetime.fromtimestamp(expiry, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    request.state.audit = {
        "room": order.roomName,
        "identity": order.participantIdentity,
        "expiresAt": expires_at,
    }
    return TokenResponse(
        token=token,
        expiresAt=expires_at,
        roomName=order.roomName,
        participantIdentity=order.participantIdentity,
        serverUrl=SERVER_URL,
    )


if os.environ.get("FORM") != "bare":
    configure_logging()
    # The last one added is the outermost.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["http://localhost:4200"],
        allow_methods=["POST"],
        allow_headers=["Content-Type", "X-Request-Id"],
        expose_headers=["X-Request-Id"],
    )
    app.add_middleware(AuditMiddleware)
    app.add_middleware(CorrelationIdMiddleware, validator=lambda text: bool(REQUEST_ID.fullmatch(text)))
