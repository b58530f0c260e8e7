"""`python -m app` as the operator runs it: from the environment alone."""

import socket
import time
from contextlib import suppress

import httpx
import pytest

from tests.support import run_log
from tests.support.contract import document
from tests.support.process import COMMAND, DEADLINE_SECONDS, run, running, serves
from tests.support.raw_http import connect, read_answer, request, send
from tests.support.server import KEY, SECRET, claims_of

VALID = {"roomName": "room-1", "participantIdentity": "alice"}


def test_the_service_starts_from_the_environment() -> None:
    """With credentials it is ready, issues tokens, logs JSON only, and stops at SIGTERM."""
    with running(
        LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=f"{SECRET}\n", LIVEKIT_URL="https://lk.example"
    ) as service:
        assert httpx.get(f"{service.url}/health/ready").status_code == 200
        answer = httpx.post(f"{service.url}/token", json=VALID)
        assert answer.json()["serverUrl"] == "wss://lk.example"
        assert claims_of(answer.json()["token"])["iss"] == KEY
        assert "server" not in answer.headers
    # uvicorn ends by the signal that it was sent, once it has shut down.
    assert service.process.returncode == 0
    assert service.log()[-1]["message"].startswith("Finished server process")  # type: ignore[attr-defined]
    assert {line["logger"] for line in service.log()} >= {"app.audit", "uvicorn.error"}


def test_several_workers_serve() -> None:
    """WORKERS starts so many processes, which answer alike."""
    with running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, WORKERS="2") as service:
        service.wait_for_workers(2)
        assert {httpx.post(f"{service.url}/token", json=VALID).status_code for _ in range(10)} == {200}
        answer = httpx.get(f"{service.url}/token")
        assert answer.json()["errorCode"] == "METHOD_NOT_ALLOWED"
    assert service.process.returncode == 0
    started = [line for line in service.log() if "Started server process" in str(line["message"])]
    assert len(started) == 2


def test_without_credentials_the_service_starts_and_says_so_once() -> None:
    """The operator reads which variable to set, once, whatever is asked of the service."""
    with running(LIVEKIT_API_SECRET=SECRET, WORKERS="2") as service:
        for _ in range(3):
            answer = httpx.post(f"{service.url}/token", json=VALID)
            assert answer.json()["errorCode"] == "MISSING_CREDENTIALS"
        assert httpx.get(f"{service.url}/health/ready").status_code == 503
    (said,) = [line for line in service.log() if "LIVEKIT_API_KEY" in str(line["message"])]
    assert said["level"] == "ERROR"
    assert "LIVEKIT_API_SECRET" not in str(said["message"])


def test_the_audit_log_cannot_be_switched_off() -> None:
    """At the least verbose level there are audit lines, and nothing else."""
    with running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, LOG_LEVEL="error") as service:
        httpx.post(f"{service.url}/token", json=VALID)
    assert {line["logger"] for line in service.log()} == {"app.audit"}


def test_names_that_begin_like_a_token_are_audited() -> None:
    """Whoever holds a token can be found in the log; what is a token is not readable there."""
    named = {"roomName": "eyJhbGciOiJIUzI1NiJ9", "participantIdentity": "eyJhbGciOiJIUzI1NiJ9-alice"}
    with running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET) as service:
        headers = {"X-Request-Id": "eyJhbGciOiJIUzI1NiJ9.1"}
        issued = httpx.post(f"{service.url}/token", json=named, headers=headers).json()["token"]
        # Not by httpx, which logs the address.
        assert send(service.url, request("GET", f"/api/{issued}", "X-Request-Id: issued-jwt")).status == 404
    (line,) = [line for line in service.log() if line["requestId"] == "eyJhbGciOiJIUzI1NiJ9.1"]
    assert (line["room"], line["identity"]) == tuple(named.values())
    assert issued.split(".")[1] not in service.output
    assert any(line.get("path") == "/api/[token]…" for line in service.log())


@pytest.mark.parametrize(
    ("host", "workers"),
    [
        ("a..b", "1"),
        ("a..b", "2"),
        ("*", "2"),
        ("nothing.invalid", "2"),
        ("203.0.113.1", "1"),
        ("[::1]", "1"),
    ],
)
def test_a_host_that_cannot_be_listened_at_is_named(host: str, workers: str) -> None:
    """The process does not start, and says which variable to change."""
    refused = run(HOST=host, WORKERS=workers)
    assert refused.returncode == 1
    assert "\nHOST: " in refused.stderr
    assert "Traceback" not in refused.stderr


def test_workers_end_with_their_parent() -> None:
    """Where the parent is killed, nobody is left who holds the port."""
    with running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, WORKERS="2") as service:
        service.wait_for_workers(2)
        service.process.kill()
        service.process.wait()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while serves(service):
            assert time.monotonic() < deadline, "the workers go on"
            time.sleep(0.05)
        port = httpx.URL(service.url).port
        assert port
        while True:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with suppress(OSError):
                    probe.bind(("127.0.0.1", port))
                    break
            assert time.monotonic() < deadline, "the port is still held"
            time.sleep(0.05)
    said = [line for line in service.log() if "worker stops" in str(line["message"])]
    assert len(said) == 2


def test_a_request_that_stalls_is_answered_before_the_service_stops() -> None:
    """SIGTERM waits for as long as a body may take to arrive."""
    stalled = request("POST", "/api/token", "Content-Type: application/json", "Content-Length: 9")
    with (
        running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, BODY_TIMEOUT_SECONDS="1") as service,
        connect(service.url) as connection,
    ):
        connection.sendall(stalled)
        time.sleep(0.2)
        service.process.terminate()
        assert read_answer(connection).status == 408
    assert "Traceback" not in service.output


