"""The token endpoint as one ASGI function, written by hand, with orjson and livekit-api.

FORM=bare leaves out the audit line, the request id, CORS and Cache-Control.
"""

import base64
import logging
import os
import re
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
from livekit.api import AccessToken, VideoGrants

FULL = os.environ.get("FORM") != "bare"
KEY, SECRET = os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"]
SERVER_URL = os.environ["LIVEKIT_URL"]
ORIGINS = {b"http://localhost:4200"}
MAX_BYTES = 16 * 1024
MIN_TTL, MAX_TTL, DEFAULT_TTL = 60, 86400, 3600
NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}")
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,255}")
REQUEST_ID = re.compile(rb"[A-Za-z0-9_.~:=+/@-]{1,128}")
PROPERTIES = {"roomName", "participantIdentity", "participantName", "expirationSeconds"}

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
logger = logging.getLogger("audit")


class Refusal(Exception):
    """The request is answered with an error: its status, its code, and the faults."""


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    started = time.perf_counter()
    facts: dict[str, str] = {}
    try:
        status, answer = 200, await issue_token(scope, receive, facts)
    except Refusal as refusal:
        status, code, faults = refusal.args
        answer = {"statusCode": status, "errorCode": code, "validationErrors": faults}
    body = orjson.dumps(answer)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if FULL:
        request_headers = dict(scope["headers"])
        request_id = request_headers.get(b"x-request-id", b"")
        if not REQUEST_ID.fullmatch(request_id):
            request_id = uuid4().hex.encode()
        headers += [(b"x-request-id", request_id), (b"cache-control", b"no-store")]
        if request_headers.get(b"origin") in ORIGINS:
            headers += [
                (b"access-control-allow-origin", request_headers[b"origin"]),
                (b"access-control-expose-headers", b"X-Request-Id"),
                (b"vary", b"Origin"),
            ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    if FULL:
        line = {
            "level": "INFO",
            "timestamp": datetime.now(UTC),
            "requestId": request_id.decode(),
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "durationMs": round((time.perf_counter() - started) * 1000, 3),
            **facts,
        }
        logger.info(orjson.dumps(line).decode())


async def issue_token(scope: Any, receive: Any, facts: dict[str, str]) -> dict[str, str]:
    """Make the answer to a good request; note what the audit line should say."""
    if scope["path"] != "/api/token":
        raise Refusal(404, "NOT_FOUND", [])
    if scope["method"] != "POST":
        raise Refusal(405, "METHOD_NOT_ALLOWED", [])
    try:
        order = orjson.loads(await read(receive))
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "VALIDATION_ERROR", [{"field": "body", "message": str(error)}]) from None
    faults = [{"field": field, "message": message} for field, message in faults_of(order)]
    if faults:
        raise Refusal(400, "VALIDATION_ERROR", faults)
    room, identity = order["roomName"], order["participantIdentity"]
    token = (
        AccessToken(KEY, SECRET)
        .with_identity(identity)
        .with_name(order.get("participantName") or identity)
        .with_ttl(timedelta(seconds=order.get("expirationSeconds", DEFAULT_TTL)))
        .with_grants(VideoGrants(room_join=True, room=room, can_publish_sources=["microphone"]))
        .to_jwt()
    )
    payload = token.split(".")[1]
    expiry = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
    expires_at = datetime.fromtimestamp(expiry, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts.update(room=room, identity=identity, expiresAt=expires_at)
    return {
        "token": token,
        "expiresAt": expires_at,
        "roomName": room,
        "participantIdentity": identity,
        "serverUrl": SERVER_URL,
    }


async def read(receive: Any) -> bytes:
    """Read the body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BYTES:
            raise Refusal(413, "PAYLOAD_TOO_LARGE", [])
    return body


def faults_of(order: Any) -> Iterable[tuple[str, str]]:
    """Find what is wrong with a parsed body: pairs of a field and a message."""
    if not isinstance(order, dict):
        yield "body", "must be an object"
        return
    for field in order.keys() - PROPERTIES:
        yield field, "is not known here"
    for field in ("roomName", "participantIdentity"):
        value = order.get(field)
        if not isinstance(value, str) or not NAME.fullmatch(value):
            yield field, "must be 1 to 255 of A-Z a-z 0-9 _ -"
    name = order.get("participantName", "")
    if not isinstance(name, str) or not PRINTABLE.fullmatch(name):
        yield "participantName", "must be at most 255 characters, no control characters"
    ttl = order.get("expirationSeconds", DEFAULT_TTL)
    if type(ttl) is not int or not MIN_TTL <= ttl <= MAX_TTL:
        yield "expirationSeconds", "must be an integer from 60 to 86400"
