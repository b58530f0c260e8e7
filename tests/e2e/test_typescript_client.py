"""The TypeScript client: its types, its own tests, the service that it asks, and its package."""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import give_up
from tests.e2e.node_packages import NpmUnavailable, add, install, node, npm
from tests.support import run_log
from tests.support.contract import document
from tests.support.issuer import AUDIENCE, Issuer
from tests.support.process import ROOT, running
from tests.support.server import KEY, LIVEKIT_URL, SECRET, make_settings, serve

CLIENT = ROOT / "clients" / "typescript"
RECIPES = CLIENT / "recipes"
README = (CLIENT / "README.md").read_text(encoding="utf-8")
API_KEY = "an-api-key-of-the-typescript-client-s-tests"
CREDENTIALS = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET, "LIVEKIT_URL": LIVEKIT_URL}
DIGEST = hashlib.sha256(API_KEY.encode()).hexdigest()
# By the variable that tells test/live/ where each of them is; OPEN_API and CALLERS_API are others.
SERVICES: dict[str, dict[str, Any]] = {
    "GUARDED_API": {"auth": "api-key", "api_key_digests": f"backend:{DIGEST}"},
    "LIMITED_API": {"rate_limit": "1/2 seconds"},
    "STINGY_API": {"rate_limit": "1/day"},
    "BARE_API": {"livekit_api_key": None, "livekit_api_secret": None},
}

# As strict as a caller may be. The settings of the client itself are as strict, but npm does not ship them.
STRICT = {
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "noPropertyAccessFromIndexSignature": True,
    "noEmit": True,
    "target": "ES2022",
    "lib": ["ES2022", "DOM"],
}


@pytest.fixture(scope="module")
def tests_compiled(typescript_client: Path) -> Path:
    """The client, its own tests compiled, those of its types among them."""
    npm(typescript_client, "run", "build:test")
    return typescript_client


