"""`make audit`, asking servers of ours: which package is vulnerable, and whether they answer at all."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.process import ROOT, free_port

# What the targets run by is here: it shall not be installed anew.
MAKE = ("make", "--no-print-directory", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/bin/.dev")
MAKE_SECONDS = 300
OSV = {
    "vulns": [
        {
            "id": "PYSEC-0000-1",
            "summary": "Throw-away.",
            "affected": [{"package": {"name": "orjson", "ecosystem": "PyPI"}, "ranges": []}],
        }
    ]
}
NPM = {
    "id": 1,
    "url": "https://example.com/GHSA-0",
    "title": "Throw-away.",
    "severity": "high",
    "vulnerable_versions": "*",
    "cwe": [],
    "cvss": {"score": 0, "vectorString": None},
}


@contextmanager
def advisories(vulnerable: str = "") -> Iterator[tuple[str, set[str]]]:
    """Answer as OSV and npm's registry do, of all packages but one that nothing is known.

    Yields:
        The URL, and the names that were asked for so far.
    """
    asked: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            zipped = self.headers.get("Content-Encoding") == "gzip"
            body = json.loads(gzip.decompress(content) if zipped else content)
            answer: dict[str, Any] = {}
            if self.path == "/osv":
                name = body["package"]["name"]
                asked.add(name)
                answer = OSV if name == vulnerable else {}
            else:
                asked.update(body)
                answer = {vulnerable: [NPM]} if vulnerable in body else {}
            text = json.dumps(answer).encode()
            self.send_response_only(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def audit(url: str) -> "subprocess.CompletedProcess[str]":
    """Run `make audit` with those who know of vulnerabilities at a URL."""
    return subprocess.run(
        [*MAKE, "audit", f"OSV_URL={url}/osv"],
        cwd=ROOT,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "npm_config_registry": url,
            "npm_config_fetch_retries": "0",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=MAKE_SECONDS,
    )


def test_where_nothing_is_known_it_says_so() -> None:
    """Each package of the lock files was asked for, of Python's and of npm's."""
    with advisories() as (url, asked):
        run = audit(url)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "No known vulnerabilities found" in run.stderr
    assert "found 0 vulnerabilities" in run.stdout
    assert {"orjson", "schemathesis", "azure-functions", "fastapi"} <= asked
    assert {"@redocly/cli", "@angular/core", "express"} <= asked
    assert len(asked) > 300
    assert "npm audit: node_modules" not in run.stdout


@pytest.mark.parametrize("vulnerable", ["orjson", "@redocly/cli"])
def test_a_vulnerable_package_is_named(vulnerable: str) -> None:
    """And the audit fails."""
    with advisories(vulnerable) as (url, _):
        run = audit(url)
    assert run.returncode != 0
    assert vulnerable in run.stdout


def test_where_nobody_answers_it_fails() -> None:
    """What nobody could be asked about is not free of vulnerabilities."""
    run = audit(f"http://127.0.0.1:{free_port()}")
    assert run.returncode != 0
    assert "Not audited, or vulnerable" in run.stderr
