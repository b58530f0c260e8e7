"""What is found of a LiveKit server, in states that a real one cannot be brought into; e2e has the rest."""

import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.doctor import livekit
from app.doctor.credentials import Source
from app.doctor.finding import Finding
from app.tokens.credentials import Credentials
from tests.support.server import KEY, SECRET
from tests.support.stand_in import Answer, Said, livekit_ahead, standing_in, write_certificate

SOURCE = Source(Credentials(KEY, SECRET), "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
OTHER = "another-throw-away-secret-of-the-test-suite"


async def examine(url: str, sources: Sequence[Source] = (SOURCE,)) -> dict[str, Finding]:
    """Examine a server, find no secret and no token in what is said, and give it by check."""
    findings = await livekit.examine(url, sources)
    said = " ".join(finding.words + finding.fix for finding in findings)
    assert SECRET not in said
    assert "eyJ" not in said
    return {finding.check: finding for finding in findings}


async def examine_answer(answer: Answer, sources: Sequence[Source] = (SOURCE,)) -> dict[str, Finding]:
    """Examine a server that answers so."""
    with standing_in(answer) as authority:
        return await examine(f"ws://{authority}", sources)


async def test_all_is_well() -> None:
    """Every check passes, in the order of the way to the server."""
    found = await examine_answer(livekit_ahead(0, SECRET))
    assert list(found) == ["LIVEKIT_URL", "DNS", "connection", "LiveKit", "clock", "token"]
    assert {finding.verdict for finding in found.values()} == {"ok"}


@pytest.mark.parametrize(
    ("ahead", "clock", "token"),
    [
        (0, "ok", "ok"),
        (30, "warning", "ok"),
        (-30, "warning", "ok"),
        (300, "problem", "problem"),
        (-300, "problem", "problem"),
    ],
)
async def test_a_clock_is_told_from_a_secret(ahead: float, clock: str, token: str) -> None:
    """A token that is accepted by the server's own time is refused for the clock, not for the secret."""
    found = await examine_answer(livekit_ahead(ahead, SECRET))
    assert (found["clock"].verdict, found["token"].verdict) == (clock, token)
    if clock != "ok":
        assert f"{abs(ahead)} s {'behind' if ahead > 0 else 'ahead of'}" in found["clock"].words
    if token == "problem":
        assert "because the clocks differ" in found["token"].words
        assert "NTP" in found["token"].fix


@pytest.mark.parametrize("ahead", [0, 300])
async def test_a_wrong_secret_is_told_whatever_the_clock_says(ahead: float) -> None:
    """A second token, by the server's time, is refused as well."""
    found = await examine_answer(livekit_ahead(ahead, OTHER))
    assert found["token"].words == "refused: LIVEKIT_API_SECRET is not the secret of that key"
    assert "LIVEKIT_API_SECRET" in found["token"].fix


async def test_an_unknown_key_is_told_from_a_wrong_secret() -> None:
    """LiveKit repeats the key, which may be a secret in the wrong place."""
    found = await examine_answer(lambda _token: Said(401, f"invalid API key: {SECRET}", time.time()))
    assert found["token"].words == "refused: the server does not know the key of LIVEKIT_API_KEY"


async def test_without_a_date_the_clock_is_left_open() -> None:
    """A refusal may then be for either reason, and says so."""
    found = await examine_answer(lambda token: Said(401, f"invalid token: {token}"))
    assert found["clock"].verdict == "skipped"
    assert "or the clocks differ" in found["token"].words


@pytest.mark.parametrize(
    "date",
    ["", "yesterday", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 99 Foo 2026 00:00:00 GMT"],
)
async def test_a_date_that_cannot_be_read_is_none(date: str) -> None:
    """The server is there, and accepts the token; only its clock cannot be compared."""
    found = await examine_answer(
        lambda token: Said(200, "success", date) if token else Said(401, "no permissions", date)
    )
    assert (found["clock"].verdict, found["token"].verdict) == ("skipped", "ok")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Said(200, "<html>Welcome</html>"), "not a LiveKit server: 200"),
        (Said(404, "page not found"), "not a LiveKit server: 404"),
        (Said(401, "who are you?"), "not a LiveKit server: 401"),
        (Said(301), "it redirects: 301"),
        (Said(503), "cannot answer now: 503"),
        (Said(429), "cannot answer now: 429"),
        (Said(200, "success" * 10_000), "not a LiveKit server: 200"),
    ],
)
async def test_what_is_no_livekit_is_said_to_be_none(answer: Said, words: str) -> None:
    """Nothing is said then of clock and token, which nobody has judged."""
    found = await examine_answer(lambda _token: answer)
    assert found["LiveKit"].verdict == "problem"
    assert words in found["LiveKit"].words
    assert "token" not in found


async def test_a_server_that_creates_no_rooms_accepts_the_token() -> None:
    """It says of the room that it does not exist, which it does after it has accepted the token."""
    found = await examine_answer(lambda _token: Said(404, "requested room does not exist"))
    assert found["token"].verdict == "ok"


async def test_a_proxy_that_takes_the_token_away_is_no_wrong_secret() -> None:
    """LiveKit says the same as to nobody; no token gets through, which is a problem all the same."""
    found = await examine_answer(lambda _token: Said(401, "no permissions to access the room"))
    assert found["token"].verdict == "problem"
    assert "takes Authorization away" in found["token"].words
    assert "pass Authorization on" in found["token"].fix


