"""The manifests of `deploy/kubernetes/`: what Kubernetes accepts, and what they mean for the service."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import ValidationError, validate
from kubernetes_validate.utils import all_versions
from pydantic import SecretStr

from app.operation import exposition
from app.settings.settings import Settings
from tests.e2e.conftest import give_up
from tests.e2e.go_programs import ProgramUnavailable, find_program
from tests.e2e.manifests import FOLDERS, KUBERNETES, ROOT, Manifests, build
from tests.support.contract import document

# The first that has all that the manifests say.
OLDEST = (1, 27)
BASE_PATH = "/api"
# What it has to say that is as it should be.
SCORED_OTHERWISE = (
    # A pod may take what is idle while the autoscaler makes up its mind.
    "--ignore-container-cpu-limit",
    # A tag is a release, and does not change.
    "--ignore-test=container-image-pull-policy",
    # topologySpreadConstraints do that.
    "--ignore-test=deployment-has-host-podantiaffinity",
)
# What the example takes from a secret that is not in it.
SECRETS = {"RATE_LIMIT_STORAGE": "redis://:throw-away@redis:6379/0"}


def built(folder: Path) -> Manifests:
    """Build the manifests of a folder, or give up where there is no kustomize."""
    try:
        return build(folder)
    except ProgramUnavailable as unavailable:
        give_up(str(unavailable))


@pytest.fixture(scope="module", params=FOLDERS)
def manifests(request: pytest.FixtureRequest) -> Manifests:
    """The manifests of each folder."""
    return built(KUBERNETES / request.param)


@pytest.fixture(scope="module")
def example() -> Manifests:
    """The manifests of the example."""
    return built(KUBERNETES / "overlays" / "example")


@pytest.fixture
def settings(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the service makes of the environment that it gets."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in manifests.environment.items():
        monkeypatch.setenv(name, value)
    for name in manifests.secret_variables:
        monkeypatch.setenv(name, SECRETS[name])
    return Settings()


def versions() -> list[str]:
    """List the versions of Kubernetes that the manifests are for, as far as they have been published."""
    published = {tuple(map(int, version.split(".")[:2])) for version in all_versions()}
    return [f"{major}.{minor}" for major, minor in sorted(published) if (major, minor) >= OLDEST]


def faults(value: dict[str, Any]) -> list[str]:
    """List what the published schemas of each version of Kubernetes say against an object."""
    found = []
    for version in versions():
        try:
            validate(value, version, strict=True)
        except ValidationError as error:
            found.append(f"{version}: {error.message}")
    return found


def test_every_kubernetes_takes_them(manifests: Manifests) -> None:
    """By the schemas that Kubernetes has published, from 1.27 to the newest, no unknown field allowed."""
    assert f"of every version from {versions()[0]} to {versions()[-1]}" in _guide()
    assert [fault for each in manifests.objects for fault in faults(each)] == []


def test_a_field_that_is_misspelt_is_noticed(manifests: Manifests) -> None:
    """So is a value of another type."""
    deployment = manifests.one("Deployment")
    assert faults({**deployment, "spec": {**deployment["spec"], "minReadySecond": 5}})
    assert faults({**deployment, "spec": {**deployment["spec"], "minReadySeconds": "5"}})


def test_kube_score_has_nothing_to_say(manifests: Manifests) -> None:
    """Not a warning either, but for what is as it should be, and says why."""
    score = subprocess.run(
        [
            find_program("kube-score"),
            "score",
            "-",
            "--kubernetes-version=v1.36",
            "--exit-one-on-warning",
            "--enable-optional-test=container-ports-check",
            "--enable-optional-test=container-seccomp-profile",
            *SCORED_OTHERWISE,
        ],
        input=manifests.text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert score.returncode == 0, score.stdout + score.stderr


def test_every_variable_is_a_setting_that_can_be_used(manifests: Manifests, settings: Settings) -> None:
    """None is misspelt, and the service starts with them."""
    names = manifests.environment.keys() | manifests.secret_variables
    assert names <= {name.upper() for name in Settings.model_fields}
    assert settings.host == "0.0.0.0"  # noqa: S104  # a pod has an address of its own
    assert settings.log_format == "json"


def test_no_secret_is_in_them(manifests: Manifests) -> None:
    """Neither as an object, nor as a variable that could have one."""
    assert not manifests.all("Secret")
    secret = {name for name, field in Settings.model_fields.items() if SecretStr in _parts(field.annotation)}
    assert secret
    assert not manifests.environment.keys() & {name.upper() for name in secret | {"rate_limit_storage"}}


def _parts(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__args__", (annotation,))


def test_the_ports_are_those_that_the_service_listens_on(manifests: Manifests, settings: Settings) -> None:
    """What names a port names one of the container's."""
    ports = {port["name"]: port["containerPort"] for port in manifests.container["ports"]}
    assert ports == {"http": settings.port, "metrics": settings.metrics_port}
    assert [port["targetPort"] for port in manifests.one("Service")["spec"]["ports"]] == ["http"]
    rules = manifests.one("NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for rule in rules for port in rule["ports"]] == ["http", "metrics"]


@pytest.mark.parametrize(
    ("probe", "operation"),
    [("startup", "checkLiveness"), ("liveness", "checkLiveness"), ("readiness", "checkReadiness")],
)
def test_the_probes_ask_for_what_the_contract_has(manifests: Manifests, probe: str, operation: str) -> None:
    """A pod that is not ready is not killed, and one that is not alive gets no requests."""
    asked = manifests.container[f"{probe}Probe"]["httpGet"]
    assert asked["port"] == "http"
    path = asked["path"].removeprefix(BASE_PATH)
    assert document()["paths"][path]["get"]["operationId"] == operation


def test_a_pod_has_the_time_that_it_takes_to_stop(manifests: Manifests, settings: Settings) -> None:
    """Whoever kills waits longer than the drain, the grace, and the 5 s that operations.md speaks of."""
    longest = settings.drain_seconds + settings.shutdown_grace_seconds + 5
    assert manifests.pod["terminationGracePeriodSeconds"] > longest


def test_the_drain_outlasts_the_readiness_probe(manifests: Manifests, settings: Settings) -> None:
    """Whoever goes by readiness has noticed, even if the last probe waits for its timeout."""
    probe = manifests.container["readinessProbe"]
    assert (
        settings.drain_seconds > probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    )


def test_a_rollout_takes_no_pod_away_before_another_is_ready(manifests: Manifests) -> None:
    """Nobody but the autoscaler says how many there are, and a disruption takes one at a time."""
    assert manifests.deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "replicas" not in manifests.deployment
    scaler = manifests.one("HorizontalPodAutoscaler")["spec"]
    target = manifests.one("Deployment")
    assert scaler["scaleTargetRef"] == {
        "apiVersion": target["apiVersion"],
        "kind": "Deployment",
        "name": target["metadata"]["name"],
    }
    assert scaler["minReplicas"] == 2
    assert manifests.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_every_selector_finds_the_pods(manifests: Manifests) -> None:
    """Of the deployment, of the service, of those that protect it, and of the spread over nodes."""
    labels = manifests.deployment["template"]["metadata"]["labels"].items()
    selectors = [
        manifests.deployment["selector"]["matchLabels"],
        manifests.one("Service")["spec"]["selector"],
        manifests.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        manifests.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in manifests.pod["topologySpreadConstraints"]),
    ]
    assert all(selector and selector.items() <= labels for selector in selectors)


