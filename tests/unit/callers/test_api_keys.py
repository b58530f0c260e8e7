"""API keys, of which only digests are kept."""

import hashlib
import hmac

import pytest

from app.callers.api_keys import ApiKeys, new_key
from app.callers.caller import Caller, UnknownCaller


def digest_of(key: str) -> bytes:
    """Digest a key as an operator's setting has it."""
    return hashlib.sha256(key.encode()).digest()


def test_a_fresh_key_is_accepted_by_its_digest() -> None:
    """What is printed fits together; no two keys are alike, and a key says what it is for."""
    keys = {new_key()[0] for _ in range(50)}
    assert len(keys) == 50
    key, digest = new_key()
    assert key.startswith("lktoken_")
    assert len(key) > 50
    assert ApiKeys([("backend", bytes.fromhex(digest))]).identify(key.encode()) == Caller(
        "backend", "api-key"
    )


def test_one_name_may_have_several_keys() -> None:
    """While a backend changes its key both are accepted."""
    keys = ApiKeys([("backend", digest_of("old")), ("backend", digest_of("new")), ("other", digest_of("x"))])
    assert [keys.identify(key).name for key in (b"old", b"new", b"x")] == ["backend", "backend", "other"]


@pytest.mark.parametrize("key", [b"", b"ol", b"old ", b"\xff", b"x" * 60_000])
def test_any_other_key_is_nobody_s(key: bytes) -> None:
    """Whatever bytes it is made of."""
    with pytest.raises(UnknownCaller, match="API_KEY_DIGESTS"):
        ApiKeys([("backend", digest_of("old"))]).identify(key)


def test_the_time_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """All digests are compared, by what takes the same time for all, whichever is the right one."""
    compared = []

    def compare(given: bytes, digest: bytes) -> bool:
        compared.append(digest)
        return given == digest

    monkeypatch.setattr(hmac, "compare_digest", compare)
    digests = [digest_of(key) for key in ("a", "b", "c")]
    keys = ApiKeys((key, digest) for key, digest in zip("abc", digests, strict=True))
    for key in (b"a", b"c"):
        compared.clear()
        assert keys.identify(key).name == key.decode()
        assert compared == digests
