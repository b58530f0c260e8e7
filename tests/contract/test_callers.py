"""Who may have a token, and for what: callers with tokens of an issuer, with API keys, and with neither."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

from tests.support.contract import assert_fits, document
from tests.support.issuer import ALGORITHMS, AUDIENCE, Issuer
from tests.support.raw_http import JSON, connect, read_answer, send
from tests.support.server import ORIGIN, claims_of, make_settings, serve
from tests.support.service_log import audit_lines

KEY = "lktoken_a-key-of-the-test-suite"
KEYS = f"backend:{hashlib.sha256(KEY.encode()).hexdigest()}"
TOKEN, DETAILS = "/token", "/connection-details"
BODIES = {TOKEN: {"roomName": "room-1"}, DETAILS: {"room_name": "room-1"}}
IDENTITY = {TOKEN: "participantIdentity", DETAILS: "participant_identity"}
NAME = {TOKEN: "participantName", DETAILS: "participant_name"}
ROOM = {TOKEN: "roomName", DETAILS: "room_name"}
BOTH = pytest.mark.parametrize("path", [TOKEN, DETAILS])


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer of caller tokens."""
    with Issuer().serving() as serving:
        yield serving


def oidc(issuer: Issuer, **changes: Any) -> Any:
    """Make the settings of a service whose callers have tokens of the issuer."""
    return make_settings(auth="oidc", oidc_issuer=issuer.url, oidc_audience=AUDIENCE, **changes)


@pytest.fixture(scope="module")
def api(issuer: Issuer) -> Iterator[httpx.Client]:
    """Client of a service whose callers have tokens."""
    with serve(oidc(issuer)) as url, httpx.Client(base_url=f"{url}/api") as client:
        yield client


@pytest.fixture(scope="module")
def backend() -> Iterator[httpx.Client]:
    """Client of a service whose callers have API keys."""
    settings = make_settings(auth="api-key", api_key_digests=KEYS)
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as client:
        yield client


@pytest.fixture(scope="module")
def either(issuer: Issuer) -> Iterator[httpx.Client]:
    """Client of a service whose callers have tokens or API keys."""
    settings = make_settings(
        auth="oidc,api-key", oidc_issuer=issuer.url, oidc_audience=AUDIENCE, api_key_digests=KEYS
    )
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    """Make the headers of a caller with a token."""
    return {"Authorization": f"Bearer {token}"}


def participant(answer: httpx.Response) -> tuple[str, str]:
    """Read identity and name of the participant that a token was issued for."""
    assert answer.status_code in {200, 201}, answer.text
    body = answer.json()
    claims = claims_of(body.get("token") or body["participant_token"])
    return claims["sub"], claims["name"]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Read status and code of an error, which fits the contract."""
    assert_fits("ErrorResponse", answer.json())
    return answer.status_code, answer.json()["errorCode"]


@BOTH
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_caller_is_the_participant_that_its_token_names(
    api: httpx.Client, issuer: Issuer, path: str, alg: str
) -> None:
    """Identity and name are filled in, whatever the token is signed with."""
    answer = api.post(path, json=BODIES[path], headers=bearer(issuer.token(alg, name="Alice M")))
    assert participant(answer) == ("alice", "Alice M")


@BOTH
def test_the_own_identity_may_be_sent_and_another_name(api: httpx.Client, issuer: Issuer, path: str) -> None:
    """What the request says of the name wins over the token."""
    body = {**BODIES[path], IDENTITY[path]: "alice", NAME[path]: "Al"}
    answer = api.post(path, json=body, headers=bearer(issuer.token(name="Alice")))
    assert participant(answer) == ("alice", "Al")


@BOTH
def test_nobody_takes_the_identity_of_another(api: httpx.Client, issuer: Issuer, path: str) -> None:
    """The real participant would be thrown out."""
    body = {**BODIES[path], IDENTITY[path]: "bob"}
    answer = api.post(path, json=body, headers=bearer(issuer.token()))
    assert refusal(answer) == (403, "IDENTITY_MISMATCH")
    assert IDENTITY[path] in answer.json()["message"]


@BOTH
@pytest.mark.parametrize(
    "subject", ["a b", "x" * 256, "ü", "a\n", pytest.param("auth0|alice", id="that only SDKs may have")]
)
def test_a_subject_that_cannot_be_an_identity_names_the_claim(
    api: httpx.Client, issuer: Issuer, path: str, subject: str
) -> None:
    """The operator reads which setting to change; the rule is the endpoint's own."""
    answer = api.post(path, json=BODIES[path], headers=bearer(issuer.token(sub=subject)))
    if (path, subject) == (DETAILS, "auth0|alice"):
        assert participant(answer)[0] == subject
        return
    assert refusal(answer) == (403, "IDENTITY_UNUSABLE")
    assert "claim sub" in answer.json()["message"]
    assert "OIDC_IDENTITY_CLAIM" in answer.json()["message"]


