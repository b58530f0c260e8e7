"""The compose file, run by podman-compose: a real LiveKit server and Redis stand in for their images."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.e2e import connection_details, participants, tone
from tests.e2e.conftest import give_up
from tests.e2e.livekit_server import LiveKitUnavailable, find_binary
from tests.e2e.participants import soon
from tests.e2e.podman import Container, Podman, PodmanFailed, base_image
from tests.support import run_log
from tests.support.process import ROOT, free_port

COMPOSE = ROOT / "deploy" / "container" / "compose.yaml"
USER = 10001
SECRET = "of-the-compose-file-0123456789abcdef"
# What the published images have, as far as the compose file counts on it.
STAND_INS = """
FROM {base} AS programs
RUN apt-get update && RUNLEVEL=1 apt-get install --yes --no-install-recommends redis-server wget
FROM programs AS livekit
COPY {server} /livekit-server
ENTRYPOINT ["/livekit-server"]
FROM programs AS redis
"""
_SECONDS = 120


def podman_compose(podman: Podman, folder: Path, *arguments: str) -> None:
    """Run podman-compose in a folder with a compose file."""
    subprocess.run(
        [sys.executable, "-m", "podman_compose", *arguments],
        cwd=folder,
        env=podman.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        timeout=_SECONDS,
    )


@pytest.fixture(scope="module")
def engine(podman: Podman, image: str, tmp_path_factory: pytest.TempPathFactory) -> Podman:
    """A container engine that has the images by the names of the compose file, for it can fetch none."""
    try:
        server = find_binary()
    except LiveKitUnavailable as unavailable:
        give_up(str(unavailable))
    names = {
        name: service["image"] for name, service in yaml.safe_load(COMPOSE.read_text())["services"].items()
    }
    podman("tag", image, f"localhost/{names['api']}")
    dockerfile = tmp_path_factory.mktemp("stand-ins") / "Dockerfile"
    dockerfile.write_text(STAND_INS.format(base=base_image(podman), server=server.name))
    flags = ("--network=host", "--format=docker", "--file", str(dockerfile))
    for target, name in (("livekit", names["livekit"]), ("redis", f"library/{names['redis']}")):
        podman("build", *flags, "--target", target, "--tag", f"docker.io/{name}", server.parent, seconds=900)
    return podman


@pytest.fixture(scope="module")
def api(engine: Podman, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Start everything as the guide says, on free ports; be a client of the service, relative to `/api`."""
    folder = tmp_path_factory.mktemp("compose")
    (folder / "compose.yaml").write_text(COMPOSE.read_text())
    keys = folder / "livekit.keys"
    keys.touch(0o600)
    keys.write_text(f"APIcompose: {SECRET}\n")
    os.chown(keys, USER, USER)
    run_log.forbid(SECRET)
    ports = {f"{name}_PORT": free_port() for name in ("API", "LIVEKIT", "LIVEKIT_TCP", "LIVEKIT_UDP")}
    variables = {
        **ports,
        "LIVEKIT_URL": f"ws://127.0.0.1:{ports['LIVEKIT_PORT']}",
        "DRAIN_SECONDS": 1,
        "RATE_LIMIT": "20/minute",
    }
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    try:
        podman_compose(engine, folder, "up", "--detach", "--no-build")
        transport = httpx.HTTPTransport(retries=8)
        url = f"http://127.0.0.1:{ports['API_PORT']}/api"
        with httpx.Client(base_url=url, transport=transport) as client:
            yield client
        assert container(engine, "api").stop(25) == 0
        run_log.add(container(engine, "api").logged())
    finally:
        podman_compose(engine, folder, "down", "--volumes")


def container(podman: Podman, service: str) -> Container:
    """Find the container of a service."""
    return Container(podman, f"livekit-token-api_{service}_1")


async def test_one_participant_hears_what_the_other_says(api: httpx.Client, room: str) -> None:
    """The service and LiveKit share one secret, and its media comes through the ports that are published."""
    alice = connection_details.ask(api, room, "alice")
    bob = connection_details.ask(api, room, "bob")
    async with (
        participants.join(alice) as speaker,
        participants.join(bob) as listener,
        tone.published_by(speaker),
    ):
        received = await soon(listener.tracks)
        assert received.track is not None
        async with asyncio.timeout(participants.DEADLINE_SECONDS):
            loudness, _ = await tone.heard_in(received.track)
    assert loudness == pytest.approx(tone.LOUDNESS, rel=0.5)


def test_requests_are_counted_in_redis(api: httpx.Client, podman: Podman) -> None:
    """What was asked here and above is there, and beyond the limit is refused."""
    answers = [api.post("/token", json={}) for _ in range(20)]
    assert answers[-1].status_code == 429
    assert container(podman, "redis").execute("redis-cli", "--raw", "dbsize").strip() != "0"
    assert api.get("/health/ready").json() == {"status": "ready", "reasons": ["authentication_off"]}


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("service", ["api", "livekit", "redis"])
def test_each_container_is_healthy_and_locked_down(podman: Podman, service: str) -> None:
    """By its own health check; its root is read-only, and it has no rights to give."""
    subject = container(podman, service)
    assert subject.is_healthy()
    facts = podman.facts(subject.name)
    assert facts["HostConfig"]["ReadonlyRootfs"]
    assert facts["EffectiveCaps"] in ([], None)
    assert facts["Config"]["User"].split(":")[0] not in {"", "0"}
    assert "no-new-privileges" in str(facts["HostConfig"]["SecurityOpt"])


@pytest.mark.usefixtures("api")
def test_redis_is_out_of_reach_of_all_but_the_service(podman: Podman) -> None:
    """Its network leads nowhere else."""
    ask = "import socket; print(socket.create_connection(('{}', 6379), 2).send(b'PING'))"
    assert container(podman, "api").execute("python", "-c", ask.format("redis")) == "4\n"
    networks = podman.facts("livekit-token-api_redis_1")["NetworkSettings"]["Networks"]
    assert list(networks) == ["livekit-token-api_counting"]
    address = networks["livekit-token-api_counting"]["IPAddress"]
    with pytest.raises(PodmanFailed, match=r"unreachable|timed out|refused"):
        container(podman, "livekit").execute("python3", "-c", ask.format(address))


def test_the_compose_file_fits_the_specification() -> None:
    """As the specification's own schema has it."""
    subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
        check=True,
        timeout=_SECONDS,
    )
