"""Whether the LiveKit server is there, and accepts what is signed here."""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import httpx

from app.doctor.credentials import Source
from app.doctor.finding import Finding
from app.doctor.limits import LEEWAY_SECONDS
from app.doctor.network import Stage, obstacle
from app.tokens.claims import TokenWriter, UnusableSecret
from app.tokens.orders import TokenOrder
from app.tokens.policy import TokenPolicy

Clock = Callable[[], float]

_CHECK = "LIVEKIT_URL"
_TIMEOUT_SECONDS = 3.0
_MAX_BYTES = 1024
_LIFETIME = timedelta(minutes=1)
_STAGES: tuple[Stage, ...] = ("DNS", "connection", "TLS", "answer")
# What a network and whole seconds come to.
_SKEW_SECONDS = 5
_RENEWAL = timedelta(days=7)
_SET_THE_CLOCK = "set the clock that is wrong, by NTP"


class _Answer(NamedTuple):
    """What the server says of a token.

    Attributes:
        status: of HTTP.
        text: the beginning of the body; it may hold the token.
        skew: how far its clock is ahead of the one here, in seconds; None: it does not tell the time.
        certificate_ends: when its certificate ends, in seconds since 1970; None: without TLS.
    """

    status: int
    text: str
    skew: float | None
    certificate_ends: float | None

    @property
    def accepts(self) -> bool:
        # Where rooms are not created by joining, a good token gets the second one.
        return (self.status, self.text) == (200, "success") or (
            self.status == httpx.codes.NOT_FOUND and "room does not exist" in self.text
        )

    @property
    def is_livekits(self) -> bool:
        words = ("invalid API key", "invalid token", "invalid authorization token", "permissions")
        refuses = self.status == httpx.codes.UNAUTHORIZED and any(word in self.text for word in words)
        return self.accepts or refuses


async def examine(url: str, sources: Sequence[Source], clock: Clock = time.time) -> list[Finding]:
    """Try a server with a token of each of the credentials.

    Args:
        url: the server's, ws(s)://.
        sources: the credentials; the first signs.
        clock: seconds since 1970, as the service would write them into tokens.
    """
    parts = urlsplit(url)
    findings = [_of_the_url(parts)]
    secure = parts.scheme == "wss"
    address = parts._replace(scheme="https" if secure else "http").geturl().rstrip("/") + "/rtc/validate"
    # Not compressed: a small answer could become a large one.
    headers = {"Accept-Encoding": "identity"}
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, headers=headers) as client:
        try:
            answer = await _ask(client, address, clock)
        except Exception as failure:  # noqa: BLE001  # Whatever happens on the way is a finding.
            return findings + _unreached(failure, secure=secure)
        findings += _reached(answer, clock())
        if not answer.is_livekits:
            return [*findings, _somebody_else(answer)]
        findings.append(Finding("LiveKit", "ok", "a LiveKit server answers"))
        findings.append(_of_the_clock(answer.skew))
        if not sources:
            findings.append(Finding("token", "skipped", "without credentials none can be signed"))
        for number, source in enumerate(sources):
            finding = await _tried(client, address, clock, source)
            # A key that does not sign, yet or any more, need not be known.
            is_spare = number > 0 and finding.verdict == "problem"
            findings.append(finding._replace(verdict="warning") if is_spare else finding)
    return findings


async def _ask(client: httpx.AsyncClient, address: str, clock: Clock, token: str | None = None) -> _Answer:
    # In a header: what is in a URL gets into logs.
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with asyncio.timeout(_TIMEOUT_SECONDS), client.stream("GET", address, headers=headers) as response:
        here = clock()
        content = b""
        async for part in response.aiter_raw():
            content += part
            if len(content) > _MAX_BYTES:
                break
        text = content[:_MAX_BYTES].decode(errors="replace").strip()
        return _Answer(response.status_code, text, _skew(response, here), _certificate_ends(response))


def _skew(response: httpx.Response, here: float) -> float | None:
    try:
        there = parsedate_to_datetime(response.headers["Date"])
    # A year of many digits is too large for a number of C.
    except (KeyError, ValueError, OverflowError):
        return None
    # It is written in whole seconds, cut off.
    return there.replace(tzinfo=there.tzinfo or UTC).timestamp() + 0.5 - here


def _certificate_ends(response: httpx.Response) -> float | None:
    connection = response.extensions["network_stream"].get_extra_info("ssl_object")
    certificate = connection.getpeercert() if isinstance(connection, ssl.SSLObject) else None
    return ssl.cert_time_to_seconds(str(certificate["notAfter"])) if certificate else None


