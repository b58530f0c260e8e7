"""The package of the function app: a zip with all that it needs; the same bytes for the same contents."""

import argparse
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# Where the platform looks for what is not its own.
PACKAGES = Path(".python_packages", "lib", "site-packages")
_FILES = ("function_app.py", "host.json", "requirements.txt")
# The platforms' images are newer.
_PLATFORM = "x86_64-manylinux_2_28"
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644


def main() -> None:
    """Build the package, and print where it is."""
    parser = argparse.ArgumentParser(description="Builds the package of the function app.")
    parser.add_argument("--python", default=sys.executable, help="whose version it is for")
    parser.add_argument("--into", type=Path, default=ROOT / "dist", metavar="FOLDER")
    arguments = parser.parse_args()
    try:
        package = build(arguments.python, arguments.into)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"No package was built: {error}")
    sys.stdout.write(f"{package}\n")


def build(python: str, folder: Path) -> Path:
    """Build the package for the version of an interpreter; return the file."""
    with (ROOT / "pyproject.toml").open("rb") as project:
        version = tomllib.load(project)["project"]["version"]
    of_python = _output(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / f"azure-functions-{version}-python{of_python}.zip"
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name)
        for file in _FILES:
            copy(HERE / file, stage)
        for part in ("app", "spec"):
            copytree(ROOT / part, stage / part, ignore=ignore_patterns("__pycache__", "released"))
        _install(of_python, stage / PACKAGES)
        # The platform mounts the package to be read only: without this, each start compiles all of it anew.
        _compile(python, stage)
        write(stage, package)
    return package


def _install(of_python: str, target: Path) -> None:
    _output(
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes"),
        *("--python-version", of_python, "--python-platform", _PLATFORM, "--only-binary", ":all:"),
        *("--link-mode", "copy", "--target", str(target), "--requirement", str(HERE / "requirements.txt")),
    )


def _compile(python: str, stage: Path) -> None:
    # No path of this machine is in a file.
    paths = ("-s", str(stage), "-p", "/home/site/wwwroot", str(stage))
    _output(python, "-m", "compileall", "-q", "-j0", "--invalidation-mode=unchecked-hash", *paths)


def _output(*command: str) -> str:
    # The commands are this file's own; the interpreter is the operator's.
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603


def write(stage: Path, package: Path) -> None:
    """Write what is in a folder as a package, the same bytes whenever and by whomever it is done."""
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(_shipped(stage)):
            entry = zipfile.ZipInfo(file.relative_to(stage).as_posix(), _NO_TIME)
            entry.external_attr = _READABLE << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


def _shipped(stage: Path) -> Iterator[Path]:
    scripts = stage / PACKAGES / "bin"
    return (
        file
        for file in stage.rglob("*")
        if file.is_file() and not file.is_relative_to(scripts) and file.name != ".lock"
    )


if __name__ == "__main__":
    main()
