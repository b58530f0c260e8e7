"""The contract: the one place that the rules of the wire are read from."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jsonschema_rs
import yaml

from app.wire.answers import MEDIA_TYPE
from app.wire.excerpt import excerpt
from app.wire.faults import ContractViolation, Fault, explain

PATH = Path(__file__).parent.parent.parent / "spec" / "token-api.openapi.yaml"
_ALWAYS_ANSWERED = "x-always-answered"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class _KeyPattern:
    """The vendor keyword `x-key-pattern`: OpenAPI 3.0 has none for the keys of an object."""

    def __init__(self, _schema: object, pattern: str, _path: object) -> None:
        self._pattern = re.compile(pattern)

    def validate(self, instance: object) -> None:
        if isinstance(instance, dict) and not all(map(self._pattern.fullmatch, instance)):
            raise ValueError


@dataclass(frozen=True, slots=True)
class BodyRule:
    """What the contract demands of an operation's request body.

    Attributes:
        max_bytes: how long the body may be.
        defaults: the value of each property that may be left out and has a default.
        audited: the name in the audit log of each property that is written there.
        participant: the property that says what a caller's token may say as well: `identity`, `name`.
    """

    max_bytes: int
    defaults: Mapping[str, Any]
    audited: Mapping[str, str]
    participant: Mapping[str, str]
    _schema: dict[str, Any]
    _validator: jsonschema_rs.Validator
    _validator_without_token: jsonschema_rs.Validator
    _participant_validators: Mapping[str, jsonschema_rs.Validator]

    def validate(self, body: Any, audit: dict[str, Any], *, with_token: bool = False) -> None:
        """Check a parsed body; note its valid audited properties in `audit`.

        Args:
            body: what was sent.
            audit: the facts of the request's audit line.
            with_token: whether the caller's token says who it is.

        Raises:
            ContractViolation: with every fault of the body, up to `MAX_FAULTS`.
        """
        errors: list[jsonschema_rs.ValidationError] = []
        validator = self._validator if with_token else self._validator_without_token
        if not validator.is_valid(body):
            # Each error would cost as much as the body is long.
            errors = list(validator.iter_errors(excerpt(body, self._schema)))
        if isinstance(body, dict):
            faulty = {error.instance_path[0] for error in errors if error.instance_path}
            audit |= {
                label: body[name]
                for name, label in self.audited.items()
                if body.get(name) and name not in faulty
            }
        if errors:
            raise ContractViolation(explain(errors, self._schema))

    def faults_of(self, part: str, text: str) -> list[Fault]:
        """List what the contract has against what a caller's token says: its `identity` or its `name`."""
        validator = self._participant_validators[part]
        if validator.is_valid(text):
            return []
        schema = self._schema["properties"][self.participant[part]]
        return list(explain(validator.iter_errors(text), schema))


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the contract.

    Attributes:
        success_status: the status of its success.
        media_type: of the body of its success.
        statuses: those that it may answer.
        body: the rule of its body, if it has one.
        is_limited: whether it may answer that there were too many requests.
    """

    success_status: int
    media_type: str
    statuses: tuple[int, ...]
    body: BodyRule | None
    is_limited: bool


class Contract:
    """An OpenAPI 3.0 document, with what the service needs of it compiled once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Compile a document that openapi-spec-validator accepts."""
        self.document = document
        schemas = document["components"]["schemas"]
        self.base_path: str = document["servers"][0]["url"]
        self.version: str = document["info"]["version"]
        self.operations = {
            operation["operationId"]: self._operation(operation) for operation in _operations(document)
        }
        self.always_answered = {
            self.base_path + path
            for path, item in document["paths"].items()
            if any(node.get(_ALWAYS_ANSWERED) for node in item.values() if isinstance(node, dict))
        }
        self.error_codes: tuple[str, ...] = tuple(schemas["ErrorResponse"]["properties"]["errorCode"]["enum"])
        self.reasons: tuple[str, ...] = tuple(schemas["Reason"]["enum"])
        self.max_token_bytes: int = schemas["AccessToken"]["maxLength"]
        self._request_id = re.compile(schemas["RequestId"]["pattern"])
        self._request_id_length: int = schemas["RequestId"]["maxLength"]

    @classmethod
    def load(cls, change: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict) -> Self:
        """Read the contract, and change it as this deployment differs."""
        return cls(change(yaml.load(PATH.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)))

    def copy_document(self) -> dict[str, Any]:
        """Copy the document, for a consumer that writes into it."""
        return copy.deepcopy(dict(self.document))

    def is_request_id(self, text: str) -> bool:
        """Tell whether a caller's own request id may be used."""
        return len(text) <= self._request_id_length and bool(self._request_id.fullmatch(text))

    def _operation(self, operation: Mapping[str, Any]) -> Operation:
        responses = operation["responses"]
        (success,) = (status for status in responses if status.startswith("2"))
        (media_type,) = self._resolve(responses[success])["content"]
        return Operation(
            success_status=int(success),
            media_type=media_type,
            statuses=tuple(map(int, responses)),
            body=self._body(operation),
            is_limited="429" in responses,
        )

    def _body(self, operation: Mapping[str, Any]) -> BodyRule | None:
        if "requestBody" not in operation:
            return None
        body = self._resolve(operation["requestBody"])
        schema = {**body["content"][MEDIA_TYPE]["schema"], "components": self.document["components"]}
        resolved = jsonschema_rs.dereference(schema)
        del resolved["components"]
        resolved = _flat(resolved)
        properties = resolved["properties"]
        # JSON Schema has no list of nothing that is required.
        further = resolved.get("x-required-without", {}).get("callerToken", [])
        without_token = {**resolved, "required": resolved["required"] + further} if further else resolved
        participant = {p["x-caller"]: n for n, p in properties.items() if "x-caller" in p}
        return BodyRule(
            max_bytes=body["x-max-bytes"],
            defaults={n: p["default"] for n, p in properties.items() if "default" in p},
            audited={n: p["x-audit"] for n, p in properties.items() if "x-audit" in p},
            participant=participant,
            _schema=resolved,
            _validator=_compiled(resolved),
            _validator_without_token=_compiled(without_token),
            _participant_validators={part: _compiled(properties[n]) for part, n in participant.items()},
        )

    def _resolve(self, node: Mapping[str, Any]) -> Any:
        if "$ref" not in node:
            return node
        target: Any = self.document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return target


def _flat(schema: Any) -> Any:
    """Copy a schema, what its `allOf` add being a part of it."""
    if isinstance(schema, list):
        return [_flat(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    flat: dict[str, Any] = {}
    for part in schema.get("allOf", ()):
        flat |= _flat(part)
    return flat | {key: _flat(value) for key, value in schema.items() if key != "allOf"}


def _compiled(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft4Validator(schema, keywords={"x-key-pattern": _KeyPattern})


def _operations(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for item in document["paths"].values():
        yield from (item[method] for method in _METHODS if method in item)