@BOTH
@pytest.mark.parametrize("name", ["x" * 256, "a\nb", 7, None, ["Alice"], "\ud800"])
def test_a_name_that_cannot_be_one_is_left_out(
    api: httpx.Client, issuer: Issuer, path: str, name: Any
) -> None:
    """The participant is called by its identity."""
    answer = api.post(path, json=BODIES[path], headers=bearer(issuer.token(name=name)))
    assert participant(answer) == ("alice", "alice")


@pytest.fixture(scope="module")
def chosen_claims(issuer: Issuer) -> Iterator[httpx.Client]:
    """Client of a service whose operator has chosen the claims."""
    settings = oidc(
        issuer,
        oidc_identity_claim="preferred_username",
        oidc_name_claim="nick",
        oidc_rooms_claim="rooms",
    )
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as client:
        yield client


@BOTH
def test_the_operator_chooses_the_claims(chosen_claims: httpx.Client, issuer: Issuer, path: str) -> None:
    """Identity and name come from there, and the audit line still has the subject."""
    token = issuer.token(sub="4711", preferred_username="ali", nick="Ali", name="Alice", rooms=["room-*"])
    headers = {**bearer(token), "X-Request-Id": f"chosen{path.replace('/', '-')}"}
    answer = chosen_claims.post(path, json=BODIES[path], headers=headers)
    assert participant(answer) == ("ali", "Ali")
    (line,) = audit_lines(headers["X-Request-Id"])
    assert (line["caller"], line["auth"], line["identity"]) == ("4711", "oidc", "ali")


@BOTH
@pytest.mark.parametrize("username", [None, "", 7, ["ali"], "\ud800"])
def test_without_the_identity_claim_there_is_no_participant(
    chosen_claims: httpx.Client, issuer: Issuer, path: str, username: Any
) -> None:
    """A claim that is missing, or no text, is named."""
    token = issuer.token(preferred_username=username, rooms=["*"])
    answer = chosen_claims.post(path, json=BODIES[path], headers=bearer(token))
    assert refusal(answer) == (403, "IDENTITY_UNUSABLE")
    assert "claim preferred_username" in answer.json()["message"]


@BOTH
@pytest.mark.parametrize(
    ("rooms", "opens"),
    [
        (["room-1"], True),
        (["other", "room-*"], True),
        (["*"], True),
        (["*-1"], True),
        (["r*m-*1"], True),
        (["room-2"], False),
        (["room"], False),
        (["ROOM-1"], False),
        (["room-?"], False),
        (["room-[0-9]"], False),
        ([""], False),
        ([], False),
        (None, False),
        ("room-1", False),
        ({"room-1": True}, False),
        (["room-1", 7], False),
        ([["room-1"]], False),
    ],
)
def test_a_caller_enters_the_rooms_that_its_token_lists(
    chosen_claims: httpx.Client, issuer: Issuer, path: str, rooms: Any, opens: Any
) -> None:
    """By name or by pattern; a missing or malformed list opens none."""
    token = issuer.token(preferred_username="ali", rooms=rooms)
    answer = chosen_claims.post(path, json=BODIES[path], headers=bearer(token))
    if opens:
        assert participant(answer)[0] == "ali"
    else:
        assert refusal(answer) == (403, "ROOM_NOT_ALLOWED")


@pytest.mark.parametrize("body", [{}, {"room_name": ""}])
def test_a_caller_whose_rooms_are_listed_gets_no_fresh_one(
    chosen_claims: httpx.Client, issuer: Issuer, body: dict[str, str]
) -> None:
    """Not even where any name is listed: nobody else's token would list it."""
    token = issuer.token(preferred_username="ali", rooms=["*"])
    answer = chosen_claims.post(DETAILS, json=body, headers=bearer(token))
    assert refusal(answer) == (403, "ROOM_NOT_ALLOWED")
    assert answer.json()["message"].startswith("room_name is required")


