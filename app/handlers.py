"""One method for each operation of the contract: it translates between the wire and the domain."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from app.callers.caller import Caller, ClaimNames
from app.operation.readiness import Readiness
from app.tokens.admission import (
    UNRESTRICTED,
    Entitlement,
    IdentityMismatch,
    RoomNotListed,
    RoomOutsidePrefix,
)
from app.tokens.orders import Agent, TokenOrder
from app.tokens.policy import AgentNotAllowed, TokenTooLong
from app.tokens.service import IssuedToken, MissingServerUrl, TokenService
from app.wire.faults import AgentRefused, ContractViolation, Fault, IdentityRefused, RoomRefused
from app.wire.timestamps import rfc3339


class Handlers:
    """The operations. A method is named as its `operationId`, in snake case.

    An operation with a body gets the validated body, defaults included, the facts of the request's
    audit line to add to, and who asks. All answer the body of their success.
    """

    def __init__(
        self,
        tokens: TokenService,
        server_url: str | None,
        readiness: Readiness,
        scrape: Callable[[], str],
        version: str,
    ) -> None:
        """Issue tokens with `tokens`, for the LiveKit server at `server_url` if that is known.

        `scrape` writes the metrics; `version` is the service's own.
        """
        self._tokens = tokens
        self._server_url = server_url
        self._readiness = readiness
        self._scrape = scrape
        self._version = version

    def generate_token(
        self, body: Mapping[str, Any], audit: dict[str, Any], caller: Caller
    ) -> dict[str, Any]:
        """Answer a TokenResponse.

        Raises:
            ContractViolation: the token would be too long.
            IdentityRefused: the caller may not have a token for the participant.
            MissingCredentials: see service.TokenService.issue.
            RoomRefused: the caller may not have a token for the room.
            TokenGenerationFailed: see service.TokenService.issue.
        """
        order = TokenOrder(
            room=body["roomName"],
            identity=body.get("participantIdentity", ""),
            name=body.get("participantName", ""),
            ttl=timedelta(seconds=body["expirationSeconds"]),
        )
        fields = {"room": "roomName", "identity": "participantIdentity", "name": "participantName"}
        issued = self._issue(order, caller, fields, audit)
        answer = {
            "token": issued.jwt,
            "expiresAt": rfc3339(issued.expires_at),
            "roomName": issued.room,
            "participantIdentity": issued.identity,
        }
        return answer if self._server_url is None else {**answer, "serverUrl": self._server_url}

    def create_connection_details(
        self, body: Mapping[str, Any], audit: dict[str, Any], caller: Caller
    ) -> dict[str, Any]:
        """Answer ConnectionDetails.

        Raises:
            AgentRefused: the operator does not let callers dispatch an agent of the request.
            ContractViolation: the token would be too long.
            IdentityRefused: the caller may not have a token for the participant.
            MissingCredentials: see service.TokenService.issue.
            MissingServerUrl: no operator has configured the LiveKit server.
            RoomRefused: the caller may not have a token for the room.
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
            "room": "room_name",
            "identity": "participant_identity",
            "name": "participant_name",
            "metadata": "participant_metadata",
            "attributes": "participant_attributes",
            "agents": "room_config.agents",
        }
        issued = self._issue(order, caller, fields, audit)
        return {
            "server_url": self._server_url,
            "participant_token": issued.jwt,
            "room_name": issued.room,
            "participant_name": issued.name,
        }

    def check_liveness(self) -> dict[str, Any]:
        """Answer that the process serves requests, and which version of the service it is."""
        return {"status": "live", "version": self._version}

    def check_readiness(self) -> dict[str, Any]:
        """Answer that tokens can be issued, and what the operator may want to mend all the same.

        Raises:
            NotReady: see readiness.Readiness.check.
        """
        return {"status": "ready", "reasons": self._readiness.check()}

    def get_metrics(self) -> str:
        """Answer Metrics."""
        return self._scrape()

    def _issue(
        self, order: TokenOrder, caller: Caller, fields: Mapping[str, str], audit: dict[str, Any]
    ) -> IssuedToken:
        """Issue a token, and note it; `fields` has the wire's names for the parts of an order."""
        try:
            issued = self._tokens.issue(order, _entitlement(caller))
        except IdentityMismatch:
            raise IdentityRefused(
                f"{fields['identity']} is not the caller's own, "
                f"which the claim {_claims(caller).identity} of its token says; leave it out."
            ) from None
        except RoomOutsidePrefix as error:
            raise RoomRefused(
                f"{fields['room']} must begin with {error.prefix}, "
                "which the operator sets in ROOM_NAME_PREFIX."
            ) from None
        except RoomNotListed as error:
            room, claim = fields["room"], f"the claim {_claims(caller).rooms}"
            raise RoomRefused(
                f"{room} is required: a caller whose token lists rooms in {claim} gets no fresh one."
                if error.fresh
                else f"{room} is not among the rooms that {claim} of the caller's token lists."
            ) from None
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


def _entitlement(caller: Caller) -> Entitlement:
    profile = caller.profile
    return Entitlement(profile.identity, profile.name, profile.rooms) if profile else UNRESTRICTED


def _claims(caller: Caller) -> ClaimNames:
    return caller.profile.claims if caller.profile else ClaimNames()
