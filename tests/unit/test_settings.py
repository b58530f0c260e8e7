"""What the environment may say."""

import re
from pathlib import Path

import pytest
from limits import parse
from pydantic import ValidationError

from app.settings.reading import InvalidSettings
from app.settings.settings import Settings
from tests.support.contract import schema

DIGEST = f"backend:{'0a' * 32}"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_defaults_are_those_of_a_laptop() -> None:
    """An empty environment starts on loopback, for a development frontend, without credentials."""
    settings = Settings.from_environment()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 7071, 1)
    assert settings.cors_allowed_origins == ("http://localhost:4200",)
    assert settings.missing_credentials == ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
    assert settings.livekit_can_publish_data
    assert settings.swagger_ui
    assert not settings.validate_responses
    assert settings.livekit_publish_sources == ("microphone",)
    assert settings.livekit_agents is None
    assert settings.token_ttl_seconds == 3600


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents and sources are written without JSON, like origins."""
    monkeypatch.setenv("LIVEKIT_AGENTS", " concierge, interpreter ,")
    monkeypatch.setenv("LIVEKIT_PUBLISH_SOURCES", "microphone,camera,microphone")
    settings = Settings.from_environment()
    assert settings.livekit_agents == ("concierge", "interpreter")
    for text in ("null", "123", "true", '["a"]', '"a"'):
        monkeypatch.setenv("LIVEKIT_AGENTS", text)
        assert Settings.from_environment().livekit_agents == (text,)
    assert settings.livekit_publish_sources == ("microphone", "camera")


def test_the_lifetime_has_the_limits_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a caller of `/token` may choose is what an operator may."""
    rule = schema("TokenRequest")["properties"]["expirationSeconds"]
    assert Settings.from_environment().token_ttl_seconds == rule["default"]
    for seconds in (rule["minimum"], rule["maximum"]):
        monkeypatch.setenv("TOKEN_TTL_SECONDS", str(seconds))
        assert Settings.from_environment().token_ttl_seconds == seconds
    for seconds in (rule["minimum"] - 1, rule["maximum"] + 1):
        monkeypatch.setenv("TOKEN_TTL_SECONDS", str(seconds))
        with pytest.raises(InvalidSettings):
            Settings.from_environment()


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files and CI systems pass empty variables on."""
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "")
    assert Settings.from_environment() == Settings()


@pytest.mark.parametrize("blank", [" ", "\n"])
def test_blank_credentials_are_missing(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    """White space is no secret."""
    monkeypatch.setenv("LIVEKIT_API_KEY", blank)
    monkeypatch.setenv("LIVEKIT_API_SECRET", blank)
    assert Settings.from_environment().missing_credentials == ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")


VAULT_REFERENCES = [
    "@Microsoft.KeyVault(SecretUri=https://vault.example.com/secrets/livekit)",
    " @microsoft.keyvault(VaultName=vault;SecretName=livekit)",
    # Which Azure does not take for one.
    "'@Microsoft.KeyVault(VaultName=vault;SecretName=livekit)'",
    "@Microsoft.KeyVault (VaultName=vault;SecretName=livekit)",
]


@pytest.mark.parametrize("reference", VAULT_REFERENCES)
@pytest.mark.parametrize("name", ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"])
def test_a_reference_to_a_vault_is_no_credential(
    monkeypatch: pytest.MonkeyPatch, name: str, reference: str
) -> None:
    """Azure leaves it as it is where it cannot resolve it; nothing is signed with it, or named by it."""
    monkeypatch.setenv("LIVEKIT_API_KEY", "key")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "secret")
    assert not Settings.from_environment().unresolved_credentials
    monkeypatch.setenv(name, reference)
    settings = Settings.from_environment()
    assert getattr(settings, name.lower()) is None
    assert settings.missing_credentials == settings.unresolved_credentials == (name,)


@pytest.mark.parametrize(
    "name", sorted(map(str.upper, Settings.model_fields.keys() - {"livekit_api_key", "livekit_api_secret"}))
)
def test_any_other_setting_that_is_a_reference_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It may be what keeps callers out: the service does not start with something else."""
    monkeypatch.setenv(name, VAULT_REFERENCES[0])
    with pytest.raises(InvalidSettings, match=rf"{name}: is a Key Vault reference that was not resolved"):
        Settings.from_environment()


