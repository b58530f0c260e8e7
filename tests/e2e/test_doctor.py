"""An operator runs the doctor against real servers, in each state that they can be in."""

import json
import os
import pty
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import jwt
import pytest

from app.doctor import livekit as livekit_checks
from app.doctor.credentials import Source
from app.settings.settings import Settings
from app.tokens.credentials import Credentials
from tests.e2e.livekit_server import LiveKitServer
from tests.e2e.openid_provider import OpenIdProvider
from tests.e2e.redis_server import RedisServer
from tests.support.process import COMMAND, DEADLINE_SECONDS, ROOT, environment, free_port, run
from tests.support.server import KEY, SECRET, serve
from tests.support.stand_in import livekit_ahead, standing_in, write_certificate

OTHER_SECRET = "another-throw-away-secret-of-the-test-suite"


class Diagnosis:
    """What the command printed, without a secret and without a token in it."""

    def __init__(self, *arguments: str, given: str | None = None, **variables: str) -> None:
        """Run the command in an environment of these variables; `given` is its standard input."""
        ended = run("doctor", "--json", *arguments, given=given, **variables)
        # Nothing but the findings: no traceback, no log line, no warning.
        assert ended.stderr == ""
        told = json.loads(ended.stdout)
        assert ended.returncode == (0 if told["ok"] else 1)
        assert "eyJ" not in ended.stdout
        for secret in (variables.get("LIVEKIT_API_SECRET", "").strip(), SECRET, OTHER_SECRET):
            assert not secret or secret not in ended.stdout
        self.ok: bool = told["ok"]
        self.findings: list[dict[str, str]] = told["findings"]

    def of(self, check: str) -> tuple[str, str]:
        """Find the verdict and the words of a check, of which there is one finding."""
        (found,) = [finding for finding in self.findings if finding["check"] == check]
        return found["verdict"], found["words"]

    @property
    def problems(self) -> list[str]:
        """List the checks that found a problem."""
        return [finding["check"] for finding in self.findings if finding["verdict"] == "problem"]


def variables_of(server: LiveKitServer, **changes: str) -> dict[str, str]:
    """Make the environment of a service for a server."""
    return {
        "LIVEKIT_URL": server.url,
        "LIVEKIT_API_KEY": server.key,
        "LIVEKIT_API_SECRET": server.secret,
        **changes,
    }


def test_all_is_well(livekit: LiveKitServer) -> None:
    """The server accepts the token; what is a matter of taste is a warning."""
    found = Diagnosis(**variables_of(livekit))
    assert found.ok
    assert found.of("token") == ("ok", "the server accepts one that LIVEKIT_API_SECRET signs")
    for check in ("settings", "LIVEKIT_URL", "DNS", "connection", "LiveKit", "clock"):
        assert found.of(check)[0] == "ok", check
    assert {f["check"] for f in found.findings if f["verdict"] == "warning"} == {
        "AUTH",
        "CORS_ALLOWED_ORIGINS",
    }


def test_the_longest_way_to_write_the_url_works(livekit: LiveKitServer) -> None:
    """As the service, the doctor takes http:// and a slash at the end."""
    assert Diagnosis(**variables_of(livekit, LIVEKIT_URL=f"{livekit.http_url}/")).ok


def test_a_wrong_secret_is_diagnosed(livekit: LiveKitServer) -> None:
    """The key is known, the server is there, and the clocks are right."""
    found = Diagnosis(**variables_of(livekit, LIVEKIT_API_SECRET=OTHER_SECRET))
    assert found.problems == ["token"]
    assert found.of("token")[1] == "refused: LIVEKIT_API_SECRET is not the secret of that key"


def test_a_secret_that_was_copied_badly_is_diagnosed(livekit: LiveKitServer) -> None:
    """White space around it does no harm, and quotation marks do."""
    found = Diagnosis(**variables_of(livekit, LIVEKIT_API_SECRET=f"{livekit.secret}\n"))
    assert found.ok
    assert found.of("LIVEKIT_API_SECRET")[0] == "warning"
    found = Diagnosis(**variables_of(livekit, LIVEKIT_API_SECRET=f'"{livekit.secret}"'))
    assert found.problems == ["LIVEKIT_API_SECRET", "token"]


