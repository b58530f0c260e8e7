"""Nothing secret is shown unasked."""

import json
import logging
import pickle
import traceback
from typing import Any

import httpx
import pytest

from asking import Ask
from livekit_token_api_client import (
    AccessToken,
    AsyncTokenApi,
    ErrorResponse,
    TokenApi,
    TokenApiError,
    TokenSource,
    Unauthenticated,
    UnexpectedAnswer,
    ValidationError,
)
from scripted_server import ScriptedServer, error, example, resets, says

SECRET = "hunter2-of-the-test-suite"
JWT = example("TokenIssued", "minimal")["token"]


def finest(caplog: pytest.LogCaptureFixture) -> None:
    """Have everything logged that can be, whatever the service's own configuration says of httpx."""
    for name in ("", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, name)


def test_a_token_is_a_text_that_does_not_show_itself(service_url: str, ask: Ask) -> None:
    """Neither alone nor within an answer; but whoever uses it as a text gets it."""
    answer = ask(service_url, "create_connection_details")
    token = answer["participant_token"]
    assert isinstance(token, AccessToken)
    assert str(token)[4:] not in f"{answer} {token!r} {answer!r} {[token]}"
    assert json.loads(json.dumps(answer)) == answer
    assert json.loads(json.dumps(answer))["participant_token"] == f"{token}" == str(token)
    assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301  # our own bytes


@pytest.mark.parametrize("credential", [{"api_key": SECRET}, {"bearer": SECRET}, {"bearer": lambda: SECRET}])
@pytest.mark.parametrize(
    "deed", [resets, says(401, error("UNAUTHENTICATED", 401)), says(302, Location="/"), says(200, b"x")]
)
def test_a_failure_does_not_show_the_credential(
    server: ScriptedServer, ask: Ask, credential: dict[str, Any], deed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither its words, nor its traceback with what is behind it, nor the log at its finest."""
    server.deeds = [deed]
    finest(caplog)
    with pytest.raises(TokenApiError) as raised:
        ask(server.url, "generate_token", [], **credential, roomName="r")
    assert SECRET in str(server.received)
    frames = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    ours = [
        repr(frame.locals)
        for frame in _all(frames)
        if "livekit_token_api_client" in frame.filename
        # What a caller has in its own variables is its own.
    ]
    assert ours
    assert SECRET not in "".join(ours)
    told = "".join(traceback.format_exception(raised.value))
    assert SECRET not in f"{told} {raised.value!r} {caplog.text}"


def _all(shown: traceback.TracebackException | None) -> list[traceback.FrameSummary]:
    if shown is None:
        return []
    return [*shown.stack, *_all(shown.__cause__), *_all(shown.__context__)]


async def test_the_clients_do_not_show_the_credential() -> None:
    """They say where the service is."""
    with TokenApi("https://tokens.example.com/api", api_key=SECRET) as api:
        assert repr(api) == "TokenApi('https://tokens.example.com/api')"
        assert SECRET not in repr(TokenSource(api)) + repr(api.driver.credential())
    async with AsyncTokenApi("https://tokens.example.com/api", bearer=SECRET) as waiting:
        assert repr(waiting) == "AsyncTokenApi('https://tokens.example.com/api')"
        assert SECRET not in repr(await waiting.driver.credential())


@pytest.mark.parametrize("text", ["", " ", f"{SECRET}\n", f" {SECRET}", f"{SECRET}\r\nX: y", f"{SECRET}é"])
@pytest.mark.parametrize("name", ["api_key", "bearer"])
def test_a_credential_that_cannot_be_sent_is_refused_without_showing_it(name: str, text: str) -> None:
    """At once; a line break at its end is what a file has."""
    kinds = {"api_key": TokenApi, "bearer": AsyncTokenApi}
    with pytest.raises(ValueError, match=name) as raised:
        kinds[name]("https://tokens.example.com/api", **{name: text})
    assert SECRET not in str(raised.value)


def test_a_caller_token_that_cannot_be_sent_is_refused_when_it_is_got(ask: Ask, service_url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="bearer") as raised:
        ask(service_url, "generate_token", bearer=lambda: f"{SECRET}\n", roomName="r")
    assert SECRET not in str(raised.value)


def test_who_gets_no_caller_token_does_not_ask_as_nobody(ask: Ask, server: ScriptedServer) -> None:
    """A service that asks nobody would answer, and for whomever the request names."""
    with pytest.raises(ValueError, match="no caller token"):
        ask(server.url, "generate_token", bearer=lambda: None, roomName="r")
    assert server.received == []


@pytest.mark.parametrize("kind", [TokenApi, AsyncTokenApi])
def test_there_is_one_credential(kind: type) -> None:
    """The service would not look at the key."""
    with pytest.raises(ValueError, match="not both"):
        kind("https://tokens.example.com/api", api_key="k", bearer=lambda: "t")


def test_a_failure_survives_a_process() -> None:
    """A task queue pickles what was raised."""
    answer: ErrorResponse = {
        "statusCode": 401,
        "errorCode": "UNAUTHENTICATED",
        "message": "m",
        "timestamp": "2026-11-23T13:00:00Z",
        "requestId": "r",
        "validationErrors": [{"field": "f", "message": "m"}],
    }
    for failure in (
        Unauthenticated(answer, 401, 3.0),
        ValidationError(answer, 400),
        UnexpectedAnswer("It is none.", 502, 1.0),
    ):
        copied = pickle.loads(pickle.dumps(failure))  # noqa: S301  # our own bytes
        assert type(copied) is type(failure)
        assert (str(copied), vars(copied)) == (str(failure), vars(failure))


def test_httpx_logs_no_more_than_addresses(
    server: ScriptedServer, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    """At its finest it tells the headers of answers, but no body and no header of requests."""
    server.deeds = [says(200, example("TokenIssued", "minimal"))]
    finest(caplog)
    ask(server.url, "generate_token", api_key=SECRET, roomName="r")
    assert "httpcore" in {record.name.split(".")[0] for record in caplog.records}
    assert SECRET not in caplog.text
    assert JWT not in caplog.text
    assert httpx.__name__ in caplog.text
