"""The function app as Azure runs it: unpacked, in a real Python worker. Knows nothing of pytest."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import run_log
from tests.support.process import ROOT

HERE = Path(__file__).parent
CACHE = ROOT / ".cache" / "azure-functions"
PACKAGE_SCRIPT = ROOT / "deploy" / "azure-functions" / "package.py"
ORIGIN = "https://tokens.azurewebsites.example.com"
_BUILD_SECONDS = 600
_START_SECONDS = 60
_ANSWER_SECONDS = 20
_STOP_SECONDS = 15


class PlatformUnavailable(Exception):
    """There is no Python that a worker needs; the message says which."""


class PlatformFailed(Exception):
    """The worker could not be built or started, or did not answer; the message says what it said."""


@dataclass(frozen=True)
class Worker:
    """A Python worker of the platform.

    Attributes:
        name: of its lock file, beside this one.
        python: the version of Python that it runs on.
        host: what stands in for the platform around it, beside this file.
        preparation: what is to be run once in its environment, beside this file, if anything.
    """

    name: str
    python: str
    host: str
    preparation: str = ""


WORKERS = (
    Worker("grpc-worker", "3.11", "grpc_host.py", "regenerate.py"),
    Worker("runtime-worker", "3.13", "runtime_host.py"),
)


@dataclass(frozen=True)
class Request:
    """A request, as a client sends it to the platform."""

    method: str
    path: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    trace_parent: str = ""


@dataclass(frozen=True)
class Answer:
    """What the function answered, or why it failed, which the platform makes a 500 of."""

    invocation: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    failure: str = ""

    def json(self) -> Any:
        """Parse the body."""
        return json.loads(self.body)


class FunctionApp:
    """A function app in its worker.

    Attributes:
        seconds_to_load: from the start of the worker until the function could be called.
        metadata: what indexing found of the function.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Talk to a host that has been started."""
        self.seconds_to_load = 0.0
        self.metadata: dict[str, Any] = {}
        self._process = process
        self._news = threading.Condition()
        self._log: list[dict[str, Any]] = []
        self._answers: dict[str, Answer] = {}
        self._loaded = self._ended = False
        self._fault = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(
        self, method: str, path: str, *headers: tuple[str, str], body: bytes = b"", trace_parent: str = ""
    ) -> Answer:
        """Have the function answer a request."""
        (answer,) = self.ask_all([Request(method, path, headers, body, trace_parent)])
        return answer

    def ask_all(self, requests: Sequence[Request]) -> list[Answer]:
        """Have the function answer requests that come at once."""
        calls = [_call(request) for request in requests]
        self._send("".join(json.dumps(call) + "\n" for call in calls))
        names = [str(call["id"]) for call in calls]
        self._wait(lambda: all(name in self._answers for name in names), _ANSWER_SECONDS)
        return [self._answers[name] for name in names]

    def log(self, invocation: str | None = None) -> list[dict[str, Any]]:
        """List what the host has got of the log, for one invocation or for all."""
        with self._news:
            return [line for line in self._log if invocation in {None, line["invocation"]}]

    def assign(self, directory: Path, settings: Mapping[str, str]) -> None:
        """Have the worker take an app over, and wait until its function can be called."""
        self._send(json.dumps({"directory": str(directory), "environment": settings}) + "\n")
        self._wait(lambda: self._loaded, _START_SECONDS)

    def close(self) -> None:
        """Let the host end."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join()
        self._process.stdout.close()  # type: ignore[union-attr]  # likewise

    def _send(self, text: str) -> None:
        with suppress(BrokenPipeError):
            self._process.stdin.write(text)  # type: ignore[union-attr]  # it is a pipe
            self._process.stdin.flush()  # type: ignore[union-attr]

    def _wait(self, is_so: Any, seconds: float) -> None:
        with self._news:
            has_come = self._news.wait_for(lambda: is_so() or self._fault or self._ended, seconds)
        if not has_come or not is_so():
            raise PlatformFailed(self._fault or f"nothing came within {seconds} seconds: {self.log()[-5:]}")

    def _read(self) -> None:
        for line in self._process.stdout or ():
            found = json.loads(line)
            with self._news:
                self._take(found)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _take(self, found: dict[str, Any]) -> None:
        if "log" in found:
            self._log.append(found)
        elif "loaded" in found:
            self._loaded, self.metadata, self.seconds_to_load = True, found, found["seconds"]
        elif "failed" in found:
            self._fault = found["failed"]
        elif "failure" in found:
            self._answers[found["id"]] = Answer(found["id"], 500, {}, b"", found["failure"])
        else:
            self._answers[found["id"]] = Answer(
                found["id"], found["status"], found["headers"], b64decode(found["body"])
            )