def test_a_pod_is_let_do_what_the_restricted_profile_allows(manifests: Manifests) -> None:
    """It writes nothing but to /tmp, and knows nothing of the cluster."""
    user, container = manifests.pod["securityContext"], manifests.container["securityContext"]
    assert user["runAsNonRoot"]
    assert {user["runAsUser"], user["runAsGroup"], user["fsGroup"]} == {10001}
    assert user["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert manifests.pod["automountServiceAccountToken"] is False
    assert manifests.one("ServiceAccount")["automountServiceAccountToken"] is False
    assert manifests.pod["enableServiceLinks"] is False
    mounts = {each["name"]: each for each in manifests.container["volumeMounts"]}
    writable = [mount["mountPath"] for mount in mounts.values() if not mount.get("readOnly")]
    assert writable == ["/tmp"]  # noqa: S108  # where the metrics of several workers are
    assert "emptyDir" in _volume(manifests, "tmp")


def test_the_credentials_are_a_file_that_follows_its_secret(manifests: Manifests, settings: Settings) -> None:
    """The whole folder is mounted, and only the service's group may read what is in it."""
    (file,) = settings.key_files
    (mount,) = [each for each in manifests.container["volumeMounts"] if each["name"] == "livekit-keys"]
    assert mount == {"name": "livekit-keys", "mountPath": str(file.parent), "readOnly": True}
    assert _volume(manifests, "livekit-keys")["secret"] == {
        "secretName": "livekit-keys",
        "defaultMode": 0o440,
    }
    assert f"--from-file={file.name}=" in _guide()


def _volume(manifests: Manifests, name: str) -> dict[str, Any]:
    (volume,) = [each for each in manifests.pod["volumes"] if each["name"] == name]
    return dict(volume)


def _guide() -> str:
    return (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")


def test_the_image_is_of_this_version(manifests: Manifests) -> None:
    """A release is deployed as what it is, never as `latest`."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert re.fullmatch(
        rf"(registry\.example\.com/)?livekit-token-api:{version}", manifests.container["image"]
    )


def test_a_pod_gets_the_memory_that_was_measured(manifests: Manifests) -> None:
    """The request is for all that operations.md counts up, and the limit for twice as much."""
    rows = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("### What it takes")[2]
    least, *more = map(int, re.findall(r"(\d+) MiB", rows.partition("\n## ")[0]))
    # 8 MiB: traces.
    needed = least + sum(more) + 8
    resources = manifests.container["resources"]
    request, limit = (int(resources[of]["memory"].removesuffix("Mi")) for of in ("requests", "limits"))
    assert needed <= request <= 2 * needed
    assert limit == 2 * request
    assert "cpu" not in resources["limits"]


def test_the_guide_has_the_times_of_a_stop(manifests: Manifests, settings: Settings) -> None:
    """Of the drain, the grace, and what the kubelet waits."""
    assert f"for `DRAIN_SECONDS`: {settings.drain_seconds:g} s" in _guide()
    assert f"for `SHUTDOWN_GRACE_SECONDS` at most, {settings.shutdown_grace_seconds:g} s" in _guide()
    assert f"| {manifests.pod['terminationGracePeriodSeconds']} s after SIGTERM |" in _guide()
    assert f"| {manifests.deployment['minReadySeconds']} s later |" in _guide()


def test_the_guide_has_the_figures_of_the_autoscaler(manifests: Manifests) -> None:
    """What a pod issues before another one is started, by what a token was measured to take."""
    request = int(manifests.container["resources"]["requests"]["cpu"].removesuffix("m")) / 1000
    (metric,) = manifests.one("HorizontalPodAutoscaler")["spec"]["metrics"]
    busy = request * metric["resource"]["target"]["averageUtilization"] / 100
    rows = re.findall(r"([\d.]+) ms \| ([\d,]+) \| ([\d,]+) \|", _guide())
    assert len(rows) == 3
    for milliseconds, usual, most in rows:
        a_second = 1000 / float(milliseconds)
        assert 0 <= a_second * busy - int(usual.replace(",", "")) < 10
        assert 0 <= a_second - int(most.replace(",", "")) < 100
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    for form, row in zip(("full |  |", "verified |"), rows, strict=False):
        (measured,) = re.findall(rf"^\| {re.escape(form)}.*?\*\*(\d+)\*\*", results, re.MULTILINE)
        # Which is measured anew now and then.
        assert float(row[0]) == pytest.approx(int(measured) / 1000, rel=0.3)


def test_connections_are_let_through_that_the_service_needs(manifests: Manifests) -> None:
    """The ingress controller reaches the API, Prometheus the metrics; the pod reaches what settings name."""
    policy = manifests.one("NetworkPolicy")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    # An empty list of peers would be everybody.
    assert all(rule["from"] for rule in policy["ingress"])
    assert all(rule["to"] for rule in policy["egress"])
    assert [port["port"] for rule in policy["egress"] for port in rule["ports"]] == [53, 53, 443, 6379, 4318]
    (redis,) = policy["egress"][2]["to"]
    assert redis == {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "redis"}}}


def test_the_metadata_of_a_cloud_cannot_be_reached(manifests: Manifests) -> None:
    """Each wide open network leaves out the addresses of the link."""
    peers = [peer for rule in manifests.one("NetworkPolicy")["spec"]["egress"] for peer in rule["to"]]
    blocks = {peer["ipBlock"]["cidr"]: peer["ipBlock"]["except"] for peer in peers if "ipBlock" in peer}
    assert blocks.keys() == {"0.0.0.0/0", "::/0"}
    assert "169.254.0.0/16" in blocks["0.0.0.0/0"]
    assert "fd00:ec2::/32" in blocks["::/0"]


def test_prometheus_finds_the_pods_of_the_example(example: Manifests) -> None:
    """By the namespace, the label and the port that they have."""
    file = ROOT / "deploy" / "prometheus" / "scrape-kubernetes.yml"
    (job,) = yaml.safe_load(file.read_text(encoding="utf-8"))["scrape_configs"]
    (discovery,) = job["kubernetes_sd_configs"]
    assert discovery["namespaces"]["names"] == [example.one("Deployment")["metadata"]["namespace"]]
    assert job["metrics_path"] == exposition.PATH
    kept = [
        (*rule["source_labels"], rule["regex"])
        for rule in job["relabel_configs"]
        if rule.get("action") == "keep"
    ]
    labels = example.deployment["template"]["metadata"]["labels"]
    assert kept == [
        (
            "__meta_kubernetes_pod_label_app_kubernetes_io_name",
            labels["app.kubernetes.io/name"],
        ),
        ("__meta_kubernetes_pod_container_port_name", "metrics"),
    ]


def test_a_changed_setting_is_rolled_out(tmp_path: Path) -> None:
    """The name of the settings changes, and with it the pods; nothing else does."""
    before = built(KUBERNETES / "base")
    shutil.copytree(KUBERNETES / "base", tmp_path, dirs_exist_ok=True)
    with (tmp_path / "settings.env").open("a", encoding="utf-8") as file:
        file.write("LIVEKIT_URL=wss://livekit.example.com\n")
    after = built(tmp_path)
    names = [each.one("ConfigMap")["metadata"]["name"] for each in (before, after)]
    assert names[0] != names[1]
    assert [each.container["envFrom"][0]["configMapRef"]["name"] for each in (before, after)] == names


def test_the_example_limits_callers_for_all_pods_together(example: Manifests) -> None:
    """Several pods that each count for themselves would let several times as many through."""
    assert "RATE_LIMIT" in example.environment
    assert "RATE_LIMIT_STORAGE" in example.secret_variables
    assert example.environment["AUTH"] != "none"


def test_the_ingress_of_the_example_leads_to_the_api(example: Manifests) -> None:
    """All of the contract, and nothing of the metrics, which have a port of their own."""
    (rule,) = example.one("Ingress")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == (BASE_PATH, "Prefix")
    service = example.one("Service")
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