@BOTH
def test_a_backend_asks_for_anybody(backend: httpx.Client, path: str) -> None:
    """Its key's name is in the audit log, and no trace of the key."""
    headers = {"X-API-Key": KEY, "X-Request-Id": f"backend{path.replace('/', '-')}"}
    answer = backend.post(path, json={**BODIES[path], IDENTITY[path]: "bob"}, headers=headers)
    assert participant(answer) == ("bob", "bob")
    (line,) = audit_lines(headers["X-Request-Id"])
    assert (line["caller"], line["auth"]) == ("backend", "api-key")
    assert KEY not in json.dumps(line)


def test_a_backend_has_to_say_for_whom(either: httpx.Client, issuer: Issuer) -> None:
    """Only a token says by itself who asks; every other fault is reported beside that."""
    answer = either.post(TOKEN, json={"roomName": "a b"}, headers={"X-API-Key": KEY})
    assert answer.status_code == 400
    faults = answer.json()["validationErrors"]
    assert [fault["field"] for fault in faults] == ["participantIdentity", "roomName"]
    assert participant(either.post(TOKEN, json=BODIES[TOKEN], headers=bearer(issuer.token())))[0] == "alice"


@pytest.mark.parametrize(
    "key", ["", "x", KEY[:-1], KEY + "x", KEY.upper(), hashlib.sha256(KEY.encode()).hexdigest(), "ü"]
)
def test_an_unknown_key_is_refused(backend: httpx.Client, key: str) -> None:
    """A digest opens nothing, either."""
    answer = backend.post(TOKEN, json=BODIES[TOKEN], headers=[(b"X-API-Key", key.encode())])
    assert refusal(answer) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == 'ApiKey realm="livekit-token-api"'


def test_blanks_around_a_credential_are_no_part_of_it(either: httpx.Client, issuer: Issuer) -> None:
    """As HTTP has it."""
    for line in (f"X-API-Key: {KEY} \t", f"Authorization: Bearer {issuer.token()} \t"):
        head = ["POST /api/token HTTP/1.1", "Host: x", JSON, "Content-Length: 2", line, "", "{}"]
        assert send(str(either.base_url), "\r\n".join(head).encode()).status == 400


def test_a_long_subject_does_not_fill_the_log(chosen_claims: httpx.Client, issuer: Issuer) -> None:
    """It is cut, and made printable."""
    token = issuer.token(sub="x\n" * 300, preferred_username="ali", rooms=["*"])
    headers = {**bearer(token), "X-Request-Id": "long-subject"}
    assert chosen_claims.post(TOKEN, json=BODIES[TOKEN], headers=headers).status_code == 200
    (line,) = audit_lines("long-subject")
    assert len(line["caller"]) == 257
    assert line["caller"].isprintable()


def test_two_keys_are_none(backend: httpx.Client) -> None:
    """Which one would count depends on who reads."""
    answer = backend.post(TOKEN, json={}, headers=[(b"X-API-Key", KEY.encode())] * 2)
    assert refusal(answer) == (401, "UNAUTHENTICATED")


def test_a_token_is_nothing_to_a_service_that_knows_keys_only(backend: httpx.Client, issuer: Issuer) -> None:
    """A reverse proxy's Authorization header does no harm, and opens nothing."""
    assert backend.post(TOKEN, json={}, headers=bearer(issuer.token())).status_code == 401
    body = {**BODIES[TOKEN], "participantIdentity": "bob"}
    answer = backend.post(TOKEN, json=body, headers={"X-API-Key": KEY, "Authorization": "Basic eDp5"})
    assert participant(answer)[0] == "bob"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 401),
        ({"X-API-Key": KEY}, 200),
        ({"X-API-Key": "x"}, 401),
        ({"Authorization": "good"}, 200),
        ({"Authorization": "good", "X-API-Key": KEY}, 200),
        ({"Authorization": "good", "X-API-Key": "x"}, 200),
        ({"Authorization": "bad", "X-API-Key": KEY}, 401),
        ({"Authorization": "Basic eDp5", "X-API-Key": KEY}, 401),
        ({"Authorization": "", "X-API-Key": KEY}, 401),
    ],
)
def test_where_a_token_is_sent_it_alone_decides(
    either: httpx.Client, issuer: Issuer, headers: dict[str, str], expected: int
) -> None:
    """Either admits; a key does not let in whom the token beside it keeps out."""
    tokens = {"good": f"Bearer {issuer.token()}", "bad": f"Bearer {issuer.token(exp=1)}"}
    sent = {name: tokens.get(value, value) for name, value in headers.items()}
    body = {**BODIES[TOKEN], "participantIdentity": "alice"}
    answer = either.post(TOKEN, json=body, headers=sent)
    assert answer.status_code == expected
    if expected == 401:
        challenges = answer.headers["WWW-Authenticate"]
        assert challenges.startswith('Bearer realm="livekit-token-api"')
        # It is said that it was the token, if there was one.
        assert ('error="invalid_token"' in challenges) == ("Authorization" in headers)
        assert challenges.endswith('ApiKey realm="livekit-token-api"')


