"""The key that tokens are signed with follows its files, and nothing that is wrong with them stops it."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import jwt
import pytest

from app.tokens import signing_key as module
from app.tokens.credentials import Credentials
from app.tokens.key_files import KeyFileFault, KeyFiles
from app.tokens.orders import TokenOrder
from app.tokens.service import MissingCredentials, TokenService
from app.tokens.signing_key import SigningKey
from tests.support import run_log

OLD = Credentials("old", "the-old-throw-away-secret-of-the-unit-tests-0")
NEW = Credentials("new", "the-new-throw-away-secret-of-the-unit-tests-1")
HALF = Credentials("new", NEW.api_secret[:20])
PEM = Credentials("pem", "-----BEGIN PRIVATE KEY-----\nb\n-----END PRIVATE KEY-----")
DEADLINE_SECONDS = 10
for credentials in (OLD, NEW):
    run_log.forbid(credentials.api_secret)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the files read more often than once in a second."""
    monkeypatch.setattr(module, "_PERIOD_SECONDS", 0.005)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A key file with the old key."""
    path = tmp_path / "keys.yaml"
    path.write_text(as_text(OLD))
    return path


def as_text(*several: Credentials) -> str:
    """Write a key file."""
    return "".join(f"{one.api_key}: {one.api_secret}\n" for one in several)


@asynccontextmanager
async def following(files: KeyFiles, tokens: TokenService | None = None) -> AsyncIterator[SigningKey]:
    """Follow files until the end."""
    key = SigningKey(tokens or TokenService(None), files)
    watch = asyncio.create_task(key.watch())
    try:
        yield key
    finally:
        assert not watch.done()
        watch.cancel()
        await asyncio.wait({watch})


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():  # noqa: ASYNC110  # what holds is another thread's doing, or the watch's
            await asyncio.sleep(0.001)


def signer_of(tokens: TokenService) -> str:
    """Find the key that signs, its secret checked."""
    token = tokens.issue(TokenOrder()).jwt
    issuer = str(jwt.decode(token, options={"verify_signature": False})["iss"])
    secrets = {one.api_key: one.api_secret for one in (OLD, NEW)}
    jwt.decode(token, secrets[issuer], algorithms=["HS256"])
    return issuer


def _rename(path: Path) -> None:
    fresh = path.with_name("fresh")
    fresh.write_text(as_text(NEW, OLD))
    fresh.replace(path)


def _rewrite(path: Path) -> None:
    path.write_text(as_text(NEW, OLD))


def _rewrite_within_the_same_second(path: Path) -> None:
    before = path.stat()
    path.write_text(as_text(NEW))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


@pytest.mark.parametrize("change", [_rename, _rewrite, _rewrite_within_the_same_second])
async def test_a_changed_file_is_in_use(
    path: Path, caplog: pytest.LogCaptureFixture, change: Callable[[Path], None]
) -> None:
    """Replaced or rewritten, even where neither its time nor its size tells; and the log names the key."""
    tokens = TokenService(None)
    async with following(KeyFiles(keys_file=path), tokens):
        assert signer_of(tokens) == "old"
        change(path)
        await until(lambda: signer_of(tokens) == "new")
        await until(lambda: len(caplog.messages) == 2)
    assert caplog.messages == [
        "Tokens are signed with the key old from now on.",
        "Tokens are signed with the key new from now on.",
    ]


async def test_a_volume_of_kubernetes_is_followed(tmp_path: Path) -> None:
    """Both halves change at once: the link `..data` is turned to another folder."""

    def publish(name: str, credentials: Credentials) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "api-key").write_text(credentials.api_key)
        (tmp_path / name / "api-secret").write_text(credentials.api_secret)
        (tmp_path / "..data_tmp").symlink_to(name)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    publish("..2026_05_01", OLD)
    for name in ("api-key", "api-secret"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    tokens = TokenService(None)
    async with following(
        KeyFiles(key_file=tmp_path / "api-key", secret_file=tmp_path / "api-secret"), tokens
    ):
        assert signer_of(tokens) == "old"
        publish("..2026_05_02", NEW)
        await until(lambda: signer_of(tokens) == "new")


def _remove(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_text("")


def _without_a_secret(path: Path) -> None:
    path.write_text("new:\n")


def _as_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _as_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _as_a_dead_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing")


def _as_rubbish(path: Path) -> None:
    path.write_bytes(os.urandom(1000))


@pytest.mark.parametrize(
    "spoil",
    [_remove, _empty, _without_a_secret, _as_a_folder, _as_a_pipe, _as_a_dead_link, _as_rubbish],
)
async def test_a_broken_file_keeps_the_key_and_a_mended_one_is_taken(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    """The log says so once, however often the file is read, and once when the key is a new one."""
    tokens = TokenService(None)
    async with following(KeyFiles(keys_file=path), tokens) as key:
        spoil(path)
        await until(lambda: key.is_broken)
        assert signer_of(tokens) == "old"
        await asyncio.sleep(0.1)
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        _rewrite(path)
        await until(lambda: signer_of(tokens) == "new")
        await until(lambda: len(caplog.messages) == 3)
        assert not key.is_broken
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in said] == ["INFO", "ERROR", "INFO"]
    assert said[1][1].startswith("LIVEKIT_KEYS_FILE: ")
    assert said[1][1].endswith("; the key old stays in use.")


async def test_a_file_that_comes_back_as_it_was_is_mended(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No key is new then; the log says that nothing is wrong any more."""
    async with following(KeyFiles(keys_file=path)) as key:
        since = key.in_use_since
        path.unlink()
        await until(lambda: key.is_broken)
        path.write_text(as_text(OLD))
        await until(lambda: not key.is_broken)
        assert key.in_use_since == since
        await until(lambda: len(caplog.messages) == 3)
    assert caplog.messages[-1] == "The files of the credentials are mended; the key old is in use."


