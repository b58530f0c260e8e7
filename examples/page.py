"""A web server for the voice room's page, on the loopback interface: an origin of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_LOOPBACK = "127.0.0.1"
_FOLDER = Path(__file__).parent / "voice-room"
_MODULES = Path(__file__).parent.parent / "node_modules"
_CLIENTS = {
    "livekit-client.esm.mjs": "livekit-client/dist/livekit-client.esm.mjs",
    "oauth4webapi.js": "oauth4webapi/build/index.js",
}
"""What the page imports from `vendor/`, and where npm has put it."""

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class ClientMissing(Exception):
    """A JavaScript client that the page uses is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where people sign in before they join.

    Attributes:
        issuer: the address of the OpenID provider.
        client_id: what the provider knows the page as.
        audience: what it knows the token service as.
    """

    issuer: str
    client_id: str
    audience: str


class PageServer(ThreadingHTTPServer):
    """Serves the page. Its origin is known before it serves, so that an API can be told to allow it."""

    def __init__(self, port: int = 0) -> None:
        """Take a port of the loopback interface; 0 takes a free one.

        Raises:
            ClientMissing: livekit-client or oauth4webapi is not in node_modules.
            OSError: the port is taken.
        """
        for path in _CLIENTS.values():
            if not (_MODULES / path).exists():
                raise ClientMissing(f"{path.split('/')[0]} is not installed: run `npm ci --ignore-scripts`")
        super().__init__((_LOOPBACK, port), _Handler)
        self.origin = f"http://{_LOOPBACK}:{self.server_port}"
        files = {f"/{path.name}": path for path in _FOLDER.iterdir() if path.suffix in _MEDIA_TYPES}
        clients = {f"/vendor/{name}": _MODULES / path for name, path in _CLIENTS.items()}
        self._files = {**files, "/": files["/index.html"], **clients}
        self._config = b""

    @contextmanager
    def serving(self, api_url: str, sign_in: SignIn | None = None) -> Iterator[None]:
        """Serve the page until the end; it asks the API at `api_url` for tokens, after a sign-in if any."""
        provider = sign_in and {
            "issuer": sign_in.issuer,
            "clientId": sign_in.client_id,
            "audience": sign_in.audience,
        }
        exports = {"apiUrl": api_url, "signIn": provider}
        lines = [f"export const {name} = {json.dumps(value)};\n" for name, value in exports.items()]
        self._config = "".join(lines).encode()
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()

    def find(self, path: str) -> tuple[str, bytes] | None:
        """Find the media type and the content of one of the page's files; there is nothing else."""
        file = self._files.get(path)
        if file is None:
            return None
        return _MEDIA_TYPES[file.suffix], self._config if path == "/config.js" else file.read_bytes()


class _Handler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        """Answer with a file of the page, or 404."""
        found = self.server.find(urlsplit(self.path).path)
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        media_type, content = found
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name for it
        """Keep the terminal for the service's log."""