def test_white_space_around_credentials_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that was read from a file often ends in a newline."""
    monkeypatch.setenv("LIVEKIT_API_KEY", " key\n")
    monkeypatch.setenv("LIVEKIT_API_SECRET", " secret\n")
    settings = Settings.from_environment()
    assert settings.livekit_api_key == "key"
    assert settings.livekit_api_secret is not None
    assert settings.livekit_api_secret.get_secret_value() == "secret"
    assert settings.missing_credentials == ()


def test_the_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither `repr` nor a dump shows the secret."""
    monkeypatch.setenv("LIVEKIT_API_SECRET", "hunter2")
    settings = Settings.from_environment()
    assert "hunter2" not in repr(settings) + str(settings.model_dump())


def test_the_log_level_may_be_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs take it in lower case."""
    monkeypatch.setenv("LOG_LEVEL", "warning")
    assert Settings.from_environment().log_level == "WARNING"


def test_settings_cannot_change() -> None:
    """Settings are read once."""
    settings = Settings.from_environment()
    with pytest.raises(ValidationError):
        settings.port = 1


@pytest.mark.parametrize(
    ("configured", "served"),
    [
        ("wss://lk.example", "wss://lk.example"),
        ("ws://localhost:7880", "ws://localhost:7880"),
        ("https://lk.example/rtc", "wss://lk.example/rtc"),
        ("https://lk.example/a%20b", "wss://lk.example/a%20b"),
        ("WSS://lk.example", "wss://lk.example"),
        ("wss://[::1]:7880", "wss://[::1]:7880"),
        ("http://127.0.0.1:7880", "ws://127.0.0.1:7880"),
    ],
)
def test_the_livekit_url_is_a_websocket_url(
    monkeypatch: pytest.MonkeyPatch, configured: str, served: str
) -> None:
    """What was http is turned into ws, https into wss: it is what frontends connect to."""
    monkeypatch.setenv("LIVEKIT_URL", configured)
    assert Settings.from_environment().livekit_url == served


@pytest.mark.parametrize(
    ("configured", "origins"),
    [
        ("*", ("*",)),
        ("https://a.example", ("https://a.example",)),
        (" https://a.example , http://b.example:8080,", ("https://a.example", "http://b.example:8080")),
        ("capacitor://localhost", ("capacitor://localhost",)),
    ],
)
def test_origins_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, configured: str, origins: tuple[str, ...]
) -> None:
    """The allow-list is written without JSON."""
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", configured)
    assert Settings.from_environment().cors_allowed_origins == origins


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "hunter2"),
        ("HOST", " "),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("WORKERS", "0"),
        ("BODY_TIMEOUT_SECONDS", "0"),
        ("LIVEKIT_URL", "hunter2"),
        ("LIVEKIT_URL", "ftp://hunter2"),
        ("LIVEKIT_URL", "wss://"),
        ("LIVEKIT_URL", "wss://lk.example/%zz"),
        ("LIVEKIT_URL", "wss://lk.example/a%2"),
        ("LIVEKIT_AGENTS", "con\u2028cierge"),
        ("LIVEKIT_URL", "wss://lk.example?access_token=hunter2"),
        ("LIVEKIT_URL", "wss://lk.example/?access_token=hunter2"),
        ("LIVEKIT_URL", "wss://lk.example/#hunter2"),
        ("LIVEKIT_URL", "wss://user:hunter2@lk.example"),
        ("LIVEKIT_URL", "wss://lk.example/hunter2 x"),
        ("LIVEKIT_URL", "wss://lk.example/" + "x" * 2048),
        ("SWAGGER_UI", "hunter2"),
        ("LIVEKIT_PUBLISH_SOURCES", "mic"),
        ("LIVEKIT_PUBLISH_SOURCES", "microphone,hunter2"),
        ("LIVEKIT_PUBLISH_SOURCES", ","),
        ("TOKEN_TTL_SECONDS", "1h"),
        ("LIVEKIT_AGENTS", " "),
        ("LIVEKIT_AGENTS", ","),
        ("LIVEKIT_AGENTS", "a,b\nc"),
        ("LIVEKIT_AGENTS", "a" * 129),
        ("LIVEKIT_API_KEY", "k" * 257),
        ("LIVEKIT_URL", "wss://lk.example:99999"),
        ("LIVEKIT_URL", 'wss://lk.example/"<x>'),
        ("LOG_LEVEL", "hunter2"),
        ("CORS_ALLOWED_ORIGINS", "a.example"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example/"),
        ("CORS_ALLOWED_ORIGINS", "https://A.example"),
        ("CORS_ALLOWED_ORIGINS", "https://hunter2.example/path"),
        ("CORS_ALLOWED_ORIGINS", "*,https://a.example"),
        ("CORS_ALLOWED_ORIGINS", "https://*.example"),
        ("CORS_ALLOWED_ORIGINS", "null"),
        ("CORS_ALLOWED_ORIGINS", ","),
        ("CORS_ALLOWED_ORIGINS", "https://a.example:443"),
        ("CORS_ALLOWED_ORIGINS", "http://a.example:80"),
        ("LIVEKIT_URL", "wss://lk.example:x"),
        ("ROOT_PATH", "hunter2"),
        ("ROOT_PATH", "/hunter2/"),
        ("ROOT_PATH", "/"),
        ("ROOT_PATH", "//hunter2"),
        ("ROOT_PATH", "/a b"),
        ("ROOT_PATH", "/a/../hunter2"),
        ("ROOT_PATH", "/."),
        ("ROOT_PATH", "https://hunter2.example/voice"),
        ("MAX_TOKEN_TTL_SECONDS", "59"),
        ("MAX_TOKEN_TTL_SECONDS", "86401"),
        ("ROOM_NAME_PREFIX", "hunter 2"),
        ("ROOM_NAME_PREFIX", "hunter2/"),
        ("ROOM_NAME_PREFIX", "hunter2."),
        ("ROOM_NAME_PREFIX", "x" * 129),
        ("AUTH", "hunter2"),
        ("AUTH", "none,oidc"),
        ("AUTH", "none,none"),
        ("AUTH", "oidc+api-key"),
        ("AUTH", "OIDC"),
        ("AUTH", ","),
        ("AUTH", " "),
        ("OIDC_ISSUER", "hunter2"),
        ("OIDC_ISSUER", "ftp://hunter2.example"),
        ("OIDC_ISSUER", "https://"),
        ("OIDC_ISSUER", "https://user:hunter2@login.example"),
        ("OIDC_ISSUER", "https://login.example?hunter2"),
        ("OIDC_ISSUER", "https://login.example:99999"),
        ("OIDC_AUDIENCE", "x" * 513),
        ("OIDC_ALGORITHMS", "HS256"),
        ("OIDC_ALGORITHMS", "RS256,none"),
        ("OIDC_ALGORITHMS", "rs256"),
        ("OIDC_ALGORITHMS", ","),
        ("OIDC_IDENTITY_CLAIM", " "),
        ("OIDC_IDENTITY_CLAIM", "x" * 129),
        ("OIDC_NAME_CLAIM", " "),
        ("OIDC_ROOMS_CLAIM", "x" * 129),
        ("API_KEY_DIGESTS", "hunter2"),
        ("API_KEY_DIGESTS", f"hunter2:{'0' * 63}"),
        ("API_KEY_DIGESTS", f"hunter2:{'0' * 65}"),
        ("API_KEY_DIGESTS", f"hunter2:{'g' * 64}"),
        ("API_KEY_DIGESTS", f":{'0' * 64}"),
        ("API_KEY_DIGESTS", f"hunter 2:{'0' * 64}"),
        ("API_KEY_DIGESTS", f"{'x' * 65}:{'0' * 64}"),
        ("API_KEY_DIGESTS", f"{DIGEST},hunter2"),
        ("API_KEY_DIGESTS", "hunter2:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("API_KEY_DIGESTS_FILE", "/hunter2/is/not/there"),
        ("API_KEY_DIGESTS_FILE", "/"),
        ("API_KEY_DIGESTS_FILE", "/dev/null"),
        ("RATE_LIMIT", "hunter2"),
        ("RATE_LIMIT", "0/minute"),
        ("RATE_LIMIT", "-1/minute"),
        ("RATE_LIMIT", "60"),
        ("RATE_LIMIT", "60/fortnight"),
        ("RATE_LIMIT", "60/minute;1000/day"),
        ("RATE_LIMIT", "60/0 minutes"),
        ("RATE_LIMIT_TOTAL", "99999999/minute"),
        ("RATE_LIMIT_STORAGE", "hunter2"),
        ("RATE_LIMIT_STORAGE", "memory://hunter2"),
        ("RATE_LIMIT_STORAGE", "memcached://hunter2"),
        ("RATE_LIMIT_STORAGE", "redis://"),
        ("RATE_LIMIT_STORAGE", "redis://localhost:0"),
        ("RATE_LIMIT_STORAGE", "redis://[:::]"),
        ("RATE_LIMIT_STORAGE", "redis://:hun[ter2@localhost"),
        ("RATE_LIMIT_STORAGE", "redis://:hunter2\u2100x@localhost"),
        ("OIDC_ISSUER", "http://[zz]"),
        ("LIVEKIT_URL", "ws://[zz]"),
        ("RATE_LIMIT_STORAGE", "redis://:hunter2@redis.example:99999"),
        ("RATE_LIMIT_STORAGE", "redis://:hunter2@redis.example?socket_timeout=9"),
        ("FORWARDED_ALLOW_IPS", "hunter2.example"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1/8"),
        ("FORWARDED_ALLOW_IPS", "*,10.0.0.1"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """The variable is named, its value is not shown."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings, match=f"^{variable}: ") as caught:
        Settings.from_environment()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PORT", "x", "must be a whole number"),
        ("PORT", "1.5", "must be a whole number"),
        ("PORT", "65536", "must be at most 65535"),
        ("WORKERS", "0", "must be at least 1"),
        ("WORKERS", "9" * 5000, "must be a whole number of fewer digits"),
        ("TOKEN_TTL_SECONDS", "86401", "must be at most 86400"),
        ("LIVEKIT_API_KEY", "\udcff", "must be text in UTF-8"),
        ("HOST", "\udcff", "must be text in UTF-8"),
        ("BODY_TIMEOUT_SECONDS", "x", "must be a number"),
        ("BODY_TIMEOUT_SECONDS", "0", "must be more than 0"),
        ("SWAGGER_UI", "maybe", "must be true or false"),
        ("LOG_LEVEL", "loud", "must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("LIVEKIT_API_KEY", "k" * 257, "must be at most 256 characters"),
        ("ROOT_PATH", "voice", "must be a path such as /voice, without a slash at the end"),
    ],
)
def test_a_refusal_says_what_to_change_in_our_words(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    """The operator reads a sentence about the variable, not about the library that read it."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environment()
    assert str(caught.value) == f"{variable}: {words}"


@pytest.mark.parametrize("value", ["é", "x" * 5000, "-1", "1e999", "nan", "[]", "{}", "null", "²"])
def test_every_kind_of_refusal_has_words(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Whatever variables are refused for whatever reason, each message begins with what it must be."""
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), value)
    with pytest.raises(InvalidSettings) as caught:
        Settings.from_environment()
    messages = str(caught.value).splitlines()
    assert "PORT" in {message.split(":")[0] for message in messages}
    assert [message for message in messages if ": must " not in message] == []


