"""A real LiveKit server on the loopback interface. Knows nothing of pytest."""

import http.client
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.e2e.go_programs import ProgramUnavailable, install

VERSION = "1.13.5"
MODULE = f"github.com/livekit/livekit-server/cmd/server@v{VERSION}"
BUILD_FOLDER = Path(__file__).parent.parent.parent / ".cache" / "livekit"

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 20
_STOP_SECONDS = 5


class LiveKitUnavailable(Exception):
    """There is no LiveKit server here, and none can be built; the message says why."""


class LiveKitFailed(Exception):
    """The LiveKit server did not start; the message ends in what it wrote."""


@dataclass(frozen=True, slots=True)
class LiveKitServer:
    """A running LiveKit server.

    Attributes:
        url: the address that participants connect to, `ws://…`.
        http_url: the address of its HTTP services, `http://…`.
        key: the API key.
        secret: the API secret of that key.
        pid: the process id.
    """

    url: str
    http_url: str
    key: str
    secret: str = field(repr=False)
    pid: int


@contextmanager
def run_livekit_server(key_file: Path | None = None) -> Iterator[LiveKitServer]:
    """Run a LiveKit server on free ports with new credentials, and stop it at the end.

    Args:
        key_file: has the credentials instead, `key: secret`; the first are those that are yielded.

    Raises:
        LiveKitUnavailable: see find_binary.
        LiveKitFailed: the server died, or did not answer in time.
    """
    binary = find_binary()
    keys = {f"API{secrets.token_hex(6)}": secrets.token_hex(20)}
    arguments: list[str | Path] = []
    if key_file is not None:
        keys, arguments = yaml.safe_load(key_file.read_text(encoding="utf-8")), ["--key-file", key_file]
    http_port, udp_port = _free_ports()
    with tempfile.TemporaryDirectory(prefix="livekit-") as name:
        folder = Path(name)
        # The secret goes through a file in a private folder: arguments are visible to every user.
        config = folder / "config.yaml"
        config.write_text(
            yaml.safe_dump(_configuration({} if key_file else keys, http_port, udp_port)), encoding="utf-8"
        )
        output = folder / "output.log"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [binary, "--config", config, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                # A developer's LIVEKIT_CONFIG, LIVEKIT_KEYS or REDIS_HOST would win over the file.
                env={"HOME": name},
            )
        try:
            _await_answer(process, http_port, output)
            address = f"{_LOOPBACK}:{http_port}"
            yield LiveKitServer(
                f"ws://{address}", f"http://{address}", *next(iter(keys.items())), process.pid
            )
        finally:
            _stop(process)


def find_binary() -> Path:
    """Find `livekit-server` on the PATH, else the one built earlier, else build it with Go.

    Raises:
        LiveKitUnavailable: it is not there, and Go is not either, or could not build it.
    """
    if installed := shutil.which("livekit-server"):
        return Path(installed)
    built = BUILD_FOLDER / "server"
    if not _is_current(built):
        try:
            install(MODULE, BUILD_FOLDER)
        except ProgramUnavailable as unavailable:
            raise LiveKitUnavailable(f"livekit-server is not on the PATH, and {unavailable}") from None
    return built


def _is_current(binary: Path) -> bool:
    """Tell whether a binary runs, and is of the version that the tests are written for."""
    try:
        answer = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, check=True, timeout=_START_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.stdout.split()[-1:] == [VERSION]


def _free_ports() -> tuple[int, int]:
    """Find a free TCP port and a free UDP port."""
    with ExitStack() as stack:
        ports = []
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            free = stack.enter_context(socket.socket(socket.AF_INET, kind))
            free.bind((_LOOPBACK, 0))
            ports.append(free.getsockname()[1])
    return ports[0], ports[1]


def _configuration(keys: Mapping[str, str], http_port: int, udp_port: int) -> dict[str, object]:
    """Write the configuration that keeps the server, and its participants, on the loopback interface."""
    return {
        "port": http_port,
        "bind_addresses": [_LOOPBACK],
        "keys": dict(keys),
        "rtc": {
            "node_ip": _LOOPBACK,
            "use_external_ip": False,
            "enable_loopback_candidate": True,
            "ips": {"includes": ["127.0.0.0/8"]},
            "udp_port": udp_port,
            # The TCP fallback for media would listen on every interface.
            "tcp_port": 0,
            # By default the server sends participants to public STUN servers. Nobody answers at this
            # address. It must not be the server's own: libwebrtc takes all that comes from a STUN
            # server's address for STUN, and media never connects.
            "stun_servers": [f"{_LOOPBACK}:9"],
        },
    }


def _await_answer(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(port):
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(0.05)
            raise _failure(f"the LiveKit server ended with status {status}", output)
        if time.monotonic() > deadline:
            raise _failure(f"the LiveKit server did not answer within {_START_SECONDS} seconds", output)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(_LOOPBACK, port, timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _failure(what: str, output: Path) -> LiveKitFailed:
    return LiveKitFailed(f"{what}:\n{output.read_text(encoding='utf-8', errors='replace')[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # The first signal makes it wait for participants to leave, and a test that failed may have left
    # some; the second one does not. A signal in its first 100 ms is lost.
    for _ in range(_STOP_SECONDS):
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
            return
    process.kill()
    process.wait()
