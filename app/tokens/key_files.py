"""Files that credentials come from: LiveKit's own key file, or one file each for the key and the secret."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from jwt import InvalidKeyError
from jwt.algorithms import HMACAlgorithm

from app.tokens.credentials import Credentials

_KEY, _KEY_FILE = "LIVEKIT_API_KEY", "LIVEKIT_API_KEY_FILE"
_SECRET, _SECRET_FILE = "LIVEKIT_API_SECRET", "LIVEKIT_API_SECRET_FILE"
_KEYS_FILE = "LIVEKIT_KEYS_FILE"
_MAX_BYTES = 1 << 16
_MAX_KEY_CHARACTERS = 256
_NULL = "tag:yaml.org,2002:null"
_NO_TEXT = {"tag:yaml.org,2002:binary", "tag:yaml.org,2002:merge"}


class KeyFileFault(Exception):
    """Credentials cannot be had from a file; the message names the variable, never what is in the file."""


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where the credentials are. What is in a file is read anew each time.

    Attributes:
        key: the API key, where that is in no file.
        secret: its secret, likewise.
        key_file: the file that has the key alone.
        secret_file: the file that has the secret alone.
        keys_file: the file that has both, as LiveKit's server reads it; instead of all others.
    """

    key: str | None = None
    secret: str | None = None
    key_file: Path | None = None
    secret_file: Path | None = None
    keys_file: Path | None = None

    def __repr__(self) -> str:
        """Leave the secret out; and the paths, for somebody may have written the secret there."""
        return f"KeyFiles(key={self.key!r})"

    def read(self) -> tuple[Credentials, ...]:
        """Read the credentials; the first sign. It may take as long as the file system does.

        Raises:
            KeyFileFault: a file is not there, or has no credentials that can sign.
        """
        if self.keys_file is not None:
            return parse(_text(_KEYS_FILE, self.keys_file))
        key, secret = self.key, self.secret
        if self.key_file is not None:
            key = _text(_KEY_FILE, self.key_file).strip()
        if self.secret_file is not None:
            secret = _text(_SECRET_FILE, self.secret_file).strip()
        if key is None:
            raise KeyFileFault(f"{_KEY}: must be set, or {_KEY_FILE}")
        if secret is None:
            raise KeyFileFault(f"{_SECRET}: must be set, or {_SECRET_FILE}")
        _check_key(_KEY_FILE if self.key_file else _KEY, key)
        _check_secret(_SECRET_FILE if self.secret_file else _SECRET, secret)
        return (Credentials(key, secret),)

    def changed_at(self) -> float | None:
        """Find when the last of the files was written, in seconds since 1970; None: there is no file."""
        times = []
        for path in (self.keys_file, self.key_file, self.secret_file):
            if path is not None:
                try:
                    times.append(path.stat().st_mtime)
                except (OSError, ValueError):
                    continue
        return max(times, default=None)


def parse(text: str) -> tuple[Credentials, ...]:
    """Read what is in a key file of LiveKit's server: lines `key: secret`, in YAML. The first signs.

    Raises:
        KeyFileFault: LiveKit's server would read something else, or nothing; or a secret cannot sign.
    """
    found: dict[str, str] = {}
    for key, secret in _entries(text):
        _check_key(_KEYS_FILE, key)
        _check_secret(_KEYS_FILE, secret)
        if key in found:
            raise KeyFileFault(f"{_KEYS_FILE}: must have each key once")
        found[key] = secret
    if not found:
        raise KeyFileFault(f"{_KEYS_FILE}: must have a line `key: secret`")
    return tuple(Credentials(key, secret) for key, secret in found.items())


def _entries(text: str) -> Iterator[tuple[str, str]]:
    try:
        # The nodes, and not the values: LiveKit's server takes 007 and yes as the texts that they are.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    # Whatever a parser trips over; what it says of it would quote the file.
    except (yaml.YAMLError, RecursionError, ValueError):
        raise KeyFileFault(f"{_KEYS_FILE}: must be YAML, with lines `key: secret`") from None
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise KeyFileFault(f"{_KEYS_FILE}: must have lines `key: secret`, with a blank after the colon")
    for pair in root.value:
        if not all(isinstance(node, yaml.ScalarNode) and node.tag not in _NO_TEXT for node in pair):
            raise KeyFileFault(f"{_KEYS_FILE}: must have nothing but lines `key: secret`")
        key, secret = ("" if node.tag == _NULL else node.value for node in pair)
        yield key, secret


def _text(variable: str, path: Path) -> str:
    try:
        # Before it is opened: to open a pipe that nobody writes to takes for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise KeyFileFault(f"{variable}: must be a regular file")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise KeyFileFault(f"{variable}: there is no such file") from None
    except PermissionError:
        raise KeyFileFault(f"{variable}: the service may not read the file") from None
    except (OSError, ValueError) as error:
        # Without the path, which the message of the exception has.
        why = getattr(error, "strerror", None) or "no file has such a name"
        raise KeyFileFault(f"{variable}: the file cannot be read: {why}") from None
    if len(content) > _MAX_BYTES:
        raise KeyFileFault(f"{variable}: must be at most {_MAX_BYTES >> 10} KiB")
    try:
        # Editors of Windows put a mark before the text, which would be a part of the secret.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KeyFileFault(f"{variable}: must be text in UTF-8") from None


def _check_key(variable: str, key: str) -> None:
    if not key:
        raise KeyFileFault(f"{variable}: must have an API key")
    if len(key) > _MAX_KEY_CHARACTERS or not key.isprintable() or " " in key:
        raise KeyFileFault(
            f"{variable}: an API key must be one word of at most {_MAX_KEY_CHARACTERS} characters"
        )


def _check_secret(variable: str, secret: str) -> None:
    if not secret.strip():
        raise KeyFileFault(f"{variable}: must have a secret")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except (InvalidKeyError, UnicodeEncodeError):
        raise KeyFileFault(
            f"{variable}: must have the secret of a LiveKit project, not a PEM, SSH or JSON key"
        ) from None
    if not secret.isprintable():
        raise KeyFileFault(f"{variable}: a secret must be one line, without control characters")
