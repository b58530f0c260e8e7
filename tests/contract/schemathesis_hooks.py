"""What Schemathesis cannot read in the contract."""

from typing import Any

import schemathesis

from tests.support.contract import schema

MAX_BYTES = schema("TokenRequest")["properties"]["participantName"]["x-max-bytes"]


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext, body: Any) -> bool:
    """Leave out names that `maxLength` allows and `x-max-bytes` does not: they are not valid data."""
    name = body.get("participantName") if isinstance(body, dict) else None
    return not isinstance(name, str) or len(name.encode("utf-8", "surrogatepass")) <= MAX_BYTES
