"""What the client does when the network, or something between, fails."""

import gzip
import json
import math
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from asking import Ask, concurrent
from livekit_token_api_client import (
    ErrorAnswer,
    Overloaded,
    Patience,
    RateLimited,
    TimedOut,
    TokenApi,
    UnexpectedAnswer,
    Unreachable,
)
from scripted_server import (
    Deed,
    ScriptedServer,
    error,
    example,
    hangs,
    raw,
    resets,
    says,
    sends,
    trickles,
)
from tests.support.stand_in import Said, standing_in, write_certificate

ISSUED = example("TokenIssued", "minimal")
OVERLOADED = error("OVERLOADED", 503)
LIMITED = error("RATE_LIMITED", 429)
# Draws the longest pause each time.
LONGEST = Patience(random=lambda: 1.0)


@pytest.mark.parametrize(
    "deed",
    [
        pytest.param(resets, id="the connection is reset"),
        pytest.param(sends(b""), id="the connection is closed"),
        pytest.param(sends(raw(200, b'{"token":', Content_Length="100")), id="half an answer"),
        pytest.param(sends(b"no HTTP\r\n\r\n"), id="no HTTP"),
        pytest.param(says(500, error("INTERNAL_ERROR", 500)), id="500"),
        pytest.param(says(502, b"<html>Bad Gateway</html>", Content_Type="text/html"), id="502 of a proxy"),
        pytest.param(says(503, OVERLOADED), id="503"),
        pytest.param(says(504), id="504 without a body"),
        pytest.param(says(599, b"?"), id="a 5xx that nobody knows"),
        pytest.param(says(429, LIMITED), id="429"),
    ],
)
def test_what_may_pass_is_asked_again_twice(server: ScriptedServer, ask: Ask, deed: Deed) -> None:
    """The third attempt is answered; the pauses before it are random, up to bounds that double."""
    server.deeds = [deed, deed, says(200, ISSUED)]
    pauses: list[float] = []
    assert ask(server.url, "generate_token", pauses, patience=LONGEST, roomName="r") == ISSUED
    assert pauses == [0.5, 1.0]
    # The same request, each time.
    assert len(set(map(str, server.received))) == 1
    server.received.clear()
    server.deeds = [deed]
    with pytest.raises((Unreachable, ErrorAnswer, UnexpectedAnswer)):
        ask(server.url, "generate_token", pauses, roomName="r")
    assert len(server.received) == 3
    assert 0 <= pauses[2] < 0.5
    assert 0 <= pauses[3] < 1


@pytest.mark.parametrize(
    ("deed", "kind", "words"),
    [
        pytest.param(says(200, b"<html>Sign in</html>"), UnexpectedAnswer, "proxy", id="a page"),
        pytest.param(says(200, b'{"token":'), UnexpectedAnswer, "200", id="half JSON, whole HTTP"),
        pytest.param(says(200, b"\xff"), UnexpectedAnswer, "200", id="no UTF-8"),
        pytest.param(says(200, b"[" * 100_000), UnexpectedAnswer, "200", id="JSON that is too deep"),
        pytest.param(says(200, [ISSUED]), UnexpectedAnswer, "200", id="a list"),
        pytest.param(says(200, {**ISSUED, "token": 1}), UnexpectedAnswer, "200", id="a token that is none"),
        pytest.param(says(200, {"token": "a.b.c"}), UnexpectedAnswer, "200", id="too few properties"),
        pytest.param(says(200, {"a": "x" * 1_100_000}), UnexpectedAnswer, "longer", id="more than 1 MiB"),
        pytest.param(
            says(200, gzip.compress(json.dumps(ISSUED).encode()), Content_Encoding="gzip"),
            UnexpectedAnswer,
            "compressed",
            id="what may be a thousand times as long",
        ),
        pytest.param(says(204), UnexpectedAnswer, "204", id="nothing"),
        pytest.param(says(301, Location="/elsewhere"), UnexpectedAnswer, "leads elsewhere", id="301"),
        pytest.param(says(308, Location="/elsewhere"), UnexpectedAnswer, "leads elsewhere", id="308"),
        pytest.param(says(400, error("VALIDATION_ERROR", 400)), ErrorAnswer, "It went wrong", id="400"),
        pytest.param(says(401, error("UNAUTHENTICATED", 401)), ErrorAnswer, "It went wrong", id="401"),
        pytest.param(says(403, b"<html>WAF</html>"), UnexpectedAnswer, "403", id="403 of a firewall"),
        pytest.param(says(404, {"errorCode": 5}), UnexpectedAnswer, "404", id="a code that is none"),
        pytest.param(
            says(400, {**error("VALIDATION_ERROR", 400), "validationErrors": [1]}),
            UnexpectedAnswer,
            "400",
            id="faults that are none",
        ),
        pytest.param(
            says(400, {**error("VALIDATION_ERROR", 400), "reasons": "x"}),
            UnexpectedAnswer,
            "400",
            id="reasons that are none",
        ),
        pytest.param(
            says(400, {**error("VALIDATION_ERROR", 400), "reasons": [1]}),
            UnexpectedAnswer,
            "400",
            id="reasons that are no texts",
        ),
        pytest.param(says(408, error("REQUEST_TIMEOUT", 408)), ErrorAnswer, "It went wrong", id="408"),
    ],
)
def test_nothing_else_is_asked_again(
    server: ScriptedServer, ask: Ask, deed: Deed, kind: type[Exception], words: str
) -> None:
    """What came is told at once; a redirect is not followed, for it would take the credential along."""
    server.deeds = [deed]
    pauses: list[float] = []
    with pytest.raises(kind, match=words):
        ask(server.url, "generate_token", pauses, api_key="k", roomName="r")
    assert (len(server.received), pauses) == (1, [])


