"""What is said of a token, and what is amiss with it."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.doctor import report
from app.doctor.credentials import Source
from app.doctor.finding import Finding, is_well
from app.doctor.known import Known
from app.doctor.token import explain
from app.settings.livekit import PUBLISH_SOURCES
from app.tokens.claims import TokenWriter
from app.tokens.credentials import Credentials
from app.tokens.orders import Agent, TokenOrder
from app.tokens.policy import TokenPolicy
from tests.support.server import KEY, SECRET

NOW = int(time.time())
OURS = Source(Credentials(KEY, SECRET), "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
OTHER_SECRET = "another-throw-away-secret-of-the-test-suite"
GRANTS = {"roomJoin": True, "room": "room-1"}


def signed(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """Sign good claims, with changes; None takes one away."""
    claims = {"iss": KEY, "sub": "alice", "nbf": NOW, "exp": NOW + 3600, "video": GRANTS, **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, secret, algorithm=algorithm)


def written(header: Any, claims: Any) -> str:
    """Write a token without caring what is in it."""
    parts = (urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return f"{'.'.join(parts)}.c2lnbmF0dXJl"


def known(sources: Sequence[Source], *secrets: str) -> Known:
    """Know these credentials, and the tracks of LiveKit."""
    return Known(sources, PUBLISH_SOURCES, secrets)


def explained(token: str, sources: Sequence[Source] = (OURS,)) -> list[Finding]:
    """Explain a token; neither it nor a part of it may be in what is said, nor the secret."""
    findings = explain(token, known(sources), NOW)
    said = report.as_lines(findings, [SECRET]) + report.as_json(findings, [SECRET])
    assert SECRET not in said
    for part in token.strip().split("."):
        assert len(part) < 12 or part not in said
    return findings


def one(findings: Sequence[Finding], check: str, verdict: str) -> Finding:
    """Find the one finding of a check with a verdict."""
    (found,) = [finding for finding in findings if (finding.check, finding.verdict) == (check, verdict)]
    return found


def test_a_token_of_this_service_is_well() -> None:
    """All of it is said in words: who, where, until when, what."""
    writer = TokenWriter(OURS.credentials, TokenPolicy())
    order = TokenOrder("room-1", "alice", "Alice", timedelta(hours=1), "x", {"a": "b"}, (Agent("helper"),))
    findings = explained(writer.write(order, NOW - 120, NOW + 3600))
    assert {finding.verdict for finding in findings} == {"ok"}
    said = {finding.check: finding.words for finding in findings}
    assert said["form"].startswith('"JWT", signed by "HS256", ')
    assert said["issuer"] == f'signed for "{KEY}", a key of this service'
    assert said["signature"] == "is right for that key"
    assert said["nbf"].endswith("Z (2 minutes ago)")
    assert said["exp"].endswith("Z (in 1 hour)")
    assert said["identity"] == 'joins as "alice"'
    assert said["name"] == 'others see "Alice"'
    assert said["room"] == 'may join "room-1"'
    assert said["publishing"] == "may publish microphone"
    assert said["rights"] == "may subscribe, may send data"
    assert said["agents"] == 'dispatches "helper"'
    assert "metadata" in said
    assert "attributes" in said


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"exp": NOW - 90, "nbf": 0}, "exp", "(1 minute ago): expired"),
        ({"exp": NOW - 90_000, "nbf": 0}, "exp", "(1 day ago): expired"),
        ({"nbf": NOW + 7300, "exp": NOW + 9000}, "nbf", "(in 2 hours): not yet"),
        ({"exp": NOW - 1, "nbf": NOW}, "exp", "before it begins"),
        ({"exp": "tomorrow"}, "exp", "is no time"),
        ({"exp": 1e300}, "exp", "is no time"),
        ({"exp": True}, "exp", "is no time"),
        ({"iss": None}, "issuer", "`iss` is missing"),
        ({"iss": ""}, "issuer", "`iss` is missing"),
        ({"iss": "APIother"}, "issuer", 'signed for "APIother", which is no key of this service'),
        ({"sub": None}, "identity", "`sub` is missing"),
        ({"sub": "é" * 200}, "identity", "longer than the 256 bytes"),
        ({"video": None}, "room", "`video` is missing"),
        ({"video": ["roomJoin"]}, "room", "`video` is missing"),
        ({"video": {"room": "room-1"}}, "room", "`roomJoin` is not true"),
        ({"video": {"roomJoin": "true", "room": "room-1"}}, "room", "`roomJoin` is not true"),
        ({"video": {"roomJoin": True}}, "room", "`room` is missing"),
        ({"video": {**GRANTS, "canPublishSources": ["microphone", "mic"]}}, "publishing", '"mic"'),
        ({"video": {"roomJoin": True, "room": "é" * 200}}, "room", "longer than the 256 bytes"),
        ({"metadata": "m" * 524_289}, "metadata", "LiveKit takes at most 524288"),
        ({"attributes": {"a": "é" * 32_768}}, "attributes", "LiveKit takes at most 65536"),
    ],
)
def test_what_livekit_would_refuse_is_a_problem(changes: dict[str, Any], check: str, words: str) -> None:
    """It is named, with what to do."""
    findings = explained(signed(**changes))
    problem = one(findings, check, "problem")
    assert words in problem.words
    assert problem.fix
    assert not is_well(findings)


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"exp": NOW - 5, "nbf": NOW - 600}, "exp", "expired, but LiveKit lets a minute pass"),
        ({"exp": NOW + 90_000}, "exp", "(in 1 day): who finds it"),
        ({"exp": None}, "exp", "never expires"),
        *(
            ({"video": {**GRANTS, name: True}}, "rights", f"{name}: ")
            for name in (
                "roomAdmin",
                "roomCreate",
                "roomList",
                "roomRecord",
                "ingressAdmin",
                "recorder",
                "hidden",
            )
        ),
        ({"video": {**GRANTS, "can_publish": True}}, "rights", '"can_publish"'),
        ({"roomConfig": {"egress": {"room": {}}}}, "rights", "starts a recording"),
        ({"sip": {"call": True}}, "rights", "telephone"),
        ({"metadata": "m" * 9000}, "form", "too long for a proxy"),
        ({"name": "é" * 200}, "name", "longer than the 256 bytes"),
    ],
)
def test_what_is_dangerous_is_a_warning(changes: dict[str, Any], check: str, words: str) -> None:
    """LiveKit would accept it: it is well, for a program, and a person is told."""
    findings = explained(signed(**changes))
    assert words in one(findings, check, "warning").words
    assert is_well(findings)


@pytest.mark.parametrize(
    ("grants", "check", "words"),
    [
        ({"canPublish": False}, "publishing", "may publish no track"),
        ({}, "publishing", "may publish any track"),
        ({"canSubscribe": False}, "rights", "may send data, hears and sees nobody"),
        ({"canPublishData": False}, "rights", "may subscribe"),
        (
            {"canUpdateOwnMetadata": True},
            "rights",
            "may subscribe, may send data, may change its own metadata",
        ),
    ],
)
def test_grants_are_put_into_words(grants: dict[str, Any], check: str, words: str) -> None:
    """What is not said counts as LiveKit counts it."""
    assert one(explained(signed(video={**GRANTS, **grants})), check, "ok").words == words


def test_a_wrong_signature_is_told() -> None:
    """The key is ours, but another secret signed."""
    problem = one(explained(signed(OTHER_SECRET)), "signature", "problem")
    assert "another secret than LIVEKIT_API_SECRET" in problem.words


def test_a_changed_token_is_told() -> None:
    """Its signature is of other claims."""
    header, _, signature = signed().split(".")
    claims = signed(sub="mallory").split(".")[1]
    problem = one(explained(f"{header}.{claims}.{signature}"), "signature", "problem")
    assert "or changed since" in problem.words


def test_key_and_secret_of_two_projects_are_told() -> None:
    """The secret is one that is known, of another key."""
    other = Source(Credentials("other-key", OTHER_SECRET), "LIVEKIT_KEYS_FILE", "LIVEKIT_KEYS_FILE")
    problem = one(explained(signed(OTHER_SECRET), [OURS, other]), "signature", "problem")
    assert "that of another key here" in problem.words


def test_each_of_several_keys_is_known() -> None:
    """An older key's token is still right."""
    other = Source(Credentials("other-key", OTHER_SECRET), "LIVEKIT_KEYS_FILE", "LIVEKIT_KEYS_FILE")
    assert is_well(explained(signed(OTHER_SECRET, iss="other-key"), [OURS, other]))


