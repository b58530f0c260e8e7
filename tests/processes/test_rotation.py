"""A new key is in use without a restart, in every worker, and no request notices."""

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.support import run_log
from tests.support.contract import assert_fits
from tests.support.process import Service, running
from tests.support.server import claims_of, make_settings, serve

SECRETS = {
    "old": "the-old-throw-away-secret-of-the-rotation-000",
    "new": "the-new-throw-away-secret-of-the-rotation-111",
}
DEADLINE_SECONDS = 5
REQUESTS = 400
VALID = {"roomName": "room-1", "participantIdentity": "alice"}
for secret in SECRETS.values():
    run_log.forbid(secret)


def signer_of(answer: httpx.Response) -> str:
    """Find the key that a token is signed with; the signature is checked."""
    assert answer.status_code == 200, answer.text
    token = answer.json()["token"]
    issuer = str(jwt.decode(token, options={"verify_signature": False})["iss"])
    jwt.decode(token, SECRETS[issuer], algorithms=["HS256"])
    return issuer


def ask(url: str) -> str:
    """Ask for a token on a connection of its own, which any worker may take."""
    return signer_of(httpx.post(f"{url}/token", json=VALID))


class Load:
    """Requests without a pause, from several clients, until the end, several hundred at least."""

    def __init__(self, url: str) -> None:
        """Ask at `url`."""
        self.url = url
        self.signers: list[str] = []
        self._ended = threading.Event()

    def _ask(self) -> None:
        # A connection for each request, for one that is kept stays with its worker.
        with httpx.Client(limits=httpx.Limits(max_keepalive_connections=0)) as client:
            while not self._ended.is_set() or len(self.signers) < REQUESTS:
                self.signers.append(signer_of(client.post(f"{self.url}/token", json=VALID)))

    @contextmanager
    def running(self, clients: int = 4) -> Iterator["Load"]:
        """Ask; at the end, raise whatever a client met."""
        with ThreadPoolExecutor(clients) as pool:
            asking = [pool.submit(self._ask) for _ in range(clients)]
            try:
                yield self
            finally:
                self._ended.set()
            for client in asking:
                client.result()


def until_all_sign_with(load: Load, key: str) -> None:
    """Wait, not for longer than the service may take, until no token of a hundred is of another key."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while set(load.signers[-100:]) != {key}:
        assert time.monotonic() < deadline, f"some tokens are not of the key {key}"
        time.sleep(0.02)


def _replace(path: Path, key: str) -> None:
    fresh = path.with_name("fresh")
    fresh.write_text(f"{key}: {SECRETS[key]}\n")
    fresh.replace(path)


def _rewrite_slowly(path: Path, key: str) -> None:
    text = f"{key}: {SECRETS[key]}\n"
    with path.open("w") as file:
        for part in (text[:20], text[20:]):
            time.sleep(0.3)
            file.write(part)
            file.flush()


@pytest.mark.parametrize("change", [_replace, _rewrite_slowly])
def test_a_changed_key_file_is_in_use_in_every_worker_within_5_s(
    tmp_path: Path, change: Callable[[Path, str], None]
) -> None:
    """Replaced, or rewritten in place and slowly: under load, every request gets its token."""
    path = tmp_path / "keys.yaml"
    _replace(path, "old")
    with running(LIVEKIT_KEYS_FILE=str(path), WORKERS="2") as service, Load(service.url).running() as load:
        service.wait_for_workers(2)
        until_all_sign_with(load, "old")
        change(path, "new")
        until_all_sign_with(load, "new")
    assert len(load.signers) >= REQUESTS
    assert set(load.signers) == {"old", "new"}
    assert workers_that_said(service, "Tokens are signed with the key new from now on.") == 2
    assert not [line for line in service.log() if line["level"] == "ERROR"]


def workers_that_said(service: Service, message: str) -> int:
    """Count the lines, of which each worker writes its own."""
    return sum(line["message"] == message for line in service.log())


def test_a_volume_of_kubernetes_is_followed_in_every_worker(tmp_path: Path) -> None:
    """Key and secret change together, by the link that the kubelet turns."""

    def publish(folder: str, key: str) -> None:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "key").write_text(key)
        (tmp_path / folder / "secret").write_text(SECRETS[key])
        (tmp_path / "..data_tmp").symlink_to(folder)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    publish("..1", "old")
    for name in ("key", "secret"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    key, secret = str(tmp_path / "key"), str(tmp_path / "secret")
    with (
        running(LIVEKIT_API_KEY_FILE=key, LIVEKIT_API_SECRET_FILE=secret, WORKERS="2") as service,
        Load(service.url).running() as load,
    ):
        service.wait_for_workers(2)
        until_all_sign_with(load, "old")
        publish("..2", "new")
        until_all_sign_with(load, "new")
    assert set(load.signers) == {"old", "new"}


def _remove(path: Path) -> None:
    path.unlink()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _secretless(path: Path) -> None:
    path.write_text("new:\n")


def until_reasons_are(api: httpx.Client, reasons: list[str]) -> httpx.Response:
    """Wait until readiness has just these reasons beside `authentication_off`."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        answer = api.get("/health/ready")
        if set(answer.json()["reasons"]) == {"authentication_off", *reasons}:
            return answer
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)


