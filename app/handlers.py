"""One method for each operation of the contract: it translates between the wire and the domain."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.tokens.orders import Agent, TokenOrder
from app.tokens.policy import AgentNotAllowed, TokenTooLong
from app.tokens.service import IssuedToken, MissingServerUrl, TokenService
from app.wire.faults import AgentRefused, ContractViolation, Fault
from app.wire.timestamps import rfc3339


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
            ContractViolation: the token would be too long.
            MissingCredentials: see service.TokenService.issue.
            TokenGenerationFailed: likewise.
        """
        order = TokenOrder(
            room=body["roomName"],
            identity=body["participantIdentity"],
            name=body.get("participantName", ""),
            ttl=timedelta(seconds=body["expirationSeconds"]),
        )
        issued = self._issue(order, {"name": "participantName"}, audit)
        answer = {
            "token": issued.jwt,
            "expiresAt": rfc3339(issued.expires_at),
            "roomName": issued.room,
            "participantIdentity": issued.identity,
        }
        return answer if self._server_url is None else {**answer, "serverUrl": self._server_url}

    def create_connection_details(self, body: Mapping[str, Any], audit: dict[str, Any]) -> dict[str, Any]:
        """Answer ConnectionDetails.

        Raises:
            AgentRefused: the operator does not let callers dispatch an agent of the request.
            ContractViolation: the token would be too long.
            MissingCredentials: see service.TokenService.issue.
            MissingServerUrl: no operator has configured the LiveKit server.
            TokenGenerationFailed: see service.TokenService.issue.
        """
        if self._server_url is None:
            raise MissingServerUrl
        order = TokenOrder(
            room=body.get("room_name", ""),
            identity=body.get("participant_identity", ""),
            name=body.get("participant_name", ""),
            metadata=body.get("participant_metadata", ""),
            attributes=body.get("participant_attributes", {}),
            agents=[
                Agent(
                    dispatch.get("agent_name", ""),
                    dispatch.get("metadata", ""),
                    dispatch.get("deployment", ""),
                )
                for dispatch in body.get("room_config", {}).get("agents", ())
            ],
        )
        fields = {
            "name": "participant_name",
            "metadata": "participant_metadata",
            "attributes": "participant_attributes",
            "agents": "room_config.agents",
        }
        issued = self._issue(order, fields, audit)
        return {
            "server_url": self._server_url,
            "participant_token": issued.jwt,
            "room_name": issued.room,
            "participant_name": issued.name,
        }

    def check_liveness(self) -> dict[str, Any]:
        """Answer that the process serves requests."""
        return {"status": "live"}

    def check_readiness(self) -> dict[str, Any]:
        """Answer that tokens can be issued.

        Raises:
            NotReady: see service.TokenService.check_readiness.
        """
        self._tokens.check_readiness()
        return {"status": "ready"}

    def _issue(self, order: TokenOrder, fields: Mapping[str, str], audit: dict[str, Any]) -> IssuedToken:
        """Issue a token, and note it; `fields` has the wire's names for the parts of an order."""
        try:
            issued = self._tokens.issue(order)
        except AgentNotAllowed as error:
            names = ", ".join(f"room_config.agents[{index}].agent_name" for index in error.indexes)
            raise AgentRefused(
                f"{names} is not an agent that callers may dispatch; "
                "the operator lists those in LIVEKIT_AGENTS."
            ) from None
        except TokenTooLong as error:
            advice = f"shorten it; the token would be {error.length} bytes long, and may be {error.limit}"
            raise ContractViolation([Fault.at(fields[error.part], advice)]) from None
        audit |= {
            "room": issued.room,
            "identity": issued.identity,
            "expiresAt": rfc3339(issued.expires_at),
        }
        return issued