@pytest.mark.parametrize("path", ["/voice", "/a/b-c_d.e~f", "/.well-known", "/..."])
def test_a_path_prefix_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """What the reverse proxy takes away is put before every path that the service names."""
    monkeypatch.setenv("ROOT_PATH", path)
    assert Settings.from_environment().root_path == path


@pytest.mark.parametrize(
    ("configured", "proxies"),
    [("*", ("*",)), ("10.0.0.1, 192.168.0.0/16,::1", ("10.0.0.1", "192.168.0.0/16", "::1")), ("", ())],
)
def test_proxies_are_addresses_and_networks(
    monkeypatch: pytest.MonkeyPatch, configured: str, proxies: tuple[str, ...]
) -> None:
    """Nobody's forwarded headers are believed unless the operator says so."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", configured)
    assert Settings.from_environment().forwarded_allow_ips == proxies


OIDC = {"AUTH": "oidc", "OIDC_ISSUER": "https://login.example.com", "OIDC_AUDIENCE": "tokens"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AUTH": "oidc"}, ["OIDC_ISSUER", "OIDC_AUDIENCE"]),
        ({**OIDC, "OIDC_AUDIENCE": ""}, ["OIDC_AUDIENCE"]),
        ({**OIDC, "OIDC_ISSUER": ""}, ["OIDC_ISSUER"]),
        ({"AUTH": "api-key"}, ["API_KEY_DIGESTS"]),
        ({**OIDC, "AUTH": "api-key,oidc"}, ["API_KEY_DIGESTS"]),
        ({**OIDC, "AUTH": ""}, ["AUTH", "AUTH"]),
        ({"OIDC_ROOMS_CLAIM": "rooms"}, ["AUTH"]),
        ({"AUTH": "api-key", "API_KEY_DIGESTS": DIGEST, "OIDC_IDENTITY_CLAIM": "uid"}, ["AUTH"]),
        ({"RATE_LIMIT_STORAGE": "redis://localhost"}, ["RATE_LIMIT"]),
        ({**OIDC, "AUTH": "api-key", "API_KEY_DIGESTS": DIGEST}, ["AUTH", "AUTH"]),
        ({"API_KEY_DIGESTS": DIGEST}, ["AUTH"]),
        (OIDC, []),
        ({**OIDC, "AUTH": "oidc, api-key", "API_KEY_DIGESTS": DIGEST}, []),
        ({"AUTH": "api-key", "API_KEY_DIGESTS": DIGEST}, []),
    ],
)
def test_who_is_asked_fits_what_is_known_of_callers(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: list[str]
) -> None:
    """Nothing is missing, and nothing is set that nobody would ask for."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if said:
        with pytest.raises(InvalidSettings) as caught:
            Settings.from_environment()
        assert [line.split(":")[0] for line in str(caught.value).splitlines()] == said
    else:
        assert set(Settings.from_environment().auth) <= {"oidc", "api-key"}