def test_an_unknown_key_is_diagnosed(livekit: LiveKitServer) -> None:
    """It is told from a wrong secret."""
    found = Diagnosis(**variables_of(livekit, LIVEKIT_API_KEY="APIother"))
    assert found.problems == ["token"]
    assert found.of("token")[1] == "refused: the server does not know the key of LIVEKIT_API_KEY"


def test_a_swapped_key_and_secret_are_no_leak(livekit: LiveKitServer) -> None:
    """The secret in the place of the key is shown as little."""
    swapped = {"LIVEKIT_API_KEY": livekit.secret, "LIVEKIT_API_SECRET": livekit.key}
    found = Diagnosis(**variables_of(livekit, **swapped))
    assert found.problems == ["token"]
    assert livekit.secret not in str(found.findings)


def test_a_server_that_is_down_is_diagnosed(livekit: LiveKitServer) -> None:
    """Nothing listens there."""
    found = Diagnosis(**variables_of(livekit, LIVEKIT_URL=f"ws://127.0.0.1:{free_port()}"))
    assert found.problems == ["connection"]
    assert "refused" in found.of("connection")[1]


def test_a_host_that_does_not_exist_is_diagnosed(livekit: LiveKitServer) -> None:
    """The name leads nowhere."""
    found = Diagnosis(**variables_of(livekit, LIVEKIT_URL="wss://livekit.invalid"))
    assert found.problems == ["DNS"]


def test_another_server_is_diagnosed(livekit: LiveKitServer, settings: Settings) -> None:
    """The port may be wrong: this is the token service itself, which is no LiveKit server."""
    with serve(settings) as url:
        found = Diagnosis(**variables_of(livekit, LIVEKIT_URL=url))
    assert found.problems == ["LiveKit"]
    assert "not a LiveKit server: 404" in found.of("LiveKit")[1]


def test_tls_where_there_is_none_is_diagnosed(livekit: LiveKitServer) -> None:
    """The scheme is wrong: LiveKit itself serves without TLS."""
    found = Diagnosis(**variables_of(livekit, LIVEKIT_URL=livekit.url.replace("ws://", "wss://")))
    assert found.problems == ["TLS"]
    assert "does not speak TLS" in found.of("TLS")[1]


def test_a_self_signed_certificate_is_diagnosed(tmp_path: Path) -> None:
    """And one that the operator trusts is not."""
    certificate = write_certificate(tmp_path / "certificate.pem")
    with standing_in(livekit_ahead(0, SECRET), certificate) as authority:
        variables = {
            "LIVEKIT_URL": f"wss://{authority}",
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
        }
        found = Diagnosis(**variables)
        assert found.problems == ["TLS"]
        assert "self-signed" in found.of("TLS")[1]
        assert Diagnosis(**variables, SSL_CERT_FILE=str(certificate)).ok


