"""One method for each operation of the contract: it translates between the wire and the domain."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.timestamps import rfc3339
from app.tokens import TokenOrder, TokenService


class NotReady(Exception):
    """The service cannot do what it is for."""


class Handlers:
    """The operations. A method is named as its `operationId`, in snake case.

    An operation with a body gets the validated body, defaults included, and the facts of the
    request's audit line to add to. All answer the body of their success.
    """

    def __init__(self, tokens: TokenService, server_url: str | None) -> None:
        """Issue tokens with `tokens`, for the LiveKit server at `server_url` if that is known."""
        self._tokens = tokens
        self._server_url = server_url

    def generate_token(self, body: Mapping[str, Any], audit: dict[str, Any]) -> dict[str, Any]:
        """Answer a TokenResponse.

        Raises:
            MissingCredentials: see tokens.TokenService.issue.
            TokenGenerationFailed: likewise.
        """
        identity = body["participantIdentity"]
        issued = self._tokens.issue(
            TokenOrder(
                room=body["roomName"],
                identity=identity,
                name=body.get("participantName") or identity,
                ttl=timedelta(seconds=body["expirationSeconds"]),
            )
        )
        expires_at = rfc3339(issued.expires_at)
        audit["expiresAt"] = expires_at
        answer = {
            "token": issued.jwt,
            "expiresAt": expires_at,
            "roomName": body["roomName"],
            "participantIdentity": identity,
        }
        return answer if self._server_url is None else {**answer, "serverUrl": self._server_url}

    def check_liveness(self) -> dict[str, Any]:
        """Answer that the process serves requests."""
        return {"status": "live"}

    def check_readiness(self) -> dict[str, Any]:
        """Answer that tokens can be issued.

        Raises:
            NotReady: the token service has no credentials.
        """
        if not self._tokens.ready:
            raise NotReady
        return {"status": "ready"}
