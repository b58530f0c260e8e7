"""A real nginx before the service, which it serves under a path prefix. Knows nothing of pytest."""

import grp
import http.client
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PREFIX = "/voice"
SITE = Path(__file__).parent.parent.parent / "deploy" / "nginx" / "token-api.conf"
"""What an operator puts into nginx's configuration; in the tests with other addresses, and less patience."""

# All that nginx writes is in the folder that it is started with. The second server is the shortest that
# works: it tidies paths up, and lets through whatever headers its callers send.
_MAIN = """daemon off;
worker_processes 1;
{user}
pid nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log access.log;
    client_body_temp_path client-body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
    server {{
        listen {plain};
        location /voice/ {{ proxy_pass http://token_api/; }}
    }}
}}
"""
_LOOPBACK = "127.0.0.1"
HEAD_SECONDS = 1
"""How long nginx waits for a head, in the tests."""
_START_SECONDS = 10
_STOP_SECONDS = 5


class NginxUnavailable(Exception):
    """There is no nginx here; the message says what to install."""


class NginxFailed(Exception):
    """nginx did not start; the message ends in what it wrote."""


@dataclass
class Nginx:
    """A running nginx.

    Attributes:
        url: the address of the server that SITE describes, `http://…`, without the prefix.
        plain_url: the address of one that does no more than take the prefix away.
        log: what nginx has logged, once it is stopped.
    """

    url: str
    plain_url: str
    log: str = ""


@contextmanager
def run_nginx(*service_ports: int) -> Iterator[Nginx]:
    """Run nginx on free ports, before services on the loopback interface, and stop it at the end.

    Raises:
        NginxUnavailable: there is none.
        NginxFailed: it died, or did not answer in time.
    """
    binary = _find_binary()
    addresses = [f"{_LOOPBACK}:{port}" for port in _free_ports(2)]
    nginx = Nginx(*(f"http://{address}" for address in addresses))
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        folder = Path(name)
        servers = " ".join(f"server {_LOOPBACK}:{port};" for port in service_ports)
        site = _replace(SITE.read_text(encoding="utf-8"), "listen 80;", f"listen {addresses[0]};")
        site = _replace(site, "server 127.0.0.1:7071;", servers)
        patience = f"client_header_timeout {HEAD_SECONDS}s;"
        site = _replace(site, "client_header_timeout 10s;", patience)
        (folder / "site.conf").write_text(site, encoding="utf-8")
        main = _MAIN.format(user=_user(), plain=addresses[1])
        (folder / "nginx.conf").write_text(main, encoding="utf-8")
        output = folder / "output.log"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [binary, "-p", folder, "-c", "nginx.conf", "-e", "stderr"],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={"TZ": "UTC"},
            )
        try:
            for address in addresses:
                _await_answer(process, address, output)
            yield nginx
        finally:
            _stop(process)
            for file in (output, folder / "access.log"):
                nginx.log += file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def _find_binary() -> str:
    # Debian keeps it from the PATH of ordinary users.
    binary = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if binary is None:
        raise NginxUnavailable("nginx is neither on the PATH nor in /usr/sbin: install nginx")
    return binary


def _free_ports(count: int) -> list[int]:
    """Find different free TCP ports."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((_LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def _replace(text: str, old: str, new: str) -> str:
    before, found, after = text.partition(old)
    assert found, old
    assert old not in after
    return before + new + after


def _user() -> str:
    # Started by root, it would work as a user who may not look into the folder.
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name};"


def _await_answer(process: subprocess.Popen[bytes], address: str, output: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(address):
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(0.02)
            raise _failure(f"nginx ended with status {status}", output)
        if time.monotonic() > deadline:
            raise _failure(f"nginx did not answer within {_START_SECONDS} seconds", output)


def _answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.NOT_FOUND
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _failure(what: str, output: Path) -> NginxFailed:
    return NginxFailed(f"{what}:\n{output.read_text(encoding='utf-8', errors='replace')[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    # The master stops its worker, which a killed one would not.
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
