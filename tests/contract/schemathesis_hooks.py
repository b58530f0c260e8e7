"""What Schemathesis cannot read in the contract: what no standard keyword forbids, and is refused."""

import json
import re
from typing import Any

import schemathesis
from jsonschema import Draft4Validator

from tests.support.contract import document, schema

_KEYS = re.compile(schema("ParticipantAttributes")["x-key-pattern"])
# A token holds the body's texts, as ASCII JSON, in base 64, beside some hundred bytes of its own.
_MAX_TEXT: int = schema("AccessToken")["maxLength"] * 3 // 4 - 1000
_STANDARD = Draft4Validator({**schema("ConnectionDetailsRequest"), "components": document()["components"]})


@schemathesis.hook
def filter_body(_context: schemathesis.HookContext, body: Any) -> bool:
    """Leave out bodies that only a key, or the length of their token, makes invalid."""
    if not isinstance(body, dict) or not _STANDARD.is_valid(body):
        return True
    attributes = body.get("participant_attributes", {})
    return all(map(_KEYS.fullmatch, attributes)) and len(json.dumps(body)) <= _MAX_TEXT