def test_both_credentials_make_the_token_s_caller(either: httpx.Client, issuer: Issuer) -> None:
    """A key beside a token widens nothing."""
    headers = {**bearer(issuer.token()), "X-API-Key": KEY}
    answer = either.post(TOKEN, json={**BODIES[TOKEN], "participantIdentity": "bob"}, headers=headers)
    assert refusal(answer) == (403, "IDENTITY_MISMATCH")


@BOTH
@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"x":1}', b" " * 20_000])
def test_who_is_not_known_learns_nothing_of_the_body(api: httpx.Client, path: str, body: bytes) -> None:
    """Whatever is sent, the answer is the same."""
    answer = api.post(path, content=body, headers={"Content-Type": "text/plain"})
    assert refusal(answer) == (401, "UNAUTHENTICATED")
    assert answer.json()["message"].startswith("Say who asks")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="livekit-token-api"'


def test_who_is_not_known_is_answered_before_the_body_comes(api: httpx.Client) -> None:
    """No body is read for nobody."""
    with connect(str(api.base_url)) as connection:
        connection.sendall(b"POST /api/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n")
        assert read_answer(connection).status == 401


def test_a_refused_caller_has_an_audit_line_without_a_name(api: httpx.Client, issuer: Issuer) -> None:
    """What an unverified token says is nobody's name."""
    headers = {**bearer(issuer.token(exp=1)), "X-Request-Id": "refused-caller"}
    api.post(TOKEN, json=BODIES[TOKEN], headers=headers)
    (line,) = audit_lines("refused-caller")
    assert (line["status"], line["errorCode"], line["outcome"]) == (401, "UNAUTHENTICATED", "refused")
    assert not {"caller", "auth", "room", "identity"} & line.keys()


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/openapi.json", "/ui/"])
def test_what_is_public_asks_nobody(api: httpx.Client, path: str) -> None:
    """Probes, the contract and its UI need no credential."""
    assert api.get(path).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/token", 405), ("POST", "/nothing", 404)])
def test_what_is_not_served_is_said_to_anybody(
    api: httpx.Client, method: str, path: str, status: int
) -> None:
    """The paths are in the published contract."""
    assert api.request(method, path).status_code == status