def test_api_keys_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line each, or with commas; but not beside the other variable."""
    other = DIGEST.replace("backend", "other").upper().replace("OTHER", "other")
    file = tmp_path / "digests"
    file.write_text(f"{DIGEST}\n{other},\n")
    monkeypatch.setenv("AUTH", "api-key")
    monkeypatch.setenv("API_KEY_DIGESTS_FILE", str(file))
    expected = bytes.fromhex(DIGEST.split(":")[1])
    assert Settings.from_environment().api_keys == (("backend", expected), ("other", expected))
    monkeypatch.setenv("API_KEY_DIGESTS", DIGEST)
    with pytest.raises(InvalidSettings, match=r"^API_KEY_DIGESTS: must not be set beside"):
        Settings.from_environment()
    monkeypatch.delenv("API_KEY_DIGESTS")
    file.write_text("hunter2")
    with pytest.raises(InvalidSettings, match=r"^API_KEY_DIGESTS_FILE: must have entries") as caught:
        Settings.from_environment()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("rate", ["60/minute", "10 / second", "1/2 hours", "5/30seconds", "1000/day"])
def test_a_rate_that_is_accepted_can_be_counted(monkeypatch: pytest.MonkeyPatch, rate: str) -> None:
    """The library reads it as well."""
    monkeypatch.setenv("RATE_LIMIT", rate)
    settings = Settings.from_environment()
    assert settings.is_limited
    assert parse(settings.rate_limit or "").amount == int(re.findall(r"^[0-9]+", rate)[0])


@pytest.mark.parametrize(
    "url", ["memory://", "redis://redis", "rediss://:pass@redis.example.com:6380/1", "redis://u:p@[::1]:6379"]
)
def test_counters_may_be_kept_in_redis(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Its password does not show when the settings are printed."""
    monkeypatch.setenv("RATE_LIMIT_STORAGE", url)
    monkeypatch.setenv("RATE_LIMIT", "1/minute")
    settings = Settings.from_environment()
    assert settings.rate_limit_storage == url
    assert url not in repr(settings)


