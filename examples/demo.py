"""`python -m examples.demo`, or `make demo`: LiveKit, the service, and a page that uses both.

With `AUTH=oidc` there is an OpenID provider as well, at which people sign in before they join. All listen
on the loopback interface only, LiveKit with a key and a secret that are made for this run. Ctrl-C stops
them.
"""

import http.client
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from examples.page import ClientMissing, PageServer, SignIn
from examples.tour import Addresses, tour
from tests.e2e.livekit_server import LiveKitFailed, LiveKitServer, LiveKitUnavailable, run_livekit_server
from tests.e2e.openid_provider import ProviderFailed, ProviderUnavailable, run_openid_provider

_ROOT = Path(__file__).parent.parent
_LOOPBACK = "127.0.0.1"
# Taken if they are free: a browser remembers the permission to use a microphone for an origin.
_API_PORT, _PAGE_PORT = 7071, 7072
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_START_SECONDS = 20
_STOP_SECONDS = 20


class Stopped(Exception):
    """The demo cannot go on, or not begin; the message says why."""


_REASONS = (
    ClientMissing,
    LiveKitFailed,
    LiveKitUnavailable,
    ProviderFailed,
    ProviderUnavailable,
    Stopped,
)


def main() -> None:
    """Run everything until a signal says stop, or a part of it ends."""
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        _run()
    except KeyboardInterrupt:
        _say("Stopped.")
    except _REASONS as error:
        sys.exit(str(error))


def _run() -> None:
    auth = os.environ.get("AUTH") or "none"
    if auth not in {"none", "oidc"}:
        raise Stopped(f"AUTH={auth} is not for the demo: it knows AUTH=oidc; without AUTH, nobody signs in.")
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    with ExitStack() as stack:
        page = stack.enter_context(PageServer(_free_port(_PAGE_PORT)))
        _say("Starting LiveKit; the first time it may have to be built, which takes minutes.")
        livekit = stack.enter_context(run_livekit_server())
        _watch("LiveKit", livekit.pid, ended)
        sign_in = stack.enter_context(_serve_sign_in(page.origin, ended)) if auth == "oidc" else None
        api = stack.enter_context(_serve_api(livekit, page.origin, sign_in, ended))
        stack.enter_context(page.serving(f"{api}/api", sign_in))
        # Runs first at the end: a second Ctrl-C must not keep the rest from being stopped.
        stack.callback(_ignore_signals)
        _say(f"\n{tour(Addresses(page.origin, api, livekit.url, sign_in))}")
        raise Stopped(ended.get())


@contextmanager
def _serve_sign_in(origin: str, ended: "queue.SimpleQueue[str]") -> Iterator[SignIn]:
    """Run an OpenID provider that knows the page, until the end."""
    with run_openid_provider(redirect_uris=[f"{origin}/"]) as provider:
        _watch("the OpenID provider", provider.pid, ended)
        yield SignIn(provider.issuer, provider.public_client_id, provider.audience)


@contextmanager
def _serve_api(
    livekit: LiveKitServer, origin: str, sign_in: SignIn | None, ended: "queue.SimpleQueue[str]"
) -> Iterator[str]:
    """Run the service until the end, and yield its address."""
    port = _free_port(_API_PORT)
    # Whatever else an operator has set stays: a short TOKEN_TTL_SECONDS, say.
    environment = {
        **os.environ,
        "LIVEKIT_URL": livekit.url,
        "LIVEKIT_API_KEY": livekit.key,
        "LIVEKIT_API_SECRET": livekit.secret,
        "CORS_ALLOWED_ORIGINS": origin,
        "HOST": _LOOPBACK,
        "PORT": str(port),
        "WORKERS": "1",
    }
    if sign_in:
        environment |= {"AUTH": "oidc", "OIDC_ISSUER": sign_in.issuer, "OIDC_AUDIENCE": sign_in.audience}
    process = subprocess.Popen([sys.executable, "-m", "app"], cwd=_ROOT, env=environment)
    try:
        _watch("the service", process.pid, ended)
        _await_answer(port, origin, ended)
        yield f"http://{_LOOPBACK}:{port}"
    finally:
        _stop(process)


def _watch(name: str, pid: int, ended: "queue.SimpleQueue[str]") -> None:
    """Report a child process when it ends."""

    def wait() -> None:
        # Whoever else waits for the child is told that it is gone.
        with suppress(ChildProcessError):
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            ended.put(f"{name} ended with status {status}; the rest was stopped.")

    threading.Thread(target=wait, daemon=True).start()


def _await_answer(port: int, origin: str, ended: "queue.SimpleQueue[str]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _is_ready(port, origin):
        with suppress(queue.Empty):
            raise Stopped(ended.get(timeout=0.05))
        if time.monotonic() > deadline:
            raise Stopped(f"the service was not ready within {_START_SECONDS} seconds; the rest was stopped.")


def _is_ready(port: int, origin: str) -> bool:
    """Tell whether the service can issue tokens to the page; another service on the port would not."""
    connection = http.client.HTTPConnection(_LOOPBACK, port, timeout=1)
    try:
        connection.request("GET", "/api/health/ready", headers={"Origin": origin})
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    else:
        allowed = answer.getheader("Access-Control-Allow-Origin")
        return (answer.status, allowed) == (http.HTTPStatus.OK, origin)
    finally:
        connection.close()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port(wanted: int) -> int:
    """Find a free port: the wanted one, or any."""
    with socket.socket() as free:
        # As servers do: connections that were closed a moment ago do not keep a port.
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind((_LOOPBACK, wanted))
        except OSError:
            free.bind((_LOOPBACK, 0))
        return int(free.getsockname()[1])


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
