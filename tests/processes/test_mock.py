"""`make mock`: a frontend can be built on it before there is a service."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import pytest

from app.wire.deployment import as_deployed
from tests.support.contract import assert_fits, assert_fits_schema, document
from tests.support.process import DEADLINE_SECONDS, ROOT, environment, free_port
from tests.support.server import ORIGIN

VALID = {"roomName": "room-1", "participantIdentity": "alice"}


class Operation(NamedTuple):
    """An operation of the contract that the mock keeps, and what it says of the success."""

    method: str
    path: str
    status: int
    response: dict[str, Any]
    request: dict[str, Any]

    @property
    def media_type(self) -> str:
        """The media type of the success."""
        (found,) = self.response["content"]
        return str(found)


def operations() -> list[Any]:
    """List the operations, as parameters of a test."""
    deployed = as_deployed(document(), {"metrics", "rateLimit"}, timedelta(days=1))
    components = deployed["components"]
    found = []
    for path, item in deployed["paths"].items():
        for method, operation in item.items():
            if not isinstance(operation, dict):
                continue
            ((status, response),) = ((k, v) for k, v in operation["responses"].items() if k.startswith("2"))
            body = operation.get("requestBody", {}).get("$ref", "").rpartition("/")[2]
            found.append(
                pytest.param(
                    Operation(
                        method,
                        path,
                        int(status),
                        components["responses"][response["$ref"].rpartition("/")[2]],
                        components["requestBodies"][body]["content"]["application/json"]["examples"]
                        if body
                        else {},
                    ),
                    id=operation["operationId"],
                )
            )
    return found


@contextmanager
def running_mock(**variables: str) -> Iterator[httpx.Client]:
    """Run it, and call it as a page of the development server does."""
    port = free_port()
    process = subprocess.Popen(
        ["make", "--no-print-directory", "mock", f"PORT={port}", f"VENV={sys.prefix}"],  # noqa: S607
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api", headers={"Origin": ORIGIN}) as client:
            await_answer(client, process)
            yield client
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(DEADLINE_SECONDS)


def await_answer(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the mock answers."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        assert process.poll() is None, "the mock ended"
        assert time.monotonic() < deadline, "the mock does not answer"
        try:
            client.get("/health/live")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module")
def mock() -> Iterator[httpx.Client]:
    """The mock, without any credentials."""
    with running_mock(METRICS="true", RATE_LIMIT="1000/hour") as client:
        yield client


def assert_is_shared(answer: httpx.Response) -> None:
    """Assert that the page may read the answer, and that it has what every answer has."""
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("operation", operations())
def test_each_operation_answers_as_the_contract_says(operation: Operation, mock: httpx.Client) -> None:
    """Status, media type, headers and body are those of the success; each request example is taken."""
    for request in operation.request.values() or [None]:
        body = request and request["value"]
        answer = mock.request(operation.method, operation.path, json=body)
        assert answer.status_code == operation.status, answer.text
        assert answer.headers["Content-Type"].partition(";")[0] == operation.media_type
        content = operation.response["content"][operation.media_type]
        value = answer.json() if operation.media_type == "application/json" else answer.text
        assert_fits_schema(content["schema"], value)
        assert value in [example["value"] for example in content["examples"].values()]
        assert_is_shared(answer)
        for name, header in operation.response["headers"].items():
            rule = document()["components"]["headers"][header["$ref"].rpartition("/")[2]]
            assert name in answer.headers or not rule.get("required"), name
            if name in answer.headers:
                assert_fits_schema(rule["schema"], answer.headers[name])


def test_the_examples_of_requests_get_the_answers_of_their_names(mock: httpx.Client) -> None:
    """Who sends one sees what the contract shows beside it; who sends something else, the first."""
    responses = document()["components"]["responses"]
    shown = responses["ConnectionDetailsCreated"]["content"]["application/json"]["examples"]
    asked = document()["components"]["requestBodies"]["ConnectionDetailsRequest"]
    for name, example in asked["content"]["application/json"]["examples"].items():
        assert mock.post("/connection-details", json=example["value"]).json() == shown[name]["value"]
    other = mock.post("/connection-details", json={"room_name": "other"}).json()
    assert other == shown["nothingChosen"]["value"]


@pytest.mark.parametrize(
    ("status", "error_code", "request_of"),
    [
        (400, "VALIDATION_ERROR", {"method": "POST", "url": "/token", "json": {"roomName": "a b"}}),
        (404, "NOT_FOUND", {"method": "GET", "url": "/token/"}),
        (405, "METHOD_NOT_ALLOWED", {"method": "GET", "url": "/token"}),
        (413, "PAYLOAD_TOO_LARGE", {"method": "POST", "url": "/token", "json": {"roomName": "a" * 20_000}}),
        (415, "UNSUPPORTED_MEDIA_TYPE", {"method": "POST", "url": "/token", "data": VALID}),
    ],
)
def test_a_mistake_gets_the_answer_of_the_service(
    status: int, error_code: str, request_of: dict[str, Any], mock: httpx.Client
) -> None:
    """The page can read what to change, in the contract's form."""
    answer = mock.request(**request_of)
    assert (answer.status_code, answer.json()["errorCode"]) == (status, error_code)
    assert_fits("ErrorResponse", answer.json())
    assert_is_shared(answer)
    if status == 400:
        faults = {fault["field"]: fault["message"] for fault in answer.json()["validationErrors"]}
        assert faults == {
            "participantIdentity": "is required",
            "roomName": "may contain only letters A-Z and a-z, digits, '-' and '_'",
        }


def test_a_preflight_allows_what_the_service_allows(mock: httpx.Client) -> None:
    """A page of the development server may ask, with a credential; one of elsewhere may not."""
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    allowed = mock.options("/token", headers=asked)
    assert allowed.status_code == 204
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"Authorization", "Content-Type"} <= set(
        allowed.headers["Access-Control-Allow-Headers"].split(", ")
    )
    refused = mock.options("/token", headers={**asked, "Origin": "https://elsewhere.example"})
    assert refused.status_code == 400
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_the_settings_bring_about_the_failures_of_a_deployment() -> None:
    """What the operator may demand of callers, the mock demands when it is told the same."""
    with running_mock(AUTH="api-key", API_KEY_DIGESTS=f"page:{'0' * 64}") as client:
        answer = client.post("/token", json=VALID)
        assert (answer.status_code, answer.json()["errorCode"]) == (401, "UNAUTHENTICATED")
    with running_mock(RATE_LIMIT="1/hour") as client:
        answers = [client.post("/token", json=VALID) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert_fits("ErrorResponse", answers[1].json())
        assert int(answers[1].headers["Retry-After"]) > 0
