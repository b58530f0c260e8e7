"""Holds an ARM template to the models of Azure's own SDK: each property must be one that the resource has.

It runs in an environment of its own, and prints what the models do not know.
"""

import enum
import json
import sys
import typing
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from azure.mgmt.applicationinsights.v2020_02_02 import models as insights
from azure.mgmt.authorization.v2022_04_01 import models as authorization
from azure.mgmt.keyvault import models as keyvault
from azure.mgmt.loganalytics import models as loganalytics
from azure.mgmt.storage import models as storage
from azure.mgmt.web import models as web

MODELS = {
    "Microsoft.Authorization/roleAssignments": authorization.RoleAssignmentCreateParameters,
    "Microsoft.Insights/components": insights.ApplicationInsightsComponent,
    "Microsoft.KeyVault/vaults": keyvault.VaultCreateOrUpdateParameters,
    "Microsoft.OperationalInsights/workspaces": loganalytics.Workspace,
    "Microsoft.Storage/storageAccounts": storage.StorageAccountCreateParameters,
    "Microsoft.Storage/storageAccounts/blobServices/containers": storage.BlobContainer,
    "Microsoft.Web/serverfarms": web.AppServicePlan,
    "Microsoft.Web/sites": web.Site,
    "Microsoft.Web/sites/config": web.StringDictionary,
}
# What every resource of a template has besides.
_OF_TEMPLATES = {"type", "apiVersion", "name", "dependsOn", "scope"}


def faults(model: Any, value: Any, path: str) -> Iterator[str]:
    """List what a model does not know; an expression in brackets is the platform's to compute."""
    if isinstance(value, str) and value.startswith("["):
        return
    if isinstance(value, list):
        for item in value:
            yield from faults(model, item, path)
    elif isinstance(value, dict):
        known = _properties(model)
        for name, item in value.items():
            if name in known:
                yield from faults(known[name], item, f"{path}.{name}")
            else:
                yield f"{path}.{name} is not a property of {model}"
    elif isinstance(model, enum.EnumMeta) and value not in _values(model):
        yield f"{path} is not one of {model}: {value}"


def _values(model: Any) -> list[Any]:
    return [item.value for item in model]


def _properties(model: Any) -> dict[str, Any]:
    if hasattr(model, "_attribute_map"):  # Of the older generator, which does without the level `properties`.
        names = [entry["key"].removeprefix("properties.") for entry in model._attribute_map.values()]  # noqa: SLF001
        return {**dict.fromkeys(names), "properties": model}
    if not _is_of_the_newer_generator(model):
        return {}
    model({})  # The names are found at the first one.
    # What type checkers import only.
    package = sys.modules[model.__module__.rpartition(".")[0]]
    hints = typing.get_type_hints(model, localns={"_models": package})
    fields = model._attr_to_rest_field  # noqa: SLF001  # nothing that is public has the names on the wire
    return {field._rest_name: _model_of(hints.get(name)) for name, field in fields.items()}  # noqa: SLF001


def _is_of_the_newer_generator(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, MutableMapping)


def _model_of(hint: Any) -> Any:
    """Find the model or the enumeration within Optional, Union and list."""
    inner = [_model_of(argument) for argument in typing.get_args(hint)]
    if not inner:
        return hint
    found = [kind for kind in inner if kind not in {str, type(None)}]
    return found[0] if found else str


def main() -> None:
    """Print what is wrong with each resource of the template that is named; end with 1 if anything is."""
    resources = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["resources"]
    found = [
        fault
        for resource in resources
        for fault in faults(
            MODELS[resource["type"]],
            {name: value for name, value in resource.items() if name not in _OF_TEMPLATES},
            resource["type"],
        )
    ]
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
