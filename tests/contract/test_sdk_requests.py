"""What LiveKit's client SDKs put on the wire for `TokenSource.endpoint(url)`, byte for byte.

The bodies of the JavaScript, Android, C++ and Rust SDKs were captured from the SDKs' own code on a socket;
those of Swift, Flutter and Unity were read from their sources, for lack of a toolchain. React passes its
options on to the JavaScript SDK. No SDK sends null for an option that is not set.
"""

from typing import Any

import pytest

from tests.support.contract import assert_fits
from tests.support.raw_http import JSON, request, send
from tests.support.server import claims_of

NOTHING = b"{}"
EMPTY_CONFIG = b'{"room_config":{}}'
ALL = (
    rb'{"room_name":"support-4711","participant_name":"Alice","participant_identity":"alice",'
    rb'"participant_metadata":"{\"plan\":\"pro\"}","participant_attributes":{"lang":"en"},'
    rb'"room_config":{"agents":[{"agent_name":"concierge","metadata":"{\"topic\":\"billing\"}"}]}}'
)
ALL_DEPLOYED = ALL[:-4] + b',"deployment":"staging"}]}}'
# C++ sorts the members.
ALL_SORTED = (
    rb'{"participant_attributes":{"lang":"en"},"participant_identity":"alice",'
    rb'"participant_metadata":"{\"plan\":\"pro\"}","participant_name":"Alice","room_config":{"agents":'
    rb'[{"agent_name":"concierge","deployment":"staging","metadata":"{\"topic\":\"billing\"}"}]},'
    rb'"room_name":"support-4711"}'
)
# Swift writes members in an order of its own, another one in each process, and escapes slashes.
ALL_SWIFT = (
    rb'{"room_config":{"agents":[{"metadata":"{\"topic\":\"billing\"}","deployment":"staging",'
    rb'"agent_name":"concierge"}]},"participant_attributes":{"path":"a\/b"},"participant_identity":"alice",'
    rb'"room_name":"support-4711","participant_name":"Alice","participant_metadata":"{\"plan\":\"pro\"}"}'
)

# SDK and version: {what its caller chose: body}
REQUESTS = {
    "JavaScript livekit-client 2.23.0": {
        "nothing": NOTHING,
        "everything": ALL_DEPLOYED,
        "a deployment only": b'{"room_config":{"agents":[{"deployment":"staging"}]}}',
        "an agent's metadata only": b'{"room_config":{"agents":[{"metadata":"x"}]}}',
        "empty texts": b'{"room_name":"","participant_name":"","participant_identity":"",'
                       b'"participant_metadata":"","room_config":{"agents":[{}]}}',
        "texts that are not ASCII": '{"participant_attributes":{"a":"","b":"é"}}'.encode(),
    },
    "React components-react 2.9.24, useSession": {"nothing": NOTHING, "everything": ALL_DEPLOYED},
    "Android 2.26.0": {
        "nothing": EMPTY_CONFIG,
        "everything": ALL,
        "empty texts": b'{"room_name":"","participant_name":"","participant_identity":"",'
                       b'"participant_metadata":"","participant_attributes":{},'
                       b'"room_config":{"agents":[{"agent_name":"","metadata":""}]}}',
        "attributes only": '{"participant_attributes":{"userLang":"é/"},"room_config":{}}'.encode(),
    },
    "Android at 020819e, after 2.27.0": {"everything": ALL_DEPLOYED},
    "Swift at eebf780, after 2.16.0": {"nothing": EMPTY_CONFIG, "everything": ALL_SWIFT},
    "Flutter at f62d479, after 2.11.0": {"nothing": EMPTY_CONFIG, "everything": ALL_DEPLOYED},
    "Unity at 6de59b7, after 2.0.0": {"nothing": NOTHING, "everything": ALL_DEPLOYED},
    "C++ 1.8.0": {
        "nothing": NOTHING,
        "everything": ALL_SORTED,
        "empty texts": b'{"participant_attributes":{},"room_config":{"agents":[{}]}}',
    },
    "Rust livekit-token-source 0.1.4": {
        "nothing": NOTHING,
        "everything": ALL_DEPLOYED,
        "empty texts": b'{"room_name":"","participant_attributes":{},'
                       b'"room_config":{"agents":[{"agent_name":""}]}}',
    },
}  # fmt: skip
CASES = [
    pytest.param(body, id=f"{sdk}: {chosen}")
    for sdk, bodies in REQUESTS.items()
    for chosen, body in bodies.items()
]


def answer_to(url: str, body: bytes, content_type: str = JSON) -> tuple[dict[str, Any], dict[str, Any]]:
    """Send a body, and return the answer and the claims of its token."""
    answer = send(url, request("POST", "/api/connection-details", content_type, body=body))
    assert answer.status == 201, answer.content
    assert_fits("ConnectionDetails", answer.json())
    token = answer.json()["participant_token"]
    return answer.json(), claims_of(token)


@pytest.mark.parametrize("body", CASES)
def test_the_request_of_an_sdk_is_answered(api_url: str, body: bytes) -> None:
    """Every SDK gets connection details, with a room and a participant."""
    answer, claims = answer_to(api_url, body)
    assert claims["video"]["room"] == answer["room_name"] != ""
    assert claims["name"] == answer["participant_name"] != ""
    assert claims["sub"]


@pytest.mark.parametrize("body", [ALL_DEPLOYED, ALL_SORTED, ALL_SWIFT], ids=["most", "C++", "Swift"])
def test_everything_that_an_sdk_sends_is_in_the_token(api_url: str, body: bytes) -> None:
    """The order of the members, and how characters are escaped, make no difference."""
    _, claims = answer_to(api_url, body)
    assert (claims["video"]["room"], claims["sub"], claims["name"]) == ("support-4711", "alice", "Alice")
    assert claims["metadata"] == '{"plan":"pro"}'
    assert claims["attributes"] in ({"lang": "en"}, {"path": "a/b"})
    assert claims["roomConfig"]["agents"] == [
        {"agentName": "concierge", "metadata": '{"topic":"billing"}', "deployment": "staging"}
    ]


@pytest.mark.parametrize("body", [NOTHING, EMPTY_CONFIG, b'{"room_config":{"agents":[]}}'])
def test_no_agent_is_dispatched_that_nobody_asked_for(api_url: str, body: bytes) -> None:
    """React, Swift and Flutter wait for an agent if the token names one."""
    _, claims = answer_to(api_url, body)
    assert "roomConfig" not in claims


def test_the_charset_that_older_flutter_sends_is_accepted(api_url: str) -> None:
    """Dart's http package before 1.6 adds it."""
    answer_to(api_url, EMPTY_CONFIG, "Content-Type: application/json; charset=utf-8")
