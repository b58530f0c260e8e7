"""The whole examination, of environments where nobody need be asked; e2e has the rest."""

import sys
import threading
from pathlib import Path

import jwt
import pytest

from app import command_line
from app.doctor import examination
from app.doctor.finding import Finding
from app.settings.settings import Settings
from tests.support.server import KEY, SECRET

CREDENTIALS = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment without settings."""
    for name in (*Settings.model_fields, "no_color", "term"):
        monkeypatch.delenv(name.upper(), raising=False)


def examine(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[Finding]:
    """Examine a service of these variables; no secret may be in what is said."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    findings = list(examination.of_the_service().findings)
    said = " ".join(finding.words + finding.fix for finding in findings)
    assert SECRET not in said
    return findings


def said_of(findings: list[Finding], check: str) -> list[tuple[str, str]]:
    """List the verdicts and words of a check."""
    return [(finding.verdict, finding.words) for finding in findings if finding.check == check]


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[object, str]:
    """Run the command; give its exit status and what it printed."""
    monkeypatch.setattr(sys, "argv", ["app", "doctor", *arguments])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return ended.value.code, capsys.readouterr().out


def test_missing_credentials_are_a_problem_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable, and one of blanks, are as good as none."""
    findings = examine(monkeypatch, LIVEKIT_API_SECRET="  ")
    assert said_of(findings, "LIVEKIT_API_KEY") == [("problem", "is not set")]
    assert said_of(findings, "LIVEKIT_API_SECRET") == [("problem", "is not set")]


def test_good_credentials_are_told_by_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """And by nothing else."""
    findings = examine(monkeypatch, **CREDENTIALS)
    assert said_of(findings, "LIVEKIT_API_SECRET") == [("ok", f"is set, {len(SECRET)} bytes")]


@pytest.mark.filterwarnings("ignore:The HMAC key is")
@pytest.mark.parametrize(
    ("value", "verdict", "words"),
    [
        (f"{SECRET}\n", "warning", "white space around it"),
        (f" {SECRET}", "warning", "white space around it"),
        (f'"{SECRET}"', "problem", "quotation marks around it"),
        (f"'{SECRET}'", "problem", "quotation marks around it"),
        (f"{SECRET} {SECRET}", "problem", "white space or control characters within it"),
        (f"{SECRET}\nLIVEKIT_URL=", "problem", "white space or control characters within it"),
        (f"\ufeff{SECRET}", "problem", "white space or control characters within it"),
        (
            "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/livekit)",
            "problem",
            "not resolved",
        ),
        ("short-secret", "warning", "is weak, 12 bytes"),
    ],
)
def test_what_happened_to_a_secret_on_its_way_is_told(
    monkeypatch: pytest.MonkeyPatch, value: str, verdict: str, words: str
) -> None:
    """The settings strip white space: the doctor sees the variable as it is written."""
    findings = examine(monkeypatch, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=value)
    told = [(v, w) for v, w in said_of(findings, "LIVEKIT_API_SECRET") if v != "ok"]
    assert len(told) == 1
    assert (told[0][0], words in told[0][1]) == (verdict, True)
    assert value.strip() not in told[0][1]


def test_a_secret_that_is_no_text_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings refuse it, and nothing trips over it."""
    findings = examine(monkeypatch, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET="\udcff" * 40)
    assert said_of(findings, "LIVEKIT_API_SECRET") == [
        ("problem", "must be text in UTF-8"),
        ("problem", "is a key of another kind (PEM, SSH, JSON), or no text: nothing can be signed with it"),
    ]


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_development_credentials_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody knows them."""
    findings = examine(monkeypatch, LIVEKIT_API_KEY="devkey", LIVEKIT_API_SECRET="secret")
    assert any("livekit-server --dev" in words for _, words in said_of(findings, "LIVEKIT_API_SECRET"))


def test_each_variable_that_cannot_be_used_is_named_and_the_rest_is_examined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The service would not start; the doctor goes on with what can be used."""
    findings = examine(monkeypatch, PORT="hunter2", LIVEKIT_URL="hunter2", **CREDENTIALS)
    assert said_of(findings, "PORT") == [("problem", "must be a whole number")]
    assert said_of(findings, "LIVEKIT_URL")[0][0] == "problem"
    assert said_of(findings, "LIVEKIT_API_SECRET")[0][0] == "ok"
    assert said_of(findings, "AUTH")[0][0] == "warning"
    assert not said_of(findings, "settings")
    assert "hunter2" not in str(findings)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_host_that_nothing_can_listen_at_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """The service would not start."""
    findings = examine(monkeypatch, HOST="203.0.113.7", WORKERS=workers, **CREDENTIALS)
    assert said_of(findings, "HOST") == [
        ("problem", "must be a name or an address of this machine, or 0.0.0.0 for all it has")
    ]
    assert not said_of(findings, "settings")


