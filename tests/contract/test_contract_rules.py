"""The rules of the contract, written down a second time: one that changes by mistake is noticed here.

What a request may hold is asked of the service's own validator, from the outside: which characters, how many
of them, which properties. What an answer may hold binds the service, not its callers: there it is enough that
the rules read as they read here.
"""

import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from app.wire.contract import BodyRule, Contract
from app.wire.faults import ContractViolation
from tests.support.contract import document

# Below U+0100 all; above, what a careless pattern would let through, or see as something else.
CHARACTERS = [
    *map(chr, range(0x100)),
    *"\u0130\u0131\u017f\u0301\u0430\u0660\u0662\u200b\u200d\u2010\u2028\u2029\u202e\u2126\u212a",
    *"\u3000\ud7ff\ue000\ufeff\uff0e\uff10\uff21\uff3f\ufffd\uffff\U0001d7d8\U0001f600\U000e0001\U0010ffff",
]
NAMES = frozenset(string.ascii_letters + string.digits + "_-")
OPEN_NAMES = frozenset(string.ascii_letters + string.digits + "._~@:|+=-")
CONTROLS = frozenset(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]))
WITHOUT_CONTROLS = frozenset(CHARACTERS) - CONTROLS
WITHOUT_NUL = frozenset(CHARACTERS) - {"\0"}
OF_REQUESTS = (
    "TokenRequest", "ConnectionDetailsRequest", "ParticipantAttributes", "RoomConfig", "AgentDispatch"
)  # fmt: skip
WORDS = {
    NAMES: "may contain only letters A-Z and a-z, digits, '-' and '_'",
    OPEN_NAMES: "may contain only letters A-Z and a-z, digits and . _ ~ @ : | + = -",
    WITHOUT_CONTROLS: "must not contain control characters, line breaks or tabs",
    WITHOUT_NUL: "must not contain a NUL character",
}

TOKEN, DETAILS = "generateToken", "createConnectionDetails"
VALID = {TOKEN: {"roomName": "room", "participantIdentity": "alice"}, DETAILS: {}}


@dataclass(frozen=True)
class Text:
    """A text of a request: where it is, which characters it may hold, and how many."""

    operation: str
    field: str
    characters: frozenset[str]
    shortest: int
    longest: int

    def faults(self, value: Any) -> list[tuple[str, str]]:
        """List what is wrong with a request that is valid but for this text."""
        return faults_of(self.operation, self.field, value)


TEXTS = [
    Text(TOKEN, "roomName", NAMES, 1, 255),
    Text(TOKEN, "participantIdentity", NAMES, 1, 255),
    Text(TOKEN, "participantName", WITHOUT_CONTROLS, 0, 255),
    Text(DETAILS, "room_name", OPEN_NAMES, 0, 255),
    Text(DETAILS, "participant_identity", OPEN_NAMES, 0, 255),
    Text(DETAILS, "participant_name", WITHOUT_CONTROLS, 0, 255),
    Text(DETAILS, "participant_metadata", WITHOUT_NUL, 0, 2048),
    Text(DETAILS, "participant_attributes.key", WITHOUT_NUL, 0, 256),
    Text(DETAILS, "room_config.agents[0].agent_name", WITHOUT_CONTROLS, 0, 128),
    Text(DETAILS, "room_config.agents[0].metadata", WITHOUT_NUL, 0, 2048),
    Text(DETAILS, "room_config.agents[0].deployment", WITHOUT_CONTROLS, 0, 128),
]
every_text = pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.field)
# Every object of a request: the operation, the path of a property, and the properties that there are.
OBJECTS = [
    (TOKEN, "{}", "expirationSeconds, participantIdentity, participantName, roomName"),
    (DETAILS, "{}",
     ("participant_attributes, participant_identity, participant_metadata, participant_name, room_config, "
      "room_name")),
    (DETAILS, "room_config.{}", "agents"),
    (DETAILS, "room_config.agents[0].{}", "agent_name, deployment, metadata"),
]  # fmt: skip


@cache
def contract() -> Contract:
    """Compile the contract, as the service does."""
    return Contract.load()


def rule_of(operation: str) -> BodyRule:
    """Find the rule of an operation's body."""
    rule = contract().operations[operation].body
    assert rule is not None
    return rule