@pytest.mark.parametrize("text", ["permissions denied", "invalid token", "invalid authorization token"])
async def test_a_server_that_refuses_every_token_is_a_problem(text: str) -> None:
    """Whatever the words, and whatever was asked."""
    found = await examine_answer(lambda _token: Said(401, text, time.time()))
    assert (found["token"].verdict, bool(found["token"].fix)) == ("problem", True)


async def test_a_server_that_fails_meanwhile_is_no_wrong_secret() -> None:
    """Its status is what is said of it."""
    found = await examine_answer(lambda token: Said(500) if token else Said(401, "no permissions"))
    assert "refused with 500" in found["token"].words


async def test_without_credentials_the_server_is_looked_at_all_the_same() -> None:
    """Only the token is left out."""
    found = await examine_answer(livekit_ahead(0, SECRET), sources=())
    assert (found["LiveKit"].verdict, found["token"].verdict) == ("ok", "skipped")


async def test_a_key_that_does_not_sign_may_be_unknown() -> None:
    """It is not used yet, or not any more: a warning."""
    spare = Source(Credentials(KEY, OTHER), "LIVEKIT_KEYS_FILE", "LIVEKIT_KEYS_FILE")
    with standing_in(livekit_ahead(0, SECRET)) as authority:
        findings = await livekit.examine(f"ws://{authority}", [SOURCE, spare])
        assert [finding.verdict for finding in findings if finding.check == "token"] == ["ok", "warning"]
        findings = await livekit.examine(f"ws://{authority}", [spare, SOURCE])
    assert [finding.verdict for finding in findings if finding.check == "token"] == ["problem", "ok"]


async def test_a_secret_that_cannot_sign_is_no_refusal() -> None:
    """A key of another kind is noticed before anything is sent."""
    pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----"
    unusable = Source(Credentials(KEY, pem), "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
    found = await examine_answer(livekit_ahead(0, SECRET), [unusable])
    assert found["token"].verdict == "skipped"
    assert "a key of another kind" in found["token"].words


@pytest.mark.parametrize(
    ("name", "starts", "ends", "trusted", "words"),
    [
        ("127.0.0.1", -1, 365, False, "self-signed"),
        ("127.0.0.1", -9, -1, True, "has expired"),
        ("127.0.0.1", 1, 365, True, "not valid yet"),
        ("127.0.0.2", -1, 365, True, "another address"),
        ("other.example.com", -1, 365, True, "another address"),
    ],
)
async def test_each_fault_of_a_certificate_is_named(  # noqa: PLR0913  # what a certificate can be
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    starts: float,
    ends: float,
    *,
    trusted: bool,
    words: str,
) -> None:
    """The host was found and connected to; only TLS is at fault, and the token is not sent."""
    certificate = write_certificate(tmp_path / "certificate.pem", name, starts, ends)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tokens: list[str] = []

    def answer(token: str) -> Said:
        tokens.append(token)
        return Said(200, "success")

    with standing_in(answer, certificate) as authority:
        found = await examine(f"wss://{authority}")
    assert [finding.verdict for finding in found.values()] == ["ok", "ok", "ok", "problem", "skipped"]
    assert words in found["TLS"].words
    assert not tokens


async def test_a_certificate_for_another_name_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server was reached by a name, which is not in its certificate."""
    certificate = write_certificate(tmp_path / "certificate.pem", "other.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with standing_in(livekit_ahead(0, SECRET), certificate) as authority:
        found = await examine(f"wss://{authority.replace('127.0.0.1', 'localhost')}")
    assert found["TLS"].words == "the certificate is for another name"


@pytest.mark.parametrize(("days", "verdict"), [(365, "ok"), (3, "warning")])
async def test_a_certificate_that_is_trusted_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float, verdict: str
) -> None:
    """One that ends within a week is a warning."""
    certificate = write_certificate(tmp_path / "certificate.pem", ends=days)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with standing_in(livekit_ahead(0, SECRET), certificate) as authority:
        found = await examine(f"wss://{authority}")
    assert (found["TLS"].verdict, found["token"].verdict) == (verdict, "ok")


async def test_a_server_without_tls_is_said_to_have_none() -> None:
    """The scheme is what to change, or the port."""
    with standing_in(livekit_ahead(0, SECRET)) as authority:
        found = await examine(f"wss://{authority}")
    assert "does not speak TLS" in found["TLS"].words
    assert "LIVEKIT_URL" in found["TLS"].fix


async def test_a_name_that_leads_nowhere_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing after it is looked at; `.invalid` is a name that nobody may have."""
    monkeypatch.setenv("NO_PROXY", "*")
    found = await examine("wss://livekit.invalid")
    assert [(f.check, f.verdict) for f in found.values()][1:] == [("DNS", "problem"), ("token", "skipped")]


async def test_a_server_that_takes_connections_only_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its silence is told from a refused connection."""
    monkeypatch.setattr("app.doctor.livekit._TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = await examine(f"ws://127.0.0.1:{silent.getsockname()[1]}")
    assert "does not answer in time" in found["LiveKit"].words


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("ws://localhost:1", "ok"),
        ("ws://127.0.0.1:1", "ok"),
        ("ws://[::1]:1", "ok"),
        ("wss://livekit.invalid", "ok"),
        ("ws://livekit.invalid", "warning"),
    ],
)
async def test_tokens_in_the_clear_are_warned_of(url: str, verdict: str) -> None:
    """`ws://` is for this machine."""
    assert (await examine(url))["LIVEKIT_URL"].verdict == verdict