@pytest.mark.parametrize(("behind", "token"), [(30, "ok"), (600, "problem"), (-600, "problem")])
async def test_a_skewed_clock_is_diagnosed(livekit: LiveKitServer, behind: float, token: str) -> None:
    """The real server, and a clock here that is wrong: told from a wrong secret."""
    source = Source(Credentials(livekit.key, livekit.secret), "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
    findings = await livekit_checks.examine(livekit.url, [source], lambda: time.time() - behind)
    found = {finding.check: finding for finding in findings}
    assert found["clock"].verdict == ("warning" if token == "ok" else "problem")
    assert found["token"].verdict == token
    if token == "problem":
        assert "because the clocks differ" in found["token"].words


def test_a_server_with_another_clock_is_diagnosed() -> None:
    """The process cannot tell which clock is wrong, and says by how much they differ."""
    with standing_in(livekit_ahead(600, SECRET)) as authority:
        found = Diagnosis(LIVEKIT_URL=f"ws://{authority}", LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET)
    assert found.problems == ["clock", "token"]
    assert found.of("clock")[1] in {f"the clock here is {s} s behind the server's" for s in (599, 600, 601)}


def test_each_key_of_a_file_is_tried(livekit: LiveKitServer, tmp_path: Path) -> None:
    """The first one must be accepted; a later one that is not is a warning."""
    file = tmp_path / "keys.yaml"
    file.write_text(f"{livekit.key}: {livekit.secret}\nAPIother: {OTHER_SECRET}\n")
    found = Diagnosis(LIVEKIT_URL=livekit.url, LIVEKIT_KEYS_FILE=str(file))
    assert [f["verdict"] for f in found.findings if f["check"] == "token"] == ["ok", "warning"]
    file.write_text(f"APIother: {OTHER_SECRET}\n{livekit.key}: {livekit.secret}\n")
    found = Diagnosis(LIVEKIT_URL=livekit.url, LIVEKIT_KEYS_FILE=str(file))
    assert [f["verdict"] for f in found.findings if f["check"] == "token"] == ["problem", "ok"]


def of_an_issuer(provider: OpenIdProvider, **changes: str) -> dict[str, str]:
    """Make the environment of a service whose callers have an issuer."""
    return {
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "AUTH": "oidc",
        "OIDC_ISSUER": provider.issuer,
        "OIDC_AUDIENCE": provider.audience,
        **changes,
    }


def test_an_issuer_is_asked_for_its_keys(openid_provider: OpenIdProvider) -> None:
    """A real one that is there, that is named in another way, and that is gone."""
    found = Diagnosis(**of_an_issuer(openid_provider))
    assert found.ok
    assert found.of("OIDC_ISSUER")[1].startswith("the issuer answers, with ")
    found = Diagnosis(**of_an_issuer(openid_provider, OIDC_ISSUER=f"{openid_provider.issuer}/"))
    assert found.problems == ["OIDC_ISSUER"]
    assert "calls itself otherwise" in found.of("OIDC_ISSUER")[1]
    openid_provider.stop()
    found = Diagnosis(**of_an_issuer(openid_provider))
    assert found.problems == ["OIDC_ISSUER"]
    assert "refused" in found.of("OIDC_ISSUER")[1]


def test_an_issuer_that_does_not_answer_is_not_waited_for(openid_provider: OpenIdProvider) -> None:
    """Its silence is told from a refused connection."""
    openid_provider.freeze()
    found = Diagnosis(**of_an_issuer(openid_provider))
    assert "does not answer in time" in found.of("OIDC_ISSUER")[1]


def of_redis(url: str) -> Diagnosis:
    """Examine a service that counts there."""
    return Diagnosis(
        LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, RATE_LIMIT="9/minute", RATE_LIMIT_STORAGE=url
    )


def test_redis_counts(redis: RedisServer) -> None:
    """A real one."""
    assert of_redis(redis.url).of("RATE_LIMIT_STORAGE") == ("ok", "Redis counts")


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (RedisServer.kill, "the connection is refused"),
        (RedisServer.freeze, "does not answer in time"),
    ],
)
def test_redis_away_is_diagnosed(redis: RedisServer, away: Callable[[RedisServer], None], words: str) -> None:
    """Gone, or hung."""
    away(redis)
    found = of_redis(redis.url)
    assert found.problems == ["RATE_LIMIT_STORAGE"]
    assert words in found.of("RATE_LIMIT_STORAGE")[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("redis://", "redis://:hunter2@"), "refuses user or password"),
        (("redis://", "redis://someone:hunter2@"), "refuses user or password"),
        (("/0", "/999"), "answers with an error"),
        (("redis://", "rediss://"), "if it has no TLS, write redis://"),
    ],
)
def test_a_redis_that_refuses_is_diagnosed(redis: RedisServer, change: tuple[str, str], words: str) -> None:
    """A wrong password, a wrong database, and TLS where there is none; the password is not shown."""
    found = of_redis(redis.url.replace(*change))
    assert found.problems == ["RATE_LIMIT_STORAGE"]
    (told,) = [finding for finding in found.findings if finding["check"] == "RATE_LIMIT_STORAGE"]
    assert words in told["words"] + told["fix"]
    assert "hunter2" not in str(found.findings)


def test_a_token_of_the_service_is_explained(livekit: LiveKitServer, tokens_api: httpx.Client) -> None:
    """Through standard input, where no other user sees it."""
    body = {"roomName": "room-1", "participantIdentity": "alice"}
    token = tokens_api.post("/token", json=body).json()["token"]
    found = Diagnosis("--token", "-", given=f"{token}\n", **variables_of(livekit))
    assert {finding["verdict"] for finding in found.findings} == {"ok"}
    assert found.of("room")[1] == 'may join "room-1"'
    found = Diagnosis("--token", token, **variables_of(livekit, LIVEKIT_API_SECRET=OTHER_SECRET))
    assert found.problems == ["signature"]


