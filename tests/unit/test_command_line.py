"""The command line: what it hands on to the server, and what it says when it cannot start."""

import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from uvicorn.config import Config

from app import command_line, serving, workers
from app.operation import ending, logs
from app.server import Server
from app.settings.settings import Settings
from app.tokens.claims import TokensDiffer
from tests.support.contract import document
from tests.support.process import free_port
from tests.support.server import KEY, SECRET


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an empty environment, and leave the logging of the tests alone."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(logs, "configure", lambda _level, _format: None)
    monkeypatch.setattr(ending, "end", sys.exit)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, **variables: str) -> Config:
    """Run the command line up to where the server would start, and return what the server is told."""
    told: list[Config] = []

    def begin(server: Server, _sockets: object) -> None:
        told.append(server.config)
        server.started = True

    monkeypatch.setattr(Server, "run", begin)
    monkeypatch.setattr(sys, "argv", ["app", *arguments])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        command_line.main()
    except SystemExit as end:
        if end.code or not told:
            raise
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
    (config,) = told
    return config


def test_the_address_and_the_prefix_are_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server listens where the environment says, and knows the prefix that its proxy takes away."""
    config = run(monkeypatch, HOST="127.0.0.2", PORT="7072", ROOT_PATH="/voice")
    assert (config.host, config.port, config.root_path) == ("127.0.0.2", 7072, "/voice")


@pytest.mark.parametrize(
    ("listed", "believed"), [("", []), ("10.0.0.0/8, ::1", ["10.0.0.0/8", "::1"]), ("*", ["*"])]
)
def test_only_the_proxies_that_are_listed_are_believed(
    monkeypatch: pytest.MonkeyPatch, listed: str, believed: list[str]
) -> None:
    """Without a list nobody says on whose behalf a request comes: any caller could."""
    config = run(monkeypatch, FORWARDED_ALLOW_IPS=listed)
    assert (config.proxy_headers, config.forwarded_allow_ips) == (bool(believed), believed)


def test_connections_outlive_those_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual reverse proxy keeps a connection for 60 s: it must not meet a closed one."""
    assert run(monkeypatch).timeout_keep_alive > 60


def test_a_service_that_cannot_start_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server reports a failure of the start, rather than serving without it."""
    assert run(monkeypatch).lifespan == "on"


def test_the_operator_is_told_what_to_mend(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Before it serves, the service says what it lacks."""
    run(monkeypatch)
    assert "No token can be issued: set LIVEKIT_API_KEY and LIVEKIT_API_SECRET." in caplog.messages


def test_workers_are_given_the_time_that_the_operator_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """They drain first, and then have the grace, before they are killed."""
    given: list[tuple[int, float]] = []

    class Watcher:
        def __init__(self, _serve: object, listener: Any, count: int, seconds: float, _end: object) -> None:
            listener.close()
            given.append((count, seconds))

        def run(self) -> int:
            return 7

    monkeypatch.setattr(workers, "Workers", Watcher)
    with pytest.raises(SystemExit) as ended:
        run(
            monkeypatch, PORT="0", WORKERS="2", METRICS="false", DRAIN_SECONDS="7", SHUTDOWN_GRACE_SECONDS="5"
        )
    assert (given, ended.value.code) == ([(2, 12.0)], 7)


def test_settings_that_cannot_be_used_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable, and is no traceback."""
    with pytest.raises(SystemExit, match=r"^The environment cannot be used:\nPORT: "):
        run(monkeypatch, PORT="hunter2")


def test_workers_that_can_share_no_metrics_do_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where nothing can be written, as in a container whose root is read-only, that is said in a line."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(SystemExit, match=r"WORKERS: several share their metrics in a temporary folder"):
        run(monkeypatch, WORKERS="2", PORT=str(free_port()))


def test_a_livekit_api_that_writes_other_tokens_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what does not fit together, and is no traceback."""

    def differ(_settings: Settings, **_more: Any) -> Any:
        raise TokensDiffer("not as livekit-api writes them")

    monkeypatch.setattr(serving, "create_app", differ)
    with pytest.raises(SystemExit, match="livekit-api do not fit together: not as livekit-api writes them"):
        run(monkeypatch, LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET)


def test_the_version_is_that_of_the_contract(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--version` says it, and nothing is served."""
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--version")
    assert ended.value.code in {None, 0}
    assert capsys.readouterr().out.split()[-1] == document()["info"]["version"]


def test_the_help_lists_every_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--help` is all that an operator needs to configure the service."""
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--help")
    assert ended.value.code == 0
    words = capsys.readouterr().out.split()
    assert {name.upper() for name in Settings.model_fields} <= set(words)
