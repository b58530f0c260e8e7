"""Every exception has an answer."""

import json
from collections.abc import Iterator

import pytest
from connexion.exceptions import BadRequestProblem, Forbidden, NonConformingResponseBody
from starlette.exceptions import HTTPException

from app.operation import logs
from app.wire.errors import answer
from app.wire.faults import MAX_FAULTS, ContractViolation, Fault
from app.wire.request_body import BodyTimeout, PayloadTooLarge, UnsupportedMediaType
from tests.support.contract import assert_fits


@pytest.fixture(autouse=True)
def request_id() -> Iterator[None]:
    """Answer within a request."""
    token = logs.request_id.set("id-1")
    yield
    logs.request_id.reset(token)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (HTTPException(404), 404, "NOT_FOUND"),
        (HTTPException(405, headers={"Allow": "GET"}), 405, "METHOD_NOT_ALLOWED"),
        (HTTPException(418), 400, "VALIDATION_ERROR"),
        (HTTPException(502), 500, "INTERNAL_ERROR"),
        (BadRequestProblem("hunter2"), 400, "VALIDATION_ERROR"),
        (Forbidden("hunter2"), 400, "VALIDATION_ERROR"),
        (NonConformingResponseBody("hunter2"), 500, "INTERNAL_ERROR"),
        (BodyTimeout(), 408, "REQUEST_TIMEOUT"),
        (PayloadTooLarge("too long"), 413, "PAYLOAD_TOO_LARGE"),
        (UnsupportedMediaType("not JSON"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (RecursionError("hunter2"), 500, "INTERNAL_ERROR"),
        (KeyError("hunter2"), 500, "INTERNAL_ERROR"),
    ],
)
def test_an_exception_is_answered_by_the_contract(error: Exception, status: int, code: str) -> None:
    """The answer fits the contract, and shows nothing of what was not written for the caller."""
    found = answer(error)
    body = json.loads(found.body)
    assert_fits("ErrorResponse", body)
    assert (found.failure.status, body["statusCode"], body["errorCode"]) == (status, status, code)
    assert body["requestId"] == "id-1"
    assert b"hunter2" not in found.body
    assert found.failure.logged == (status >= 500)


def test_headers_of_an_exception_are_kept() -> None:
    """A 405 without `Allow` would break HTTP."""
    assert answer(HTTPException(405, headers={"Allow": "GET"})).headers["Allow"] == "GET"


def test_faults_are_sorted_and_listed_once() -> None:
    """The list is the same each time."""
    faults = [Fault("b", "x"), Fault("a", "y"), Fault("b", "x"), Fault("a", "x")]
    body = json.loads(answer(ContractViolation(faults)).body)
    assert [(f["field"], f["message"]) for f in body["validationErrors"]] == [
        ("a", "x"), ("a", "y"), ("b", "x")
    ]  # fmt: skip


def test_many_faults_are_cut() -> None:
    """The list is bounded, and says that it is only a part; what nobody will read is not made."""
    faults = (Fault(str(i), "x") for i in range(1000))
    body = json.loads(answer(ContractViolation(faults)).body)
    assert_fits("ErrorResponse", body)
    assert len(body["validationErrors"]) == MAX_FAULTS
    assert "There are more faults than these 100." in body["message"]
    assert next(faults).field == "101"


def test_a_hundred_faults_are_all() -> None:
    """The message does not speak of more than there are."""
    body = json.loads(answer(ContractViolation(Fault(str(i), "x") for i in range(100))).body)
    assert len(body["validationErrors"]) == MAX_FAULTS
    assert "more" not in body["message"]