def test_traces_without_opentelemetry_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is not installed."""
    monkeypatch.setitem(sys.modules, "app.operation.tracing", None)
    variables = {**CREDENTIALS, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    ((verdict, words),) = said_of(examine(monkeypatch, **variables), "OTEL_EXPORTER_OTLP_ENDPOINT")
    assert verdict == "problem"
    assert "install the wheel with its extra, [otel]" in words


def test_traces_that_can_be_sent_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, and no thread goes on."""
    before = threading.active_count()
    findings = examine(monkeypatch, **CREDENTIALS, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert said_of(findings, "settings") == [("ok", "can all be used")]
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----",
        '{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjA"}',
    ],
)
def test_a_secret_that_signs_nothing_is_a_problem(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """The service would not start, wherever its server is."""
    findings = examine(monkeypatch, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=secret)
    ((verdict, words),) = said_of(findings, "LIVEKIT_API_SECRET")
    assert (verdict, "a key of another kind" in words) == ("problem", True)


def test_without_a_server_there_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """`/token` works without it."""
    (told,) = said_of(examine(monkeypatch, **CREDENTIALS), "LIVEKIT_URL")
    assert told[0] == "warning"


@pytest.mark.parametrize(
    ("origins", "verdict", "words"),
    [
        ("", "warning", "pages of this machine in only"),
        ("http://127.0.0.1:1,http://[::1]:2", "warning", "pages of this machine in only"),
        ("*", "warning", "any web page"),
        ("http://localhost:4200,https://app.example.com", "ok", "https://app.example.com"),
    ],
)
def test_who_may_read_the_answers_is_told(
    monkeypatch: pytest.MonkeyPatch, origins: str, verdict: str, words: str
) -> None:
    """A page on another origin sees nothing of them."""
    (told,) = said_of(examine(monkeypatch, CORS_ALLOWED_ORIGINS=origins), "CORS_ALLOWED_ORIGINS")
    assert (told[0], words in told[1]) == (verdict, True)


def test_an_issuer_without_tls_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that is not there is a problem."""
    findings = examine(monkeypatch, AUTH="oidc", OIDC_ISSUER="http://issuer.invalid", OIDC_AUDIENCE="a")
    assert said_of(findings, "AUTH") == [("ok", "is oidc")]
    assert [verdict for verdict, _ in said_of(findings, "OIDC_ISSUER")] == ["warning", "problem"]
    assert "leads nowhere" in said_of(findings, "OIDC_ISSUER")[1][1]


def test_a_key_file_is_where_the_credentials_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each of its keys counts; the first one's secret may be weak."""
    file = tmp_path / "keys.yaml"
    file.write_text(f"{KEY}: {SECRET}\nother: short\n")
    findings = examine(monkeypatch, LIVEKIT_KEYS_FILE=str(file))
    assert said_of(findings, "LIVEKIT_KEYS_FILE")[0] == ("ok", "credentials are read, 2 keys")
    assert "is weak" in said_of(findings, "LIVEKIT_KEYS_FILE")[1][1]
    assert not said_of(findings, "LIVEKIT_API_SECRET")


def test_a_key_file_is_read_whatever_else_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody is told to set what is in a file."""
    file = tmp_path / "keys.yaml"
    file.write_text(f"{KEY}: {SECRET}\n")
    findings = examine(monkeypatch, LIVEKIT_KEYS_FILE=str(file), LIVEKIT_URL="hunter2")
    assert said_of(findings, "LIVEKIT_KEYS_FILE") == [("ok", "credentials are read, 1 key")]
    assert not said_of(findings, "LIVEKIT_API_KEY")


def test_a_secret_alone_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The key is in the environment then."""
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    findings = examine(monkeypatch, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET_FILE=str(file))
    assert said_of(findings, "LIVEKIT_API_KEY") == [("ok", "credentials are read, 1 key")]
    assert said_of(findings, "LIVEKIT_API_SECRET_FILE") == [("ok", "credentials are read, 1 key")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f'"{SECRET}"\n', "has quotation marks around it"),
        (f"{SECRET[:9]} {SECRET[9:]}", "has white space or control characters within it"),
    ],
)
def test_what_happened_to_a_secret_on_its_way_into_a_file_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, words: str
) -> None:
    """As it is of a variable."""
    file = tmp_path / "secret"
    file.write_text(content)
    findings = examine(monkeypatch, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET_FILE=str(file))
    ((verdict, told),) = said_of(findings, "LIVEKIT_API_SECRET_FILE")
    assert (verdict, words in told) == ("problem", True)
    assert said_of(findings, "LIVEKIT_API_KEY") == [("ok", "credentials are read, 1 key")]