def test_a_terminal_need_not_have_every_letter(livekit: LiveKitServer) -> None:
    """What it lacks is replaced, and is no traceback."""
    token = jwt.encode({"iss": livekit.key, "sub": "Zo\xeb\u2026"}, livekit.secret, "HS256")
    found = Diagnosis("--token", "-", given=token, **variables_of(livekit, PYTHONIOENCODING="ascii"))
    assert found.of("identity") == ("ok", 'joins as "Zo??"')


@pytest.mark.parametrize(
    "amiss",
    [
        {},
        {"video": {"room": "room-1"}},
        {"video": {"roomJoin": True}},
        {"video": {}},
        {"exp": 1_000_000_000},
        {"nbf": 4_000_000_000, "exp": 4_000_000_600},
        {"sub": ""},
        {"sub": "s" * 257},
        {"iss": "APIother"},
        {"iss": ""},
        {"video": {"roomJoin": True, "room": "r" * 257}},
        {"video": {"roomJoin": True, "room": 5}},
        {"video": {"roomJoin": True, "room": "room-1", "canPublish": "true"}},
        {"video": {"roomJoin": True, "room": "room-1", "canSubscribe": 1}},
        {"video": {"roomJoin": True, "room": "room-1", "canPublishSources": "camera"}},
        {"metadata": {"a": 1}},
        {"attributes": {"a": 1}},
        {"attributes": []},
        {"name": 5},
        {"kind": 5},
        {"sha256": 5},
        {"iat": "now"},
        {"roomConfig": {"agents": "x"}},
        {"roomConfig": {"agents": [{"agentName": 5}]}},
        {"roomConfig": {"emptyTimeout": "x"}},
    ],
)
def test_what_livekit_refuses_is_amiss(
    livekit: LiveKitServer, livekit_http: httpx.Client, amiss: dict[str, object]
) -> None:
    """The real server and the explanation are of one opinion."""
    good = {
        "iss": livekit.key,
        "sub": "alice",
        "exp": int(time.time()) + 600,
        "video": {"roomJoin": True, "room": "room-1"},
    }
    token = jwt.encode({**good, **amiss}, livekit.secret, "HS256")
    assert_of_one_opinion(livekit, livekit_http, token, accepted=not amiss)


@pytest.mark.parametrize("junk", ["=", "!!$", "+"])
def test_a_signature_that_livekit_cannot_read_is_amiss(
    livekit: LiveKitServer, livekit_http: httpx.Client, junk: str
) -> None:
    """It is right but for what does not belong there."""
    claims = {"iss": livekit.key, "sub": "alice", "exp": int(time.time()) + 600}
    grants = {"roomJoin": True, "room": "room-1", "canPublish": None}
    token = jwt.encode({**claims, "video": grants, "metadata": None}, livekit.secret, "HS256")
    assert_of_one_opinion(livekit, livekit_http, token, accepted=True)
    assert_of_one_opinion(livekit, livekit_http, token + junk, accepted=False)


def assert_of_one_opinion(server: LiveKitServer, client: httpx.Client, token: str, *, accepted: bool) -> None:
    """Have the real server and the doctor judge a token."""
    verdict = client.get("/rtc/validate", headers={"Authorization": f"Bearer {token}"})
    assert (verdict.status_code == 200) == accepted, verdict.text
    assert Diagnosis("--token", "-", given=token, **variables_of(server)).ok == accepted


def test_a_terminal_shows_lines_in_colours() -> None:
    """Where it wants none, the lines are plain, as in a pipe."""

    def shown(**variables: str) -> str:
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [*COMMAND, "doctor"], cwd=ROOT, env=environment(TERM="xterm", **variables), stdout=follower
        )
        os.close(follower)
        process.wait(DEADLINE_SECONDS)
        text = os.read(leader, 1 << 16).decode()
        os.close(leader)
        return text

    assert "\x1b[31mproblem \x1b[0m LIVEKIT_API_KEY" in shown()
    assert "\x1b" not in shown(NO_COLOR="1")