def test_without_credentials_the_rest_is_explained() -> None:
    """Whose it is, and whether its signature is right, is left open."""
    findings = explained(signed(), ())
    assert {f.check for f in findings if f.verdict == "skipped"} == {"issuer", "signature"}
    assert one(findings, "room", "ok")


@pytest.mark.parametrize("algorithm", ["HS512", "none"])
def test_other_algorithms_are_refused(algorithm: str) -> None:
    """LiveKit takes HS256 only."""
    token = written({"alg": algorithm}, {"iss": KEY})
    assert "HS256 only" in one(explained(token), "form", "problem").words


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "there is none"),
        ("hello", "it has 1 parts"),
        ("a.b.c.d", "it has 4 parts"),
        (signed().rsplit(".", 1)[0], "it has 2 parts"),
        ("a.b.c", "its header cannot be read"),
        ("é.é.é", "its header cannot be read"),
        (written([], {}), "its header cannot be read"),
        (written({"alg": "HS256"}, "claims"), "its claims cannot be read"),
        ("." * 2 + "a" * (1 << 21), "longer than a MiB"),
        ("[" * 100_000 + ".b.c", "its header cannot be read"),
    ],
)
def test_what_is_no_token_is_said_to_be_none(token: str, words: str) -> None:
    """What was copied wrongly is told from what is wrong in it."""
    (finding,) = explained(token)
    assert (finding.verdict, words in finding.words) == ("problem", True)


