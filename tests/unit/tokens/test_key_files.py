"""Files that credentials come from: what is read from them, and what is said of those that cannot be used."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from app.tokens.credentials import Credentials
from app.tokens.key_files import KeyFileFault, KeyFiles, parse
from tests.support import run_log

SECRET = "a-throw-away-secret-of-the-key-files-0123456"
PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"
run_log.forbid(SECRET)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be somebody whom modes of files keep out, even where root runs the tests."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"key: {SECRET}", [("key", SECRET)], id="one"),
        pytest.param(
            f"new: {SECRET}\nold: other\n", [("new", SECRET), ("old", "other")], id="the order stays"
        ),
        pytest.param(f"z: {SECRET}\na: other", [("z", SECRET), ("a", "other")], id="nothing is sorted"),
        pytest.param(f"# new\n\nkey: {SECRET} # of May\n", [("key", SECRET)], id="comments"),
        pytest.param(f"\"key\": '{SECRET}'", [("key", SECRET)], id="quotes"),
        pytest.param(f"'key': ' {SECRET} '", [("key", f" {SECRET} ")], id="quoted blanks are meant"),
        pytest.param(f"key:   {SECRET}   ", [("key", SECRET)], id="blanks around"),
        pytest.param(f"key: {SECRET}\r\n", [("key", SECRET)], id="Windows"),
        pytest.param(f"---\nkey: {SECRET}\n...\n", [("key", SECRET)], id="marks of a document"),
        pytest.param("007: 0123", [("007", "0123")], id="numbers are texts"),
        pytest.param("yes: no", [("yes", "no")], id="truths are texts"),
        pytest.param("key: 2026-05-01", [("key", "2026-05-01")], id="dates are texts"),
        pytest.param("key: 1e3", [("key", "1e3")], id="powers are texts"),
        pytest.param("key: a:b#c", [("key", "a:b#c")], id="marks within a word"),
        pytest.param("{key: a, other: b}", [("key", "a"), ("other", "b")], id="in one line"),
    ],
)
def test_a_key_file_is_read_as_livekit_reads_it(text: str, expected: list[tuple[str, str]]) -> None:
    """Keys in their order, and every value as the text that it is."""
    assert [(found.api_key, found.api_secret) for found in parse(text)] == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "must have a line `key: secret`", id="nothing"),
        pytest.param(" \n\n", "must have a line `key: secret`", id="blanks"),
        pytest.param("# none yet\n", "must have a line `key: secret`", id="a comment alone"),
        pytest.param("{}", "must have a line `key: secret`", id="no entry"),
        pytest.param(f"key:{SECRET}", "a blank after the colon", id="no blank after the colon"),
        pytest.param(SECRET, "must have lines `key: secret`", id="a secret alone"),
        pytest.param(f"- key: {SECRET}", "must have lines `key: secret`", id="a list"),
        pytest.param("key:", "must have a secret", id="secretless"),
        pytest.param("key: ''", "must have a secret", id="an empty secret"),
        pytest.param("key: '  '", "must have a secret", id="a blank secret"),
        pytest.param("key: ~", "must have a secret", id="null"),
        pytest.param("key: null", "must have a secret", id="null in words"),
        pytest.param(f"key: {SECRET}\nother:", "must have a secret", id="one without its secret"),
        pytest.param(f"~: {SECRET}", "must have an API key", id="keyless"),
        pytest.param(f"'': {SECRET}", "must have an API key", id="an empty key"),
        pytest.param(f"a b: {SECRET}", "must be one word", id="a key of two words"),
        pytest.param(f"{'k' * 257}: {SECRET}", "at most 256 characters", id="a long key"),
        pytest.param(f'"a\\nb": {SECRET}', "must be one word", id="a key of two lines"),
        pytest.param(f'"\\ud800": {SECRET}', "must be one word", id="half a character as the key"),
        pytest.param(f"key: {SECRET}\nkey: other", "each key once", id="a key twice"),
        pytest.param(f"key: [{SECRET}]", "nothing but lines `key: secret`", id="a list within"),
        pytest.param(
            f"keys:\n  key: {SECRET}", "nothing but lines `key: secret`", id="LiveKit's configuration"
        ),
        pytest.param(f"[key]: {SECRET}", "nothing but lines `key: secret`", id="a list as the key"),
        pytest.param("<<: merged", "nothing but lines `key: secret`", id="a merge"),
        pytest.param("key: !!binary c2VjcmV0", "nothing but lines `key: secret`", id="in base 64"),
        pytest.param(f"key: {SECRET}\n---\nother: b", "must be YAML", id="two documents"),
        pytest.param(f"key: '{SECRET}", "must be YAML", id="an open quote"),
        pytest.param(f"\tkey: {SECRET}", "must be YAML", id="a tab"),
        pytest.param(f"key: {SECRET}\0", "must be YAML", id="a NUL"),
        pytest.param(f"key: *{SECRET}", "must be YAML", id="an unknown alias"),
        pytest.param("[" * 65_000, "must be YAML", id="65,000 levels"),
        pytest.param(yaml.safe_dump({"key": PEM}), "not a PEM, SSH or JSON key", id="a PEM"),
        pytest.param(f"key: ssh-rsa {SECRET}", "not a PEM, SSH or JSON key", id="an SSH key"),
        pytest.param(
            f"""key: '{{"kty": "oct", "k": "{SECRET}"}}'""", "not a PEM, SSH or JSON key", id="a JWK"
        ),
        pytest.param('key: "\\ud800"', "not a PEM, SSH or JSON key", id="half a character"),
        pytest.param(f'key: "{SECRET}\\n"', "must be one line", id="a line end in quotes"),
        pytest.param(f"key: |\n  {SECRET}\n  b", "must be one line", id="two lines"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_refused_in_words(text: str, words: str) -> None:
    """The message names the variable and what to mend, and nothing of the content."""
    with pytest.raises(KeyFileFault) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith("LIVEKIT_KEYS_FILE: ")
    assert words in message
    assert SECRET not in message


def test_an_anchor_is_not_multiplied() -> None:
    """Ten levels of ten aliases each would be 10,000,000,000 texts; they are refused unread."""
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]
    with pytest.raises(KeyFileFault, match="nothing but lines"):
        parse("\n".join(["a0: &a0 x", *levels]))


@pytest.mark.parametrize("halves", ["both", "key", "secret"])
def test_a_key_and_its_secret_have_a_file_each(tmp_path: Path, halves: str) -> None:
    """Either half may be in the environment instead; blanks and line ends around are not meant."""
    key, secret = tmp_path / "key", tmp_path / "secret"
    key.write_text(" key\r\n")
    secret.write_text(f"\ufeff{SECRET}\n\n")
    files = {
        "both": KeyFiles(key_file=key, secret_file=secret),
        "key": KeyFiles(key_file=key, secret=SECRET),
        "secret": KeyFiles(key="key", secret_file=secret),
    }[halves]
    assert files.read() == (Credentials("key", SECRET),)
    assert SECRET not in repr(files)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", "must have a secret", id="empty"),
        pytest.param(" \n", "must have a secret", id="blank"),
        pytest.param(f"{SECRET}\n{SECRET}", "must be one line", id="two lines"),
        pytest.param(PEM, "not a PEM, SSH or JSON key", id="a PEM"),
        pytest.param(f"{SECRET}\0", "without control characters", id="a NUL"),
    ],
)
def test_a_file_without_a_usable_secret_is_refused_in_words(tmp_path: Path, content: str, words: str) -> None:
    """The variable of the file is named, and nothing of the content."""
    path = tmp_path / "secret"
    path.write_text(content)
    with pytest.raises(KeyFileFault) as caught:
        KeyFiles(key="key", secret_file=path).read()
    assert str(caught.value).startswith("LIVEKIT_API_SECRET_FILE: ")
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_file_without_a_key_is_refused_in_words(tmp_path: Path) -> None:
    """The other half is not at fault."""
    path = tmp_path / "key"
    path.write_text("\n")
    with pytest.raises(KeyFileFault, match=r"^LIVEKIT_API_KEY_FILE: must have an API key"):
        KeyFiles(key_file=path, secret=SECRET).read()


@pytest.mark.parametrize(
    ("files", "variable"),
    [
        (KeyFiles(key_file=Path(__file__)), "LIVEKIT_API_SECRET"),
        (KeyFiles(secret_file=Path(__file__)), "LIVEKIT_API_KEY"),
    ],
)
def test_half_of_the_credentials_is_not_enough(files: KeyFiles, variable: str) -> None:
    """What is missing is named, and the variable that could have it instead."""
    with pytest.raises(KeyFileFault, match=f"^{variable}: must be set, or {variable}_FILE"):
        files.read()


def test_a_secret_of_the_environment_is_checked_as_well() -> None:
    """It is the environment's variable that is named, though a file has the key."""
    with pytest.raises(KeyFileFault, match=r"^LIVEKIT_API_SECRET: .*PEM"):
        KeyFiles(key="key", secret=PEM).read()


