"""Whether two servers do the same job: checked before anything is timed."""

import http.client
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from benchmarks.processes import HOST
from benchmarks.servers import KEY, LIVEKIT_URL, SECRET, Running

ORIGIN = "http://localhost:4200"
ORDER = {"roomName": "support-4711", "participantIdentity": "alice"}

_OK, _BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 400, 401, 403, 404
_REQUEST_ID = "check-1"
_METRICS = "/api/metrics"
_DEFAULT_TTL = 3600
_ORDERS: tuple[Mapping[str, Any], ...] = (
    ORDER,
    {**ORDER, "participantName": "Alice Müller", "expirationSeconds": 600},
)
_UNNAMED = {"roomName": "support-4711"}
_REFUSED: tuple[object, ...] = (
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

    def __init__(self, running: Running, *, is_known: bool = True) -> None:
        """Connect to a server at the first request; bring what says who asks, if `is_known`."""
        self._credentials = running.server.guard.credentials if is_known else {}
        self._connection = http.client.HTTPConnection(HOST, running.port, timeout=10)

    def post(self, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for a token."""
        sent = {"Content-Type": "application/json", "Origin": ORIGIN, **self._credentials, **(headers or {})}
        self._connection.request("POST", "/api/token", json.dumps(body), sent)
        response = self._connection.getresponse()
        content = json.loads(response.read())
        return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, content)

    def status_of(self, path: str) -> int:
        """Ask for a document, and tell the status of the answer."""
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        response.read()
        return response.status

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def check(running: Running) -> None:
    """Stop if a server does not answer as it should, with the claims that it should write."""
    client, guard = Client(running), running.server.guard
    for order in _orders(running):
        asked = time.time()
        _check_token(running, order, client.post(order, {"X-Request-Id": _REQUEST_ID}), asked)
    for body in _refused(running):
        answer = client.post(body)
        _demand(running, answer.status == _BAD_REQUEST, f"refuses {body} with 400, not {answer.status}")
        _demand(running, bool(answer.body["validationErrors"]), f"says what is wrong with {body}")
    if guard.identity:
        status = client.post({**ORDER, "participantIdentity": "bob"}).status
        _demand(running, status == _FORBIDDEN, f"refuses another identity with 403, not {status}")
    if running.server.name == "ours":
        status, wanted = client.status_of(_METRICS), _metrics_status(running)
        _demand(running, status == wanted, f"answers {_METRICS} with {wanted}, not {status}")
    client.close()
    if guard.credentials:
        _check_stranger(running)
    if running.server.form != "bare":
        _check_log(running)
    running.forget_log()  # What comes is of the runs alone.


def _orders(running: Running) -> Sequence[Mapping[str, Any]]:
    """List orders; only of who is known by a token may one leave the identity out."""
    return (*_ORDERS, _UNNAMED) if running.server.guard.identity else _ORDERS


def _refused(running: Running) -> Sequence[object]:
    return _REFUSED if running.server.guard.identity else (_UNNAMED, *_REFUSED)


def _metrics_status(running: Running) -> int:
    """Tell how metrics are answered: else there is no difference to measure."""
    return _NOT_FOUND if running.server.form == "unmeasured" else _OK


def _check_stranger(running: Running) -> None:
    client = Client(running, is_known=False)
    answer = client.post(ORDER)
    client.close()
    _demand(running, answer.status == _UNAUTHORIZED, f"refuses a stranger with 401, not {answer.status}")
    _demand(running, "www-authenticate" in answer.headers, "says how to say who asks")


def _check_token(running: Running, order: Mapping[str, Any], answer: Answer, asked: float) -> None:
    _demand(running, answer.status == _OK, f"answers 200, not {answer.status}: {answer.body}")
    claims = jwt.decode(answer.body["token"], SECRET, algorithms=["HS256"])
    not_before, expires = claims.pop("nbf"), claims.pop("exp")
    for name in running.server.added_claims:
        claims.pop(name, None)
    identity, room = order.get("participantIdentity", running.server.guard.identity), order["roomName"]
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
        "cache-control": "no-store",
    }
    wanted = {} if running.server.form == "bare" else headers
    sent = {name: answer.headers[name] for name in headers if name in answer.headers}
    _demand(running, sent == wanted, f"sends the headers {wanted}, not {sent}")
    exposed = answer.headers.get("access-control-expose-headers", "").split(", ")  # Ours has more.
    _demand(running, ("X-Request-Id" in exposed) == bool(wanted), "lets pages read X-Request-Id, or is bare")
    limits = {"ratelimit", "ratelimit-policy"} & answer.headers.keys()
    _demand(running, len(limits) == (2 if running.server.guard.limits else 0), "says what is left of a limit")


def _check_log(running: Running) -> None:
    time.sleep(0.1)  # A line may be written after its answer.
    log = running.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    audited = [line for line in lines if "expiresAt" in line]
    _demand(running, len(audited) == len(_orders(running)), "writes a line for each token")
    _demand(running, all(line.keys() >= _AUDITED for line in audited), f"writes {_AUDITED}")
    caller = running.server.guard.audited
    said = all(line.items() >= caller.items() for line in audited)
    _demand(running, said and ("caller" in audited[0]) == bool(caller), f"writes {caller} of who asked")
    refused = [line for line in lines if line.get("status") == _BAD_REQUEST]
    _demand(running, len(refused) == len(_refused(running)), "writes a line for each refusal")
    _demand(running, "eyJ" not in log, "writes no token")


def _demand(running: Running, holds: bool, what: str) -> None:  # noqa: FBT001  # it is the question
    if not holds:
        sys.exit(f"{running.server.label} is no peer of the others; each {what}.")