async def test_each_kind_of_fault_is_said_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever mends it step by step reads what is still wrong."""
    async with following(KeyFiles(keys_file=path)) as key:
        await until(lambda: bool(caplog.messages))
        for content in ("", "new:", "new:secret"):
            path.write_text(content)
            count = len(caplog.messages)
            await until(lambda count=count: len(caplog.messages) > count)  # type: ignore[misc]
            assert key.is_broken
            await asyncio.sleep(0.05)
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR", "ERROR", "ERROR"]


async def test_without_a_usable_file_at_the_start_there_is_no_key_until_it_is_mended(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not keep the service from starting; the log says what is wrong."""
    path.unlink()
    tokens = TokenService(None)
    async with following(KeyFiles(keys_file=path), tokens) as key:
        assert key.is_broken
        with pytest.raises(MissingCredentials):
            tokens.issue(TokenOrder())
        path.write_text(as_text(NEW))
        await until(lambda: tokens.can_sign)
        assert signer_of(tokens) == "new"
        await until(lambda: len(caplog.messages) == 2)
    assert caplog.messages == [
        "LIVEKIT_KEYS_FILE: there is no such file; no token can be issued.",
        "Tokens are signed with the key new from now on.",
    ]


class _Scripted(KeyFiles):
    """Files that say one thing after the other, and then the last for ever."""

    said: list[Credentials | Exception]

    def read(self) -> tuple[Credentials, ...]:
        found = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(found, Exception):
            raise found
        return (found,)


@pytest.fixture
def scripted() -> type[_Scripted]:
    """A script that no other test has written into."""
    return type("Script", (_Scripted,), {})