def faults_of(operation: str, field: str, value: Any) -> list[tuple[str, str]]:
    """List what is wrong with a body that is valid but for one value, by its path; `body` is all of it."""
    if field == "body":
        body = value
    else:
        for step in reversed(re.findall(r"[^.\[\]]+", field)):
            value = [value] if step == "0" else {step: value}
        body = {**VALID[operation], **value}
    try:
        rule_of(operation).validate(body, {})
    except ContractViolation as violation:
        return [(fault.field, fault.message) for fault in violation.faults]
    return []


def everywhere(character: str) -> list[str]:
    """Put a character alone, first, last and in between: a pattern may have lost an end."""
    return [character, f"{character}a", f"a{character}", f"a{character}a"]


@every_text
def test_a_text_may_hold_its_characters_and_no_other(text: Text) -> None:
    """Each character is taken, or refused in words, wherever in the text it stands."""
    for character in CHARACTERS:
        expected = [] if character in text.characters else [(text.field, WORDS[text.characters])]
        for value in everywhere(character):
            assert text.faults(value) == expected, ascii(value)


@every_text
def test_a_text_may_be_as_long_as_its_limit(text: Text) -> None:
    """The limits themselves are taken; what is one character beyond is refused with the limit."""
    assert text.faults("a" * text.longest) == text.faults("a" * text.shortest) == []
    assert text.faults("a" * (text.longest + 1)) == [
        (text.field, f"must be at most {text.longest} characters")
    ]
    assert text.faults("") == ([(text.field, "must not be empty")] if text.shortest else [])


@every_text
@pytest.mark.parametrize("value", [None, True, 0, 1.5, [], {}], ids=repr)
def test_a_text_is_nothing_but_a_string(text: Text, value: Any) -> None:
    """What is not a string is not taken for one."""
    assert text.faults(value) == [(text.field, "must be a string")]


@pytest.mark.parametrize("value", [None, True, "600", 60.0, 600.5, [], {}], ids=repr)
def test_an_expiration_is_nothing_but_an_integer(value: Any) -> None:
    """What is not written as an integer is not taken for one."""
    words = "must be an integer, written as digits without quotes, fraction or exponent"
    assert faults_of(TOKEN, "expirationSeconds", value) == [("expirationSeconds", words)]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59, "must be at least 60"), (60, None), (86400, None), (86401, "must be at most 86400")],
)
def test_an_expiration_is_a_minute_to_a_day(seconds: int, words: str | None) -> None:
    """Both limits are taken, and what is a second beyond is refused with the limit."""
    expected = [("expirationSeconds", words)] if words else []
    assert faults_of(TOKEN, "expirationSeconds", seconds) == expected


def test_the_key_of_an_attribute_may_hold_anything_but_nul() -> None:
    """A key is taken, empty or with any character, up to 64 of them."""
    words = "is a key of more than 64 characters, or with a NUL character"

    def refused(key: str) -> bool:
        found = faults_of(DETAILS, "participant_attributes", {key: "value"})
        assert [message for _, message in found] in ([], [words])
        return bool(found)

    for character in CHARACTERS:
        assert {refused(key) for key in everywhere(character)} == {character == "\0"}, ascii(character)
    assert [refused("k" * n) for n in (0, 64, 65)] == [False, False, True]


@pytest.mark.parametrize(
    ("field", "limit", "make", "words"),
    [
        ("participant_attributes", 16, lambda n: dict.fromkeys(map(str, range(n)), ""),
         "must have at most 16 properties"),
        ("room_config.agents", 4, lambda n: [{}] * n, "must have at most 4 items"),
    ],
    ids=["attributes", "agents"],
)  # fmt: skip
def test_there_may_be_as_many_as_the_limit(
    field: str, limit: int, make: Callable[[int], Any], words: str
) -> None:
    """The limit itself is taken, none at all as well, and one more is refused with the limit."""
    assert faults_of(DETAILS, field, make(0)) == faults_of(DETAILS, field, make(limit)) == []
    assert faults_of(DETAILS, field, make(limit + 1)) == [(field, words)]


