"""Why a server cannot be reached, in words."""

import ssl
from collections.abc import Iterator
from socket import gaierror
from typing import Literal, NamedTuple

import httpx

Stage = Literal["DNS", "connection", "TLS", "answer"]

# By OpenSSL's X509_V_ERR_*.
_CERTIFICATES = {
    9: ("the certificate is not valid yet", "see to the certificate, or to the clock of this machine"),
    10: ("the certificate has expired", "renew the server's certificate"),
    18: (
        "the certificate is self-signed",
        "have the server use a certificate of a public authority, or name its own in SSL_CERT_FILE",
    ),
    62: (
        "the certificate is for another name",
        "use the name in the certificate, or have the server use one for this name",
    ),
    64: (
        "the certificate is for another address",
        "use the name in the certificate rather than an address",
    ),
}
_UNKNOWN_AUTHORITY = (
    "the certificate is by an authority that is not trusted here, or a certificate between is missing",
    "have the server send the whole chain, or name its authority in SSL_CERT_FILE",
)


class Obstacle(NamedTuple):
    """What is in the way to a server.

    Attributes:
        stage: how far one gets.
        words: what happens there.
        fix: what to do.
    """

    stage: Stage
    words: str
    fix: str


# The first that fits counts; {} is the variable.
_KNOWN: tuple[tuple[type[BaseException], Obstacle], ...] = (
    (
        gaierror,
        Obstacle("DNS", "the name of the host leads nowhere", "correct {}, or the DNS of this machine"),
    ),
    (
        ssl.SSLError,
        Obstacle(
            "TLS",
            "what answers does not speak TLS, or another version of it",
            "correct the port or the scheme of {}",
        ),
    ),
    (
        ConnectionRefusedError,
        Obstacle(
            "connection",
            "the connection is refused: nothing listens there",
            "start the server, or correct host and port of {}",
        ),
    ),
    (
        httpx.ProxyError,
        Obstacle(
            "connection", "the proxy on the way refuses", "correct HTTPS_PROXY, or add the host to NO_PROXY"
        ),
    ),
    (
        httpx.ConnectTimeout,
        Obstacle(
            "connection",
            "nobody answers in time",
            "open the firewall on the way, or correct host and port of {}",
        ),
    ),
    (
        TimeoutError,
        Obstacle(
            "answer", "it takes connections, but does not answer in time", "restart it, or read its log"
        ),
    ),
    (
        httpx.RemoteProtocolError,
        Obstacle("answer", "what answers does not speak HTTP", "correct the port or the scheme of {}"),
    ),
    (ValueError, Obstacle("answer", "what answers does not write JSON", "correct {}")),
)


def obstacle(failure: BaseException, variable: str) -> Obstacle:
    """Find out of an exception what is in the way to the server that a variable names."""
    causes = list(_causes(failure))
    found = next(filter(None, map(_known, causes)), None)
    if found is None:
        words = f"the connection fails ({type(causes[-1]).__name__})"
        found = Obstacle("connection", words, "correct {}, or the network of this machine")
    return found._replace(fix=found.fix.format(variable))


def _known(cause: BaseException) -> Obstacle | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Obstacle("TLS", *_CERTIFICATES.get(cause.verify_code, _UNKNOWN_AUTHORITY))
    return next((found for kind, found in _KNOWN if isinstance(cause, kind)), None)


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """List an exception and those it comes from; of several attempts the first."""
    following: BaseException | None = failure
    while following is not None:
        yield following
        if isinstance(following, BaseExceptionGroup):
            following = following.exceptions[0]
        else:
            following = following.__cause__ or following.__context__