@pytest.fixture(scope="module")
def tarball(typescript_client: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, as `npm publish` would send it."""
    folder = tmp_path_factory.mktemp("tarball")
    npm(typescript_client, "pack", "--pack-destination", folder)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def project(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of somebody who has installed the package, and nothing else."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    add(folder, tarball)
    installed = {path.name for path in (folder / "node_modules").iterdir() if not path.name.startswith(".")}
    assert installed == {"livekit-token-api-client", "openapi-fetch", "openapi-typescript-helpers"}
    return folder


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, str]]:
    """The variables of test/live/: where its services are, the open one a process, and who asks."""
    run_log.forbid(API_KEY)
    with ExitStack() as stack:
        found = {"OPEN_API": stack.enter_context(running(**CREDENTIALS)).url}
        issuer = stack.enter_context(Issuer().serving())
        found |= {f"CALLER_{name.upper()}": issuer.token(sub=name) for name in ("alice", "ben")}
        callers = {"auth": "oidc", "oidc_issuer": issuer.url, "oidc_audience": AUDIENCE}
        for name, changes in {**SERVICES, "CALLERS_API": callers}.items():
            found[name] = f"{stack.enter_context(serve(make_settings(**changes)))}/api"
        yield found


def test_the_types_are_those_of_the_contract(typescript_client: Path) -> None:
    """src/schema.ts is what the generator makes of the contract: else `make clients` is due."""
    npm(typescript_client, "run", "schema:check")


def test_it_is_formatted(typescript_client: Path) -> None:
    """Sources, tests and recipes look as Prettier has them: else `npm run format` is due."""
    npm(typescript_client, "run", "format:check")


def test_the_package_has_the_version_of_the_contract() -> None:
    """A client of another version would know other properties."""
    version = document()["info"]["version"]
    assert json.loads((CLIENT / "package.json").read_text())["version"] == version
    assert json.loads((CLIENT / "package-lock.json").read_text())["version"] == version


@pytest.mark.parametrize("folder", [CLIENT, RECIPES], ids=["client", "recipes"])
def test_no_lock_file_names_a_registry(folder: Path) -> None:
    """Whoever installs takes packages from where their npm is told to; versions are exact, and hashed."""
    lock = json.loads((folder / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert all("resolved" not in package and "integrity" in package for package in packages.values())


def test_it_does_what_it_says(tests_compiled: Path) -> None:
    """Its own tests: what it sends, fails with, retries and keeps, against a server that misbehaves."""
    assert passed(npm(tests_compiled, "test")) >= 60


def test_it_and_the_service_understand_each_other(tests_compiled: Path, services: dict[str, str]) -> None:
    """The same, against the service itself: tokens, refusals, limits, and a service without credentials."""
    assert passed(npm(tests_compiled, "run", "test:live", **services, API_KEY=API_KEY)) >= 10


def test_the_package_has_what_is_needed_and_nothing_else(tarball: Path) -> None:
    """JavaScript and types for each module, README and licence; no tests, no sources, no maps."""
    with tarfile.open(tarball) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
        licence = archive.extractfile("package/LICENSE")
        assert licence
        assert licence.read() == (ROOT / "LICENSE").read_bytes()
    modules = {path.stem for path in (CLIENT / "src").glob("*.ts")}
    assert names == {"LICENSE", "README.md", "package.json"} | {
        f"dist/{module}.{kind}" for module in modules for kind in ("js", "d.ts")
    }
    assert tarball.stat().st_size < 30_000


def test_a_javascript_program_uses_the_package(project: Path, services: dict[str, str]) -> None:
    """Installed from the tarball, it gets a token, and the error of the service."""
    program = project / "program.mjs"
    program.write_text("""
        import { TokenApiError, TokenClient } from "livekit-token-api-client";
        const client = new TokenClient({ baseUrl: process.env.OPEN_API });
        const { token } = await client.generateToken({ roomName: "my-room", participantIdentity: "alice" });
        const error = await client.generateToken({ roomName: "my room" }).catch((error) => error);
        const { errorCode } = error instanceof TokenApiError ? error : {};
        console.log(JSON.stringify([token.split(".").length, errorCode]));
    """)
    said = node(project, program, **services)
    assert json.loads(said) == [3, "VALIDATION_ERROR"]


def test_its_types_are_sound_by_themselves(project: Path, typescript_client: Path) -> None:
    """They pass a strict check of libraries, where there is neither Node nor `livekit-client`."""
    (project / "program.ts").write_text('export { TokenClient } from "livekit-token-api-client";')
    options = {**STRICT, "module": "NodeNext", "types": [], "skipLibCheck": False}
    (project / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["program.ts"]}))
    node(project, typescript_client / "node_modules" / "typescript" / "bin" / "tsc")


@pytest.mark.parametrize(
    "resolution",
    [{"module": "NodeNext"}, {"module": "ESNext", "moduleResolution": "bundler"}],
    ids=["node", "bundler"],
)
def test_what_the_readme_shows_compiles(
    project: Path, typescript_client: Path, resolution: dict[str, str]
) -> None:
    """Each snippet is a module that compiles strictly, as Node and as bundlers resolve the package."""
    snippets = re.findall(r"^```ts\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(snippets) == README.count("```ts\n") == 4
    modules, sources = typescript_client / "node_modules", project / "src"
    sources.mkdir(exist_ok=True)
    livekit = project / "node_modules" / "livekit-client"
    if not livekit.exists():
        livekit.symlink_to(modules / "livekit-client")
    for i, snippet in enumerate(snippets):
        (sources / f"snippet-{i}.ts").write_text(snippet)
    options = {
        **STRICT,
        **resolution,
        "skipLibCheck": True,  # livekit-client's own types do not stand up to this.
        "types": ["node"],
        "typeRoots": [str(modules / "@types")],
    }
    (project / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["src"]}))
    node(project, modules / "typescript" / "bin" / "tsc")


def test_the_recipes_compile_and_work(tarball: Path) -> None:
    """With the package installed: Angular's compiler with strict templates, then their own tests."""
    try:
        install(RECIPES)
    except NpmUnavailable as unavailable:
        give_up(str(unavailable))
    add(RECIPES, tarball)
    npm(RECIPES, "run", "build")
    assert passed(npm(RECIPES, "test")) >= 10


def passed(output: str) -> int:
    """Read how many tests Node has run, all of which passed."""
    numbers = {name: int(number) for name, number in re.findall(r"^\D (\w+) (\d+)$", output, re.MULTILINE)}
    assert numbers["tests"] == numbers["pass"], output
    return numbers["pass"]
