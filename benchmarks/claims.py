"""Whether two servers do the same job: checked before anything is timed."""

import http.client
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from benchmarks.servers import HOST, KEY, LIVEKIT_URL, SECRET, Running

ORIGIN = "http://localhost:4200"
ORDER = {"roomName": "support-4711", "participantIdentity": "alice"}

_OK, _BAD_REQUEST = 200, 400
_REQUEST_ID = "check-1"
_DEFAULT_TTL = 3600
_ORDERS: tuple[Mapping[str, Any], ...] = (
    ORDER,
    {**ORDER, "participantName": "Alice Müller", "expirationSeconds": 600},
)
_REFUSED: tuple[object, ...] = (
    {"roomName": "support-4711"},
    {**ORDER, "participantIdentity": "alice smith"},
    {**ORDER, "roomName": "a" * 256},
    {**ORDER, "participantName": "a\nb"},
    {**ORDER, "expirationSeconds": 59},
    {**ORDER, "expirationSeconds": "600"},
    {**ORDER, "hidden": True},
    [],
)
_AUDITED = {"requestId", "method", "path", "status", "durationMs", "room", "identity", "expiresAt"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers in lower case, and a body in JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Client:
    """Sends requests to a server, one after the other, over one connection."""

    def __init__(self, running: Running) -> None:
        """Connect to a server at the first request."""
        self._connection = http.client.HTTPConnection(HOST, running.port, timeout=10)

    def post(self, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for a token."""
        sent = {"Content-Type": "application/json", "Origin": ORIGIN, **(headers or {})}
        self._connection.request("POST", "/api/token", json.dumps(body), sent)
        response = self._connection.getresponse()
        content = json.loads(response.read())
        return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, content)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def check(running: Running) -> None:
    """Stop if a server does not answer as it should, with the claims that it should write."""
    client = Client(running)
    for order in _ORDERS:
        asked = time.time()
        _check_token(running, order, client.post(order, {"X-Request-Id": _REQUEST_ID}), asked)
    for body in _REFUSED:
        answer = client.post(body)
        _demand(running, answer.status == _BAD_REQUEST, f"refuses {body} with 400, not {answer.status}")
        _demand(running, bool(answer.body["validationErrors"]), f"says what is wrong with {body}")
    client.close()
    if running.server.form == "full":
        _check_log(running)


def _check_token(running: Running, order: Mapping[str, Any], answer: Answer, asked: float) -> None:
    _demand(running, answer.status == _OK, f"answers 200, not {answer.status}: {answer.body}")
    claims = jwt.decode(answer.body["token"], SECRET, algorithms=["HS256"])
    not_before, expires = claims.pop("nbf"), claims.pop("exp")
    for name in running.server.added_claims:
        claims.pop(name, None)
    identity, room = order["participantIdentity"], order["roomName"]
    expected = {
        "iss": KEY,
        "sub": identity,
        "name": order.get("participantName", identity),
        "video": {
            "roomJoin": True,
            "room": room,
            "canPublish": True,
            "canPublishSources": ["microphone"],
            "canSubscribe": True,
            "canPublishData": True,
        },
    }
    _demand(running, claims == expected, f"writes the claims {expected}, not {claims}")
    ttl = order.get("expirationSeconds", _DEFAULT_TTL)
    _demand(running, asked - 1 <= not_before <= time.time(), "makes the token valid from now")
    _demand(running, 0 <= expires - not_before - ttl <= 1, f"makes the token valid for {ttl} s")
    body = {
        "expiresAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)),
        "roomName": room,
        "participantIdentity": identity,
        "serverUrl": LIVEKIT_URL,
    }
    _demand(running, {**answer.body, **body} == answer.body, f"answers {body}")
    headers = {
        "x-request-id": _REQUEST_ID,
        "access-control-allow-origin": ORIGIN,
        "access-control-expose-headers": "X-Request-Id",
        "cache-control": "no-store",
    }
    wanted = headers if running.server.form == "full" else {}
    sent = {name: answer.headers[name] for name in headers if name in answer.headers}
    _demand(running, sent == wanted, f"sends the headers {wanted}, not {sent}")


def _check_log(running: Running) -> None:
    time.sleep(0.1)  # A line may be written after its answer.
    log = running.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    audited = [line for line in lines if "expiresAt" in line]
    _demand(running, len(audited) == len(_ORDERS), "writes a line for each token")
    _demand(running, all(line.keys() >= _AUDITED for line in audited), f"writes {_AUDITED}")
    refused = [line for line in lines if line.get("status") == _BAD_REQUEST]
    _demand(running, len(refused) == len(_REFUSED), "writes a line for each refusal")
    _demand(running, "eyJ" not in log, "writes no token")


def _demand(running: Running, holds: bool, what: str) -> None:  # noqa: FBT001  # it is the question
    if not holds:
        sys.exit(f"{running.server.label} is no peer of the others; each {what}.")