def test_a_body_on_its_way_is_read_before_the_service_stops() -> None:
    """SIGTERM refuses nobody whose request has begun."""
    body = b'{"roomName": "room-1", "participantIdentity": "alice"}'
    head = request("POST", "/api/token", "Content-Type: application/json", f"Content-Length: {len(body)}")
    with (
        running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET) as service,
        connect(service.url) as connection,
    ):
        connection.sendall(head + body[:10])
        time.sleep(0.2)
        service.process.terminate()
        time.sleep(0.3)
        connection.sendall(body[10:20])
        time.sleep(0.1)
        connection.sendall(body[20:])
        answer = read_answer(connection)
    assert (answer.status, answer.headers["Connection"]) == (200, "close")


def test_a_client_that_still_sends_holds_up_nobody() -> None:
    """SIGTERM ends a connection whose client was answered, and sends on."""
    with (
        running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, BODY_TIMEOUT_SECONDS="300") as service,
        connect(service.url) as connection,
    ):
        connection.sendall(request("POST", "/api/token", "Content-Length: 1000000") + b" " * 1000)
        assert read_answer(connection).status == 415
        service.process.terminate()
        service.process.wait(timeout=DEADLINE_SECONDS)


def test_settings_that_cannot_be_used_are_named() -> None:
    """The process does not start, and says which variables to change, but not their values."""
    refused = run(PORT="hunter2", LIVEKIT_URL="ftp://hunter2", LIVEKIT_API_SECRET="hunter2")
    assert refused.returncode == 1
    assert "\nPORT: " in refused.stderr
    assert "\nLIVEKIT_URL: " in refused.stderr
    assert "hunter2" not in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("argument", ["serve-me", "--port=1", "-x"])
def test_unknown_arguments_are_refused_with_usage(argument: str) -> None:
    """A misspelt argument does not start a server."""
    refused = run(argument)
    assert refused.returncode == 2
    assert refused.stderr.startswith("usage: livekit-token-api")
    assert argument in refused.stderr


def test_a_fresh_api_key_is_let_in() -> None:
    """The command prints the key, and what the operator sets; the key is in no log line."""
    printed = run("new-api-key", "backend.1")
    assert printed.returncode == 0
    key, entry = printed.stdout.splitlines()
    assert entry.startswith("backend.1:")
    assert key not in entry + printed.stderr
    run_log.forbid(key)
    body = {"roomName": "r", "participantIdentity": "i"}
    with running(
        LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, AUTH="api-key", API_KEY_DIGESTS=entry
    ) as service:
        statuses = [
            httpx.post(f"{service.url}/token", json=body, headers=headers).status_code
            for headers in ({}, {"X-API-Key": "x"}, {"X-API-Key": key})
        ]
    assert statuses == [401, 401, 200]
    line = next(line for line in service.log() if line.get("status") == 200 and "room" in line)
    assert (line["caller"], line["auth"]) == ("backend.1", "api-key")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a,b", "x" * 65, "ü"])
def test_the_name_of_an_api_key_fits_the_setting(name: str) -> None:
    """No key is made that could not be set."""
    refused = run("new-api-key", name)
    assert refused.returncode == 2
    assert "must be 1 to 64 letters" in refused.stderr
    assert not refused.stdout


def test_help_lists_the_environment_variables() -> None:
    """Whoever has no documentation at hand reads what can be set."""
    helped = run("--help", LIVEKIT_API_SECRET="hunter2")
    assert helped.returncode == 0
    assert "LIVEKIT_API_SECRET" in helped.stdout
    assert "hunter2" not in helped.stdout


def test_the_version_is_that_of_the_contract() -> None:
    """The code has no version of its own."""
    assert run("--version").stdout == f"livekit-token-api {document()['info']['version']}\n"


def test_a_livekit_api_that_writes_other_tokens_is_named() -> None:
    """The process does not start, and says in one line what does not fit."""
    code = (
        "from livekit.api.access_token import AccessToken\n"
        "AccessToken.to_jwt = lambda self, write=AccessToken.to_jwt: write(self.with_kind('standard'))\n"
        "from app.__main__ import main\n"
        "main()"
    )
    refused = run(command=(COMMAND[0], "-c", code), LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "livekit-api" in refused.stderr


def test_a_forwarded_address_cannot_disturb_the_log() -> None:
    """What a believed proxy hands on is cut, and made printable."""
    forged = {b"X-Forwarded-For": b"\x9b31m" + b"A" * 500, b"X-Request-Id": b"forged"}
    with running(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=SECRET, FORWARDED_ALLOW_IPS="127.0.0.1") as service:
        httpx.get(f"{service.url}/health/live", headers=list(forged.items()))
    (line,) = [line for line in service.log() if line["requestId"] == "forged"]
    assert str(line["client"]).isprintable()
    assert len(str(line["client"])) <= 65


@pytest.mark.parametrize(
    "secret",
    ["ssh-rsa x", "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----", '{"kty": "oct", "k": "x"}'],
)
def test_a_secret_that_cannot_sign_is_refused(secret: str) -> None:
    """The process does not start, and names the variable, not its value."""
    refused = run(LIVEKIT_API_KEY=KEY, LIVEKIT_API_SECRET=secret)
    assert refused.returncode == 1
    assert "\nLIVEKIT_API_SECRET: must be the secret of a LiveKit project" in refused.stderr
    assert secret not in refused.stderr
    assert "Traceback" not in refused.stderr