@pytest.mark.parametrize(
    ("around", "told"),
    [
        ("{}\n", None),
        ("  {} ", None),
        ('"{}"', ("warning", "quotation marks")),
        ("Bearer {}", ("ok", "is a header")),
        ("bearer {}", ("ok", "is a header")),
        ("Authorization: Bearer {}", ("ok", "is a header")),
        ("authorization: {}", ("ok", "is a header")),
        ('"Authorization": "Bearer {}"', ("ok", "is a header")),
        ("wss://livekit.example.com/rtc?access_token={}&auto_subscribe=1", ("ok", "is an address")),
        ("access_token={}", ("ok", "is an address")),
    ],
)
def test_what_is_copied_with_a_token_is_left_out(around: str, told: tuple[str, str] | None) -> None:
    """And said to be there: white space alone is not worth a word."""
    findings = explain(around.format(signed()), known([OURS]), NOW)
    assert is_well(findings)
    assert one(findings, "signature", "ok")
    if told is None:
        assert not [finding for finding in findings if finding.check == "input"]
    else:
        assert told[1] in one(findings, "input", told[0]).words


@pytest.mark.parametrize("between", [" ", "\n", "\r\n    ", "\u200b", "\xa0"])
@pytest.mark.parametrize("place", [10, 60, -10])
def test_a_token_in_several_pieces_is_told_from_a_wrong_one(between: str, place: int) -> None:
    """LiveKit refuses it, for that alone: its signature is right."""
    token = signed()
    findings = explained(token[:place] + between + token[place:])
    assert [finding.check for finding in findings if finding.verdict == "problem"] == ["input"]
    assert "in one piece" in one(findings, "input", "problem").fix


def test_an_address_alone_is_no_token() -> None:
    """However many dots it has."""
    (finding,) = explain("wss://livekit.example.com/rtc", known([OURS]), NOW)
    assert (finding.verdict, finding.words) == ("problem", "this is an address, without a token in it")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metadata": {"a": 1}}, "`metadata` must be a text"),
        ({"attributes": [1]}, "`attributes` must be an object"),
        ({"attributes": {"a": "b", "c": 1, "d": 2}}, "`attributes.*` must be a text"),
        ({"name": 5}, "`name` must be a text"),
        ({"kind": 5}, "`kind` must be a text"),
        ({"sha256": 5}, "`sha256` must be a text"),
        ({"aud": ["a", 5]}, "`aud` must be a text, or a list of texts"),
        ({"iat": "now"}, "`iat` must be a number of seconds"),
        ({"video": {**GRANTS, "canPublish": "true"}}, "`video.canPublish` must be true or false"),
        ({"video": {**GRANTS, "canSubscribe": 1}}, "`video.canSubscribe` must be true or false"),
        (
            {"video": {**GRANTS, "canPublishSources": "microphone"}},
            "`video.canPublishSources` must be a list",
        ),
        ({"video": {**GRANTS, "canPublishSources": ""}}, "`video.canPublishSources` must be a list"),
        ({"video": {**GRANTS, "canPublishSources": [1]}}, "`video.canPublishSources[]` must be a text"),
        ({"sip": []}, "`sip` must be an object"),
        ({"roomConfig": 1}, "`roomConfig` must be an object"),
        ({"roomConfig": {"agents": "x"}}, "`roomConfig.agents` must be a list"),
        ({"roomConfig": {"agents": ["x"]}}, "`roomConfig.agents[]` must be an object"),
        ({"roomConfig": {"agents": [{"agentName": 1}]}}, "`roomConfig.agents[].agentName` must be a text"),
        ({"roomConfig": {"emptyTimeout": "x"}}, "`roomConfig.emptyTimeout` must be a whole number"),
    ],
)
def test_what_is_of_another_type_is_refused(changes: dict[str, Any], words: str) -> None:
    """LiveKit refuses all of the token, which is said once, with how to write it."""
    problem = one(explained(signed(**changes)), "claims", "problem")
    assert problem.words == f"{words}: LiveKit refuses it"
    assert "write" in problem.fix


