"""How the end-to-end tests come by an OpenID provider, and that it is what they take it for."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import jwt
import pytest
from joserfc import jwk, jws

from tests.e2e import openid_provider as module
from tests.e2e.conftest import give_up
from tests.e2e.openid_provider import (
    OpenIdProvider,
    ProviderFailed,
    ProviderUnavailable,
    run_openid_provider,
)
from tests.support.issuer import AnySignature


def _fetch(provider: OpenIdProvider, path: str) -> dict[str, Any]:
    with urlopen(f"{provider.issuer}{path}", timeout=10) as answer:  # noqa: S310  # its own address
        return dict(json.load(answer))


def _key_ids(provider: OpenIdProvider) -> set[str]:
    return {key["kid"] for key in _fetch(provider, "/jwks")["keys"]}


def _claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def _is_signed(provider: OpenIdProvider, token: str) -> bool:
    key_id = jwt.get_unverified_header(token)["kid"]
    (key,) = (key for key in _fetch(provider, "/jwks")["keys"] if key["kid"] == key_id)
    signed = jws.extract_compact(token.encode(), registry=AnySignature())
    return jws.validate_compact(signed, jwk.import_key(key), registry=AnySignature())


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_access_tokens_are_signed_with_a_published_key(
    openid_provider: OpenIdProvider, algorithm: str
) -> None:
    """They are the JWTs of RFC 9068, about the client, for the audience."""
    token = openid_provider.token(algorithm=algorithm)
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    assert _is_signed(openid_provider, token)
    claims = _claims_of(token)
    assert claims.keys() == {"jti", "sub", "iat", "exp", "client_id", "iss", "aud"}
    assert claims["sub"] == claims["client_id"] == openid_provider.client_id
    assert (claims["iss"], claims["aud"]) == (openid_provider.issuer, openid_provider.audience)


def test_a_token_says_what_the_test_wishes(openid_provider: OpenIdProvider) -> None:
    """Claims and members of the header are added, contradicted and left out."""
    token = openid_provider.token(header={"typ": "JWT", "kid": None}, rooms=["lobby"], exp=5, sub=None)
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": "RS256"}
    claims = _claims_of(token)
    assert (claims["rooms"], claims["exp"]) == (["lobby"], 5)
    assert "sub" not in claims


def test_the_metadata_leads_to_the_keys(openid_provider: OpenIdProvider) -> None:
    """Requests for both are counted."""
    before = openid_provider.discovery_requests(), openid_provider.jwks_requests()
    metadata = _fetch(openid_provider, "/.well-known/openid-configuration")
    assert metadata["issuer"] == openid_provider.issuer
    assert metadata["jwks_uri"] == f"{openid_provider.issuer}/jwks"
    _fetch(openid_provider, "/jwks")
    after = openid_provider.discovery_requests(), openid_provider.jwks_requests()
    assert after == (before[0] + 1, before[1] + 1)


def test_keys_rotate_while_it_runs(openid_provider: OpenIdProvider) -> None:
    """The next token has a new key; the old ones are published as long as the test says."""
    # Another test may have left several generations of keys.
    openid_provider.rotate_keys()
    first = _key_ids(openid_provider)
    openid_provider.rotate_keys(keep=True)
    second = _key_ids(openid_provider) - first
    assert _key_ids(openid_provider) == first | second
    assert jwt.get_unverified_header(openid_provider.token())["kid"] in second
    openid_provider.rotate_keys()
    assert not _key_ids(openid_provider) & (first | second)


def test_it_goes_away_and_comes_back(openid_provider: OpenIdProvider) -> None:
    """On the same port, with the same keys."""
    token = openid_provider.token()
    openid_provider.stop()
    with pytest.raises(ConnectionRefusedError):
        openid_provider.token()
    openid_provider.start()
    assert _is_signed(openid_provider, token)


def test_a_frozen_one_takes_connections_and_is_silent(openid_provider: OpenIdProvider) -> None:
    """That is what a deadline is for."""
    openid_provider.freeze()
    with pytest.raises(TimeoutError):
        urlopen(f"{openid_provider.issuer}/jwks", timeout=0.2)  # noqa: S310  # its own address
    openid_provider.thaw()
    assert _key_ids(openid_provider)


def test_what_it_cannot_do_it_says(openid_provider: OpenIdProvider) -> None:
    """A test is not left with a token that it did not ask for."""
    with pytest.raises(ProviderFailed, match="no token, but 500"):
        openid_provider.token(algorithm="RS1")


def test_without_node_the_reason_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A PATH with nothing in it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProviderUnavailable, match="node is not on the PATH"), run_openid_provider():
        pytest.fail("it does not run")


@pytest.mark.usefixtures("openid_provider")
def test_without_the_module_the_reason_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """node_modules is not in the repository."""
    monkeypatch.setattr(module, "MODULES", tmp_path)
    with pytest.raises(ProviderUnavailable, match="npm ci --ignore-scripts"), run_openid_provider():
        pytest.fail("it does not run")


def test_one_that_dies_is_reported_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That is a failure, never a reason to skip."""
    (tmp_path / "oidc-provider").mkdir()
    (tmp_path / "node").write_text("#!/bin/sh\nread configuration\necho out of luck >&2\n")
    (tmp_path / "node").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "MODULES", tmp_path)
    with pytest.raises(ProviderFailed, match=r"ended:\nout of luck"), run_openid_provider():
        pytest.fail("it does not run")


@pytest.mark.usefixtures("openid_provider")
@pytest.mark.parametrize("frozen", [False, True])
def test_it_is_stopped_even_when_the_test_fails(*, frozen: bool) -> None:
    """The process is gone, and has been waited for."""
    providers = []

    def failing_test() -> None:
        with run_openid_provider() as provider:
            providers.append(provider)
            if frozen:
                provider.freeze()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_test()
    with pytest.raises(ProcessLookupError):
        os.kill(providers[0].pid, 0)


def test_its_secret_is_no_argument_of_the_process(openid_provider: OpenIdProvider) -> None:
    """Every user of the machine can read the arguments of every process."""
    arguments = Path(f"/proc/{openid_provider.pid}/cmdline")
    if not arguments.exists():
        give_up("this system has no /proc")
    assert b"openid_provider.mjs" in arguments.read_bytes()
    assert openid_provider.client_secret.encode() not in arguments.read_bytes()
    assert openid_provider.client_secret not in repr(openid_provider)
