"""A web server for the voice room's page, on the loopback interface: an origin of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_LOOPBACK = "127.0.0.1"
_FOLDER = Path(__file__).parent / "voice-room"
_CLIENT = Path(__file__).parent.parent / "node_modules/livekit-client/dist/livekit-client.esm.mjs"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class ClientMissing(Exception):
    """LiveKit's JavaScript client is not installed; the message says how to install it."""


class PageServer(ThreadingHTTPServer):
    """Serves the page. Its origin is known before it serves, so that an API can be told to allow it."""

    def __init__(self, port: int = 0) -> None:
        """Take a port of the loopback interface; 0 takes a free one.

        Raises:
            ClientMissing: livekit-client is not in node_modules.
            OSError: the port is taken.
        """
        if not _CLIENT.exists():
            raise ClientMissing("livekit-client is not installed: run `npm ci --ignore-scripts`")
        super().__init__((_LOOPBACK, port), _Handler)
        self.origin = f"http://{_LOOPBACK}:{self.server_port}"
        files = {f"/{path.name}": path for path in _FOLDER.iterdir() if path.suffix in _MEDIA_TYPES}
        self._files = {**files, "/": files["/index.html"], f"/vendor/{_CLIENT.name}": _CLIENT}
        self._config = b""

    @contextmanager
    def serving(self, api_url: str) -> Iterator[None]:
        """Serve the page until the end; it asks the API at `api_url` for tokens."""
        self._config = f"export const apiUrl = {json.dumps(api_url)};\n".encode()
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