async def test_what_is_said_once_is_not_believed(
    scripted: type[_Scripted], caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is half written, or of two files one, is neither used nor complained of."""
    scripted.said = [OLD, KeyFileFault("empty"), HALF, KeyFileFault("gone"), NEW]
    tokens = TokenService(None)
    async with following(scripted(), tokens) as key:
        while (signer := signer_of(tokens)) == "old":
            assert not key.is_broken
            await asyncio.sleep(0)
        assert signer == "new"
        await until(lambda: len(caplog.messages) == 2)
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]


@pytest.mark.parametrize("trouble", [PEM, RuntimeError("secret"), MemoryError()])
async def test_whatever_happens_the_files_are_read_again(
    scripted: type[_Scripted], caplog: pytest.LogCaptureFixture, trouble: Credentials | Exception
) -> None:
    """A key that livekit-api does not sign with, or a fault that nobody thought of, keeps the key."""
    scripted.said = [OLD, trouble, trouble]
    tokens = TokenService(None)
    async with following(scripted(), tokens) as key:
        await until(lambda: key.is_broken)
        assert signer_of(tokens) == "old"
        scripted.said = [NEW]
        await until(lambda: signer_of(tokens) == "new")
        await until(lambda: not key.is_broken)
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said.startswith("The credentials of the files cannot be used (")
    assert "secret" not in said


async def test_a_file_system_that_hangs_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Tokens are issued while a reading of the files does not end; that it does not is to be seen."""
    monkeypatch.setattr(module, "_LATE_SECONDS", 0.3)
    begun, gone_on = threading.Event(), threading.Event()
    waited = []
    read = KeyFiles.read

    def hang(files: KeyFiles) -> tuple[Credentials, ...]:
        begun.set()
        waited.append(gone_on.wait(DEADLINE_SECONDS))
        return read(files)

    tokens = TokenService(None)
    key = SigningKey(tokens, KeyFiles(keys_file=path))
    monkeypatch.setattr(KeyFiles, "read", hang)
    watch = asyncio.create_task(key.watch())
    try:
        await until(begun.is_set)
        path.write_text(as_text(NEW))
        assert signer_of(tokens) == "old"
        await until(lambda: key.is_broken)
        await until(lambda: "the file system does not answer" in caplog.text)
        gone_on.set()
        await until(lambda: signer_of(tokens) == "new")
        await until(lambda: not key.is_broken and "can be read again" in caplog.text)
    finally:
        gone_on.set()
        watch.cancel()
        await asyncio.wait({watch})
    assert all(waited), "nothing else went on meanwhile"


def test_a_file_system_that_hangs_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    """Nobody waits for the thread that reads."""
    begun, gone_on = threading.Event(), threading.Event()

    async def watch() -> None:
        watch = asyncio.create_task(SigningKey(TokenService(None), KeyFiles(keys_file=path)).watch())
        monkeypatch.setattr(KeyFiles, "read", lambda _files: begun.set() or gone_on.wait())  # type: ignore[func-returns-value]
        await until(begun.is_set)
        watch.cancel()
        await asyncio.wait({watch})

    loop = threading.Thread(target=asyncio.run, args=(watch(),), daemon=True)
    loop.start()
    loop.join(DEADLINE_SECONDS)
    held_up = loop.is_alive()
    gone_on.set()
    assert begun.is_set()
    assert not held_up


async def test_it_is_known_since_when_a_key_is_in_use(path: Path) -> None:
    """Since its file was written; that the same is written again changes nothing."""
    os.utime(path, (1_700_000_000, 1_700_000_000))
    tokens = TokenService(None)
    async with following(KeyFiles(keys_file=path), tokens) as key:
        assert key.in_use_since == 1_700_000_000
        os.utime(path, (1_700_000_100, 1_700_000_100))
        await asyncio.sleep(0.05)
        assert key.in_use_since == 1_700_000_000
        _rename(path)
        await until(lambda: signer_of(tokens) == "new")
        await until(lambda: key.in_use_since == path.stat().st_mtime)


async def test_no_key_is_in_use_since_tomorrow(path: Path) -> None:
    """Clocks of file servers may be ahead."""
    os.utime(path, (9_999_999_999, 9_999_999_999))
    async with following(KeyFiles(keys_file=path)) as key:
        assert key.in_use_since <= time.time()


async def test_a_secret_in_the_place_of_the_key_is_not_logged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has taken one for the other finds out by its beginning."""
    path.write_text(f"{NEW.api_secret}: {NEW.api_key}-but-long-enough-to-be-a-secret\n")
    async with following(KeyFiles(keys_file=path)):
        await until(lambda: bool(caplog.messages))
    assert caplog.messages[0] == f"Tokens are signed with the key {NEW.api_secret[:8]}… from now on."


@pytest.mark.filterwarnings("ignore:The HMAC key is")
@pytest.mark.parametrize(("length", "weak"), [(31, True), (32, False)])
async def test_a_weak_secret_is_used_and_warned_of(
    path: Path, caplog: pytest.LogCaptureFixture, length: int, *, weak: bool
) -> None:
    """Fewer than 32 bytes can be found by trying."""
    tokens = TokenService(None)
    path.write_text(f"key: {'s' * length}")
    async with following(KeyFiles(keys_file=path), tokens) as key:
        await until(lambda: len(caplog.messages) == 1 + weak)
        assert key.is_weak is tokens.is_weak is weak
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == (["The secret of the key key is weak: use at least 32 bytes."] if weak else [])


async def test_without_files_the_key_stays() -> None:
    """There is nothing to follow, and nothing to mend."""
    tokens = TokenService(OLD)
    key = SigningKey(tokens)
    await key.watch()
    assert (key.is_broken, key.is_weak, signer_of(tokens)) == (False, False, "old")
    assert not SigningKey(TokenService(None)).is_weak
