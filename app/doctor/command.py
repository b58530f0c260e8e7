"""The doctor at a terminal or in a pipe: what it reads, and where it writes."""

import os
import sys
from typing import TextIO

from app.doctor import examination, report
from app.doctor.finding import is_well

_MAX_TOKEN_BYTES = 1 << 20


class _Broken(Exception):
    """A standard stream cannot be used; the message says which, and why."""


def run(token: str | None, *, as_json: bool, in_colours: bool) -> int | str:
    """Examine, and write what was found; return what to exit with, which is a text if that cannot be done.

    Args:
        token: to explain, or `-` to read it; None: examine the service.
        as_json: for programs.
        in_colours: what a terminal gets.
    """
    try:
        # Before anybody is asked: nobody would get to know.
        stdout = _opened(sys.stdout, "output")
        if token == "-":  # noqa: S105  # where it comes from
            token = _read(_opened(sys.stdin, "input"))
        found = examination.of_the_service() if token is None else examination.of_a_token(token)
        if as_json:
            text = report.as_json(found.findings, found.secrets)
        else:
            coloured = in_colours and stdout.isatty()
            text = report.as_lines(found.findings, found.secrets, coloured=coloured)
        _write(text, stdout)
    except _Broken as broken:
        return str(broken)
    return 0 if is_well(found.findings) else 1


def _opened(stream: TextIO | None, name: str) -> TextIO:
    if stream is None:
        raise _Broken(f"Standard {name} is closed.")
    return stream


def _read(stdin: TextIO) -> str:
    try:
        return stdin.buffer.read(_MAX_TOKEN_BYTES + 1).decode(errors="replace")
    except OSError as error:
        raise _Broken(f"Standard input cannot be read: {error.strerror or error}.") from None


def _write(text: str, stdout: TextIO) -> None:
    try:
        # A token may name somebody in letters that the terminal does not have.
        stdout.write(text.encode(stdout.encoding, "replace").decode(stdout.encoding))
        stdout.flush()
    except OSError as error:
        # What is left would be tried once more at the end, and complained of.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        raise _Broken(f"Standard output cannot be written to: {error.strerror or error}.") from None
