"""A real API server of Kubernetes on the loopback interface, with an etcd of its own."""

import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks.processes import stopping
from tests.support.process import ROOT, free_port

VERSION = "1.36.3"
BUILD_FOLDER = ROOT / ".cache" / "kubernetes" / f"v{VERSION}"
_LOOPBACK = "127.0.0.1"
_START_SECONDS = 60


class ApiServerUnavailable(Exception):
    """There is no API server here, and none can be built; the message says what to install."""


@contextmanager
def run_api_server() -> Iterator[httpx.Client]:
    """Run it; yield a client who may do everything.

    Raises:
        ApiServerUnavailable: Go or etcd is missing.
    """
    etcd = shutil.which("etcd")
    if etcd is None:
        raise ApiServerUnavailable("etcd is not on the PATH: install etcd-server")
    binary = _built()
    port, token = free_port(), secrets.token_hex(20)
    with tempfile.TemporaryDirectory(prefix="kubernetes-") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "tokens.csv").write_text(f"{token},admin,1,system:masters\n", encoding="utf-8")
        _write_key(folder / "service-accounts.pem")
        store, peers = (f"http://{_LOOPBACK}:{free_port()}" for _ in range(2))
        stack.enter_context(
            _running(
                folder / "etcd.log",
                etcd,
                f"--data-dir={folder / 'etcd'}",
                f"--listen-client-urls={store}",
                f"--advertise-client-urls={store}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster=default={peers}",
            )
        )
        stack.enter_context(
            _running(
                folder / "api.log",
                str(binary),
                f"--etcd-servers={store}",
                f"--bind-address={_LOOPBACK}",
                f"--advertise-address={_LOOPBACK}",
                f"--secure-port={port}",
                f"--cert-dir={folder / 'certificates'}",
                f"--token-auth-file={folder / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={folder / 'service-accounts.pem'}",
                f"--service-account-signing-key-file={folder / 'service-accounts.pem'}",
            )
        )
        yield stack.enter_context(_client(folder, f"https://{_LOOPBACK}:{port}", token))


@contextmanager
def _client(folder: Path, url: str, token: str) -> Iterator[httpx.Client]:
    certificate = folder / "certificates" / "apiserver.crt"
    deadline = time.monotonic() + _START_SECONDS
    _wait_for(certificate.exists, deadline, folder)
    with httpx.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {token}"},
        verify=ssl.create_default_context(cafile=certificate),
        trust_env=False,
    ) as client:
        _wait_for(lambda: _is_ready(client), deadline, folder)
        yield client


def _wait_for(is_so: Callable[[], bool], deadline: float, folder: Path) -> None:
    while not is_so():
        if time.monotonic() > deadline:
            log = (folder / "api.log").read_text(encoding="utf-8", errors="replace")
            raise TimeoutError(f"the API server is not ready after {_START_SECONDS} s:\n{log[-2000:]}")
        time.sleep(0.2)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


@contextmanager
def _running(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
    with stopping(process):
        yield


def _write_key(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _built() -> Path:
    """Find the API server that was built earlier, else build it.

    `go install` does not: its module takes others from folders beside it, which are published as modules of
    their own. So one is made here that needs it, and says so.
    """
    binary = BUILD_FOLDER / "kube-apiserver"
    if binary.exists():
        return binary
    go = shutil.which("go")
    if go is None:
        raise ApiServerUnavailable("go is not on the PATH, which builds the API server once")
    with tempfile.TemporaryDirectory(prefix="kubernetes-") as name:
        module = Path(name)
        told = subprocess.run(
            [go, "mod", "download", "-json", f"k8s.io/kubernetes@v{VERSION}"],
            cwd=module,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        theirs = Path(json.loads(told)["Dir"])
        (module / "go.sum").write_bytes((theirs / "go.sum").read_bytes())
        (module / "go.mod").write_text(_requiring((theirs / "go.mod").read_text(encoding="utf-8")))
        BUILD_FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [go, "build", "-mod=mod", "-o", binary, "k8s.io/kubernetes/cmd/kube-apiserver"],
            cwd=module,
            env={**os.environ, "GOWORK": "off"},
            check=True,
        )
    return binary


def _requiring(theirs: str) -> str:
    """Write a module that requires Kubernetes, and what it requires itself, in the same versions."""
    requirements, _, replacements = theirs.partition("\nreplace (")
    staged = re.findall(r"^\t(k8s\.io/\S+) => \./staging/", replacements, re.MULTILINE)
    published = f"v0.{VERSION.partition('.')[2]}"
    lines = "".join(f"\t{each} => {each} {published}\n" for each in staged)
    ours = requirements.replace("module k8s.io/kubernetes", "module example.com/api-server", 1)
    return f"{ours}\nrequire k8s.io/kubernetes v{VERSION}\n\nreplace (\n{lines})\n"
