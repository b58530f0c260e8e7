"""An OpenID issuer for tests that need its private keys: it signs whatever they ask for.

tests/e2e has a real one.
"""

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

AUDIENCE = "https://tokens.example.com"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
_DISCOVERY, _JWKS = "/.well-known/openid-configuration", "/jwks"
_LOOPBACK = "127.0.0.1"


class AnySignature(jws.JWSRegistry):
    """Signs by any algorithm, with any header."""

    max_header_length = 1 << 20
    max_payload_length = 1 << 20

    def __init__(self) -> None:
        """Check nothing."""
        super().__init__(strict_check_header=False)

    def check_header(self, _header: Any) -> None:
        """Let it be."""

    def get_alg(self, name: str) -> Any:
        """Find an algorithm without a warning."""
        return self.algorithms[name]


class Issuer:
    """Its keys, and how often it was asked for them.

    Attributes:
        url: what it calls itself.
        keys: by their id, which is the algorithm that they are for.
        published: what it publishes; by default, the public parts of all keys.
        requests: how many there were, by their path.
    """

    def __init__(self) -> None:
        """Make keys; serve nothing yet."""
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.keys: dict[str, Key] = {
            "RS256": RSAKey.generate_key(2048),
            "PS256": RSAKey.generate_key(2048),
            "ES256": ECKey.generate_key("P-256"),
            "EdDSA": OKPKey.generate_key("Ed25519"),
        }
        self.published: list[Any] = [self.public(kid) for kid in self.keys]
        self.requests: Counter[str] = Counter()
        self.delay_seconds = 0.0

    @property
    def url(self) -> str:
        """What it calls itself, once it has served."""
        return f"http://{_LOOPBACK}:{self.port}"

    def public(self, name: str, **changes: Any) -> dict[str, Any]:
        """Write the public part of a key."""
        return {**self.keys[name].as_dict(private=False), "kid": name, "use": "sig", **changes}

    @contextmanager
    def serving(self) -> Iterator["Issuer"]:
        """Serve until the end, again on the same port."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def start(self) -> None:
        """Serve."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests[self.path] += 1
                time.sleep(issuer.delay_seconds)
                body = json.dumps(issuer.document(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
                """Keep quiet."""

        self._server = ThreadingHTTPServer((_LOOPBACK, self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Be away."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def document(self, path: str) -> Any:
        """Make what is answered at a path."""
        if path == _DISCOVERY:
            return {"issuer": self.url, "jwks_uri": f"{self.url}{_JWKS}"}
        return {"keys": self.published} if path == _JWKS else {}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Make the claims of a good token; None takes one away."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, alg: str = "RS256", header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Sign a token with the key of an algorithm; see `claims`."""
        return self.sign(json.dumps(self.claims(**changes)), alg, header)

    def sign(
        self,
        payload: str | bytes,
        alg: str = "RS256",
        header: Mapping[str, Any] | None = None,
        key: Key | None = None,
    ) -> str:
        """Sign anything; None takes a member of the header away."""
        members = {"alg": alg, "typ": "at+jwt", "kid": alg, **(header or {})}
        protected = {name: value for name, value in members.items() if value is not None}
        signer = AnySignature()
        signed = f"{encoded(json.dumps(protected))}.{encoded(payload)}"
        signature = signer.get_alg(alg).sign(signed.encode(), key or self.keys[alg])
        return f"{signed}.{encoded(signature)}"


def encoded(content: str | bytes) -> str:
    """Encode as the parts of a JWT are."""
    data = content.encode() if isinstance(content, str) else content
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
