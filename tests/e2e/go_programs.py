"""Programs that Go builds once, each at the version that is tested with. Knows nothing of pytest."""

import os
import shutil
import subprocess
from pathlib import Path

PROGRAMS = {
    # 5.8.3 needs a newer Go than livekit-server does.
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1",
    "kube-score": "github.com/zegl/kube-score/cmd/kube-score@v1.20.0",
}
_BUILD_FOLDER = Path(__file__).parent.parent.parent / ".cache" / "kubernetes"
_BUILD_SECONDS = 900


class ProgramUnavailable(Exception):
    """A program cannot be built here; the message says why."""


def find_program(name: str) -> Path:
    """Find the one that was built earlier, else build it.

    Raises:
        ProgramUnavailable: Go is not there, or could not build it.
    """
    module = PROGRAMS[name]
    # A folder for each version, so that what is in it needs no look.
    built = _BUILD_FOLDER / module.rpartition("@")[2] / name
    if not built.exists():
        install(module, built.parent)
    return built


def install(module: str, folder: Path) -> None:
    """Have Go build a module's program into a folder.

    Raises:
        ProgramUnavailable: Go is not there, or could not build it.
    """
    go = shutil.which("go")
    if go is None:
        raise ProgramUnavailable(f"go is not on the PATH, which would build {module} once")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            [go, "install", module],
            env={**os.environ, "GOBIN": str(folder)},
            capture_output=True,
            text=True,
            check=True,
            timeout=_BUILD_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise ProgramUnavailable(f"`go install {module}` failed:\n{error.stderr[-2000:]}") from None
    except subprocess.TimeoutExpired:
        raise ProgramUnavailable(f"`go install {module}` took more than {_BUILD_SECONDS} seconds") from None
