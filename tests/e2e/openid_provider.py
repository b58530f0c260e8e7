"""A real OpenID provider on the loopback interface: npm's oidc-provider. Knows nothing of pytest."""

import base64
import http.client
import json
import secrets
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

AUDIENCE = "https://tokens.example.com"
PUBLIC_CLIENT_ID = "voice-room"
MODULES = Path(__file__).parent.parent.parent / "node_modules"

_PROGRAM = Path(__file__).parent / "openid_provider.mjs"
_ANSWER_SECONDS = 20
_STOP_SECONDS = 5


class ProviderUnavailable(Exception):
    """An OpenID provider cannot run here; the message says what to install."""


class ProviderFailed(Exception):
    """The OpenID provider did not start, or did not do what it was asked; the message says why."""


@dataclass(frozen=True)
class OpenIdProvider:
    """A running OpenID provider.

    It signs in whoever comes: a name is asked for, no password. The `sub` of Ada Lovelace is
    `ada-lovelace`, and her access token has her name as `name`.

    Attributes:
        issuer: its address, `http://127.0.0.1:PORT`.
        audience: whom its access tokens are for, unless a test says otherwise.
        public_client_id: the client of people, by authorization code with PKCE.
        client_id: the client of `token`, whose `sub` it is.
        client_secret: the secret of that client.
        pid: the process id.
    """

    issuer: str
    audience: str
    public_client_id: str
    client_id: str
    client_secret: str = field(repr=False)
    _process: "subprocess.Popen[str]" = field(repr=False)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def token(
        self, *, algorithm: str = "RS256", header: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """Get an access token by client credentials.

        Args:
            algorithm: of the signature: RS256, PS256, ES256 or EdDSA.
            header: members of the token's header to change; None removes one.
            claims: claims to add or to change; None removes one, `aud` excepted.

        Raises:
            ProviderFailed: there is no token.
            OSError: the provider does not answer.
        """
        wishes = {"algorithm": algorithm, "header": dict(header or {}), "claims": claims}
        form = {"grant_type": "client_credentials", "wishes": json.dumps(wishes)}
        credentials = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection = http.client.HTTPConnection(urlsplit(self.issuer).netloc, timeout=_ANSWER_SECONDS)
        try:
            connection.request("POST", "/token", urlencode(form), headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise ProviderFailed(f"no token, but {answer.status}: {body.decode(errors='replace')}")
        return str(json.loads(body)["access_token"])

    def give_who_signs_in(self, **claims: Any) -> None:
        """Have the access tokens of people hold these claims as well, from now on, and no others.

        They may contradict what would be there anyway: a time in `exp`, say.
        """
        self._ask("signIns", claims=claims)

    def rotate_keys(self, *, keep: bool = False) -> None:
        """Sign with new keys, which the JWKS lists at once.

        Args:
            keep: whether it lists the keys of before as well.
        """
        self._ask("rotate", keep=keep)

    def jwks_requests(self) -> int:
        """Count the requests for keys so far."""
        return int(self._ask("requests")["jwks"])

    def discovery_requests(self) -> int:
        """Count the requests for the provider's metadata so far."""
        return int(self._ask("requests")["discovery"])

    def stop(self) -> None:
        """Refuse connections, and cut those there are; the keys, and who has signed in, stay."""
        self._ask("stop")

    def start(self) -> None:
        """Come back after `stop`, on the same port; one that is there stays."""
        self._ask("start")

    def freeze(self) -> None:
        """Take connections, and answer none of them: neither does any method, but `thaw`."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Come back after `freeze`."""
        self._process.send_signal(signal.SIGCONT)

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        return _exchange(self._process, {"do": command, **arguments})


@contextmanager
def run_openid_provider(
    redirect_uris: Sequence[str] = (), audience: str = AUDIENCE
) -> Iterator[OpenIdProvider]:
    """Run an OpenID provider on a free port with new keys and a new client secret, and stop it at the end.

    Args:
        redirect_uris: where the public client may send people back to. Pages of their origins may use
            the token endpoint.
        audience: the resource that access tokens are for, whether it is asked for or not.

    Raises:
        ProviderUnavailable: Node is not there, or the module is not.
        ProviderFailed: it died, or did not answer in time.
    """
    node = _find_node()
    client_id, client_secret = f"service-{secrets.token_hex(4)}", secrets.token_hex(20)
    configuration = {
        "audience": audience,
        # A client that has nowhere to send people back to is refused.
        "publicClient": {
            "client_id": PUBLIC_CLIENT_ID,
            "redirect_uris": list(redirect_uris) or ["http://127.0.0.1:9/"],
        },
        "confidentialClient": {"client_id": client_id, "client_secret": client_secret},
    }
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [node, _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            # A developer's NODE_OPTIONS or DEBUG would change what it does.
            env={"NODE_ENV": "production"},
        )
        try:
            try:
                # The secret goes through a pipe: arguments are visible to every user.
                issuer = _exchange(process, configuration)["issuer"]
            except ProviderFailed as failed:
                errors.seek(0)
                raise ProviderFailed(f"{failed}:\n{errors.read()[-4000:]}") from None
            yield OpenIdProvider(issuer, audience, PUBLIC_CLIENT_ID, client_id, client_secret, process)
        finally:
            _stop(process)


def _find_node() -> str:
    node = shutil.which("node")
    if node is None:
        raise ProviderUnavailable("node is not on the PATH: install Node 20 or newer")
    if not (MODULES / "oidc-provider").exists():
        raise ProviderUnavailable("oidc-provider is not installed: run `npm ci --ignore-scripts`")
    return node


def _exchange(process: "subprocess.Popen[str]", message: Mapping[str, Any]) -> dict[str, Any]:
    """Send the process a line, and read its answer.

    Raises:
        ProviderFailed: it is gone, is silent, or could not do it.
    """
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(f"{json.dumps(message)}\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise ProviderFailed("the OpenID provider is gone") from None
    readable, _, _ = select.select([process.stdout], [], [], _ANSWER_SECONDS)
    if not readable:
        raise ProviderFailed(f"the OpenID provider did not answer within {_ANSWER_SECONDS} seconds")
    answer = process.stdout.readline()
    if not answer:
        raise ProviderFailed("the OpenID provider ended")
    content = dict(json.loads(answer))
    if "error" in content:
        raise ProviderFailed(f"the OpenID provider did not do it: {content['error']}")
    return content


def _stop(process: "subprocess.Popen[str]") -> None:
    # One that was frozen hears nothing else.
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
