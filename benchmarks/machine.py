"""What was measured, and on what: the machine, the versions, the commit."""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

HERE = Path(__file__).parent

_PYTHON_PACKAGES = (
    "fastapi",
    "pydantic",
    "asgi-correlation-id",
    "python-json-logger",
    "orjson",
    "livekit-api",
)
_OUR_PACKAGES = (
    "connexion",
    "uvicorn",
    "uvloop",
    "httptools",
    "livekit-api",
    "jsonschema-rs",
    "orjson",
    "joserfc",
    "cryptography",
    "limits",
    "redis",
    "prometheus-client",
)


def describe() -> dict[str, str]:
    """Describe the machine."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal: *(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "processor": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown",
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}",
    }


def versions(root: Path) -> dict[str, str]:
    """Find the versions of what was measured; those of our service in a checkout's lock file."""
    express = json.loads((HERE / "peers" / "express" / "package.json").read_text())["dependencies"]
    go = (HERE / "peers" / "go" / "go.mod").read_text()
    protocol = re.search(r"github.com/livekit/protocol (\S+)", go)
    return {
        "the service": _locked(root / "requirements.lock", _OUR_PACKAGES),
        "express": f"Node {_output('node', '--version')}, {_listed(express)}",
        "fastapi, function": _locked(HERE / "peers" / "python" / "requirements.txt", _PYTHON_PACKAGES)
        + "; Python, uvicorn, uvloop and httptools of the service",
        "go": f"{_output('go', 'version').split()[2]}, livekit/protocol {protocol[1] if protocol else '?'}",
        "Python": platform.python_version(),
        "wrk": _output("wrk", "-v").split(" [")[0],
        "Redis": _redis(),
    }


def commit(root: Path) -> str:
    """Name the commit of a checkout, with a + if it has been changed since."""
    known = _output("git", "-C", str(root), "describe", "--always", "--exclude=*", "--dirty=+")
    return known or "unknown"


def _redis() -> str:
    version = _output("redis-server", "--version") if shutil.which("redis-server") else ""
    found = re.search(r"\bv=(\S+)", version)
    return found[1] if found else "not there"


def _locked(lock: Path, names: Iterable[str]) -> str:
    pins = dict(re.findall(r"^([a-z0-9-]+)==([^ \\]+)", lock.read_text(), re.MULTILINE))
    return _listed({name: pins[name] for name in names if name in pins})


def _listed(found: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _output(*command: str) -> str:
    # wrk -v exits with 1.
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # as written above
    return done.stdout.strip() if done.returncode == 0 or "wrk" in command else ""