def _missing(path: Path) -> None:
    path.with_name("other").touch()


def _looping(path: Path) -> None:
    path.symlink_to(path)


def _in_latin_1(path: Path) -> None:
    path.write_bytes(b"key: \xfc")


def _too_long(path: Path) -> None:
    path.write_text(f"key: {SECRET}\n".ljust((1 << 16) + 1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(_missing, "there is no such file", id="missing"),
        pytest.param(Path.mkdir, "must be a regular file", id="a directory"),
        pytest.param(os.mkfifo, "must be a regular file", id="a pipe, which would block"),
        pytest.param(lambda path: path.symlink_to("nothing"), "there is no such file", id="a dead link"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "must be a regular file", id="a device"),
        pytest.param(_looping, "the file cannot be read: ", id="a link to itself"),
        pytest.param(_in_latin_1, "must be text in UTF-8", id="another charset"),
        pytest.param(_too_long, "must be at most 64 KiB", id="65,537 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    """Named is its variable, never its path: somebody may have written the secret itself there."""
    path = tmp_path / SECRET
    make(path)
    variables = {"LIVEKIT_KEYS_FILE": KeyFiles(keys_file=path)}
    variables["LIVEKIT_API_SECRET_FILE"] = KeyFiles(key="key", secret_file=path)
    for variable, files in variables.items():
        with pytest.raises(KeyFileFault) as caught:
            files.read()
        assert str(caught.value).startswith(f"{variable}: {words}")
        assert SECRET not in str(caught.value)
        assert SECRET not in repr(files)


def test_a_file_that_is_closed_to_the_service_is_named(tmp_path: Path) -> None:
    """Its owner must let the service read it."""
    path = tmp_path / "keys"
    path.write_text(f"key: {SECRET}")
    path.chmod(0)
    with unprivileged(), pytest.raises(KeyFileFault, match="the service may not read the file"):
        KeyFiles(keys_file=path).read()


@pytest.mark.parametrize("name", ["n" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_no_traceback(tmp_path: Path, name: str) -> None:
    """That is a fault like any other, and there is no time of a change."""
    files = KeyFiles(keys_file=tmp_path / name)
    with pytest.raises(KeyFileFault, match="the file cannot be read: "):
        files.read()
    assert files.changed_at() is None


def test_a_file_of_64_kib_is_read(tmp_path: Path) -> None:
    """That is the limit."""
    path = tmp_path / "keys"
    path.write_text(f"key: {SECRET}\n".ljust(1 << 16))
    assert KeyFiles(keys_file=path).read() == (Credentials("key", SECRET),)


def test_the_last_change_of_several_files_counts(tmp_path: Path) -> None:
    """A file is followed through links; without a file there is no change."""
    key, secret, link = tmp_path / "key", tmp_path / "secret", tmp_path / "link"
    for path, seconds in ((key, 1_700_000_000), (secret, 1_600_000_000)):
        path.touch()
        os.utime(path, (seconds, seconds))
    link.symlink_to(key)
    assert KeyFiles(key_file=link, secret_file=secret).changed_at() == 1_700_000_000
    assert KeyFiles(key="key", secret=SECRET).changed_at() is None
