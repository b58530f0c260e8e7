"""What there is to see in the demo, and by which commands, for a terminal of 80 columns."""

import shlex
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from examples.page import SignIn

_ROOT = Path(__file__).parent.parent
_COLUMNS = 80
_INDENT = "   "


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of the demo listen: `http://…`, and `ws://…` for LiveKit."""

    page: str
    api: str
    livekit: str
    sign_in: SignIn | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Something to look at.

    Attributes:
        words: what to do, and what is to be seen.
        commands: what a shell takes, each as it can be copied.
    """

    words: str
    commands: tuple[str, ...] = ()


def tour(addresses: Addresses) -> str:
    """Write down what runs, and what to look at, in which order."""
    parts = {"page": addresses.page, "service": addresses.api, "LiveKit": addresses.livekit}
    if addresses.sign_in:
        parts["provider"] = addresses.sign_in.issuer
    steps = _signed_in(addresses, addresses.sign_in) if addresses.sign_in else _open(addresses)
    return "\n".join(
        [
            "Everything runs, on this machine only:",
            "",
            *(f"{_INDENT}{name:<9} {url}" for name, url in parts.items()),
            "",
            "What to look at. Commands are for another terminal, in this folder.",
            "",
            *_numbered(steps),
            "The service's log follows. Ctrl-C stops everything.",
            "",
        ]
    )


def _open(addresses: Addresses) -> list[Step]:
    """List what there is to see where nobody is asked who they are."""
    token = _post(addresses.api, '{"roomName": "my-room", "participantIdentity": "alice"}')
    return [
        Step(
            f"A voice room. Open {_room(addresses)} in two tabs, and join in both: "
            "they hear each other, and each shows what its token grants."
        ),
        Step("A token, as any program gets one:", (token,)),
        Step(
            "What such a token lets its holder do, and until when. (Its signature is not checked: "
            "the secret stays with the service.)",
            (f"{token} \\\n  | cut -d '\"' -f 4 | {_python()} -m app doctor --token -",),
        ),
        Step(
            "Three mistakes at once: the answer names each, and says what to change. Below, the log has a "
            "line of it, found by `my-mistake`: who asked, and why there was no token.",
            (_post(addresses.api, '{"roomName": "my room", "expirationSeconds": 1}', "my-mistake"),),
        ),
        *_watched(addresses),
    ]


def _signed_in(addresses: Addresses, provider: SignIn) -> list[Step]:
    """List what there is to see where people sign in."""
    stranger = _post(addresses.api, '{"roomName": "my-room", "participantIdentity": "alice"}', "a-stranger")
    return [
        Step(
            f"A voice room. Open {_room(addresses)} in two tabs, and in each sign in with another name, and "
            "join; no password is asked for. Who joins is who has signed in, whatever the page says."
        ),
        Step(
            "A stranger gets no token, but is told how to ask for one. Below, the log has a line of it, "
            "found by `a-stranger`.",
            (stranger.replace("curl -s", "curl -si"),),
        ),
        Step(
            "What the service knows of the provider: this, and the keys that it names.",
            (f"curl -s {provider.issuer}/.well-known/openid-configuration",),
        ),
        *_watched(addresses),
    ]


def _room(addresses: Addresses) -> str:
    """Name a room: without one, each tab would join a fresh room of its own."""
    return f"{addresses.page}/?room=my-room"


def _watched(addresses: Addresses) -> list[Step]:
    """List what an operator and a reader of the contract look at."""
    return [
        Step(
            "What an operator watches: whether tokens can be issued, and what was issued and refused.",
            (
                f"curl -s {addresses.api}/api/health/ready",
                f"curl -s {addresses.api}/api/metrics | grep -E 'issued|refusals'",
            ),
        ),
        Step(f"The contract of this deployment, to read and to try by hand: {addresses.api}/api/ui"),
    ]


def _post(api: str, body: str, request_id: str = "") -> str:
    """Write the command that asks for a token."""
    headers = ["Content-Type: application/json", *([f"X-Request-Id: {request_id}"] if request_id else [])]
    return " \\\n  ".join(
        [f"curl -s {api}/api/token", *(f"-H '{header}'" for header in headers), f"-d '{body}'"]
    )


def _numbered(steps: list[Step]) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        yield textwrap.fill(
            step.words,
            _COLUMNS,
            initial_indent=f"{number}. ",
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for command in step.commands:
            yield from ("", textwrap.indent(command, _INDENT))
        yield ""


def _python() -> str:
    """Name the interpreter that has what the service needs: as short as `make install` lets it be."""
    installed = _ROOT / ".venv"
    if installed.exists() and installed.samefile(sys.prefix):
        return ".venv/bin/python"
    return shlex.quote(sys.executable)