def test_nobody_listens(ask: Ask, server: ScriptedServer) -> None:
    """It is asked three times, and the failure says why."""
    with ScriptedServer() as gone:
        pass
    pauses: list[float] = []
    with pytest.raises(Unreachable, match=r"refused|failed"):
        ask(gone.url, "generate_token", pauses, roomName="r")
    assert len(pauses) == 2
    assert server.received == []


def test_a_certificate_that_nobody_vouches_for(ask: Ask, tmp_path: Path) -> None:
    """The service is not reached, and why is said."""
    certificate = write_certificate(tmp_path / "pem")
    with (
        standing_in(lambda _token: Said(200), certificate) as authority,
        pytest.raises(Unreachable, match="CERTIFICATE"),
    ):
        ask(f"https://{authority}/api", "generate_token", [], api_key="k", roomName="r")


@pytest.mark.parametrize(
    ("status", "body"),
    [(429, b""), (503, b""), (502, b""), pytest.param(503, b"x" * 1_100_000, id="too long")],
)
def test_the_answer_says_when_to_ask_again(
    server: ScriptedServer, ask: Ask, status: int, body: bytes
) -> None:
    """The pause is as long, and a random while more; also where it is too long to be read."""
    server.deeds = [says(status, body, Retry_After="3"), says(200, ISSUED)]
    pauses: list[float] = []
    assert ask(server.url, "generate_token", pauses, patience=LONGEST, roomName="r") == ISSUED
    assert pauses == [3.5]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "0"}, 0),
        ({"Retry_After": " 7 "}, 7),
        (
            {
                "Retry_After": "Wed, 25 Nov 2026 10:00:05 GMT",
                # The service's clock, which may be years away from ours.
                "Date": "Wed, 25 Nov 2026 10:00:00 GMT",
            },
            5,
        ),
        ({"Retry_After": "Wed, 25 Nov 2026 10:00:00 GMT", "Date": "Wed, 25 Nov 2026 10:00:05 GMT"}, 0),
        ({"Retry_After": "Wed, 25 Nov 1926 10:00:00 GMT"}, 0),
        ({"Retry_After": "-1"}, None),
        ({"Retry_After": "1.5"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "9" * 400}, math.inf),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(
    server: ScriptedServer, ask: Ask, headers: dict[str, str], seconds: float | None
) -> None:
    """Seconds, or a date, which is compared with the answer's own; what is neither counts for nothing."""
    server.deeds = [says(429, LIMITED, **headers)]
    with pytest.raises(RateLimited) as raised:
        ask(server.url, "generate_token", patience=Patience(retries=0), roomName="r")
    assert raised.value.retry_after == seconds


def test_a_date_alone_is_compared_with_this_machine_s_clock(server: ScriptedServer, ask: Ask) -> None:
    """In a minute is in a minute."""
    date = format_datetime(datetime.fromtimestamp(math.ceil(time.time()) + 60, UTC), usegmt=True)
    server.deeds = [says(503, OVERLOADED, Retry_After=date)]
    with pytest.raises(Overloaded) as raised:
        ask(server.url, "generate_token", patience=Patience(retries=0), roomName="r")
    assert raised.value.retry_after == pytest.approx(60, abs=5)


