"""Checking answers against the contract, which an operator may switch on."""

import httpx
import pytest

from app.tokens.admission import UNRESTRICTED, Entitlement
from app.tokens.orders import TokenOrder
from app.tokens.service import IssuedToken, TokenService
from tests.support.server import make_settings, serve

VALID = {"roomName": "room-1", "participantIdentity": "alice"}


class Careless(TokenService):
    """A token service that makes an answer which breaks the contract."""

    def issue(self, _order: TokenOrder, _entitlement: Entitlement = UNRESTRICTED) -> IssuedToken:
        """Issue a token for what is no room."""
        return IssuedToken("a.b.c", "not a room", "alice", "Alice", 1_000_000_000)


@pytest.mark.parametrize(("switched_on", "status"), [(True, 500), (False, 200)])
def test_an_answer_that_breaks_the_contract_is_found_out_if_asked_for(
    *, switched_on: bool, status: int
) -> None:
    """With the check the caller gets an error of the service instead; without, what the handler answered."""
    with serve(make_settings(validate_responses=switched_on), Careless(None)) as url:
        answer = httpx.post(f"{url}/api/token", json=VALID)
    assert answer.status_code == status
    assert ("not a room" in answer.text) is not switched_on
