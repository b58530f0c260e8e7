"""The client has what the contract has."""

import inspect
import subprocess
import sys
import typing
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import inflection
import pytest

import livekit_token_api_client
from livekit_token_api_client import AccessToken, AsyncTokenApi, ErrorAnswer, TokenApi, errors, operations
from livekit_token_api_client.answers import Heard, read
from livekit_token_api_client.errors import BY_CODE
from livekit_token_api_client.operations import Operation
from tests.support.contract import PATH, document, schema

DISTRIBUTION = Path(__file__).parent.parent
OPERATIONS = {
    f"{operation.method} {operation.path}": operation
    for operation in vars(operations).values()
    if isinstance(operation, Operation)
}
# What a monitoring system asks, not a backend.
LEFT_OUT = {"getMetrics"}
DESCRIBED = {
    f"{method.upper()} {path}": described
    for path, item in document()["paths"].items()
    for method, described in item.items()
    if method in ("get", "post") and described["operationId"] not in LEFT_OUT
}


def generated(*options: str) -> "subprocess.CompletedProcess[str]":
    """Have the generator compare its output with the file."""
    return subprocess.run(
        [Path(sys.executable).parent / "datamodel-codegen", "--check", *options],
        cwd=DISTRIBUTION,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def responses_of(operation: Operation[Any]) -> dict[str, Any]:
    """List the responses of an operation in the contract, by status."""
    described = DESCRIBED[f"{operation.method} {operation.path}"]["responses"]
    components = document()["components"]["responses"]
    return {status: components[response["$ref"].split("/")[-1]] for status, response in described.items()}


def examples() -> list[Any]:
    """List the contract's examples of answers to each operation, as parameters of a test."""
    return [
        pytest.param(operation, int(status), example["value"], id=f"{what} {status} {name}")
        for what, operation in OPERATIONS.items()
        for status, response in responses_of(operation).items()
        for name, example in response["content"]["application/json"].get("examples", {}).items()
    ]


def test_the_types_are_those_of_the_contract() -> None:
    """`make clients-python` would write the same file."""
    compared = generated()
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_a_stale_file_is_noticed(tmp_path: Path) -> None:
    """A property more in the contract is a difference."""
    changed = tmp_path / "changed.yaml"
    text = PATH.read_text(encoding="utf-8")
    changed.write_text(
        text.replace("        participantName:", "        participantTitle:"), encoding="utf-8"
    )
    compared = generated("--input", str(changed))
    assert compared.returncode == 1
    assert "participantTitle" in compared.stdout + compared.stderr


def test_the_version_is_the_contract_s() -> None:
    """There is one version of all."""
    assert livekit_token_api_client.__version__ == document()["info"]["version"]


def test_every_operation_can_be_asked() -> None:
    """Each has a method of its own on both clients, named after its id."""
    assert OPERATIONS.keys() == DESCRIBED.keys()
    for api in (TokenApi, AsyncTokenApi):
        for described in DESCRIBED.values():
            assert inspect.isfunction(getattr(api, inflection.underscore(described["operationId"])))


@pytest.mark.parametrize("what", OPERATIONS)
def test_an_answer_has_the_form_that_the_contract_gives_it(what: str) -> None:
    """The type is named after the schema, and what is required of it is a text, as the reader takes it."""
    operation = OPERATIONS[what]
    (success,) = [response for status, response in responses_of(operation).items() if status < "300"]
    name = success["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
    assert operation.answer.__name__ == name
    required = schema(name)["required"]
    assert operation.answer.__required_keys__ == set(required)
    texts = [typing.get_type_hints(operation.answer)[key] for key in required]
    assert all(kind in (str, AccessToken) or typing.get_origin(kind) is typing.Literal for kind in texts)
    assert [key for key, kind in zip(required, texts, strict=True) if kind is AccessToken] == (
        [operation.token] if operation.token else []
    )


@pytest.mark.parametrize("method", ["generate_token", "create_connection_details"])
def test_every_property_of_a_request_can_be_sent(method: str) -> None:
    """It is a keyword of both clients, and required where the contract requires it of everybody."""
    described = next(d for d in DESCRIBED.values() if inflection.underscore(d["operationId"]) == method)
    name = described["requestBody"]["$ref"].split("/")[-1]
    for api in (TokenApi, AsyncTokenApi):
        (parameter,) = list(inspect.signature(getattr(api, method)).parameters.values())[1:]
        (request,) = typing.get_args(parameter.annotation)
        assert request.__annotations__.keys() == schema(name)["properties"].keys()
        assert request.__required_keys__ == set(schema(name).get("required", []))


@pytest.mark.parametrize(("operation", "status", "example"), examples())
def test_every_example_of_the_contract_is_understood(
    operation: Operation[Any], status: int, example: dict[str, Any]
) -> None:
    """A success is what is returned; a failure is raised, as the class of its `errorCode`."""
    heard = Heard(status, httpx.Headers(), httpx.Response(status, json=example).content)
    if status < HTTPStatus.BAD_REQUEST:
        assert read(heard, operation) == example
        return
    with pytest.raises(ErrorAnswer) as raised:
        read(heard, operation)
    assert type(raised.value) is BY_CODE[example["errorCode"]]
    assert raised.value.answer == example
    assert raised.value.status_code == status
    assert raised.value.message in str(raised.value)
    assert raised.value.request_id in str(raised.value)
    assert all(fault["message"] in str(raised.value) for fault in example.get("validationErrors", []))
    assert list(raised.value.reasons) == example.get("reasons", [])


def test_every_error_code_has_its_class_and_every_class_its_code() -> None:
    """The names are those of the codes; what several codes have in common has a class more."""
    assert list(BY_CODE) == schema("ErrorResponse")["properties"]["errorCode"]["enum"]
    for code, kind in BY_CODE.items():
        assert inflection.underscore(kind.__name__) == code.lower().removesuffix("_error") or (
            inflection.underscore(kind.__name__) == code.lower()
        )
    leaves = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ErrorAnswer) and not kind.__subclasses__()
    }
    assert leaves == set(BY_CODE.values())


def test_the_drawing_of_the_errors_is_right() -> None:
    """It has each class below the one that it is made of."""
    drawn = []
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        indent = len(line) - len(line.lstrip())
        if line.lstrip()[:2] in ("* ", "+ ", "- ", "· "):
            name = line.split()[1]
            above[indent] = name
            drawn.append((name, above.get(indent - 2, "Exception")))
    found = [
        (kind.__name__, kind.__bases__[0].__name__)
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.TokenApiError)
    ]
    assert sorted(drawn) == sorted(found)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, errors.Forbidden), (503, errors.Unavailable), (409, ErrorAnswer), (500, ErrorAnswer)],
)
def test_an_error_code_of_a_later_version_is_no_surprise(status: int, kind: type[ErrorAnswer]) -> None:
    """It is told by its status, and its code can be read; a property that is not known does not matter."""
    example = {"errorCode": "TEAPOT", "message": "m", "requestId": "r", "color": 1}
    heard = Heard(status, httpx.Headers(), httpx.Response(status, json=example).content)
    with pytest.raises(ErrorAnswer) as raised:
        read(heard, operations.GENERATE_TOKEN)
    assert type(raised.value) is kind
    assert raised.value.error_code == "TEAPOT"
