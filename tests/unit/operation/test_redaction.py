"""What is a token in a log line, and what is a caller's name for something."""

from base64 import urlsafe_b64encode

import jwt
import pytest

from app.callers.api_keys import new_key
from app.operation.redaction import without_credentials, without_tokens

SECRET = "a-throw-away-secret-of-the-unit-tests-012345"
TOKENS = [jwt.encode({"sub": "alice"}, SECRET, headers={"kid": "k" * length}) for length in range(4)]
HEADER, PAYLOAD, SIGNATURE = TOKENS[0].split(".")
# As others write JSON: with blanks, in lines.
TOKENS += [
    f"{urlsafe_b64encode(header).decode().rstrip('=')}.{PAYLOAD}.{SIGNATURE}"
    for header in (
        b'{ "alg": "RS256" }',
        b'{\n  "alg": "RS256"\n}',
        b'{\r\n"alg":"RS256"}',
        b'{\t"alg":"RS256"}',
    )
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "a {} z", "/{}/", "eyJ{}", "eyJ.eyJ.{}", "eyJeyJhbGciOi{}", "\\n{}", "é{}é", "{0} {0}"]
)
def test_a_token_is_not_readable(token: str, around: str) -> None:
    """Wherever it stands, and whatever stands before it."""
    shown = without_tokens(around.format(token))
    assert not [part for part in token.split(".") if part in shown]
    assert shown == around.format("[token]")


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}.{PAYLOAD}.{SIGNATURE[:5]}…", f"{HEADER}.{PAYLOAD}.…", f"{HEADER}.{PAYLOAD[:5]}…",
        f"{HEADER}.{PAYLOAD}.", f"{HEADER}..{SIGNATURE}", f"{HEADER}.a.b.c.d",
    ],
)  # fmt: skip
def test_a_token_that_was_cut_or_is_of_another_kind_is_not_readable(text: str) -> None:
    """A long path is cut, with a token in it; an unsigned one and an encrypted one have other parts."""
    assert without_tokens(text).rstrip("…") == "[token]"


@pytest.mark.parametrize(
    "text",
    [
        "eyJ", "eyJhbGciOiJIUzI1NiJ9", "eyJ-room-1", "eyJ.a.b", "eyJoZWxsbyJ9.a.b", f"{HEADER}.{PAYLOAD}",
        f"{HEADER}_a.b.c", "eyJhIjoxfQ=.a.b", "eyJ" * 100, "eyJ.…", "",
        "key.a.b", "new.a.b", "review.the.log",
    ],
)  # fmt: skip
def test_what_a_caller_named_is_readable(text: str) -> None:
    """Else an issued token could not be attributed to its room or its participant."""
    assert without_tokens(text) == text


def test_an_api_key_is_not_readable() -> None:
    """Wherever a caller put it; what only begins like one is left."""
    key, _ = new_key()
    assert without_credentials(f"/api/{key}/x") == "/api/[API key]/x"
    assert without_credentials(key) == "[API key]"
    assert without_credentials("lktoken_short") == "lktoken_short"