@contextmanager
def serving(path: Path) -> Iterator[httpx.Client]:
    """Serve with a key file."""
    changes: dict[str, Any] = {"livekit_api_key": None, "livekit_api_secret": None, "livekit_keys_file": path}
    with serve(make_settings(**changes)) as url, httpx.Client(base_url=f"{url}/api") as api:
        yield api


@pytest.mark.parametrize("spoil", [_remove, _pipe, _secretless])
def test_a_broken_key_file_is_to_be_seen_and_changes_nothing(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """The service stays ready, tells why it should be looked at, and takes the mended file."""
    path = tmp_path / "keys.yaml"
    _replace(path, "old")
    with serving(path) as api:
        spoil(path)
        answer = until_reasons_are(api, ["keys_file_broken"])
        assert answer.status_code == 200
        assert_fits("HealthResponse", answer.json())
        assert signer_of(api.post("/token", json=VALID)) == "old"
        _replace(path, "new")
        until_reasons_are(api, [])
        assert signer_of(api.post("/token", json=VALID)) == "new"


def test_a_broken_key_file_lets_no_worker_in_that_could_issue_nothing(tmp_path: Path) -> None:
    """Neither SIGHUP nor the death of a worker costs a token; once the file is mended there are two again."""
    path = tmp_path / "keys.yaml"
    _replace(path, "old")
    with running(LIVEKIT_KEYS_FILE=str(path), WORKERS="2") as service:
        service.wait_for_workers(2)
        before = service.workers()
        path.write_text("")
        service.process.send_signal(signal.SIGHUP)
        service.wait_for_log("could not start.")
        assert service.workers() >= before
        os.kill(min(before), signal.SIGKILL)
        service.wait_for_log("could not start.", 2)
        assert {ask(service.url) for _ in range(20)} == {"old"}
        _replace(path, "new")
        service.wait_for_workers(3)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while {ask(service.url) for _ in range(20)} != {"new"}:
            assert time.monotonic() < deadline, "the old key stays"
    assert "A fresh worker could issue no token" in service.output
    assert "Traceback" not in service.output


def test_without_its_key_file_the_service_starts_and_is_not_ready(tmp_path: Path) -> None:
    """It is live, tells both reasons, and becomes ready by itself."""
    path = tmp_path / "keys.yaml"
    with serving(path) as api:
        assert api.get("/health/live").status_code == 200
        answer = api.get("/health/ready")
        assert answer.status_code == 503
        assert_fits("ErrorResponse", answer.json())
        assert set(answer.json()["reasons"]) >= {"missing_credentials", "keys_file_broken"}
        assert api.post("/token", json=VALID).json()["errorCode"] == "MISSING_CREDENTIALS"
        _replace(path, "new")
        assert until_reasons_are(api, []).status_code == 200
        assert signer_of(api.post("/token", json=VALID)) == "new"


def test_what_is_wrong_with_a_file_at_the_start_is_logged_once(tmp_path: Path) -> None:
    """An error that names the variable, in a line of JSON."""
    path = tmp_path / "secret"
    path.write_text("\n")
    with running(LIVEKIT_API_KEY="new", LIVEKIT_API_SECRET_FILE=str(path)) as service:
        assert httpx.get(f"{service.url}/health/ready").status_code == 503
        path.write_text(f"{SECRETS['new']}\n")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while httpx.get(f"{service.url}/health/ready").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert ask(service.url) == "new"
    said = [line["message"] for line in service.log() if line["level"] == "ERROR"]
    assert said == ["LIVEKIT_API_SECRET_FILE: must have a secret; no token can be issued."]


@pytest.mark.filterwarnings("ignore:The HMAC key is")
@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_weak_secret_is_to_be_seen(tmp_path: Path, source: str) -> None:
    """Tokens are issued all the same, from wherever the secret is."""
    weak = secrets.token_hex(16)[:31]
    path = tmp_path / "secret"
    path.write_text(weak)
    changes: dict[str, Any] = {"livekit_api_secret": weak}
    if source == "file":
        changes = {"livekit_api_secret": None, "livekit_api_secret_file": path}
    with serve(make_settings(**changes)) as url, httpx.Client(base_url=f"{url}/api") as api:
        assert until_reasons_are(api, ["weak_secret"]).status_code == 200
        assert api.post("/token", json=VALID).status_code == 200


def test_a_strong_secret_is_nothing_to_mend(api: httpx.Client) -> None:
    """Nor are credentials without a file."""
    until_reasons_are(api, [])
    assert claims_of(api.post("/token", json=VALID).json()["token"])["sub"] == "alice"
