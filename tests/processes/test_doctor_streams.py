"""What the doctor does without a stream to read from or to write to, and when it is interrupted."""

import fcntl
import signal
import struct
import subprocess
import termios
import time

import pytest

from tests.support.process import COMMAND, DEADLINE_SECONDS, ROOT, environment, run


def redirected(redirection: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the doctor with a redirection of the shell."""
    command = ("bash", "-o", "pipefail", "-c", f'"$@" {redirection}', "bash", *COMMAND)
    return run("doctor", *arguments, command=command)


@pytest.mark.parametrize(
    ("redirection", "said"),
    [
        (">&-", "Standard output is closed."),
        (">/dev/full", "Standard output cannot be written to: No space left on device."),
        ("| exec true", "Standard output cannot be written to: Broken pipe."),
    ],
)
def test_what_cannot_be_written_is_said(redirection: str, said: str) -> None:
    """In a line, with an exit status that no script takes for well."""
    ended = redirected(redirection, "--token", "x")
    assert (ended.returncode, ended.stderr) == (1, f"{said}\n")


@pytest.mark.parametrize(
    ("redirection", "said"),
    [("<&-", "Standard input is closed."), ("0>/dev/null", "Standard input cannot be read")],
)
def test_what_cannot_be_read_is_said(redirection: str, said: str) -> None:
    """Likewise, rather than that there is no token."""
    ended = redirected(redirection, "--token", "-")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(said)
    assert ended.stderr.count("\n") == 1


def test_it_is_interrupted_without_a_word() -> None:
    """By the signal itself, as the shell expects it, while it waits for the rest of a token."""
    process = subprocess.Popen(
        [*COMMAND, "doctor", "--token", "-"],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdin is not None
    process.stdin.write(b"x")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while _unread(process.stdin.fileno()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, said) == (-signal.SIGINT, (b"", b""))


def _unread(pipe: int) -> int:
    """Count the bytes in a pipe."""
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0])
