"""The clock is read once for a token, however it runs."""

from datetime import timedelta
from itertools import count
from types import SimpleNamespace

import jwt
import pytest

from app.tokens import service
from app.tokens.credentials import Credentials
from app.tokens.orders import TokenOrder
from app.tokens.policy import TokenPolicy
from app.tokens.service import TokenService

CREDENTIALS = Credentials("key", "a-throw-away-secret-of-the-unit-tests-012345")


@pytest.mark.parametrize("step", [1, 7, 86400, -1])
@pytest.mark.parametrize("ttl", [timedelta(seconds=60), timedelta(days=1), None])
def test_all_times_of_a_token_come_from_one_reading(
    monkeypatch: pytest.MonkeyPatch, step: int, ttl: timedelta | None
) -> None:
    """With a clock that jumps at each reading: `expires_at` is `exp`, and that is `nbf` and the validity."""
    tokens = TokenService(CREDENTIALS, TokenPolicy(ttl=timedelta(seconds=600)))
    readings = count(1_000_000_000.9, step)
    monkeypatch.setattr(service, "time", SimpleNamespace(time=lambda: next(readings)))
    issued = tokens.issue(TokenOrder("room", "alice", ttl=ttl))
    claims = jwt.decode(issued.jwt, options={"verify_signature": False})
    # A fraction is cut: rounded up, `nbf` would be in the future.
    assert claims["nbf"] == 1_000_000_000
    assert claims["exp"] == issued.expires_at == 1_000_000_000 + (600 if ttl is None else ttl.total_seconds())
