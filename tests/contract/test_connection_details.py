"""LiveKit's standard token endpoint: what is particular to it."""

from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.support.contract import document
from tests.support.server import KEY, LIVEKIT_URL, claims_of, make_settings, serve
from tests.support.service_log import audit_lines

# Android reads an answer whatever its status: an error must not look like connection details.
READ_BY_SDKS = {
    "server_url", "serverUrl", "participant_token", "participantToken", "room_name", "roomName",
    "participant_name", "participantName",
}  # fmt: skip


def claims_in(answer: httpx.Response) -> dict[str, Any]:
    """Read the claims of an answer's token, its signature checked."""
    assert answer.status_code == 201, answer.text
    return claims_of(answer.json()["participant_token"])


def test_everything_that_was_chosen_is_in_the_token(api: httpx.Client) -> None:
    """Each property of the request lands in its claim, and the grants are those of `/token`."""
    answer = api.post(
        "/connection-details",
        json={
            "room_name": "support-4711",
            "participant_identity": "auth0|alice@example.com",
            "participant_name": "Alice",
            "participant_metadata": '{"plan":"pro"}',
            "participant_attributes": {"lang": "de"},
            "room_config": {
                "agents": [{"agent_name": "concierge", "metadata": "{}", "deployment": "production"}]
            },
        },
    )
    claims = claims_in(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {
        "server_url": LIVEKIT_URL,
        "participant_token": answer.json()["participant_token"],
        "room_name": "support-4711",
        "participant_name": "Alice",
    }
    assert claims.pop("exp") - claims.pop("nbf") in {3600, 3601}
    same = claims_of(
        api.post("/token", json={"roomName": "support-4711", "participantIdentity": "a"}).json()["token"]
    )
    assert claims == {
        "iss": KEY,
        "sub": "auth0|alice@example.com",
        "name": "Alice",
        "metadata": '{"plan":"pro"}',
        "attributes": {"lang": "de"},
        "video": same["video"],
        "roomConfig": {"agents": [{"agentName": "concierge", "metadata": "{}", "deployment": "production"}]},
    }


@pytest.mark.parametrize(
    "body", [{}, {"room_config": {}}, {"room_config": {"agents": []}}, {"participant_attributes": {}}]
)
def test_nothing_chosen_is_a_fresh_room_and_a_fresh_participant(api: httpx.Client, body: Any) -> None:
    """Two requests never meet in a room, and what was not chosen leaves no claim."""
    answers = [api.post("/connection-details", json=body) for _ in range(2)]
    first, second = map(claims_in, answers)
    assert first["video"]["room"] == answers[0].json()["room_name"]
    assert first["name"] == first["sub"] == answers[0].json()["participant_name"]
    assert first["video"]["room"] != second["video"]["room"]
    assert first["sub"] != second["sub"]
    assert not {"metadata", "attributes", "roomConfig"} & first.keys()


def test_the_operator_says_how_long_and_what_may_be_published() -> None:
    """Lifetime and grants are settings; a caller has no say."""
    settings = make_settings(
        token_ttl_seconds=90, livekit_publish_sources="microphone,camera", livekit_can_publish_data=False
    )
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as api:
        details = claims_in(api.post("/connection-details", json={}))
        token = api.post("/token", json={"roomName": "r", "participantIdentity": "i"}).json()["token"]
    assert details["exp"] - details["nbf"] in {90, 91}
    for claims in (details, claims_of(token)):
        assert claims["video"]["canPublishSources"] == ["microphone", "camera"]
        assert claims["video"]["canPublishData"] is False


def test_an_agent_that_is_not_listed_is_refused_by_its_place() -> None:
    """The caller reads which agent, and whom to ask."""
    with serve(make_settings(livekit_agents="concierge")) as url:
        body = {"room_config": {"agents": [{"agent_name": "concierge"}, {"metadata": "x"}]}}
        answer = httpx.post(f"{url}/api/connection-details", json=body)
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "AGENT_NOT_ALLOWED")
    assert "room_config.agents[1].agent_name" in answer.json()["message"]
    assert "LIVEKIT_AGENTS" in answer.json()["message"]


def test_without_a_server_url_the_variable_is_named() -> None:
    """The operator's mistake is reported as such; `/token` does not need the URL."""
    with serve(make_settings(livekit_url=None)) as url, httpx.Client(base_url=f"{url}/api") as api:
        answer = api.post("/connection-details", json={})
        token = api.post("/token", json={"roomName": "r", "participantIdentity": "i"})
    assert (answer.status_code, answer.json()["errorCode"]) == (500, "MISSING_CREDENTIALS")
    assert "LIVEKIT_URL" in answer.json()["message"]
    assert token.status_code == 200


@pytest.mark.parametrize("body", [{}, {"room_name": "r", "participant_identity": "auth0|a"}])
def test_an_issued_token_leaves_one_audit_line(api: httpx.Client, body: dict[str, str]) -> None:
    """The line names the room and the identity that the token has, chosen or fresh."""
    request_id = f"details-{len(body)}"
    claims = claims_in(api.post("/connection-details", json=body, headers={"X-Request-Id": request_id}))
    (line,) = audit_lines(request_id)
    assert (line["path"], line["status"], line["outcome"]) == ("/api/connection-details", 201, "issued")
    assert (line["room"], line["identity"]) == (claims["video"]["room"], claims["sub"])
    assert datetime.fromisoformat(line["expiresAt"]).timestamp() == claims["exp"]


def test_a_refused_request_leaves_one_audit_line(api: httpx.Client) -> None:
    """The line has what was valid of room and identity, and nothing of what was refused."""
    api.post(
        "/connection-details",
        json={"room_name": "r", "participant_identity": "not valid", "participant_metadata": 1},
        headers={"X-Request-Id": "details-refused"},
    )
    (line,) = audit_lines("details-refused")
    assert (line["status"], line["outcome"], line["room"]) == (400, "refused", "r")
    assert not {"identity", "expiresAt"} & line.keys()


def test_no_error_looks_like_connection_details() -> None:
    """No property of an ErrorResponse has a name that an SDK reads."""
    schemas = document()["components"]["schemas"]
    names = schemas["ErrorResponse"]["properties"].keys() | schemas["FieldFault"]["properties"].keys()
    assert not names & READ_BY_SDKS