def test_what_is_null_is_not_there() -> None:
    """As LiveKit reads it."""
    claims = {"iss": KEY, "sub": "alice", "exp": NOW + 60, "metadata": None, "roomConfig": {"agents": None}}
    token = jwt.encode({**claims, "video": {**GRANTS, "canPublish": None}}, SECRET, "HS256")
    assert not [finding for finding in explained(token) if finding.check == "claims"]


@pytest.mark.parametrize("junk", ["=", "!!$", "+", ")"])
def test_a_signature_that_is_no_base64url_is_refused(junk: str) -> None:
    """Python's own decoder would skip the junk."""
    header, claims, signature = signed().split(".")
    for written_so in (f"{signature}{junk}", f"{signature[:10]}{junk}{signature[10:]}"):
        problem = one(explained(f"{header}.{claims}.{written_so}"), "signature", "problem")
        assert "base64url only" in problem.words


def test_what_only_python_takes_for_json_is_refused() -> None:
    """There is no NaN in JSON."""
    (finding,) = explained(signed(metadata=float("nan")))
    assert "its claims cannot be read" in finding.words


def test_a_secret_is_not_shown_by_halves() -> None:
    """A text is searched for secrets before it is cut; the longest one counts."""
    long = "long-throw-away-secret-" + "0123456789" * 12
    sly = signed(long, iss=long, name=f"it is {long}", video={**GRANTS, long: True})
    shown = report.as_lines(explain(sly, known([OURS], long[:12], long), NOW))
    assert long[:12] not in shown
    assert long[-12:] not in shown
    assert shown.count("[secret]") == 3


@pytest.mark.parametrize("secret", ["hunter2", "x"])
def test_a_short_secret_is_not_shown_as_a_value(secret: str) -> None:
    """Within a text it is a word like any other."""
    findings = explain(signed(sub=secret, name=f"my {secret}!"), known([OURS], secret), NOW)
    assert one(findings, "identity", "ok").words == 'joins as "[secret]"'
    assert one(findings, "name", "ok").words == f'others see "my {secret}!"'


def test_a_signature_that_is_cut_off_is_wrong() -> None:
    """It is one that cannot be read, or is another."""
    assert one(explained(signed()[:-3]), "signature", "problem")


def test_texts_of_a_token_are_made_fit_for_a_terminal() -> None:
    """Neither a colour nor a line of its own can be smuggled into the report."""
    sly = signed(sub="\x1b[31malice\nok       token", name="n" * 500)
    shown = report.as_lines(explained(sly))
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == len(explained(sly))
    assert "n" * 100 not in shown


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["iss", "sub", "nbf", "exp", "name", "video", "metadata", "roomConfig", "sip"])
GRANT_NAMES = st.sampled_from(["roomJoin", "room", "canPublish", "canPublishSources", "roomAdmin", "x"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(["alg", "typ", "kid"]), json_values),
    st.dictionaries(NAMES, json_values | st.dictionaries(GRANT_NAMES, json_values)),
)
def test_anything_can_be_explained(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """Whatever is in a token, it is explained in lines that can be printed."""
    findings = explain(written(header, claims), known([OURS]), NOW)
    shown = report.as_lines(findings, [SECRET])
    assert len(shown.splitlines()) == len(findings)
    assert json.loads(report.as_json(findings))["ok"] == is_well(findings)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
def test_any_text_can_be_explained(text: str) -> None:
    """Whatever somebody takes for a token."""
    assert explain(text, known([OURS]), NOW)