@pytest.mark.parametrize(("operation", "place", "known"), OBJECTS)
@pytest.mark.parametrize("value", [None, "", 0, {}, []], ids=repr)
def test_an_object_has_no_other_properties(operation: str, place: str, known: str, value: Any) -> None:
    """A property that is not known is refused, whatever its value, and told which are."""
    field = place.format("other")
    words = f"is not known here; the properties are {known}"
    assert faults_of(operation, field, value) == [(field, words)]


@pytest.mark.parametrize("value", [None, True, 0, "", "a", []], ids=repr)
@pytest.mark.parametrize(
    ("operation", "field"),
    [
        *((operation, place.removesuffix("{}").rstrip(".") or "body") for operation, place, _ in OBJECTS),
        (DETAILS, "participant_attributes"),
    ],
)
def test_an_object_is_nothing_else(operation: str, field: str, value: Any) -> None:
    """What is not an object is not taken for one."""
    assert faults_of(operation, field, value) == [(field, "must be an object")]


@pytest.mark.parametrize("value", [None, True, 0, "", {}], ids=repr)
def test_the_agents_are_an_array(value: Any) -> None:
    """What is not an array is not taken for one."""
    assert faults_of(DETAILS, "room_config.agents", value) == [("room_config.agents", "must be an array")]


def test_a_token_request_needs_a_room_and_an_identity_only() -> None:
    """Both are missed at once; for connection details nothing is needed."""
    missing = [("participantIdentity", "is required"), ("roomName", "is required")]
    assert faults_of(TOKEN, "body", {}) == missing
    assert faults_of(TOKEN, "body", VALID[TOKEN]) == faults_of(DETAILS, "body", {}) == []


def test_a_caller_s_token_may_say_who_the_participant_is() -> None:
    """Then the request need not; the properties that it may say are the same for both operations."""
    rule_of(TOKEN).validate({"roomName": "room"}, {}, with_token=True)
    with pytest.raises(ContractViolation):
        rule_of(TOKEN).validate({}, {}, with_token=True)
    assert rule_of(TOKEN).participant == {"identity": "participantIdentity", "name": "participantName"}
    assert rule_of(DETAILS).participant == {"identity": "participant_identity", "name": "participant_name"}


def test_every_property_of_a_request_has_its_test() -> None:
    """A property that is new in the contract needs a row of the tables above."""
    tested = {text.field.rsplit(".", 1)[-1] for text in TEXTS} - {"key"}
    tested |= {"expirationSeconds", "participant_attributes", "room_config", "agents"}
    assert tested == {
        name
        for schema in OF_REQUESTS
        for name in document()["components"]["schemas"][schema].get("properties", ())
    }


@pytest.mark.parametrize(
    ("operation", "defaults", "audited"),
    [
        (TOKEN, {"expirationSeconds": 3600}, {"roomName": "room", "participantIdentity": "identity"}),
        (DETAILS, {}, {"room_name": "room", "participant_identity": "identity"}),
    ],
)
def test_a_body_has_its_size_its_defaults_and_what_is_audited(
    operation: str, defaults: dict[str, Any], audited: dict[str, str]
) -> None:
    """Both bodies may be 16 KiB long; the audit log is told who wants to be where."""
    rule = rule_of(operation)
    assert (rule.max_bytes, rule.defaults, rule.audited) == (16 * 1024, defaults, audited)


def test_a_request_id_may_hold_its_characters_and_no_other() -> None:
    """A caller's own id is kept if it is 1 to 128 of these characters, and of no others."""
    allowed = frozenset(string.ascii_letters + string.digits + "_.~:=+/@-")
    for character in CHARACTERS:
        for text in everywhere(character):
            assert contract().is_request_id(text) == (character in allowed), ascii(text)
    assert [contract().is_request_id("a" * n) for n in (0, 1, 128, 129)] == [False, True, True, False]


