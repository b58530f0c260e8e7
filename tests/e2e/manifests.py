"""What a cluster is told: the manifests of `deploy/kubernetes/`, as kustomize builds them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.go_programs import find_program

ROOT = Path(__file__).parent.parent.parent
KUBERNETES = ROOT / "deploy" / "kubernetes"
FOLDERS = ("base", "overlays/example")
_BUILD_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Manifests:
    """The manifests of one folder.

    Attributes:
        text: as kustomize wrote them.
        objects: the same, parsed.
    """

    text: str
    objects: tuple[dict[str, Any], ...]

    def all(self, kind: str) -> list[dict[str, Any]]:
        """List the objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        """Find the only object of a kind."""
        (found,) = self.all(kind)
        return found

    @property
    def deployment(self) -> dict[str, Any]:
        """How the pods are rolled out."""
        spec: dict[str, Any] = self.one("Deployment")["spec"]
        return spec

    @property
    def pod(self) -> dict[str, Any]:
        """What is in a pod."""
        spec: dict[str, Any] = self.deployment["template"]["spec"]
        return spec

    @property
    def container(self) -> dict[str, Any]:
        """The only container of a pod."""
        (found,) = self.pod["containers"]
        return dict(found)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the service starts with, but for those that come from a secret."""
        names = [source["configMapRef"]["name"] for source in self.container["envFrom"]]
        maps = {each["metadata"]["name"]: each["data"] for each in self.all("ConfigMap")}
        return {key: value for name in names for key, value in maps[name].items()}

    @property
    def secret_variables(self) -> set[str]:
        """The variables that come from a secret."""
        return {each["name"] for each in self.container.get("env", []) if "secretKeyRef" in each["valueFrom"]}


def build(folder: Path) -> Manifests:
    """Have kustomize build the manifests of a folder.

    Raises:
        ProgramUnavailable: there is no kustomize, and none can be built.
    """
    text = subprocess.run(
        [find_program("kustomize"), "build", folder],
        capture_output=True,
        text=True,
        check=True,
        timeout=_BUILD_SECONDS,
    ).stdout
    return Manifests(text, tuple(yaml.safe_load_all(text)))
