"""The limits of the protocol, and what is said of them."""

import re
from pathlib import Path

from app.wire import framing, protocol
from app.wire.contract import Contract
from tests.support.contract import document

OPERATE = (Path(__file__).parents[3] / "docs" / "operate.md").read_text(encoding="utf-8")


def test_every_body_fits_with_its_chunks() -> None:
    """A body that the contract allows may come in pieces of a reasonable size."""
    longest = max(o.body.max_bytes for o in Contract.load().operations.values() if o.body)
    assert 4 * longest <= framing.MAX_BODY


def test_the_limits_are_those_of_the_contract_and_of_the_guide() -> None:
    """Whoever reads them need not try."""
    said = re.sub(r"\s+", " ", document()["info"]["description"])
    head = f"{framing.MAX_HEAD // 1024} KiB and {framing.MAX_HEAD_LINES} lines"
    chunks = f"{framing.MAX_BODY // 1024} KiB and {framing.MAX_BODY_LINES:,} lines"
    assert f"Its head is at most {head} long" in said
    assert f"A chunked body is at most {chunks} long, chunks and trailers counted" in said
    assert f"| a request's head | {head} |" in OPERATE
    assert f"extensions and trailers | {chunks} |" in OPERATE
    assert f"| what is thrown away | {protocol.MAX_DISCARDED // 2**20} MiB," in OPERATE