def test_a_page_may_send_credentials_and_read_what_is_said_of_them(api: httpx.Client) -> None:
    """The preflight allows the headers, and the answer's are exposed."""
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,traceparent,x-api-key",
    }
    answer = api.options(TOKEN, headers=asked)
    assert answer.status_code == 204
    answer = api.post(TOKEN, headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert {"WWW-Authenticate", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id"} == set(
        exposed.split(", ")
    )


def published(client: httpx.Client) -> dict[str, Any]:
    """Fetch the contract as deployed, which is a valid one."""
    found = client.get("/openapi.json").json()
    validate(found)
    return dict(found)


def examples_of(contract: dict[str, Any], reference: dict[str, str]) -> set[str]:
    """List the names of the examples of a shared response."""
    response = contract["components"]["responses"][reference["$ref"].rsplit("/", 1)[1]]
    return set(response["content"]["application/json"]["examples"])


@pytest.mark.parametrize(
    ("service", "schemes"),
    [("api", ["callerToken"]), ("backend", ["apiKey"]), ("either", ["callerToken", "apiKey"])],
)
def test_a_deployment_publishes_what_it_accepts(
    request: pytest.FixtureRequest, service: str, schemes: list[str]
) -> None:
    """Its own schemes, and the answers that they bring about."""
    found = published(request.getfixturevalue(service))
    accepted: list[dict[str, list[str]]] = [{scheme: []} for scheme in schemes]
    assert sorted(found["components"]["securitySchemes"]) == sorted(schemes)
    for path in BODIES:
        operation = found["paths"][path]["post"]
        assert operation.get("security", found["security"]) == accepted
        assert "401" in operation["responses"]
        assert "429" not in operation["responses"]
        not_yet = "issuerUnreachable" in examples_of(found, operation["responses"]["503"])
        assert not_yet == ("callerToken" in schemes)
    required = found["components"]["schemas"]["TokenRequest"]["required"]
    assert ("participantIdentity" in required) == ("callerToken" not in schemes)
    assert ("403" in found["paths"][TOKEN]["post"]["responses"]) == ("callerToken" in schemes)


def test_a_deployment_that_asks_nobody_publishes_so() -> None:
    """No scheme, no 401, no 403, no 429; and the identity is required."""
    with serve(make_settings()) as url, httpx.Client(base_url=f"{url}/api") as client:
        found = published(client)
        assert client.get("/health/ready").json() == {"status": "ready", "reasons": ["authentication_off"]}
    assert not found["components"]["securitySchemes"]
    assert found["security"] == []
    for path in BODIES:
        operation = found["paths"][path]["post"]
        assert operation.get("security", []) == []
        assert examples_of(found, operation["responses"]["503"]) == {"overloaded"}
        assert not {"401", "403", "429"} & operation["responses"].keys()
    assert found["components"]["schemas"]["TokenRequest"]["required"] == ["roomName", "participantIdentity"]
    text = json.dumps(found["paths"]) + json.dumps(found["components"]["responses"])
    assert "UNAUTHENTICATED" not in text
    assert "RateLimit" not in text


def test_a_deployment_that_does_everything_publishes_the_contract(issuer: Issuer) -> None:
    """Nothing is left out of what is in the repository, but what no deployment answers."""
    settings = make_settings(
        auth="oidc,api-key",
        oidc_issuer=issuer.url,
        oidc_audience=AUDIENCE,
        oidc_rooms_claim="rooms",
        api_key_digests=KEYS,
        livekit_api_key=None,
        livekit_api_secret=None,
        livekit_keys_file="not-there-yet",
        livekit_agents="concierge",
        rate_limit="1000/minute",
        audit_required=True,
    )
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as client:
        found = published(client)
    assert found["components"] == {
        **document()["components"],
        "responses": {
            name: response
            for name, response in document()["components"]["responses"].items()
            if response.get("x-only-with") != []
        },
    }
    for path in BODIES:
        assert found["paths"][path] == document()["paths"][path]


def test_the_longest_validity_is_published_and_enforced() -> None:
    """A longer wish is refused with the limit, and defaults are cut to it."""
    settings = make_settings(max_token_ttl_seconds=600)
    with serve(settings) as url, httpx.Client(base_url=f"{url}/api") as client:
        rule = published(client)["components"]["schemas"]["TokenRequest"]["properties"]["expirationSeconds"]
        body = {"roomName": "room-1", "participantIdentity": "alice"}
        answer = client.post(TOKEN, json={**body, "expirationSeconds": 601})
        cut = [client.post(TOKEN, json=body).json()["token"]]
        cut.append(client.post(DETAILS, json={}).json()["participant_token"])
    assert (rule["maximum"], rule["default"]) == (600, 600)
    assert answer.status_code == 400
    assert answer.json()["validationErrors"] == [
        {"field": "expirationSeconds", "message": "must be at most 600"}
    ]
    for token in cut:
        claims = claims_of(token)
        assert claims["exp"] - claims["nbf"] == 600


@pytest.fixture(scope="module")
def prefixed() -> Iterator[httpx.Client]:
    """Client of a service whose rooms have a prefix."""
    with (
        serve(make_settings(room_name_prefix="voice-")) as url,
        httpx.Client(base_url=f"{url}/api") as client,
    ):
        yield client


@BOTH
@pytest.mark.parametrize(
    ("room", "status"), [("voice-1", None), ("voice-", None), ("Voice-1", 403), ("x", 403)]
)
def test_rooms_have_the_operator_s_prefix(
    prefixed: httpx.Client, path: str, room: str, status: int | None
) -> None:
    """Other rooms are refused, by both endpoints alike."""
    answer = prefixed.post(path, json={ROOM[path]: room, IDENTITY[path]: "alice"})
    if status is None:
        assert participant(answer)[0] == "alice"
    else:
        assert refusal(answer) == (403, "ROOM_NOT_ALLOWED")
        assert answer.json()["message"].startswith(f"{ROOM[path]} must begin with voice-")


def test_fresh_rooms_have_the_prefix_too(prefixed: httpx.Client) -> None:
    """Whoever names no room still gets one that nobody can guess."""
    assert prefixed.post(DETAILS, json={}).json()["room_name"].startswith("voice-room-")
