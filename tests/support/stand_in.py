"""A stand-in for LiveKit's `/rtc/validate`, for states that a real server cannot be brought into."""

import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LOOPBACK = "127.0.0.1"


class Said(NamedTuple):
    """An answer; without a date it does not tell the time. A text is a date as it is written."""

    status: int
    text: str = ""
    date: float | str | None = None


Answer = Callable[[str], Said]
"""What makes an answer of a token, which is empty where there is none."""


@contextmanager
def standing_in(answer: Answer, certificate: Path | None = None) -> Iterator[str]:
    """Serve on a free port, with TLS if there is a certificate; yield the authority: `127.0.0.1:PORT`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = answer(self.headers.get("Authorization", "").removeprefix("Bearer "))
            body = said.text.encode()
            self.send_response_only(said.status)
            if said.date is not None:
                date = said.date if isinstance(said.date, str) else formatdate(said.date, usegmt=True)
                self.send_header("Date", date)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_request: object) -> None:
            """Keep quiet of who goes away."""

    server = Server((_LOOPBACK, 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"{_LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def livekit_ahead(seconds: float, secret: str) -> Answer:
    """Judge tokens as LiveKit does, by a clock that is so much ahead; a refusal repeats the token."""

    def answer(token: str) -> Said:
        now = time.time() + seconds
        if not token:
            return Said(401, "no permissions to access the room", now)
        try:
            claims = jwt.decode(
                token, secret, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False}
            )
        except jwt.InvalidTokenError:
            return Said(401, f"invalid token: {token}, error: signature", now)
        if claims["nbf"] - 60 <= now <= claims["exp"] + 60:
            return Said(200, "success", now)
        return Said(401, f"invalid token: {token}, error: time", now)

    return answer


def write_certificate(path: Path, name: str = _LOOPBACK, starts: float = -1, ends: float = 365) -> Path:
    """Write a self-signed certificate and its key; the times are days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=starts))
        .not_valid_after(now + timedelta(days=ends))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return path