@pytest.mark.parametrize("seconds", [3600, 10**12])
def test_nobody_waits_for_longer_than_the_time_there_is(
    server: ScriptedServer, ask: Ask, seconds: int
) -> None:
    """Who is told to come back in an hour learns it now."""
    server.deeds = [says(429, LIMITED, Retry_After=str(seconds))]
    pauses: list[float] = []
    with pytest.raises(RateLimited) as raised:
        ask(server.url, "generate_token", pauses, roomName="r")
    assert (raised.value.retry_after, len(server.received), pauses) == (seconds, 1, [])


@pytest.mark.parametrize(
    "deed",
    [
        pytest.param(hangs, id="nothing comes"),
        pytest.param(trickles(b" " * 1000, raw(200, Content_Length="1000")), id="a byte comes each 20 ms"),
    ],
)
def test_an_attempt_ends(server: ScriptedServer, ask: Ask, deed: Deed) -> None:
    """The next one is answered."""
    server.deeds = [deed, says(200, ISSUED)]
    patience = Patience(attempt_seconds=0.5)
    began = time.monotonic()
    assert ask(server.url, "generate_token", [], patience=patience, roomName="r") == ISSUED
    assert 0.5 <= time.monotonic() - began < 5


def test_under_asyncio_headers_may_trickle_as_well(server: ScriptedServer) -> None:
    """Who blocks waits for each byte of them anew: see `Patience`."""
    server.deeds = [trickles(raw(200, A="x" * 1000)), says(200, ISSUED)]
    patience = Patience(attempt_seconds=0.5)
    began = time.monotonic()
    assert concurrent(server.url, "generate_token", [], patience=patience, roomName="r") == ISSUED
    assert 0.5 <= time.monotonic() - began < 5


@pytest.mark.parametrize("attempt_seconds", [0.2, 60])
def test_all_attempts_together_end(server: ScriptedServer, ask: Ask, attempt_seconds: float) -> None:
    """However many more there could be, and however long one may take."""
    server.deeds = [hangs]
    patience = Patience(attempt_seconds=attempt_seconds, total_seconds=0.5, retries=50, backoff_seconds=0)
    began = time.monotonic()
    with pytest.raises(TimedOut):
        ask(server.url, "generate_token", [], patience=patience, roomName="r")
    assert 0.5 <= time.monotonic() - began < 5
    assert len(server.received) < 50


def test_who_does_not_pass_a_sleep_really_waits(server: ScriptedServer, ask: Ask) -> None:
    """A second is a second."""
    server.deeds = [says(503, OVERLOADED, Retry_After="1"), says(200, ISSUED)]
    began = time.monotonic()
    ask(server.url, "generate_token", patience=Patience(random=lambda: 0.0), roomName="r")
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("method", ["check_liveness", "check_readiness"])
def test_a_health_check_asks_once(server: ScriptedServer, ask: Ask, method: str) -> None:
    """It tells how it is now; it says nothing of who asks."""
    server.deeds = [says(503, OVERLOADED)]
    with pytest.raises(Overloaded):
        ask(server.url, method, api_key="k")
    (received,) = server.received
    assert "X-API-Key" not in received.headers
    assert received.body == b""


def test_what_is_sent(server: ScriptedServer, ask: Ask) -> None:
    """A request as the contract wants it, below the address that was given, a slash at its end or not."""
    server.deeds = [says(200, ISSUED)]
    for end in ("", "/"):
        prefixed = server.url.replace("/api", "/voice/api") + end
        ask(prefixed, "generate_token", api_key="k", roomName="r", participantName="Zoë")
        received = server.received.pop()
        assert received.line == "POST /voice/api/token HTTP/1.1"
        assert received.body == '{"roomName":"r","participantName":"Zoë"}'.encode()
        assert received.headers["Content-Type"] == "application/json"
        assert received.headers["Accept"] == "application/json"
        assert received.headers["Accept-Encoding"] == "identity"
        assert received.headers["X-API-Key"] == "k"
        assert received.headers["User-Agent"].startswith("livekit-token-api-client/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tokens.example.com/api",
        "ftp://tokens.example.com/api",
        "https:///api",
        "https://user:hunter2@tokens.example.com/api",
        "https://tokens.example.com/api?key=hunter2",
        "https://tokens.example.com/api#hunter2",
        "https://tokens.example.com:hunter2/api",
    ],
)
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    """At once, and without a word of it: it may hold a password."""
    with pytest.raises(ValueError, match="address") as raised:
        TokenApi(url)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