def the_rules_in(name: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """List each schema within a schema, by its path, with all that it demands."""
    documentation = {"description", "example", "properties", "items"}
    yield name, {keyword: value for keyword, value in schema.items() if keyword not in documentation}
    for key, node in schema.get("properties", {}).items():
        yield from the_rules_in(f"{name}.{key}", node)
    if "items" in schema:
        yield from the_rules_in(f"{name}[]", schema["items"])


SECOND = {
    "type": "string", "format": "date-time", "minLength": 20, "maxLength": 20,
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
}  # fmt: skip
NAME = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9_-]+$"}
SERVER_URL = {"type": "string", "format": "uri", "minLength": 6, "maxLength": 2048, "pattern": "^wss?://"}
PRINTED = {
    "type": "string", "minLength": 1, "pattern": r"^[^\u0000-\u001F\u007F-\u009F\u2028\u2029]*$"
}  # fmt: skip


def an_object(*required: str) -> dict[str, Any]:
    """Describe an object that has these properties at least, and no unknown ones."""
    return {"type": "object", "additionalProperties": False, "required": list(required)}


def refers_to(name: str) -> dict[str, str]:
    """Describe a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


REASONS = {"type": "array", "minItems": 0, "maxItems": 16}
ANSWERS: dict[str, dict[str, Any]] = {
    "AccessToken": {
        "type": "string", "minLength": 1, "maxLength": 8000,
        "pattern": r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$",
    },
    "ConnectionDetails": an_object("server_url", "participant_token", "room_name", "participant_name"),
    "ConnectionDetails.server_url": SERVER_URL,
    "ConnectionDetails.participant_token": refers_to("AccessToken"),
    "ConnectionDetails.room_name": {**NAME, "pattern": "^[A-Za-z0-9._~@:|+=-]+$"},
    "ConnectionDetails.participant_name": {**PRINTED, "maxLength": 255},
    "TokenResponse": an_object("token", "expiresAt", "roomName", "participantIdentity"),
    "TokenResponse.token": refers_to("AccessToken"),
    "TokenResponse.expiresAt": SECOND,
    "TokenResponse.roomName": NAME,
    "TokenResponse.participantIdentity": NAME,
    "TokenResponse.serverUrl": SERVER_URL,
    "HealthResponse": an_object("status"),
    "HealthResponse.status": {"type": "string", "enum": ["live", "ready"]},
    "HealthResponse.reasons": REASONS,
    "HealthResponse.reasons[]": refers_to("Reason"),
    "HealthResponse.version": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$", "maxLength": 32},
    "Reason": {
        "type": "string",
        "enum": [
            "audit_unavailable", "authentication_off", "draining", "issuer_unreachable", "keys_file_broken",
            "log_unwritable", "missing_credentials", "redis_unreachable", "weak_secret",
        ],
        "x-values-only-with": {
            "audit_unavailable": ["auditRequired"], "issuer_unreachable": ["callerToken"],
            "keys_file_broken": ["keyFiles"], "redis_unreachable": ["rateLimit"],
        },
    },
    "ErrorResponse": an_object("statusCode", "errorCode", "message", "timestamp", "requestId"),
    "ErrorResponse.statusCode": {"type": "integer", "format": "int32", "minimum": 400, "maximum": 599},
    "ErrorResponse.errorCode": {
        "type": "string",
        "enum": [
            "VALIDATION_ERROR", "UNAUTHENTICATED", "AGENT_NOT_ALLOWED", "IDENTITY_MISMATCH",
            "IDENTITY_UNUSABLE", "ROOM_NOT_ALLOWED", "NOT_FOUND", "METHOD_NOT_ALLOWED", "REQUEST_TIMEOUT",
            "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "RATE_LIMITED", "MISSING_CREDENTIALS",
            "TOKEN_GENERATION_FAILED", "INTERNAL_ERROR", "NOT_READY", "OVERLOADED", "AUDIT_UNAVAILABLE",
        ],
        "x-values-only-with": {
            "UNAUTHENTICATED": ["callerToken", "apiKey"], "AGENT_NOT_ALLOWED": ["agentPolicy"],
            "IDENTITY_MISMATCH": ["callerToken"], "IDENTITY_UNUSABLE": ["callerToken"],
            "ROOM_NOT_ALLOWED": ["roomPolicy"], "RATE_LIMITED": ["rateLimit"],
            "AUDIT_UNAVAILABLE": ["auditRequired"],
        },
    },
    "ErrorResponse.message": {**PRINTED, "maxLength": 512},
    "ErrorResponse.timestamp": SECOND,
    "ErrorResponse.requestId": refers_to("RequestId"),
    "ErrorResponse.reasons": REASONS,
    "ErrorResponse.reasons[]": refers_to("Reason"),
    "ErrorResponse.validationErrors": {"type": "array", "minItems": 1, "maxItems": 100},
    "ErrorResponse.validationErrors[]": refers_to("FieldFault"),
    "FieldFault": an_object("field", "message"),
    "FieldFault.field": {**PRINTED, "maxLength": 256},
    "FieldFault.message": {**PRINTED, "maxLength": 512},
    "Metrics": {
        "type": "string", "minLength": 1, "maxLength": 2**20, "pattern": "^# HELP [a-z]",
        "x-only-with": ["metrics"],
    },
    "RequestId": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9_.~:=+/@-]+$"},
}  # fmt: skip


def test_the_rules_of_the_answers_read_as_here() -> None:
    """Each schema that an answer is made of demands this, and nothing else; no schema is left out."""
    schemas = document()["components"]["schemas"]
    found = dict(
        rules for name in schemas.keys() - set(OF_REQUESTS) for rules in the_rules_in(name, schemas[name])
    )
    assert found == ANSWERS


def test_what_only_other_readers_of_the_contract_go_by_reads_as_here() -> None:
    """A code generator chooses a type by its format; the service looks at keys from end to end anyway."""
    schemas = document()["components"]["schemas"]
    assert schemas["TokenRequest"]["properties"]["expirationSeconds"]["format"] == "int32"
    assert schemas["ParticipantAttributes"]["x-key-pattern"] == r"^[^\u0000]{0,64}$"


def quotas(*names: str) -> dict[str, Any]:
    """Describe a header with two numbers for one limit or two."""
    numbers = "".join(f";{name}=[0-9]{{1,10}}" for name in names)
    return {
        "type": "string",
        "maxLength": 128,
        "pattern": f'^"(caller|total)"{numbers}(, "total"{numbers})?$',
    }


def test_the_rules_of_the_headers_read_as_here() -> None:
    """Each header demands this, and nothing else."""
    found = {
        name: (header.get("required", False), dict(the_rules_in(name, header["schema"]))[name])
        for name, header in document()["components"]["headers"].items()
    }
    origin = {"type": "string", "maxLength": 2048, "pattern": r"^(\*|[a-z][a-z0-9+.-]*://\S+)$"}
    methods = {"type": "string", "maxLength": 64, "pattern": "^[A-Z]+(, [A-Z]+)*$"}
    assert found == {
        "Access-Control-Allow-Origin": (False, origin),
        "Allow": (True, methods),
        "Cache-Control": (True, {"type": "string", "enum": ["no-store"]}),
        "RateLimit": (False, quotas("r", "t")),
        "RateLimit-Policy": (False, quotas("q", "w")),
        "Retry-After": (True, {"type": "integer", "format": "int32", "minimum": 1, "maximum": 2**31 - 1}),
        "WWW-Authenticate": (
            True,
            {"type": "string", "minLength": 1, "maxLength": 512, "pattern": "^[A-Za-z][ -~]*$"},
        ),
        "X-Request-Id": (False, refers_to("RequestId")),
    }


OPERATIONS = {
    ("/token", "post"): "200 400 401 403 404 405 408 413 415 429 500 503",
    ("/connection-details", "post"): "201 400 401 403 404 405 408 413 415 429 500 503",
    ("/health/live", "get"): "200 400 401 404 405 429 500",
    ("/health/ready", "get"): "200 400 401 404 405 429 500 503",
    ("/metrics", "get"): "200 400 401 404 405 429 500",
}
SUCCESSES = {
    ("/token", "post"): "TokenResponse",
    ("/connection-details", "post"): "ConnectionDetails",
    ("/health/live", "get"): "HealthResponse",
    ("/health/ready", "get"): "HealthResponse",
    ("/metrics", "get"): "Metrics",
}
OPEN = ("/health/live", "/health/ready", "/metrics")
PATHS_ONLY_WITH = {"/metrics": ["metrics"]}


def operations_of(path: str) -> dict[str, Any]:
    """List the operations of a path, by their methods."""
    item = document()["paths"][path]
    return {method: operation for method, operation in item.items() if not method.startswith("x-")}


def test_every_operation_documents_these_statuses() -> None:
    """There are these operations, and each answers with these statuses."""
    found = {
        (path, method): " ".join(operation["responses"])
        for path in document()["paths"]
        for method, operation in operations_of(path).items()
    }
    assert found == OPERATIONS


def test_a_path_that_only_some_deployments_have_says_which() -> None:
    """The rest of them answer 404 there, and do not publish it."""
    found = {path: item.get("x-only-with") for path, item in document()["paths"].items()}
    assert found == {path: PATHS_ONLY_WITH.get(path) for path in found}


def test_tokens_are_for_callers_who_are_known_and_how_the_service_does_is_for_all() -> None:
    """Either scheme admits; a part of the contract says which deployments have it."""
    either: list[dict[str, list[str]]] = [{"callerToken": []}, {"apiKey": []}]
    assert document()["security"] == either
    for path in document()["paths"]:
        for operation in operations_of(path).values():
            assert operation.get("security", either) == ([{}] if path in OPEN else either)
    schemes = document()["components"]["securitySchemes"]
    assert {name: (scheme["type"], scheme["x-only-with"]) for name, scheme in schemes.items()} == {
        "callerToken": ("http", ["callerToken"]),
        "apiKey": ("apiKey", ["apiKey"]),
    }
    assert (schemes["apiKey"]["in"], schemes["apiKey"]["name"]) == ("header", "X-API-Key")
    assert (schemes["callerToken"]["scheme"], schemes["callerToken"]["bearerFormat"]) == ("bearer", "JWT")


ONLY_WITH = {
    "401": ["callerToken", "apiKey"],
    "429": ["rateLimit"],
    ("403", "/token"): ["callerToken", "roomPolicy"],
    ("403", "/connection-details"): ["agentPolicy", "callerToken", "roomPolicy"],
}


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_an_answer_that_only_some_deployments_have_says_which(path: str, method: str) -> None:
    """The rest of them have none; a health check never answers 401 or 429, which a linter asks for."""
    responses = document()["components"]["responses"]
    for status, reference in document()["paths"][path][method]["responses"].items():
        found = responses[reference["$ref"].rsplit("/", 1)[1]].get("x-only-with")
        expected = ONLY_WITH.get(status, ONLY_WITH.get((status, path)))
        if path in OPEN and status in {"401", "429"}:
            expected = []
        elif status == "200":
            expected = PATHS_ONLY_WITH.get(path)
        assert found == expected, status


MORE = {
    "401": {"WWW-Authenticate"},
    "405": {"Allow"},
    "429": {"Retry-After"},
    "503": {"Retry-After"},
}


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_documented_with_its_headers_and_its_schema(path: str, method: str) -> None:
    """Success has the operation's schema, all else is an ErrorResponse; each answer has the same headers."""
    responses = document()["components"]["responses"]
    for status, reference in document()["paths"][path][method]["responses"].items():
        response = responses[reference["$ref"].rsplit("/", 1)[1]]
        headers = {"Access-Control-Allow-Origin", "Cache-Control", "X-Request-Id"} | MORE.get(status, set())
        if status[0] in "24":
            headers |= {"RateLimit"}
        # What both kinds of operations answer has what either may have.
        if status[0] in "24" and (path not in OPEN or status in {"404", "405"}):
            headers |= {"RateLimit-Policy"}
        if response.get("x-only-with") == []:
            headers = {*headers, "Retry-After", "WWW-Authenticate"} - {"RateLimit-Policy"}
        assert response["headers"] == {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
        ((media_type, content),) = response["content"].items()
        schema = SUCCESSES[path, method] if status[0] == "2" else "ErrorResponse"
        expected = "text/plain" if schema == "Metrics" else "application/json"
        assert (media_type, content["schema"]) == (expected, refers_to(schema))


@pytest.mark.parametrize("name", ["TokenRequest", "ConnectionDetailsRequest"])
def test_a_request_body_is_required_and_json(name: str) -> None:
    """A code generator does not let its user leave the body out, or send something else."""
    body = document()["components"]["requestBodies"][name]
    assert body["required"] is True
    ((media_type, content),) = body["content"].items()
    assert (media_type, content["schema"]) == ("application/json", refers_to(name))