def test_what_happened_to_several_secrets_of_a_file_is_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """YAML takes one pair of quotation marks away, and not two."""
    file = tmp_path / "keys.yaml"
    file.write_text(f"""{KEY}: '"{SECRET}"'\nother: '"{SECRET}"'\nthird: '{SECRET}'\n""")
    ((verdict, told),) = said_of(examine(monkeypatch, LIVEKIT_KEYS_FILE=str(file)), "LIVEKIT_KEYS_FILE")
    assert (verdict, "quotation marks" in told) == ("problem", True)


def test_a_file_that_is_not_there_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is named by its variable."""
    findings = examine(monkeypatch, LIVEKIT_KEYS_FILE=str(tmp_path / "nothing"))
    assert said_of(findings, "LIVEKIT_KEYS_FILE") == [("problem", "there is no such file")]


def test_the_exit_status_says_whether_there_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Warnings alone are 0; what is not a terminal gets no colours."""
    status, shown = run(monkeypatch, capsys)
    assert status == 1
    assert "\x1b" not in shown
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    status, shown = run(monkeypatch, capsys)
    assert status == 0
    assert "warning  AUTH" in shown


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_colours_unless_it_wants_none(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    *,
    coloured: bool,
) -> None:
    """NO_COLOR and a terminal that can show none are heeded."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert ("\x1b[31mproblem" in run(monkeypatch, capsys)[1]) == coloured


@pytest.mark.parametrize("quoted", ["{}", '"{}"'])
def test_a_token_that_holds_the_secret_does_not_tell_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quoted: str
) -> None:
    """Whoever signs has swapped key and secret; the variable may have it in quotation marks."""
    secret = "long-throw-away-secret-" + "0123456789" * 12
    monkeypatch.setenv("LIVEKIT_API_KEY", KEY)
    monkeypatch.setenv("LIVEKIT_API_SECRET", quoted.format(secret))
    token = jwt.encode({"iss": secret, "sub": "alice"}, secret, "HS256")
    _, shown = run(monkeypatch, capsys, "--token", token)
    assert secret[:12] not in shown
    assert 'signed for "[secret]"' in shown


def test_a_token_on_the_command_line_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the credentials of the environment; nothing else is looked at."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    token = jwt.encode({"iss": KEY, "sub": "alice", "exp": 9, "video": {"roomJoin": True}}, SECRET, "HS256")
    status, shown = run(monkeypatch, capsys, "--token", token)
    assert status == 1
    assert "ok       signature" in shown
    assert "1970-01-01T00:00:09Z" in shown
    assert "AUTH" not in shown
    assert not any(part in shown for part in token.split("."))