FILES = {
    "LIVEKIT_API_KEY_FILE": "/run/secrets/key",
    "LIVEKIT_API_SECRET_FILE": "/run/secrets/secret",
}
KEYS_FILE = {"LIVEKIT_KEYS_FILE": "/run/secrets/keys"}
IN_PLACE = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "hunter2"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (IN_PLACE, []),
        (FILES, []),
        (KEYS_FILE, []),
        ({"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET_FILE": "/run/secrets/secret"}, []),
        ({"LIVEKIT_API_KEY_FILE": "/run/secrets/key", "LIVEKIT_API_SECRET": "hunter2"}, []),
        (
            FILES | IN_PLACE,
            [
                "LIVEKIT_API_KEY: must not be set beside LIVEKIT_API_KEY_FILE",
                "LIVEKIT_API_SECRET: must not be set beside LIVEKIT_API_SECRET_FILE",
            ],
        ),
        *(
            (KEYS_FILE | {name: "hunter2"}, [f"LIVEKIT_KEYS_FILE: must not be set beside {name}"])
            for name in (*IN_PLACE, *FILES)
        ),
        (
            KEYS_FILE | FILES | IN_PLACE,
            [f"LIVEKIT_KEYS_FILE: must not be set beside {name}" for name in (*IN_PLACE, *FILES)],
        ),
    ],
)
def test_credentials_come_from_one_place(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: list[str]
) -> None:
    """Of two that are set, nobody would know which one signs; each half may have its own place."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if said:
        with pytest.raises(InvalidSettings) as caught:
            Settings.from_environment()
        assert str(caught.value).splitlines() == said
    else:
        assert Settings.from_environment().missing_credentials == ()


@pytest.mark.parametrize("half", ["KEY", "SECRET"])
@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_half_of_the_credentials_is_missing(monkeypatch: pytest.MonkeyPatch, half: str, suffix: str) -> None:
    """A file counts as what is in it, whether it is there or not."""
    monkeypatch.setenv(f"LIVEKIT_API_{half}{suffix}", "value")
    other = {"KEY": "SECRET", "SECRET": "KEY"}[half]
    assert Settings.from_environment().missing_credentials == (f"LIVEKIT_API_{other}",)
