"""A rotation as the operator's guide has it: the service and a real LiveKit server read one key file."""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import jwt
import pytest

from app.tokens.key_files import parse
from app.tokens.orders import TokenOrder
from app.tokens.service import TokenService
from tests.e2e import connection_details, signalling
from tests.e2e.conftest import give_up
from tests.e2e.connection_details import ConnectionDetails
from tests.e2e.livekit_server import LiveKitServer, LiveKitUnavailable, run_livekit_server
from tests.support import run_log
from tests.support.server import make_settings, serve

DEADLINE_SECONDS = 10
LINES = {name: f"{name}: {secrets.token_hex(20)}\n" for name in ("old", "new")}
ODD = r"""# of May

number: 012345678901234567890123456789012345
single: 'single quotes, with ''quotes'' and blanks'
double: "double quotes, with \"quotes\" \u00e9"
marks: a-word:with#marks=of+YAML/in-it-0123456   # and a comment
power: 1e33
hexadecimal: 0x0123456789abcdef0123456789abcdef01
date: 2026-05-01
"quoted": yes
yes: no
0777: 0777
truth: true
underscore: 1_000
infinity: .inf
sixty: 12:30:45
"""
for line in LINES.values():
    run_log.forbid(line.split()[1])


def write(path: Path, *names: str) -> Path:
    """Replace a key file, or make one; LiveKit's server refuses one that others may read."""
    fresh = path.with_name("fresh")
    fresh.touch(0o600)
    fresh.write_text("".join(LINES[name] for name in names))
    return fresh.replace(path)


@contextmanager
def livekit_with(key_file: Path) -> Iterator[httpx.Client]:
    """Run a LiveKit server with the keys of a file, and be its client."""
    with ExitStack() as stack:
        try:
            server: LiveKitServer = stack.enter_context(run_livekit_server(key_file))
        except LiveKitUnavailable as unavailable:
            give_up(str(unavailable))
        yield stack.enter_context(httpx.Client(base_url=server.http_url))


def signer_of(details: ConnectionDetails) -> str:
    """Find the key that a token names; LiveKit checks the signature."""
    return str(jwt.decode(details.token, options={"verify_signature": False})["iss"])


def verdict(livekit: httpx.Client, details: ConnectionDetails) -> int:
    """Find the status that LiveKit's server validates a token with."""
    return signalling.validate(livekit, details.token).status_code


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A key file with the old key, in a folder that can be written."""
    return write(tmp_path / "keys.yaml", "old")


def test_tokens_of_both_keys_are_valid_until_the_old_one_is_removed(key_file: Path, room: str) -> None:
    """The service changes without a restart; LiveKit's server is restarted, for it never reads again."""
    settings = make_settings(livekit_api_key=None, livekit_api_secret=None, livekit_keys_file=key_file)
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as api:

        def ask() -> ConnectionDetails:
            return connection_details.ask(api, room, "alice")

        before = ask()
        assert signer_of(before) == "old"
        # LiveKit learns the new key; the first still signs.
        write(key_file, "old", "new")
        with livekit_with(key_file) as livekit:
            assert verdict(livekit, before) == 200
            write(key_file, "new", "old")
            deadline = time.monotonic() + DEADLINE_SECONDS
            while signer_of(after := ask()) != "new":
                assert verdict(livekit, after) == 200
                assert time.monotonic() < deadline, "the new key is not in use"
                time.sleep(0.1)
            assert (verdict(livekit, before), verdict(livekit, after)) == (200, 200)
        # The last token of the old key has expired, say.
        write(key_file, "new")
        with livekit_with(key_file) as livekit:
            assert (verdict(livekit, before), verdict(livekit, after)) == (401, 200)
            assert verdict(livekit, ask()) == 200
            assert api.get("/health/ready").json()["status"] == "ready"


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_livekit_reads_a_key_file_as_the_service_does(tmp_path: Path) -> None:
    """Quotes, comments, and what looks like another type: the same file has the same secrets for both."""
    path = tmp_path / "keys.yaml"
    path.touch(0o600)
    path.write_text(ODD)
    found = parse(ODD)
    assert len(found) == len(ODD.splitlines()) - 2
    with livekit_with(path) as livekit:
        for credentials in found:
            token = TokenService(credentials).issue(TokenOrder()).jwt
            assert signalling.validate(livekit, token).status_code == 200, credentials