def _call(request: Request) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, value in request.headers:
        # As the platform does: one of each name, the values in a row.
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    return {
        "id": str(uuid.uuid4()),
        "method": request.method,
        "url": f"{ORIGIN}{request.path}",
        "headers": headers,
        "body": b64encode(request.body).decode(),
        "traceparent": request.trace_parent,
    }


@contextmanager
def running(
    worker: Worker, directory: Path, settings: Mapping[str, str], *, is_searched: bool = True
) -> Iterator[FunctionApp]:
    """Start a worker, and assign it the app in a directory.

    Args:
        worker: which.
        directory: has the unpacked package.
        settings: the App Settings.
        is_searched: whether the log is searched for tokens, blacked out or not, at the end of the run.

    Raises:
        PlatformFailed: the app was not loaded.
        PlatformUnavailable: see environment_of.
    """
    python = environment_of(worker.name, worker.python, worker.preparation)
    process = subprocess.Popen(
        [python, HERE / worker.host],
        # Nothing of whoever runs the tests.
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    app = FunctionApp(process)
    try:
        app.assign(directory, settings)
        yield app
    finally:
        app.close()
        if is_searched:
            run_log.add("".join(f"{line['log']}\n" for line in app.log()))


def unpacked(worker: Worker, folder: Path) -> Path:
    """Build the package for a worker's Python, and unpack it as the platform does; return the folder."""
    python = find_python(worker.python)
    built = _run(sys.executable, PACKAGE_SCRIPT, "--python", python, "--into", folder)
    target = folder / "wwwroot"
    with zipfile.ZipFile(built) as package:
        package.extractall(target)
    return target


def environment_of(name: str, python_version: str, preparation: str = "") -> Path:
    """Find the Python of an environment, which is built where it is not there yet.

    Args:
        name: of its lock file, beside this one.
        python_version: the version of Python that it has.
        preparation: what is to be run in it once it is built, beside this file, if anything.

    Raises:
        PlatformFailed: it cannot be built.
        PlatformUnavailable: there is no such Python.
    """
    lock, base = HERE / f"{name}.txt", find_python(python_version)
    digest = hashlib.sha256(lock.read_bytes() + base.encode()).hexdigest()
    folder = CACHE / name
    python, built = folder / "bin" / "python", folder / "built"
    if not built.exists() or built.read_text(encoding="utf-8") != digest:
        shutil.rmtree(folder, ignore_errors=True)
        uv = (sys.executable, "-m", "uv")
        _run(*uv, "venv", "--quiet", "--python", base, folder)
        # Not what depends on what: the lock has it, and overrides what the worker of 2020 asks for.
        options = ("--python", python, "--no-deps", "--require-hashes", "--link-mode", "copy")
        _run(*uv, "pip", "install", "--quiet", *options, "--requirement", lock)
        if preparation:
            _run(python, HERE / preparation)
        built.write_text(digest, encoding="utf-8")
    return python


def find_python(version: str) -> str:
    """Find the interpreter of a version.

    Raises:
        PlatformUnavailable: it is not here.
    """
    kept_by_pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in (shutil.which(f"python{version}"), *kept_by_pyenv):
        # What pyenv has on the path may be there for another version only.
        if candidate and not subprocess.run([candidate, "-V"], capture_output=True, check=False).returncode:
            return str(candidate)
    raise PlatformUnavailable(f"there is no python{version}, on which a worker of Azure Functions runs")


def template_faults(template: Path) -> list[str]:
    """List what the models of Azure's SDK do not know of a template's resources."""
    python = environment_of("resource-models", "3.11")
    done = subprocess.run(
        [python, HERE / "check_template.py", template], capture_output=True, text=True, check=False
    )
    if done.stderr:
        raise PlatformFailed(done.stderr[-2000:])
    return done.stdout.splitlines()


def _run(*command: str | Path) -> str:
    try:
        done = subprocess.run(
            command, env=os.environ, capture_output=True, text=True, check=True, timeout=_BUILD_SECONDS
        )
    except subprocess.CalledProcessError as error:
        raise PlatformFailed(f"{command}:\n{error.stderr[-2000:]}") from None
    return done.stdout.strip()


def measured(worker: Worker, directory: Path, settings: Mapping[str, str]) -> tuple[float, float, float]:
    """Start the app; return the seconds until it was loaded, and of its first and second answer."""
    with running(worker, directory, settings, is_searched=False) as app:
        times = [app.seconds_to_load]
        for _ in range(2):
            started = time.monotonic()
            app.ask("GET", "/api/health/live")
            times.append(time.monotonic() - started)
    first, second, third = times
    return first, second, third
