"""The forms of our service that know who asks, or count how often, and what stands behind them."""

import hashlib
import json
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from benchmarks.processes import HOST, LOAD_CORE, accepts_connections, free_port, stopping
from benchmarks.servers import Form, Guard, Server

IDENTITY = "alice"

_AUDIENCE = "https://tokens.example.com"
_KEY_ID, _KEY_BITS = "bench", 2048
_TOKEN_SECONDS = 3600
_BACKEND = "backend"
_RATE = "1000000/minute"  # None of the servers comes near it.


@dataclass(frozen=True, slots=True)
class Issuer:
    """An OpenID issuer that serves.

    Attributes:
        url: what it calls itself.
        key: what it signs with.
    """

    url: str
    key: rsa.RSAPrivateKey

    def token(self, subject: str) -> str:
        """Sign a token of a caller, for longer than the benchmark takes."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": _AUDIENCE, "sub": subject, "iat": now, "exp": now + _TOKEN_SECONDS}
        return jwt.encode(claims, self.key, "RS256", {"kid": _KEY_ID, "typ": "at+jwt"})


@contextmanager
def forms(full: Server, folder: Path) -> Iterator[list[Server]]:
    """Describe the forms beside `full`, and keep what they need to the end.

    Args:
        full: the service that knows nobody, and counts nothing.
        folder: where a Redis server may work.
    """
    with ExitStack() as stack:
        issuer = stack.enter_context(_issuer())
        made = [_verified(full, issuer), _keyed(full), _limited(full, "limited", "memory://")]
        if shutil.which("redis-server"):
            made.append(_limited(full, "redis", stack.enter_context(_redis(folder))))
        yield made


def _verified(full: Server, issuer: Issuer) -> Server:
    environment = {"AUTH": "oidc", "OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": _AUDIENCE}
    guard = Guard(
        {"Authorization": f"Bearer {issuer.token(IDENTITY)}"},
        {"caller": IDENTITY, "auth": "oidc"},
        identity=IDENTITY,
    )
    return _form(full, "verified", "a caller token, RS256, verified at each request", environment, guard)


def _keyed(full: Server) -> Server:
    key = secrets.token_urlsafe()
    digest = hashlib.sha256(key.encode()).hexdigest()
    environment = {"AUTH": "api-key", "API_KEY_DIGESTS": f"{_BACKEND}:{digest}"}
    guard = Guard({"X-API-Key": key}, {"caller": _BACKEND, "auth": "api-key"})
    return _form(full, "key", "an API key", environment, guard)


def _limited(full: Server, form: Form, storage: str) -> Server:
    environment = {"RATE_LIMIT": _RATE, "RATE_LIMIT_STORAGE": storage}
    where = "Redis" if storage.startswith("redis:") else "the process"
    return _form(full, form, f"a limit for each caller, counted in {where}", environment, Guard(limits=True))


def _form(full: Server, form: Form, title: str, environment: Mapping[str, str], guard: Guard) -> Server:
    environment = {**full.environment, **environment}
    return replace(full, form=form, title=title, environment=environment, guard=guard)


@contextmanager
def _issuer() -> Iterator[Issuer]:
    """Serve an issuer's keys, from this process."""
    key = rsa.generate_private_key(65537, _KEY_BITS)
    public = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": _KEY_ID, "use": "sig"}
    documents: dict[str, Any] = {"/jwks": {"keys": [public]}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(documents[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    url = f"http://{HOST}:{server.server_port}"
    documents["/.well-known/openid-configuration"] = {"issuer": url, "jwks_uri": f"{url}/jwks"}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Issuer(url, key)
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """Run a Redis server that keeps nothing on the disk, beside wrk; yield its URL."""
    port = free_port()
    command = ["taskset", "--cpu-list", str(LOAD_CORE), "redis-server", "--bind", HOST, "--port", str(port)]
    command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  # as written above
    with stopping(process):
        if not accepts_connections(process, port):
            sys.exit("redis-server does not listen.")
        yield f"redis://{HOST}:{port}"