def _of_the_url(parts: SplitResult) -> Finding:
    if parts.scheme == "ws" and not _is_here(parts.hostname or ""):
        return Finding(
            _CHECK,
            "warning",
            "is ws:// to another machine: tokens go there in the clear, and pages at https:// cannot",
            f"have LiveKit served with TLS, and write wss:// in {_CHECK}",
        )
    return Finding(_CHECK, "ok", f"is {parts.scheme}://{parts.netloc}{parts.path}")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _unreached(failure: Exception, *, secure: bool) -> list[Finding]:
    stage, words, fix = obstacle(failure, _CHECK)
    passed = _passed(_STAGES[: _STAGES.index(stage)], secure=secure)
    check = "LiveKit" if stage == "answer" else stage
    skipped = Finding("token", "skipped", "without the server none can be tried")
    return [*passed, Finding(check, "problem", words, fix), skipped]


def _reached(answer: _Answer, now: float) -> list[Finding]:
    ends = answer.certificate_ends
    findings = _passed(_STAGES[:-1], secure=ends is not None)
    if ends is not None and ends - now < _RENEWAL.total_seconds():
        until = datetime.fromtimestamp(ends, UTC)
        findings[-1] = Finding(
            "TLS", "warning", f"the certificate ends on {until:%Y-%m-%d}", "renew the server's certificate"
        )
    return findings


def _passed(stages: Sequence[Stage], *, secure: bool) -> list[Finding]:
    words = {
        "DNS": "the host is found",
        "connection": "a connection is made",
        "TLS": "the certificate is valid",
    }
    return [Finding(stage, "ok", words[stage]) for stage in stages if secure or stage != "TLS"]


def _somebody_else(answer: _Answer) -> Finding:
    if httpx.codes.is_redirect(answer.status):
        words, fix = "it redirects", f"write into {_CHECK} where it leads"
    elif answer.status == httpx.codes.TOO_MANY_REQUESTS or httpx.codes.is_server_error(answer.status):
        words, fix = "LiveKit, or a proxy before it, cannot answer now", "read the logs of both"
    else:
        words, fix = "what answers is not a LiveKit server", f"correct host, port and path of {_CHECK}"
    return Finding("LiveKit", "problem", f"{words}: {answer.status} to /rtc/validate", fix)


def _of_the_clock(skew: float | None) -> Finding:
    if skew is None:
        return Finding("clock", "skipped", "the server does not tell the time")
    if abs(skew) <= _SKEW_SECONDS:
        return Finding("clock", "ok", f"is within {_SKEW_SECONDS} s of the server's")
    words = f"the clock here is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the server's"
    if abs(skew) <= LEEWAY_SECONDS:
        return Finding("clock", "warning", f"{words}; LiveKit lets {LEEWAY_SECONDS} s pass", _SET_THE_CLOCK)
    return Finding("clock", "problem", words, _SET_THE_CLOCK)


async def _tried(client: httpx.AsyncClient, address: str, clock: Clock, source: Source) -> Finding:
    """Have the server judge a token; what it refuses it gets once more, by its own time."""
    try:
        writer = TokenWriter(source.credentials, TokenPolicy())
    except UnusableSecret:
        # Which is a problem of the secret, and said to be one.
        return Finding("token", "skipped", f"{source.secret} is a key of another kind: it signs none")
    try:
        answer = await _ask(client, address, clock, _token(writer, clock()))
        if answer.accepts:
            return Finding("token", "ok", f"the server accepts one that {source.secret} signs")
        skew = answer.skew
        if "invalid token" in answer.text and skew is not None and abs(skew) > _SKEW_SECONDS:
            corrected = await _ask(client, address, clock, _token(writer, clock() + skew))
            if corrected.accepts:
                words = "refused because the clocks differ; by the server's own time it is accepted"
                return Finding("token", "problem", words, _SET_THE_CLOCK)
    except Exception as failure:  # noqa: BLE001  # Whatever happens on the way is a finding.
        _, words, fix = obstacle(failure, _CHECK)
        return Finding("token", "problem", f"could not be tried: {words}", fix)
    return _refused(answer, source)


def _token(writer: TokenWriter, now: float) -> str:
    order = TokenOrder("doctor", "doctor", "doctor")
    return writer.write(order, int(now), int(now + _LIFETIME.total_seconds()))


def _refused(answer: _Answer, source: Source) -> Finding:
    if "invalid API key" in answer.text:
        return Finding(
            "token",
            "problem",
            f"refused: the server does not know the key of {source.key}",
            f"take {source.key} and {source.secret} from the project of {_CHECK}, and do not swap them",
        )
    if "invalid token" in answer.text:
        return Finding(
            "token",
            "problem",
            f"refused: {source.secret} is not the secret of that key"
            + ("; or the clocks differ" if answer.skew is None else ""),
            f"copy the secret of that key anew into {source.secret}",
        )
    if "permissions" in answer.text:
        return Finding(
            "token",
            "problem",
            "refused as if there were none: a proxy on the way takes Authorization away, or what answers "
            "refuses every token",
            f"have the proxy pass Authorization on, or correct {_CHECK}",
        )
    return Finding(
        "token", "problem", f"refused with {answer.status}, for a reason not known here", "read LiveKit's log"
    )
