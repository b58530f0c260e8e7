"""`python -m tests.kubernetes`: see the package."""

import copy
import sys
from typing import Any

import httpx

from tests.e2e.go_programs import ProgramUnavailable
from tests.e2e.manifests import FOLDERS, KUBERNETES, Manifests, build
from tests.kubernetes.api_server import VERSION, ApiServerUnavailable, run_api_server

NAMESPACE = "livekit-token-api"


def main() -> None:
    """Apply the manifests, report, and exit with 1 unless all went as it should."""
    try:
        built = {folder: build(KUBERNETES / folder) for folder in FOLDERS}
        with run_api_server() as cluster:
            sys.stdout.write(f"Kubernetes {VERSION}\n")
            # The example first, which has the namespace.
            went_well = [_folder(cluster, name, built[name]) for name in reversed(FOLDERS)]
    except (ApiServerUnavailable, ProgramUnavailable) as unavailable:
        sys.exit(str(unavailable))
    sys.exit(not all(went_well))


def _folder(cluster: httpx.Client, name: str, manifests: Manifests) -> bool:
    return all(
        [
            *(_is_applied(cluster, name, each) for each in manifests.objects),
            _is_admitted(cluster, f"{name}: a pod of the Deployment", manifests.pod, 201),
            _is_admitted(
                cluster, f"{name}: a pod that may gain rights", _with_more_rights(manifests.pod), 403
            ),
        ]
    )


def _is_applied(cluster: httpx.Client, folder: str, manifest: dict[str, Any]) -> bool:
    answer = cluster.patch(
        _address(cluster, manifest),
        params={"fieldManager": "make", "fieldValidation": "Strict"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        # Which is YAML, too.
        json=manifest,
    )
    return _told(f"{folder}: {manifest['kind']}", answer, answer.is_success)


def _is_admitted(cluster: httpx.Client, what: str, pod: dict[str, Any], expected: int) -> bool:
    answer = cluster.post(
        f"/api/v1/namespaces/{NAMESPACE}/pods",
        params={"dryRun": "All", "fieldValidation": "Strict"},
        json={"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "pod-"}, "spec": pod},
    )
    return _told(what, answer, answer.status_code == expected)


def _with_more_rights(pod: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(pod)
    changed["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    return changed


def _address(cluster: httpx.Client, manifest: dict[str, Any]) -> str:
    """Find where an object lives, by what the server tells of its kind."""
    version = manifest["apiVersion"]
    group = f"/apis/{version}" if "/" in version else f"/api/{version}"
    resources = cluster.get(group).raise_for_status().json()["resources"]
    (resource,) = [each for each in resources if each["kind"] == manifest["kind"] and "/" not in each["name"]]
    place = f"/namespaces/{NAMESPACE}" if resource["namespaced"] else ""
    return f"{group}{place}/{resource['name']}/{manifest['metadata']['name']}"


def _told(what: str, answer: httpx.Response, is_as_it_should_be: bool) -> bool:  # noqa: FBT001  # the verdict
    verdict = "ok     " if is_as_it_should_be else "problem"
    said = answer.json().get("message", "") if answer.is_error else "accepted"
    sys.stdout.write(f"{verdict}  {what}: {said}\n")
    return is_as_it_should_be


if __name__ == "__main__":
    main()
