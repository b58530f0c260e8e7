"""What a frontend needs to join a room, from the service or, for comparison, made here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from livekit.api import AccessToken, VideoGrants

from tests.e2e.livekit_server import LiveKitServer


@dataclass(frozen=True, slots=True)
class ConnectionDetails:
    """Where to connect, and with which access token."""

    url: str
    token: str = field(repr=False)


def ask(api: httpx.Client, room: str, identity: str, **more: Any) -> ConnectionDetails:
    """Get a token from the service over HTTP.

    Args:
        api: a client of the service, relative to `/api`.
        room: the `roomName`.
        identity: the `participantIdentity`.
        more: further properties of the request, by their names on the wire.
    """
    answer = api.post("/token", json={"roomName": room, "participantIdentity": identity, **more})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return ConnectionDetails(body["serverUrl"], body["token"])


def grant(livekit: LiveKitServer, identity: str, *, name: str = "", **grants: Any) -> ConnectionDetails:
    """Make a token that the service would not issue, for a control: with these video grants."""
    token = AccessToken(livekit.key, livekit.secret).with_identity(identity).with_name(name)
    return ConnectionDetails(livekit.url, token.with_grants(VideoGrants(**grants)).to_jwt())


def claims_of(livekit: LiveKitServer, token: str) -> dict[str, Any]:
    """Read the claims of a token, with its signature checked, and its validity in time too."""
    return jwt.decode(token, livekit.secret, algorithms=["HS256"])


def sign(livekit: LiveKitServer, claims: Mapping[str, Any]) -> str:
    """Sign claims as the service would."""
    return jwt.encode(dict(claims), livekit.secret, algorithm="HS256")
