"""The key that tokens are signed with: it follows its files."""

import asyncio
import logging
import threading
import time
from dataclasses import dataclass, field

from app.tokens.credentials import STRONG_SECRET_BYTES, Credentials
from app.tokens.key_files import KeyFileFault, KeyFiles
from app.tokens.service import TokenService

logger = logging.getLogger(__name__)

_PERIOD_SECONDS = 1.0
_LATE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Found:
    """What the files say: credentials, or what is wrong."""

    credentials: Credentials | None = None
    fault: str = ""
    written_at: float | None = field(default=None, compare=False)


class SigningKey:
    """The key of a token service, which stays in use until its files say another one.

    Attributes:
        in_use_since: when its file was written, or without files the service started: seconds since 1970.
    """

    def __init__(self, tokens: TokenService, files: KeyFiles | None = None) -> None:
        """Have `tokens` signed with what the files say, if that can be used; `watch` says what is wrong.

        Without files they keep the key that they have.

        Raises:
            TokensDiffer: see claims.TokenWriter.
        """
        self.in_use_since = time.time()
        self._tokens = tokens
        self._files = files
        self._credentials: Credentials | None = None
        self._fault = ""
        self._read_at, self._is_late = time.monotonic(), False
        if files is not None:
            self._take(_found_in(files))

    @property
    def is_broken(self) -> bool:
        """Whether the files cannot be used; the key before stays in use, if there was one."""
        return bool(self._fault) or self._is_late

    @property
    def is_weak(self) -> bool:
        """Whether the secret in use can be found by trying."""
        return self._tokens.is_weak

    async def watch(self) -> None:
        """Follow the files until cancelled.

        What they say is believed when they say it twice in a row: a file that is written in place may be
        half written, and one of two files may still be the old one.
        """
        if self._files is None:
            return
        self._say("", None)
        self._read_at = time.monotonic()
        over = threading.Event()
        # A file system may let its readers wait, for ever too; the end waits for threads of a pool only.
        threading.Thread(target=self._follow, args=(self._files, over), name="keys", daemon=True).start()
        try:
            while True:
                await asyncio.sleep(_PERIOD_SECONDS)
                self._say_late()
        finally:
            over.set()

    def _follow(self, files: KeyFiles, over: threading.Event) -> None:
        seen = None
        while not over.wait(_PERIOD_SECONDS):
            before = self._fault, self._credentials
            try:
                found = _found_in(files)
                if found == seen:
                    self._take(found)
                seen = found
            except Exception as error:  # noqa: BLE001  # Whatever happens, the files are read again.
                self._fault = f"The credentials of the files cannot be used ({type(error).__name__})"
            self._read_at = time.monotonic()
            self._say(*before)

    def _say_late(self) -> None:
        was_late, self._is_late = self._is_late, time.monotonic() > self._read_at + _LATE_SECONDS
        if self._is_late and not was_late:
            logger.error("The files of the credentials cannot be read: the file system does not answer.")
        elif was_late and not self._is_late:
            logger.info("The files of the credentials can be read again.")

    def _take(self, found: _Found) -> None:
        if found.credentials is not None and found.credentials != self._credentials:
            self._tokens.sign_with(found.credentials)
            self._credentials = found.credentials
            now = time.time()
            self.in_use_since = min(found.written_at or now, now)
        self._fault = found.fault

    def _say(self, fault: str, credentials: Credentials | None) -> None:
        """Say what has changed since there was this fault, or none, and these credentials were in use."""
        now = self._credentials
        if self._fault and self._fault != fault:
            key = f"the key {now.shown_key} stays in use" if now else "no token can be issued"
            logger.error("%s; %s.", self._fault, key)
        if now is not None and now != credentials:
            logger.info("Tokens are signed with the key %s from now on.", now.shown_key)
            if now.is_weak:
                logger.warning(
                    "The secret of the key %s is weak: use at least %d bytes.",
                    now.shown_key,
                    STRONG_SECRET_BYTES,
                )
        elif now is not None and fault and not self._fault:
            logger.info("The files of the credentials are mended; the key %s is in use.", now.shown_key)


def _found_in(files: KeyFiles) -> _Found:
    written_at = files.changed_at()
    try:
        first, *_ = files.read()
    except KeyFileFault as fault:
        return _Found(fault=str(fault))
    return _Found(first, written_at=written_at)
