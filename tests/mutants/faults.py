"""The faults: what somebody could get wrong, and a test must notice. See the package for how to add one."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PlantedFault:
    """A fault of the service.

    Attributes:
        name: what would be wrong.
        file: where it is planted, from the root of the checkout.
        old: what stands there now.
        new: what is put in its place.
        count: how often `old` stands there; each is replaced.
        tests: those that should notice it; they run first, and all others only if they do not.
        hangs: whether a caller would wait for ever, so that tests which do not end have noticed it.
    """

    name: str
    file: str
    old: str
    new: str
    count: int = 1
    tests: tuple[str, ...] = ()
    hangs: bool = False


# A fault without its file and its tests: name, old, new, and how often if not once.
_Edit = tuple[str, str, str] | tuple[str, str, str, int]


def _in(file: str, tests: str, *edits: _Edit) -> Sequence[PlantedFault]:
    """List the faults of one file; `tests`, below `tests/`, are those that should notice them."""
    first = tuple(f"tests/{name}" for name in tests.split())
    return [
        PlantedFault(edit[0], file, edit[1], edit[2], edit[3] if len(edit) == 4 else 1, first)
        for edit in edits
    ]


FAULTS = [
    # --- The contract
    *_in(
        "spec/token-api.openapi.yaml",
        "contract/test_contract_rules.py",
        ("the names of /token may hold a dot", "^[a-zA-Z0-9_-]+$", "^[a-zA-Z0-9._-]+$", 4),
        ("the names of /token may end in anything", "^[a-zA-Z0-9_-]+$", "^[a-zA-Z0-9_-]+", 4),
        ("the names of /connection-details may hold a slash", "~@:|+=-]*$", "~@:|+=/-]*$", 2),
        ("participants' names may hold C1 controls", r"\u007F-\u009F\u2028", r"\u007F\u2028", 8),
        ("participants' names may hold line separators", r"\u009F\u2028\u2029]", r"\u009F]", 8),
        ("metadata may hold a NUL", r"pattern: ^[^\u0000]*$", r"pattern: ^[\s\S]*$", 3),
        ("a request id may hold a blank", "^[A-Za-z0-9_.~:=+/@-]+$", "^[A-Za-z0-9_.~:=+/@ -]+$"),
        ("a key of an attribute may have 65 characters", r"^[^\u0000]{0,64}$", r"^[^\u0000]{0,65}$"),
        ("there may be 17 attributes", "maxProperties: 16", "maxProperties: 17"),
        ("there may be 5 agents", "maxItems: 4\n", "maxItems: 5\n"),
        ("a token may be used for 59 seconds", "minimum: 60\n", "minimum: 59\n"),
        ("a token may be used for more than a day", "maximum: 86400", "maximum: 86401"),
        ("a token is usable for 10 hours by default", "default: 3600", "default: 36000"),
        ("a body may be a byte longer", "x-max-bytes: 16384", "x-max-bytes: 16385", 2),
        (
            "a room needs no participant",
            "      x-required-without: {callerToken: [participantIdentity]}\n",
            "",
        ),
        (
            "a caller may configure the room as it likes",
            "leaving it out.\n      additionalProperties: false",
            "leaving it out.\n      additionalProperties: true",
        ),
        (
            "a misspelt property of a token request is ignored",
            "is asked for.\n      additionalProperties: false",
            "is asked for.\n      additionalProperties: true",
        ),
        ("the audit log is not told who asks", "          x-audit: identity\n", "", 2),
        ("a code for errors is taken away", "            - REQUEST_TIMEOUT\n", ""),
        ("an expiry may have a fraction", "[0-9]{2}Z$", r"[0-9]{2}(\.[0-9]+)?Z$", 2),
        ("a LiveKit server may be plain HTTP", "^wss?://", "^(ws|http)s?://", 2),
        ("a token may be longer than a URL", "maxLength: 8000", "maxLength: 9000"),
        (
            "no answer need forbid to be stored",
            "Neither a token nor an error may be stored.\n      required: true",
            "Neither a token nor an error may be stored.",
        ),
        (
            "a timeout is not documented",
            "        '408':\n          $ref: '#/components/responses/RequestTimeout'\n",
            "",
            2,
        ),
        (
            "nobody need say who they are",
            "security:\n  - callerToken: []\n  - apiKey: []\n\n",
            "security: []\n\n",
        ),
        (
            "anybody gets a token",
            "      operationId: generateToken\n",
            "      operationId: generateToken\n      security:\n        - {}\n",
        ),
        ("health is told to callers who are known only", "      security:\n        - {}\n", "", 3),
        ("an API key is in the address", "      in: header\n", "      in: query\n"),
        (
            "a refused caller need not be told how to say who it is",
            "as RFC 9110 has it.\n      required: true\n",
            "as RFC 9110 has it.\n",
        ),
        (
            "it need not be said when to ask again",
            "to ask again.\n      required: true\n",
            "to ask again.\n",
        ),
        (
            "a deployment that asks nobody answers 401",
            "in a way that can be verified.\n      x-only-with: [callerToken, apiKey]\n",
            "in a way that can be verified.\n",
        ),
        (
            "a deployment with tokens and any room refuses none of them",
            "x-only-with: [callerToken, roomPolicy]",
            "x-only-with: [roomPolicy]",
        ),
        ("a health check may answer that it is not for all", "      x-only-with: []\n", ""),
        ("a token's identity is nobody's", "          x-caller: identity\n", "", 2),
        ("a token's name is nobody's", "          x-caller: name\n", "", 2),
        (
            "a value of an attribute may have any length",
            "            description: A value.\n            maxLength: 256\n",
            "            description: A value.\n",
        ),
    ),
    # --- The handlers
    *_in(
        "app/handlers.py",
        "unit/test_handlers.py",
        (
            "the expiry that is answered is read from the clock again",
            '"expiresAt": rfc3339(issued.expires_at),\n            "roomName"',
            '"expiresAt": rfc3339(__import__("time").time() + 3600),\n            "roomName"',
        ),
        (
            "the expiry that is audited is read from the clock again",
            "rfc3339(issued.expires_at),\n        }\n        return issued",
            'rfc3339(__import__("time").time() + 3600),\n        }\n        return issued',
        ),
        (
            "what was asked as the expiration is ignored",
            'ttl=timedelta(seconds=body["expirationSeconds"])',
            "ttl=None",
        ),
        (
            "room and participant are swapped",
            'room=body["roomName"],\n            identity=body.get("participantIdentity", "")',
            'room=body.get("participantIdentity", ""),\n            identity=body["roomName"]',
        ),
        (
            "the URL of the server is null where there is none",
            "return answer if self._server_url is None else {",
            "return {",
        ),
        (
            "connection details go without a server",
            "if self._server_url is None:\n            raise MissingServerUrl",
            "if False:\n            raise MissingServerUrl",
        ),
        ("the deployment of an agent is ignored", 'dispatch.get("deployment", "")', '""'),
        ("agents are ignored", 'body.get("room_config", {}).get("agents", ())', "()"),
        (
            "the answer has the identity for a name",
            '"participant_name": issued.name',
            '"participant_name": issued.identity',
        ),
        (
            "a service that is not ready says that it is",
            '"reasons": self._readiness.check()}',
            '"reasons": []}',
        ),
        ("agents are counted from 1", "agents[{index}]", "agents[{index + 1}]"),
        (
            "a field is named as the other endpoint does",
            '"name": "participantName"}',
            '"name": "participant_name"}',
        ),
        (
            "the audit log has the name for the identity",
            '"identity": issued.identity,\n            "expiresAt"',
            '"identity": issued.name,\n            "expiresAt"',
        ),
        (
            "whatever a token says of its caller, it may have any token",
            "issue(order, _entitlement(caller))",
            "issue(order)",
        ),
        (
            "the rooms that a token lists are ignored",
            "Entitlement(profile.identity, profile.name, profile.rooms)",
            "Entitlement(profile.identity, profile.name)",
        ),
        (
            "the name that a token says is ignored",
            "Entitlement(profile.identity, profile.name, profile.rooms)",
            "Entitlement(profile.identity, '', profile.rooms)",
        ),
        (
            "who named a room is told to name one",
            "                if error.fresh\n",
            "                if not error.fresh\n",
        ),
        (
            "who may not be another is told of a claim that nobody reads",
            "the claim {_claims(caller).identity} of",
            "the claim {ClaimNames().identity} of",
        ),
        (
            "who may not enter a room is told of another claim",
            "the claim {_claims(caller).rooms}",
            "the claim {_claims(caller).identity}",
        ),
    ),
    # --- Tokens
    *_in(
        "app/tokens/service.py",
        "unit/tokens/test_clock.py unit/tokens/test_service.py",
        (
            "the expiry is read from the clock again",
            "completed.name, expiry)",
            "completed.name, int(time.time() + (order.ttl or policy.ttl).total_seconds()))",
        ),
        (
            "the validity is counted from a second reading",
            "expiry = now + int(",
            "expiry = int(time.time()) + int(",
        ),
        (
            "a token may be used before it was asked for",
            "write(completed, now, expiry)",
            "write(completed, now - 60, expiry)",
        ),
        ("no token is too long", "if len(jwt) > policy.max_bytes:", "if False:"),
        ("a token that just fits is too long", "len(jwt) > policy.max_bytes", "len(jwt) >= policy.max_bytes"),
        ("agents are not checked", "        policy.check_agents(order.agents)\n", ""),
        (
            "a lack of credentials is taken for a failure",
            "raise MissingCredentials",
            "raise TokenGenerationFailed",
        ),
        (
            "the cause of a failure is lost",
            "raise TokenGenerationFailed from error",
            "raise TokenGenerationFailed from None",
        ),
        (
            "the operator has no say in how long tokens last",
            "policy.lifetime(order.ttl)",
            "TokenPolicy().lifetime(order.ttl)",
        ),
        ("a service without credentials is ready", "return self._writer is not None", "return True"),
        (
            "whatever a caller is entitled to, it may have any token",
            "admit(order, entitlement)",
            "admit(order, UNRESTRICTED)",
        ),
    ),
    *_in(
        "app/tokens/credentials.py",
        "unit/test_main.py unit/tokens/test_signing_key.py",
        ("a secret of 31 bytes is strong", "STRONG_SECRET_BYTES = 32", "STRONG_SECRET_BYTES = 31"),
    ),
    PlantedFault(
        "a pipe is waited for",
        "app/tokens/key_files.py",
        "if not stat.S_ISREG(path.stat().st_mode):",
        "if path.is_dir():",
        tests=("tests/unit/tokens/test_key_files.py",),
        hangs=True,
    ),
    *_in(
        "app/tokens/key_files.py",
        "unit/tokens/test_key_files.py",
        ("a file of any length is read", "file.read(_MAX_BYTES + 1)", "file.read()[:_MAX_BYTES]"),
        ("the last of two secrets of a key signs", "if key in found:", "if False:"),
        ("null is a secret", '"" if node.tag == _NULL else node.value', "node.value"),
        ("the line end of a file is signed with", "self.secret_file).strip()", "self.secret_file)"),
        ("the mark of an editor is signed with", '"utf-8-sig"', '"utf-8"'),
        ("what a parser says of a file is said", "{_KEYS_FILE}: must be YAML,", "{text}: must be YAML,"),
        ("the path of a file is said", 'getattr(error, "strerror", None)', "str(error)"),
        ("a PEM is a secret", "HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)", "secret.encode()"),
    ),
    *_in(
        "app/tokens/signing_key.py",
        "unit/tokens/test_signing_key.py processes/test_rotation.py",
        ("a file that is half written is believed", "if found == seen:", "if True:"),
        (
            "a file system that hangs stops everybody",
            'name="keys", daemon=True).start()',
            'name="keys", daemon=True).run()',
        ),
        (
            "nobody sees that a file system hangs",
            "return bool(self._fault) or self._is_late",
            "return bool(self._fault)",
        ),
        ("a key is in use since tomorrow", "min(found.written_at or now, now)", "found.written_at or now"),
        (
            "a mended file is still broken",
            "self._fault = found.fault",
            "self._fault = self._fault or found.fault",
        ),
        ("a fault is said again and again", "if self._fault and self._fault != fault:", "if self._fault:"),
        (
            "a fault that nobody thought of ends the watch",
            "except Exception as error:",
            "except OSError as error:",
        ),
        ("a new key is as old as the service", "min(found.written_at or now, now)", "self.in_use_since"),
    ),
    *_in(
        "app/main.py",
        "processes/test_rotation.py",
        (
            "the files are read at the start only",
            "in (parts.signing_key, parts.issuer, gauges) if source",
            "in (parts.issuer, gauges) if source",
        ),
    ),
    *_in(
        "app/parts.py",
        "processes/test_rotation.py",
        ("a broken file is not to be seen", "lambda: signing_key.is_broken", "lambda: False"),
        ("a weak secret is not to be seen", "lambda: signing_key.is_weak", "lambda: False"),
    ),
    *_in(
        "app/tokens/claims.py",
        "contract/test_operations.py unit/tokens",
        ("participants are administrators", "room_join=True,", "room_join=True,\n        room_admin=True,"),
        ("participants are hidden", "room_join=True,", "room_join=True,\n        hidden=True,"),
        (
            "participants may publish anything",
            "        can_publish_sources=list(policy.publish_sources),\n",
            "",
        ),
        (
            "the operator cannot forbid data",
            "can_publish_data=policy.can_publish_data",
            "can_publish_data=True",
        ),
        ("a livekit-api that writes otherwise is not noticed", "!= expected:", "!= expected and False:"),
        (
            "tokens are not signed",
            'self._header = model.split(".")[0].encode()',
            """self._header = _base64(b'{"alg":"none","typ":"JWT"}')""",
        ),
        ("all tokens are for the room of the model", '{**self._grants, "room": order.room}', "self._grants"),
        ("the caller is told to shorten the shortest part", "return max(parts", "return min(parts"),
    ),
    *_in(
        "app/tokens/credentials.py",
        "unit/tokens/test_service.py",
        (
            "credentials show the secret",
            "{self.shown_key!r})",
            "{self.shown_key!r}, api_secret={self.api_secret!r})",
        ),
        (
            "a secret in the place of the key is shown",
            'self.api_key if len(self.api_key) < STRONG_SECRET_BYTES else f"{self.api_key[:8]}…"',
            "self.api_key",
        ),
    ),
    *_in(
        "app/tokens/orders.py",
        "unit/tokens/test_service.py",
        ("fresh rooms can be guessed", "_FRESH_BYTES = 16", "_FRESH_BYTES = 4"),
        ("all fresh rooms are the same one", "secrets.token_hex(_FRESH_BYTES)", "'0' * 32"),
        ("who gives no name has none", "self.name or identity", "self.name"),
    ),
    *_in(
        "app/tokens/policy.py",
        "unit/tokens/test_service.py contract/test_operations.py",
        ("any agent may be dispatched", "if refused:", "if False:"),
        ("one agent that may be dispatched is enough", "if refused:", "if len(refused) == len(agents):"),
        (
            "an agent without a name is not checked",
            "and agent.name not in allowed",
            "and agent.name not in {*allowed, ''}",
        ),
        (
            "the limit of a token differs from the contract's",
            "max_bytes: int = 8000",
            "max_bytes: int = 8001",
        ),
    ),
    *_in(
        "app/tokens/policy.py",
        "unit/tokens/test_service.py",
        (
            "a token that does not say may last longer than any",
            "min(wanted or self.ttl, self.max_ttl)",
            "min(wanted, self.max_ttl) if wanted else self.ttl",
        ),
        (
            "a token that says so may last longer than any",
            "min(wanted or self.ttl, self.max_ttl)",
            "wanted or min(self.ttl, self.max_ttl)",
        ),
    ),
    *_in(
        "app/tokens/admission.py",
        "unit/tokens/test_admission.py",
        ("who asks for another is answered", "            raise IdentityMismatch\n", "            pass\n"),
        ("who says nothing may be anybody", "_replace(identity=only,", "_replace(identity=order.identity,"),
        (
            "what a token says of the name wins over the request",
            "order.name or entitlement.name",
            "entitlement.name or order.name",
        ),
        (
            "fresh rooms are open where rooms are listed",
            "rooms is not None and not (order.room and any(matches(p, order.room) for p in rooms)):",
            "rooms is not None and order.room and not any(matches(p, order.room) for p in rooms):",
        ),
        ("a list of no rooms opens all", "if rooms is not None and not", "if rooms and not"),
        (
            "every room has to be listed",
            "any(matches(p, order.room) for p in rooms)",
            "all(matches(p, order.room) for p in rooms)",
        ),
        ("fresh rooms are without the prefix", "order.completed(self.room_prefix)", "order.completed()"),
        (
            "a room may have the prefix anywhere",
            "not order.room.startswith(self.room_prefix)",
            "self.room_prefix not in order.room",
        ),
        (
            "a room that a token lists needs no prefix",
            "if order.room and not order.room.startswith",
            "if entitlement.rooms is None and order.room and not order.room.startswith",
        ),
        ("a pattern without a star is a prefix", "return name == pattern", "return name.startswith(pattern)"),
        ("a star in the middle takes too much", "name.find(part, at)", "name.rfind(part, at)"),
        ("two parts of a pattern are one of a name", "at = found + len(part)", "at = found"),
        ("the ends of a pattern overlap", "len(name) - len(last) >= at and ", ""),
        ("a pattern matches what goes on", "and name.endswith(last)", "and last in name"),
    ),
    # --- The callers
    *_in(
        "app/callers/caller.py",
        "contract/test_callers.py",
        ("a malformed list of rooms opens all", "listed if is_list else ()", "listed if is_list else None"),
        ("a missing list of rooms opens all", "if names.rooms is not None:", "if names.rooms in claims:"),
        (
            "of a malformed list what can be read is read",
            "isinstance(listed, list) and all(isinstance(room, str) for room in listed)",
            "isinstance(listed, list)",
        ),
        (
            "a number is an identity",
            'return value if isinstance(value, str) and _is_unicode(value) else ""',
            'return str(value or "")',
        ),
    ),
    *_in(
        "app/callers/api_keys.py",
        "unit/callers/test_api_keys.py",
        (
            "the time tells which key was right",
            "                owner = name\n",
            '                return Caller(name, "api-key")\n',
        ),
        (
            "the time tells how much of a digest was right",
            "if hmac.compare_digest(given, digest):",
            "if given == digest:",
        ),
        ("an unknown key is somebody's", "        if owner is None:\n", '        if owner == "":\n'),
        ("keys can be guessed", "_KEY_BYTES = 32", "_KEY_BYTES = 8"),
        (
            "a fresh key has another's digest",
            "hashlib.sha256(key.encode())",
            "hashlib.sha256(key[8:].encode())",
        ),
    ),
    *_in(
        "app/callers/tokens.py",
        "contract/test_hostile_callers.py contract/test_callers.py",
        ("a token is accepted minutes after its end", "_LEEWAY_SECONDS = 60", "_LEEWAY_SECONDS = 600"),
        ("a token whose issuer's clock differs is refused", "_LEEWAY_SECONDS = 60", "_LEEWAY_SECONDS = 0"),
        ("a token may be as long as a head", "len(token) > _MAX_TOKEN or ", ""),
        ("what a token calls critical is passed over", '"crit", ', ""),
        ("a token may be compressed", ', "zip")', ")"),
        ("a token may say where its key is", '"jku", ', ""),
        ("a token may bring its key", '"jwk", ', ""),
        ("a token may bring a certificate", '"x5c", "x5u", ', ""),
        (
            "a token of another kind is a caller's",
            '        headers["typ"] = HeaderParameter("Type", _check_type)\n',
            "",
        ),
        (
            "a choice of signatures is not looked at",
            "if self.allowed is None or name not in self.allowed:",
            "if name not in self.algorithms:",
        ),
        (
            "signatures are not verified",
            "key is None or not jws.validate_compact(signed, key, None, self._signatures)",
            "key is None",
        ),
        ("claims are not looked at", "        self._claims.validate(claims)\n", ""),
        ("any issuer will do", 'iss={"essential": True, "value": issuer.url},', 'iss={"essential": True},'),
        ("any audience will do", 'aud={"essential": True, "value": audience},', 'aud={"essential": True},'),
        ("an issuer need not be named", 'iss={"essential": True, "value"', 'iss={"value"'),
        ("an audience need not be named", 'aud={"essential": True, "value"', 'aud={"value"'),
        ("a token need not end", '            exp={"essential": True},\n', ""),
        ("a caller need not be named", '            sub={"essential": True},\n', ""),
        ("a deep token is a fault of the service", "RecursionError, ", ""),
        (
            "a caller is named as the participant",
            'Caller(claims["sub"], "oidc"',
            'Caller(claims[self._names.identity], "oidc"',
        ),
    ),
    *_in(
        "app/callers/tokens.py",
        "contract/test_examples.py",
        (
            "who comes too late is not told so",
            "        except ExpiredTokenError:\n",
            "        except ZeroDivisionError:\n",
        ),
        (
            "who has another's token is not told so",
            "_BY_CLAIM.get(error.claim, _UNVERIFIABLE)",
            "_UNVERIFIABLE",
        ),
    ),
    *_in(
        "app/callers/issuer.py",
        "unit/callers/test_issuer.py contract/test_issuer.py contract/test_hostile_callers.py",
        ("each unknown key costs the issuer two requests", "_PAUSE_SECONDS = 30.0", "_PAUSE_SECONDS = 0.0"),
        (
            "whoever comes during a fetch is refused",
            "        if self._fetch is None:\n            if time",
            "        if True:\n            if time",
        ),
        (
            "the issuer is asked again once only",
            "            self._fetch.add_done_callback(self._forget)\n",
            "",
        ),
        (
            "whoever leaves ends the fetch of all",
            "await asyncio.wait({self._fetching()}, timeout=_PATIENCE_SECONDS)",
            "await asyncio.wait_for(self._fetching(), _PATIENCE_SECONDS)",
        ),
        ("whoever sends an unknown key waits long", "_PATIENCE_SECONDS = 1.5", "_PATIENCE_SECONDS = 15"),
        (
            "keys are dropped while the issuer is away",
            "            self._is_away = True\n",
            "            self._keys, self._is_away = {}, True\n",
        ),
        (
            "withdrawn keys are kept",
            "self._keys, self._is_away = keys, False",
            "self._keys, self._is_away = self._keys | keys, False",
        ),
        (
            "withdrawn keys are kept until somebody asks",
            "        while True:\n",
            "        while not self._keys:\n",
        ),
        (
            "a service whose issuer was away waits for minutes",
            "_RETRY_SECONDS[min(failures, last) - 1] if failures else _REFRESH_SECONDS",
            "_REFRESH_SECONDS",
        ),
        (
            "an issuer that is away is warned of each time",
            "            if not self._is_away:\n",
            "            if True:\n",
        ),
        ("the metadata may be another issuer's", 'if metadata.get("issuer") != self.url:', "if False:"),
        (
            "the keys of an issuer may come without TLS",
            'scheme = "https://" if self.url.startswith("https://") else "http"',
            'scheme = "http"',
        ),
        (
            "an issuer that answers what nobody thought of ends the watch",
            "except Exception as fault:",
            "except (_Unusable, httpx.HTTPError, TimeoutError) as fault:",
        ),
        ("an issuer's answer may fill the memory", "if len(content) > _MAX_BYTES:", "if False:"),
        (
            "an issuer sends the service elsewhere",
            "timeout=_TIMEOUT_SECONDS, headers=headers)",
            "timeout=_TIMEOUT_SECONDS, headers=headers, follow_redirects=True)",
        ),
        (
            "an issuer that publishes no key takes away those that are known",
            "        if not keys:\n",
            "        if keys is None:\n",
        ),
        (
            "an issuer with keys for encryption only has been reached",
            ' or published.get("use", "sig") != "sig"',
            "",
        ),
        ("a weak key verifies", "range(342, 1367)", "range(1367)"),
        (
            "a key of any curve verifies",
            "_ALGORITHMS.get((key_type, curve), ())",
            "next((found for (kind, _), found in _ALGORITHMS.items() if kind == key_type), ())",
        ),
        (
            "a key verifies what it is not published for",
            'if published.get("alg", algorithm) == algorithm:',
            "if True:",
        ),
        (
            "a broken key spoils the others",
            "    except (JoseError, LookupError, TypeError, ValueError):\n",
            "    except ZeroDivisionError:\n",
        ),
        (
            "what is no key spoils the others",
            "if not isinstance(published, dict) or published",
            "if published",
        ),
    ),
    *_in(
        "app/callers/counters.py",
        "unit/callers/test_rate_limits.py contract/test_rate_limits.py",
        ("there are as many counters as callers", "if len(self.expirations) > _MAX_COUNTERS:", "if False:"),
        (
            "who came last is forgotten first",
            "next(iter(self.expirations))",
            "next(reversed(self.expirations))",
        ),
    ),
    *_in(
        "app/callers/rate_limits.py",
        "unit/callers/test_rate_limits.py contract/test_rate_limits.py",
        (
            "all callers have one limit",
            'hashlib.blake2b(caller.encode(), digest_size=16).hexdigest() if self.name == "caller" else ""',
            '""',
        ),
        (
            "the limit of all is each one's",
            'hexdigest() if self.name == "caller" else ""',
            "hexdigest()",
        ),
        (
            "a caller with a long name takes more memory",
            "hashlib.blake2b(caller.encode(), digest_size=16).hexdigest()",
            "caller",
        ),
        (
            "what one caller is refused is counted for all",
            "        if quotas[-1].is_exceeded:\n            break\n",
            "",
        ),
        (
            "many callers drive out the count of all",
            "SlidingWindowCounterRateLimiter(BoundedMemory()))\n",
            "SlidingWindowCounterRateLimiter(shared))\n            for shared in [BoundedMemory()]\n",
        ),
        (
            "one is told to ask again in no time",
            "max(1, ceil(reset - time.time()))",
            "int(reset - time.time())",
        ),
        ("a request too many is allowed", "is_exceeded=not allowed", "is_exceeded=False"),
        (
            "a fault of Redis is the caller's",
            "except Exception as fault:",
            "except ZeroDivisionError as fault:",
        ),
        (
            "a service without Redis does not start",
            'await self._hit_there("", self._redis)',
            'await _hit_all(self._there, "")',
        ),
        (
            "that Redis is away is warned of each time",
            "        if self._recovery is None:\n",
            "        if fault:\n",
        ),
        (
            "nobody is limited ever after",
            "                self._recovery, self._is_late = None, False\n",
            "                self._is_late = False\n",
        ),
        (
            "a service that counts again says that it does not",
            "                self._recovery, self._is_late = None, False\n",
            "                self._recovery = None\n",
        ),
        (
            "while Redis is away each request waits for it",
            "        if self._recovery is not None:\n            return ()\n",
            "",
        ),
        ("a slow Redis holds up callers", "timeout=_PATIENCE_SECONDS)", "timeout=None)"),
    ),
    # --- The layers: which there are, and in which order
    *_in(
        "app/main.py",
        "contract/test_layers.py contract/test_hostile_input.py",
        (
            "errors have no CORS headers",
            "        partial(CrossOrigin, origins=settings.cors_allowed_origins),\n        ErrorResponses,\n",
            "        ErrorResponses,\n        partial(CrossOrigin, origins=settings.cors_allowed_origins),\n",
        ),
        (
            "requests leave no audit line",
            "        partial(AuditLog, observe=parts.metrics.observe if parts.metrics else None),\n",
            "",
        ),
        (
            "paths are not exact",
            "        partial(ExactPaths, base_path=base_path,",
            "        partial(lambda app, **_: app, base_path=base_path,",
        ),
        ("the document is behind the UI's switch", "swagger_ui=settings.swagger_ui", "swagger_ui=True"),
        ("any origin is allowed", "origins=settings.cors_allowed_origins", 'origins=("*",)'),
        (
            "bodies may take for ever to arrive",
            "body_timeout_seconds=settings.body_timeout_seconds",
            "body_timeout_seconds=3600",
        ),
    ),
    *_in(
        "app/parts.py",
        "contract/test_layers.py contract/test_hostile_input.py",
        ("a list of agents has no effect", "        agents=settings.livekit_agents,\n", ""),
        (
            "a lifetime of tokens has no effect",
            "        ttl=timedelta(seconds=settings.token_ttl_seconds),\n",
            "",
        ),
        ("a ban of data has no effect", "        can_publish_data=settings.livekit_can_publish_data,\n", ""),
    ),
    *_in(
        "app/main.py",
        "contract/test_callers.py contract/test_rate_limits.py contract/test_hostile_callers.py",
        (
            "a body is looked at before who sends it",
            (
                "        SecurityMiddleware,\n"
                "        *([Throttling] if settings.is_limited else []),\n"
                "        RequestValidation,\n"
            ),
            (
                "        *([Throttling] if settings.is_limited else []),\n"
                "        RequestValidation,\n"
                "        SecurityMiddleware,\n"
            ),
        ),
        (
            "requests are counted before it is known whose they are",
            "        SecurityMiddleware,\n        *([Throttling] if settings.is_limited else []),\n",
            "        *([Throttling] if settings.is_limited else []),\n        SecurityMiddleware,\n",
        ),
        (
            "invalid requests are not counted",
            "        *([Throttling] if settings.is_limited else []),\n        RequestValidation,\n",
            "        RequestValidation,\n        *([Throttling] if settings.is_limited else []),\n",
        ),
        ("nobody is limited", "*([Throttling] if settings.is_limited else []),", "*[],"),
        (
            "nobody is limited, and the contract says so",
            '        *(["rateLimit"] if settings.is_limited else []),\n',
            "",
        ),
        (
            "a prefix of rooms is not in the contract",
            "if settings.room_name_prefix or settings.oidc_rooms_claim else",
            "if settings.oidc_rooms_claim else",
        ),
        (
            "a list of agents is not in the contract",
            '        *(["agentPolicy"] if settings.livekit_agents is not None else []),\n',
            "",
        ),
        (
            "the longest validity is not in the contract",
            "max_ttl=timedelta(seconds=settings.max_token_ttl_seconds),\n        )\n",
            "max_ttl=timedelta(days=1),\n        )\n",
        ),
        (
            "the framework verifies callers by itself",
            "        security_map=parts.authentication.security_map(),\n",
            "",
        ),
    ),
    *_in(
        "app/parts.py",
        "contract/test_callers.py contract/test_rate_limits.py contract/test_hostile_callers.py",
        (
            "the limits are swapped",
            "RateLimits(settings.rate_limit, settings.rate_limit_total,",
            "RateLimits(settings.rate_limit_total, settings.rate_limit,",
        ),
        (
            "a prefix of rooms has no effect",
            "AdmissionPolicy(settings.room_name_prefix)",
            "AdmissionPolicy()",
        ),
        (
            "the longest validity is in the contract only",
            (
                "        max_bytes=max_bytes,\n"
                "        max_ttl=timedelta(seconds=settings.max_token_ttl_seconds),\n"
            ),
            "        max_bytes=max_bytes,\n",
        ),
        (
            "the claims that the operator chose are not read",
            "tokens = CallerTokens(issuer, settings.oidc_audience, settings.oidc_algorithms, names)",
            "tokens = CallerTokens(issuer, settings.oidc_audience, settings.oidc_algorithms, ClaimNames())",
        ),
        (
            "a choice of signatures has no effect",
            "settings.oidc_algorithms, names",
            '("RS256", "PS256", "ES256", "EdDSA"), names',
        ),
        (
            "it is not said of the health that anybody may ask",
            'lambda: settings.auth == ("none",)',
            'lambda: settings.auth == "none"',
        ),
    ),
    *_in(
        "app/main.py",
        "contract/test_issuer.py contract/test_rate_limits.py",
        (
            "the issuer is asked when a caller comes",
            "in (parts.signing_key, parts.issuer, gauges) if source",
            "in (parts.signing_key, gauges) if source",
        ),
        (
            "that Redis is away is found out by the first caller",
            "        await limits.prepare()\n",
            "        pass\n",
        ),
    ),
    *_in(
        "app/parts.py",
        "contract/test_issuer.py contract/test_rate_limits.py",
        (
            "a service that can verify nobody is ready",
            "issuer is not None and not issuer.is_known",
            "issuer is not None and False",
        ),
        (
            "it is not said of the health that nobody is limited",
            "limits is not None and not limits.is_enforced",
            "limits is not None and False",
        ),
    ),
    *_in(
        "app/main.py",
        "unit/test_main.py",
        (
            "that anybody may ask is not mentioned",
            'if settings.auth == ("none",):',
            'if settings.auth == "none":',
        ),
        ("an issuer without TLS is not mentioned", "if settings.has_insecure_issuer:", "if False:"),
    ),
    *_in(
        "app/main.py",
        "unit/test_main.py contract/test_response_validation.py",
        (
            "answers are not checked, whatever the operator wants",
            "[ResponseValidationMiddleware] if settings.validate_responses else []",
            "[]",
        ),
        ("a weak secret is not mentioned", "< STRONG_SECRET_BYTES:", "< 0:"),
        (
            "a wildcard for origins is not mentioned",
            'cors_allowed_origins == ("*",)',
            'cors_allowed_origins == "*"',
        ),
    ),
    # --- The wire
    *_in(
        "app/wire/authentication.py",
        "contract/test_callers.py contract/test_hostile_callers.py contract/test_issuer.py",
        ("a key lets in whom a token keeps out", "            return NO_VALUE\n", "            pass\n"),
        (
            "a proxy's header keeps out whoever has a key",
            'if self._tokens is not None and _values(scope, b"authorization"):',
            'if _values(scope, b"authorization"):',
        ),
        (
            "of two tokens one counts",
            "_BEARER.fullmatch(sent[0]) if len(sent) == 1 else None",
            "_BEARER.fullmatch(sent[0])",
        ),
        ("a token ends where it likes", "_BEARER.fullmatch(sent[0])", "_BEARER.match(sent[0])"),
        ("the scheme is read as it is written", 'rb"[Bb][Ee][Aa][Rr][Ee][Rr] +', 'rb"Bearer +'),
        ("of two keys one counts", "if len(sent) > 1 or not sent[0] or", "if not sent[0] or"),
        (
            "who says nothing is not told what to say",
            "raise Unauthenticated(_NO_CREDENTIALS, self._headers)",
            "raise Unauthenticated(_NO_CREDENTIALS, {})",
            2,
        ),
        (
            "who has an unknown key is not told what to say",
            "raise Unauthenticated(str(error), self._headers) from None",
            "raise Unauthenticated(str(error), {}) from None",
        ),
        (
            "callers are told to send what is not accepted",
            "                if accepted is not None\n",
            "",
        ),
        (
            "callers are not told of API keys",
            '(("Bearer", tokens), ("ApiKey", keys))',
            '(("Bearer", tokens),)',
        ),
        (
            "it is not said that it was the token",
            """f'{_REALM}, error="invalid_token"', 1)""",
            "_REALM, 1)",
        ),
        (
            "an issuer that is away is the caller's fault",
            "raise NotReady([ISSUER_UNREACHABLE]) from None",
            'raise self._refusal("The issuer is away.") from None',
        ),
        (
            "the audit log is not told who asks",
            'scope["state"]["audit"] |= {"caller": printable(caller.name, _MAX_NAME), "auth": caller.auth}',
            "pass",
        ),
        ("a caller's name may fill the audit log", "printable(caller.name, _MAX_NAME)", "caller.name"),
    ),
    *_in(
        "app/wire/participants.py",
        "contract/test_callers.py",
        ("an identity of a token is not looked at", "    if faults:\n", "    if False:\n"),
        (
            "a token without an identity is anybody's",
            '    if not profile.identity:\n        faults = ["is missing, or not a text"]\n',
            "",
        ),
        ("a name of a token is not looked at", 'if rule.faults_of("name", profile.name):', "if False:"),
        (
            "the operator is told of a claim that nobody reads",
            "The claim {profile.claims.identity} of",
            "The claim sub of",
        ),
    ),
    *_in(
        "app/wire/request_body.py",
        "contract/test_callers.py",
        (
            "a backend need not say for whom",
            'with_token=state["caller"].profile is not None',
            'with_token=state["caller"].name != ""',
        ),
    ),
    *_in(
        "app/wire/throttling.py",
        "unit/wire/test_throttling.py contract/test_rate_limits.py",
        ("a subscriber of IPv6 has as many limits as it likes", "_NETWORK_BITS = 64", "_NETWORK_BITS = 0"),
        (
            "all who come by IPv4 are one",
            "if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:",
            "if isinstance(parsed, IPv6Address):",
        ),
        (
            "what a caller says of its address is believed",
            'scope.get("client"))',
            '(dict(scope["headers"]).get(b"x-forwarded-for", b"").decode(), 0))',
        ),
        (
            "a made-up address is a fault of the service",
            "    except ValueError:  #",
            "    except KeyError:  #",
        ),
        (
            "who is known counts by the address",
            "    if caller.name:\n",
            '    if caller.auth == "":\n',
        ),
        ("a token may use up a key's limit", 'return f"{caller.auth}:{caller.name}"', "return caller.name"),
        (
            "health checks are limited",
            "return _Limited(self.next_app, self._limits) if is_limited else self.next_app",
            (
                "return _Limited(self.next_app, self._limits) if is_limited else "
                "_Limited(self.next_app, self._limits)"
            ),
        ),
        (
            "only the first limit is looked at",
            "        for quota in quotas:\n",
            "        for quota in quotas[:1]:\n",
        ),
        (
            "it is not said what is left",
            '        state["headers"] = headers_of(quotas)\n',
            "",
        ),
        ("one is told to ask again too late", "str(exceeded.reset_seconds)", "str(exceeded.window_seconds)"),
    ),
    *_in(
        "app/wire/deployment.py",
        "unit/wire/test_deployment.py contract/test_callers.py",
        (
            "a part of the contract needs all of its capabilities",
            "return wanted is None or not capabilities.isdisjoint(wanted)",
            "return wanted is None or capabilities.issuperset(wanted)",
        ),
        ("what no deployment has is published", "return wanted is None or", "return not wanted or"),
        (
            "what is left out is referred to",
            '            and not (isinstance(value, dict) and value.get("$ref") in dropped)\n',
            "",
        ),
        (
            "schemes that are left out are accepted",
            "if requirement.keys() <= schemes]",
            "if requirement is not None]",
        ),
        ("the contract itself is changed", "_limit_validity(deployed, ", "_limit_validity(document, "),
        (
            "an identity is not required of anybody",
            '            node["required"] = node["required"] + further\n',
            "            pass\n",
        ),
        (
            "the default is longer than the longest validity",
            '("maximum", "default", "example")',
            '("maximum", "example")',
        ),
        (
            "examples are longer than the longest validity",
            '        if "expirationSeconds" in value:\n',
            "        if False:\n",
        ),
    ),
    *_in(
        "app/wire/answers.py",
        "contract/test_connections.py contract/test_layers.py contract/test_hostile_input.py",
        ("answers may be stored", '(b"cache-control", b"no-store")', '(b"cache-control", b"private")'),
        (
            "answers do not say how long they are",
            '                (b"content-length", b"%d" % len(body)),\n',
            "",
        ),
        (
            "further headers of an answer are lost",
            "for name, value in headers.items()",
            "for name, value in ()",
        ),
    ),
    *_in(
        "app/wire/contract.py",
        "contract/test_contract_rules.py contract/test_operations.py contract/test_layers.py",
        ("what was refused is audited", "if body.get(name) and name not in faulty", "if body.get(name)"),
        (
            "a request id may end in anything",
            "self._request_id.fullmatch(text)",
            "self._request_id.match(text)",
        ),
        ("a request id may be as long as it likes", "len(text) <= self._request_id_length and ", ""),
        ("one good key is enough for attributes", "not all(map(self._pattern", "not any(map(self._pattern"),
        ("the limit of a body is not the contract's", 'max_bytes=body["x-max-bytes"]', "max_bytes=16384"),
        (
            "the faults of a body are ignored",
            "        if errors:\n",
            "        if not errors:\n            return\n        if not errors[0].instance_path:\n",
        ),
        (
            "nobody need say for whom",
            "self._validator if with_token else self._validator_without_token",
            "self._validator",
        ),
        (
            "a caller with a token has to say for whom",
            "self._validator if with_token else self._validator_without_token",
            "self._validator_without_token",
        ),
        ("what is written in parts is not a rule", "        flat |= _flat(part)\n", "        pass\n"),
    ),
    *_in(
        "app/wire/contract.py",
        "contract/test_rate_limits.py",
        ("no operation is limited", '"429" in responses', "429 in responses"),
    ),
    *_in(
        "app/wire/cors.py",
        "contract/test_layers.py contract/test_hostile_input.py",
        (
            "every page may read the answers",
            'if not self.allow_all_origins and self.is_allowed_origin(origin.decode("latin-1")):',
            "if not self.allow_all_origins:",
        ),
        ("pages cannot read the request id", "            expose_headers=EXPOSED,\n", ""),
        (
            "caches mix up the pages",
            'shared = [(b"vary", b"Origin")]',
            "shared: list[tuple[bytes, bytes]] = []",
        ),
        (
            "a preflight is not granted",
            "HTTPStatus.NO_CONTENT, headers=headers",
            "HTTPStatus.NOT_FOUND, headers=headers",
        ),
        ("a preflight without a Host is granted", ' and "refusal" not in scope["state"]', ""),
        (
            "pages may delete",
            'METHODS = ("GET", "HEAD", "POST")',
            'METHODS = ("GET", "HEAD", "POST", "DELETE")',
        ),
        (
            "pages may send credentials",
            "            allow_headers=HEADERS,\n",
            "            allow_headers=HEADERS,\n            allow_credentials=True,\n",
        ),
    ),
    *_in(
        "app/wire/cors.py",
        "contract/test_callers.py",
        ("pages may not send a token", '("Authorization", "Content-Type"', '("Content-Type"'),
        ("pages may not send a key", '"X-API-Key", ', ""),
        ("pages may not be traced", ', "traceparent")', ")"),
        ("pages cannot read how to say who asks", ', "WWW-Authenticate")', ")"),
        ("pages cannot read when to ask again", '"Retry-After", ', ""),
    ),
    *_in(
        "app/wire/dispatcher.py",
        "contract/test_hostile_input.py",
        ("every success is a 200", "send_json(send, self._success_status", "send_json(send, 200"),
    ),
    *_in(
        "app/wire/dispatcher.py",
        "contract/test_rate_limits.py",
        ("a success does not say what is left", 'state.get("headers", NO_HEADERS)', "NO_HEADERS"),
    ),
    *_in(
        "app/wire/errors.py",
        "contract/test_rate_limits.py contract/test_callers.py contract/test_issuer.py",
        ("an error does not say what is left", '**scope["state"].get("headers", NO_HEADERS), ', ""),
        (
            "who asks too often is not told when to ask again",
            "HTTPException | RateLimited | Unauthenticated",
            "HTTPException | Unauthenticated",
        ),
        (
            "who is not known is not told what to say",
            "HTTPException | RateLimited | Unauthenticated",
            "HTTPException | RateLimited",
        ),
        ("it is not said when the service may be ready", ', headers={"Retry-After": "5"}', ""),
        ("it is not said what to mend", '        content["reasons"] = error.codes\n', "        pass\n"),
    ),
    *_in(
        "app/wire/errors.py",
        "unit/wire/test_errors.py contract/test_layers.py contract/test_examples.py",
        (
            "a lack of credentials and a lack of readiness are swapped",
            "MissingCredentials: Failure(\n        500",
            "MissingCredentials: Failure(\n        503",
        ),
        ("a failure to sign is a general one", '"TOKEN_GENERATION_FAILED",', '"INTERNAL_ERROR",'),
        (
            "answers show what went wrong within",
            "failure.message or str(error)",
            'f"{failure.message or str(error)} {error!r}"',
        ),
        ("the cause of a failure is not logged", '{_SEE_LOG}", logged=True)', '{_SEE_LOG}")'),
        (
            "a 405 does not say what is allowed",
            "HTTPException | RateLimited | Unauthenticated",
            "RateLimited | Unauthenticated",
        ),
        (
            "the audit log is not told what went wrong",
            '        scope["state"]["audit"]["errorCode"] = self.failure.code\n',
            "",
        ),
        ("an error lists all of a million faults", "error.faults[:MAX_FAULTS]", "error.faults"),
        ("a refusal of a framework is a fault of the service", "< HTTPStatus.INTERNAL_SERVER_ERROR", "< 406"),
        ("an error has the id of no request", "logs.request_id.get(),\n    }", '"-",\n    }'),
    ),
    *_in(
        "app/wire/errors.py",
        "contract/test_connections.py",
        ("a connection with half a body is used again", '        headers={"Connection": "close"},\n', ""),
    ),
    *_in(
        "app/wire/excerpt.py",
        "unit/wire/test_excerpt.py",
        ("a list is looked at to its end", '[: schema.get("maxItems", MAX_FAULTS) + 1]', ""),
        (
            "a list that is too long is not",
            'schema.get("maxItems", MAX_FAULTS) + 1',
            'schema.get("maxItems", 9)',
        ),
        ("all of a thousand names are looked at", "islice(unknown, limit)", "unknown"),
        ("what an unknown name stands for is looked at", "None if rule is None else ", ""),
        ("what cannot be right is looked into", "return type(value)()", "return value"),
        (
            "what an entry holds is not looked at",
            "[excerpt(item, schema",
            "[(lambda value, _: value)(item, schema",
        ),
    ),
    *_in(
        "app/wire/contract.py",
        "unit/wire/test_excerpt.py",
        ("a wrong body is looked at as a whole", "excerpt(body, self._schema)", "body"),
    ),
    *_in(
        "app/wire/faults.py",
        "unit/wire/test_faults.py contract/test_contract_rules.py contract/test_hostile_input.py",
        (
            "one unknown property is reported",
            "for name in kind.unexpected:",
            "for name in kind.unexpected[:1]:",
        ),
        ("the faults are in no order", "sorted(set(islice(faults, MAX_FAULTS + 1)))", "islice(faults, 101)"),
        ("all of a million faults are made", "islice(faults, MAX_FAULTS + 1)", "faults"),
        (
            "an empty text has two faults",
            'if error.kind.name != "pattern" or tuple(error.instance_path) not in too_short',
            "if True",
        ),
        ("faults echo control characters", "printable(field, _MAX_FIELD) or", "field or"),
    ),
    *_in(
        "app/wire/paths.py",
        "contract/test_hostile_input.py",
        ("the base path redirects", "path == self._base_path\n            or ", ""),
        ("dot segments are resolved", '            or "/." in path\n', ""),
        ("doubled slashes are one", '            or "//" in path\n', ""),
        (
            "a slash at the end redirects",
            '            or (path.endswith("/") and path not in self._with_slash)\n',
            "",
        ),
        ("an encoded slash is a slash", '            or b"%2f" in scope.get("raw_path", b"").lower()\n', ""),
        ("an encoded slash is a slash in upper case", ".lower()\n        ):", "\n        ):"),
    ),
    *_in(
        "app/wire/framing.py",
        "unit/wire/test_framing.py contract/test_hostile_peers.py",
        ("blank lines may go on for ever", "            self._size += self._at - at\n", ""),
        ("blank lines are a head", "        if not self._has_begun:\n", "        if False:\n"),
        ("a head may go on for ever", "if self._size > MAX_HEAD or (", "if ("),
        ("a line may go on for ever", "not part and self._size +", "False and"),
        (
            "a head may have any number of lines",
            "return _MANY_LINES if self._lines > MAX_HEAD_LINES else None",
            "return None",
        ),
        ("a body may have any number of lines", "is_too_long or self._lines > MAX_BODY_LINES", "is_too_long"),
        (
            "the lines of all heads are counted",
            "self._size, self._lines = True, 0, 0",
            "self._size = True, 0",
        ),
        ("of TLS a line is waited for", "return len(received)  # No method", "return self._at  # No method"),
        ("of anything a blank line is waited for", 'received.rfind(b"\\n", at) + 1', "0"),
        ("the end of a head is not seen by itself", "if received.startswith(_LINE_END, at):", "if False:"),
        ("the length of a body is not counted down", "self._missing -= len(part)", "pass"),
        (
            "a body ends where the network cuts it",
            "return len(received) - len(start)",
            "return len(received)",
        ),
        ("chunks may go on for ever", "left = MAX_BODY - self._size", "left = 2**40"),
        ("a long body is told another limit", "bool(part) and not left", "len(part) > left"),
        (
            "half a head is the end of the last request",
            "and not self._has_begun and not self.is_waiting",
            "and not self.is_waiting",
        ),
    ),
    *_in(
        "app/wire/paths.py",
        "unit/wire/test_paths.py",
        (
            "30,000 folders are looked into",
            "            len(path) > _MAX_LENGTH\n            or path",
            "            path",
        ),
    ),
    *_in(
        "app/wire/excerpt.py",
        "unit/wire/test_excerpt.py",
        ("a number of 4,000 digits is looked at", "if value.bit_length() > _MAX_BITS", "if False"),
    ),
    *_in(
        "app/wire/protocol.py",
        "unit/wire/test_protocol.py contract/test_hostile_peers.py contract/test_connections.py",
        (
            "an upgrade is not ignored",
            '_UPGRADE.sub(b"\\r\\nignored", b"\\r\\n" + part)[2:]',
            "part",
        ),
        (
            "an upgrade at the start of what arrives is not ignored",
            'b"\\r\\n" + part)[2:]',
            "part)",
        ),
        (
            "a reset client is remembered for 75 s",
            "        self._unset_keepalive_if_required()\n        super().connection_lost",
            "        super().connection_lost",
        ),
        ("what keeps coming is read for ever", "if self._discarded > MAX_DISCARDED:", "if False:"),
        (
            "a client that still sends loses its answer",
            "MAX_DISCARDED = 32 * 1024 * 1024",
            "MAX_DISCARDED = 1024",
        ),
        (
            "a client that sends no more is not answered",
            "return not self._answers.is_closing()",
            "return False",
        ),
        (
            "whoever does not read is waited for for ever",
            "        self._answers.deadline.set()\n",
            "        pass\n",
        ),
        (
            "whoever reads slowly is cut off",
            "        if not self._answers.is_closing():\n            self._answers.deadline.lift()\n",
            "",
        ),
        (
            "a pipeline ends with its first answer",
            "self.loop.call_soon(self._read_next, context=self._context)",
            "pass",
        ),
        (
            "a body that nobody asked for is waited for",
            "cycle.keep_alive, False\n",
            "cycle.keep_alive, True\n",
        ),
        (
            "a body that was asked for ends the connection",
            "self._keeps_alive and not self._is_stopping",
            "False",
        ),
        (
            "a body on its way is cut off at SIGTERM",
            "        if self._has_eof and not self",
            "        if self._is_stopping and not self",
        ),
        (
            "the rest of a body may drip for ever",
            "            self._rest.set()\n",
            "            pass\n",
        ),
        (
            "a pipeline is read before it is answered",
            "if framing.in_head and self.cycle is not None and not self.cycle.response_complete:",
            "if False:",
        ),
        (
            "a trailer ends the connection",
            "            self.parser = HttpRequestParser(self)\n",
            "            pass\n",
        ),
        (
            "a trailer is a header",
            "        self.headers = []  #",
            "        #",
        ),
        (
            "half a body is waited for",
            "            self._give_up(ContractViolation([_NOT_HTTP if",
            "            _ = (ContractViolation([_NOT_HTTP if",
        ),
        (
            "1.0 is told to go on",
            "            cycle.waiting_for_100_continue = False\n",
            "            pass\n",
        ),
        ("an impossible Host is answered", "        if fault:\n", "        if False:\n"),
        (
            "a long body is read",
            "elif length is not None and length > MAX_BODY:",
            "elif False:",
        ),
        (
            "the deadline of a rest that came goes on",
            "            self._rest.lift()\n            self.timeout",
            "            self.timeout",
        ),
        (
            "a refusal leaves the connection open",
            "cycle.keep_alive = cycle.more_body = False",
            "cycle.more_body = False",
        ),
        ("a malformed body is waited for", "        cycle.message_event.set()\n", ""),
        (
            "a refused body is answered again",
            "        if cycle.response_complete:\n            self.transport.close()\n            return\n",
            "",
        ),
        (
            "a client is thought to have stopped",
            "return self._is_deaf or not self._framing.is_between",
            "return False",
        ),
        (
            "a pause has no end",
            "self.transport.pause_reading if wanted else self.transport.resume_reading",
            "self.transport.pause_reading",
        ),
    ),
    *_in(
        "app/wire/transport.py",
        "unit/wire/test_transport.py contract/test_hostile_peers.py contract/test_connections.py",
        (
            "what was written is lost when the connection closes",
            '"""\n        self.flush()\n        if self.is_closing():',
            '"""\n        if self.is_closing():',
        ),
        (
            "an answer to a reset connection ends in a traceback",
            "if self._written and not self.is_closing():",
            "if self._written:",
        ),
        (
            "an ended connection is waited for for ever",
            "        self.deadline.set()\n        self.has_ended = True",
            "        self.has_ended = True",
        ),
        (
            "a reset client leaves its timers",
            "        self.deadline.lift()\n        self._is_client",
            "        self._is_client",
        ),
        ("the end of a reset connection is an error", "except OSError:  #", "except ZeroDivisionError:  #"),
        ("the client does not see the end", "            self._transport.write_eof()\n", ""),
    ),
    *_in(
        "app/wire/head.py",
        "unit/wire/test_head.py contract/test_hostile_input.py",
        ("a fragment is cut off", 'if b"#" in target:', "if False:"),
        ("any version is HTTP", "if version not in _VERSIONS:", "if False:"),
        ("two hosts are one", "if len(hosts) > 1 or", "if"),
        ("no host is a host", 'or (not hosts and version == "1.1")', "or False"),
        ("1.0 needs a host", '(not hosts and version == "1.1")', "not hosts"),
        ("any host can be", "if hosts and not _is_host(hosts[0].strip()):", "if False:"),
        ("any port can be", "_MAX_PORT = 65535", "_MAX_PORT = 99_999_999_999_999_999_999"),
        (
            "a compressed transfer is read",
            'for coding in codings] != [b"chunked"]',
            'for coding in codings][-1:] != [b"chunked"]',
        ),
        ("a length has 4,300 digits", "[:_LONGEST]", ""),
    ),
    *_in(
        "app/wire/errors.py",
        "contract/test_hostile_input.py contract/test_hostile_peers.py",
        (
            "what cannot be read is answered",
            'if "refusal" in scope["state"] else self._app',
            "if False else self._app",
        ),
    ),
    *_in(
        "app/wire/publication.py",
        "contract/test_hostile_input.py",
        ("the template of the UI is served", "if path.endswith(_TEMPLATE):", "if False:"),
    ),
    *_in(
        "app/operation/supervision.py",
        "processes/test_process.py",
        ("workers outlive their parent", "os.kill(os.getpid(), signal.SIGTERM)", "pass"),
    ),
    *_in(
        "app/command_line.py",
        "processes/test_process.py",
        ("a host that does not exist ends in a traceback", "        check_host(settings)\n", ""),
    ),
    *_in(
        "app/settings/listening.py",
        "processes/test_process.py",
        ("a host of another machine is tried", "                probe.bind(address)\n", ""),
        (
            "a host with empty labels ends in a traceback",
            "except (OSError, UnicodeError):",
            "except OSError:",
        ),
    ),
    *_in(
        "app/wire/publication.py",
        "contract/test_mount_prefix.py contract/test_connections.py contract/test_hostile_input.py",
        (
            "the published contract is without its mount prefix",
            """f"{root}{server['url']}\"""",
            "server['url']",
        ),
        (
            "the document is not found behind a prefix",
            'path = scope["path"].removeprefix(root)',
            'path = scope["path"]',
        ),
        ("the document may be deleted", 'if scope["method"] not in {"GET", "HEAD"}:', "if False:"),
        ("a range of the UI is refused in plain text", "if header[0] not in _RANGES", "if True"),
    ),
    *_in(
        "app/wire/query.py",
        "contract/test_hostile_input.py",
        ("an unknown query parameter is ignored", "        if unknown:\n", "        if False:\n"),
        ("a query may be as long as it likes", 'if len(scope["query_string"]) > _MAX_BYTES:', "if False:"),
    ),
    *_in(
        "app/wire/request_body.py",
        "unit/wire/test_request_body.py contract/test_connections.py contract/test_hostile_input.py",
        ("any charset is JSON", 'charset=("utf-8"|utf-8)', "charset=[^;]*"),
        ("the media type is in lower case only", "    re.IGNORECASE,\n", ""),
        ("the second content type is ignored", "if len(types) != 1 or not", "if not types or not"),
        ("a compressed body is read", 'elif name == b"content-encoding" and', 'elif name == b"" and'),
        ("of duplicate keys the last one counts", "catch_duplicate_keys=True", "catch_duplicate_keys=False"),
        ("NaN is a number", "allow_inf_nan=False", "allow_inf_nan=True"),
        (
            "a body of just the limit is too long",
            "if max(announced, len(content)) > limit:",
            "if max(announced, len(content)) >= limit:",
        ),
        (
            "a body is read without a limit",
            'message.get("more_body", False) and len(content) <= limit',
            'message.get("more_body", False)',
        ),
        ("defaults are not applied", "body.setdefault(name, default)", "pass"),
        ("a body that was cut off is parsed", 'raise _body_fault("ended before it was complete")', "break"),
        ("a malformed body is parsed", 'if "body_refusal" in state and', "if False and"),
        (
            "a body that stalls is waited for",
            'nullcontext() if "arrived" in state else asyncio.timeout(self._timeout_seconds)',
            "nullcontext()",
        ),
        (
            "an empty body is an empty object",
            'raise _body_fault("is required: send a JSON object")',
            "return {}",
        ),
    ),
    *_in(
        "app/wire/request_id.py",
        "contract/test_layers.py",
        ("any request id is taken", "if not self._contract.is_request_id(request_id):", "if not request_id:"),
        (
            "answers have no request id",
            '                message["headers"].append(header)\n',
            "                pass\n",
        ),
        ("the log has no request id", "        logs.request_id.set(request_id)\n", ""),
        ("request ids are soon used up", "secrets.token_hex(16)", "secrets.token_hex(1)"),
    ),
    *_in(
        "app/wire/routing.py",
        "unit/wire/test_routing.py contract/test_layers.py",
        (
            "the router forgets the method",
            'return scope["method"], scope.get("root_path", ""), scope["path"]',
            'return "POST", scope.get("root_path", ""), scope["path"]',
        ),
        (
            "the router remembers every path that it was asked for",
            'if found["operation_id"] is not None and not',
            "if not",
        ),
    ),
    *_in(
        "app/wire/timestamps.py",
        "unit/wire/test_timestamps.py",
        ("timestamps are in local time", "time.gmtime(seconds)", "time.localtime(seconds)"),
    ),
    *_in(
        "app/wire/validation.py",
        "contract/test_hostile_input.py",
        ("the query is not looked at", "        self._query.validate(scope)\n", ""),
        ("unknown query parameters are allowed", "strict_validation=True", "strict_validation=False"),
    ),
    # --- The operator's side
    *_in(
        "app/operation/readiness.py",
        "unit/operation/test_readiness.py",
        (
            "a warning makes a fault of the service a warning",
            "if any(reason.words for reason in reasons):",
            "if reasons and all(reason.words for reason in reasons):",
        ),
        ("a warning makes it unready", "if any(reason.words for reason in reasons):", "if reasons:"),
        (
            "warnings are not listed",
            "        return [reason.code for reason in reasons]\n",
            "        return []\n",
        ),
        (
            "warnings are not listed beside what makes it unready",
            "self.codes = [reason.code for reason in reasons]",
            "self.codes = [reason.code for reason in reasons if reason.words]",
        ),
        (
            "what was mended is listed on",
            "        self._checks = checks\n",
            "        self._checks = [(reason, lambda found=holds(): found) for reason, holds in checks]\n",
        ),
    ),
    *_in(
        "app/operation/audit.py",
        "unit/operation/test_audit.py",
        (
            "time begins when a request is looked at",
            'state.setdefault("started", time.perf_counter())',
            "time.perf_counter()",
        ),
    ),
    *_in(
        "app/operation/audit.py",
        "contract/test_layers.py processes/test_process.py",
        ("audit lines are not written", "    logger.handle(line)\n", ""),
        (
            "the audit log can be switched off",
            "logger.handle(line)",
            'logger.info("request", extra={"facts": facts})',
        ),
        (
            "a client's error is not refused",
            "status >= HTTPStatus.BAD_REQUEST",
            "status > HTTPStatus.BAD_REQUEST",
        ),
        ("a path is logged as it is", 'printable(scope["path"], _MAX_PATH)', 'scope["path"]'),
        (
            "what a proxy says of its caller is logged as it is",
            "client and printable(client[0], _MAX_CLIENT)",
            "client and client[0]",
        ),
        ("issued tokens are not told from other answers", 'if "expiresAt" in facts', "if False"),
        ("nothing is known of the client", "client and printable(client[0], _MAX_CLIENT)", "None"),
    ),
    *_in(
        "app/operation/redaction.py",
        "unit/operation/test_redaction.py",
        ("names that begin like a token are not readable", "and _is_header(found[1])", ""),
        (
            "what stands before a token hides it",
            're.compile(r"(?=(',
            're.compile(r"((',
        ),
        ("a token that was cut is readable", "[.…]", "[.]"),
        ("a part of a token is readable", "[A-Za-z0-9_.-]*", "[A-Za-z0-9_-]*"),
        ("some tokens are readable, by their length", ' + "=" * (-len(part) % 4)', ""),
    ),
    *_in(
        "app/operation/metrics.py",
        "unit/operation/test_metrics.py",
        (
            "a token that nobody got is counted",
            'elif "expiresAt" in facts and status is not None and',
            "elif",
        ),
        ("what is refused is counted as issued", 'elif "expiresAt" in facts', 'elif "audit" in state'),
        ("which limit was exceeded is not counted", 'if "exceeded" in state:', "if False:"),
        ("a reason stays when it no longer holds", "{*self._reasons, *reasons}", "reasons"),
        ("lost lines are counted again each second", "        self._lost_before = lost\n", ""),
        (
            "a worker is ready if one is",
            '"Whether the service can issue tokens.", "livemin"',
            '"Whether the service can issue tokens.", "livemax"',
        ),
    ),
    *_in(
        "app/operation/metric_files.py",
        "unit/operation/test_metric_files.py",
        ("a worker that starts makes scrapes fail", "return path.stat().st_size > 0", "return path.exists()"),
        (
            "who is gone is still watched",
            "    mark_process_dead(pid, directory)",
            "    str((pid, directory))",
        ),
        (
            "everybody may read the shared files",
            "        yield directory\n",
            "        __import__('os').chmod(directory, 0o777)\n        yield directory\n",
        ),
        ("what others have counted is lost", "        if gone.exists():\n", "        if False:\n"),
        (
            "who is gone counts for one request",
            "values.write_value(key, values.read_value(key)[0] + value, 0)",
            "values.write_value(key, value, 0)",
        ),
        (
            "files of those that are gone add up",
            "    if not _is_begun(own):\n",
            "    if True:\n        return\n",
        ),
        ("who is forgotten is not in a scrape", "fcntl.LOCK_SH", "fcntl.LOCK_UN"),
        ("who is forgotten is in a scrape twice", "fcntl.LOCK_EX", "fcntl.LOCK_UN"),
        ("a full disk ends the service", "    except OSError as error:", "    except KeyError as error:"),
    ),
    *_in(
        "app/operation/exposition.py",
        "unit/operation/test_exposition.py",
        ("metrics are at every path", 'if rest.partition(" ")[0].partition("?")[0] != PATH', "if False"),
        ("metrics can be posted", "if method not in _METHODS", "if False"),
        ("the port stays taken", "    server.close()\n", "    str(server)\n"),
        ("whoever says nothing keeps its connection", "call_later(_PATIENCE_SECONDS", "call_later(3600"),
        ("silent connections add up", "            oldest.abort()\n", "            pass\n"),
        ("a head may be of any length", "len(self._head) > _MOST_HEAD_BYTES", "False"),
        ("a scrape fails, and nobody knows why", "logger.exception(", "str("),
    ),
    *_in(
        "app/wire/routing.py",
        "contract/test_metrics.py",
        (
            "nobody knows which operation it was, from the second time on",
            "            _tell(scope, known)\n",
            "",
        ),
    ),
    *_in(
        "app/wire/throttling.py",
        "contract/test_metrics.py",
        ("nobody knows which limit it was", '                state["exceeded"] = quota.name\n', ""),
    ),
    *_in(
        "app/main.py",
        "contract/test_metrics.py processes/test_metrics_of_workers.py",
        ("requests are not counted", "parts.metrics.observe if parts.metrics else None", "None"),
        ("metrics are public although they have a port", " and settings.metrics_port is None", ""),
        (
            "two threads take down what is so now",
            "exposed(*listen, metrics.render) if metrics",
            "exposed(*listen, gauges.scrape) if gauges",
        ),
    ),
    *_in(
        "app/parts.py",
        "contract/test_metrics.py processes/test_metrics_of_workers.py",
        ("each worker tells of itself", "directory=metrics_directory()", "directory=None"),
    ),
    *_in(
        "app/command_line.py",
        "processes/test_metrics_of_workers.py",
        ("nobody says that the port is taken", "        _check_metrics_port(settings)\n", ""),
    ),
    *_in(
        "app/serving.py",
        "processes/test_metrics_of_workers.py",
        (
            "a killed worker is not forgotten",
            "yield partial(metric_files.forget, directory=directory)",
            "yield lambda _pid: None",
        ),
        ("orphans leave their files", "if is_orphan() and (", "if False and ("),
        ("others' metrics are ours", "    hand_on_metrics_directory(None)\n", ""),
    ),
    *_in(
        "app/operation/gauges.py",
        "unit/operation/test_gauges.py",
        (
            "metrics are those of a second ago",
            "        self.refresh()\n        return self._metrics.render()",
            "        return self._metrics.render()",
        ),
        (
            "metrics are those of the start",
            "        while True:\n            self.refresh()\n",
            "        self.refresh()\n        while True:\n",
        ),
        (
            "why it is not ready is not in the metrics",
            "reasons, is_ready = error.codes, False",
            "reasons, is_ready = [], False",
        ),
        (
            "a service that is not ready has a gauge that says so not",
            "error.codes, False",
            "error.codes, True",
        ),
        (
            "a warning makes metrics say that it is not ready",
            "self._readiness.check(), True",
            "(found := self._readiness.check()), not found",
        ),
    ),
    *_in(
        "app/operation/logs.py",
        "unit/operation contract/test_layers.py",
        ("tokens are readable in the log", "return fit_for_the_log(line)", "return line"),
        ("log lines have no request id", '"requestId": request_id.get()', '"requestId": None'),
        (
            "log lines are in local time",
            "datetime.fromtimestamp(record.created, UTC)",
            "datetime.fromtimestamp(record.created)",
        ),
        ("Connexion logs what callers sent", '"connexion": {"level": "ERROR"}', '"connexion": {}'),
    ),
    *_in(
        "app/operation/log_line.py",
        "unit/operation/test_log_line.py",
        ("log lines have any length", "return line if _fits(line) else", "return line if True else"),
        ("a long traceback has no exception", 'with_end=key == "exc_info"', "with_end=False"),
        ("half a character stops the log", "except TypeError:  # Half", "except KeyError:  # Half"),
        (
            "a token is blacked out in an escape sequence",
            "as_json(_each_text(orjson.loads(line), without_credentials))",
            "without_credentials(line)",
        ),
    ),
    *_in(
        "app/operation/log_text.py",
        "unit/operation/test_log_text.py",
        ("a value looks like several", 'if " " in text', "if False"),
        (
            "callers move the cursor of a terminal",
            "printable(without_credentials(text), _MAX_LINE)",
            "without_credentials(text)",
        ),
        (
            "tokens are readable on a terminal",
            "printable(without_credentials(text), _MAX_LINE)",
            "printable(text, _MAX_LINE)",
        ),
    ),
    *_in(
        "app/operation/log_writer.py",
        "unit/operation/test_log_writer.py processes/test_log_pipes.py",
        ("a log that nobody reads fills the memory", "len(self._pending) >= CAPACITY", "False"),
        ("a line that broke off spoils the next one", 'b"\\n" if self._is_torn else b""', 'b""'),
        ("a line is written that was withdrawn", "if not (receipt and receipt.is_withdrawn):", "if True:"),
        ("a stuck log seems writable", " and not is_stuck", ""),
        ("the last lines are lost", "        if self._is_ending:\n            self.flush()\n", ""),
        (
            "a log that failed once is not tried again",
            "self._hurry.wait(_RETRY_SECONDS)",
            "self._hurry.wait()",
        ),
        (
            "lost lines are reported again and again",
            "self._reported, self._next_report = lost,",
            "_, self._next_report = lost,",
        ),
    ),
    *_in(
        "app/operation/write_ahead.py",
        "processes/test_log_pipes.py",
        (
            "a token leaves that is not recorded",
            "return await asyncio.wait_for(written, _PATIENCE_SECONDS)",
            "return True",
        ),
        (
            "a refusal is logged as a token",
            "                facts.clear()\n                facts.update(before)\n",
            "",
        ),
        (
            "a token is recorded as issued that was refused",
            "            receipt.withdraw()",
            "            pass",
        ),
    ),
    *_in(
        "app/operation/text.py",
        "unit/wire/test_faults.py",
        (
            "texts are not cut",
            "text if len(text) <= limit else text[:limit]",
            "text if True else text[:limit]",
        ),
        (
            "what is not printable is printed",
            "return cut if cut.isprintable() else",
            "return cut if True else",
        ),
    ),
    # --- The settings and the command line
    *_in(
        "app/settings/livekit.py",
        "unit/test_settings.py",
        ("http stays http", '{"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)', "parts.scheme"),
        (
            "a secret keeps the newline of its file",
            "(value.strip() or None) if isinstance(value, str) else value",
            "value",
        ),
        ("unknown sources may be published", "not set(value) <= set(PUBLISH_SOURCES)", "False"),
        (
            "an empty list of agents allows none",
            "if value is not None and not (value and all(",
            "if value is not None and not (all(",
        ),
        ("an operator may issue tokens for ever", "default=3600, ge=60, le=86400", "default=3600, ge=60"),
        (
            "an operator may let callers ask for ever",
            "default=86400, ge=60, le=86400",
            "default=86400, ge=60",
        ),
        ("rooms may begin with what no room may have", "[A-Za-z0-9_-]{0,128}", "[A-Za-z0-9._-]{0,128}"),
    ),
    *_in(
        "app/settings/urls.py",
        "unit/test_settings.py",
        ("the URL of the server may hold credentials", "_AUTHORITY.fullmatch(parts.netloc)", "parts.netloc"),
        ("an origin may have a slash at its end", r"://[a-z0-9.:\[\]_-]+", r"://[a-z0-9.:\[\]_-]+/?"),
    ),
    *_in(
        "app/settings/server.py",
        "unit/test_settings.py",
        ("any root path is taken", "if not _ROOT_PATH.fullmatch(value):", "if False:"),
        ("any proxy may be named", "or [ip_network(address) for address in value]", "or value"),
        ("the service listens to the world", 'default="127.0.0.1"', 'default="0.0.0.0"'),
    ),
    *_in(
        "app/settings/reading.py",
        "unit/test_settings.py",
        (
            "settings are refused in a library's words",
            '_WORDS.get(fault["type"], fault["msg"])',
            'fault["msg"]',
        ),
    ),
    *_in(
        "app/settings/callers.py",
        "unit/test_settings.py unit/test_main.py",
        ("a list of no ways to say who asks asks nobody", "not (value and set(value)", "not (set(value)"),
        (
            "anybody may ask beside those who are known",
            'if value != ("none",) and not (value and set(value) <= set(METHODS)):',
            'if "none" not in value and not (value and set(value) <= set(METHODS)):',
        ),
        (
            "an issuer that nobody asks for is set for nothing",
            "if getattr(self, name)\n",
            "if False\n",
        ),
        (
            "callers are asked for what nobody can verify",
            "if not getattr(self, name)\n",
            "if False\n",
        ),
        (
            "a shared secret may sign caller tokens",
            'ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")',
            'ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "HS256")',
        ),
        ("the URL of the issuer may hold credentials", " and is_plain_url(value)", ""),
        ("an issuer on this machine has to have TLS", "parts.hostname not in {", "parts.port not in {"),
        ("a digest may be any hash", "[0-9A-Fa-f]{{64}}", "[0-9A-Fa-f]{{32,128}}"),
        (
            "of two lists of API keys one counts",
            "if self.api_key_digests and self.api_key_digests_file:",
            "if False:",
        ),
        ("an empty file of API keys is a list of them", "    if not entries:\n", "    if False:\n"),
        ("nobody may ask at all", 'r"[1-9][0-9]{0,6} ?/', 'r"[0-9]{1,7} ?/'),
        ("the password of Redis shows", "repr=False, ", ""),
        ("Redis may be at any port", " and port_can_be(value)", ""),
    ),
    *_in(
        "app/settings/callers.py",
        "contract/test_examples.py",
        (
            "a limit of all callers alone has no effect",
            "bool(self.rate_limit or self.rate_limit_total)",
            "bool(self.rate_limit)",
        ),
    ),
    *_in(
        "app/server.py",
        "unit/test_command_line.py processes/test_process.py",
        ("the mount prefix is not passed on", "        root_path=settings.root_path,\n", ""),
        ("the server names itself", "server_header=False", "server_header=True"),
        (
            "what callers say of themselves is believed",
            "proxy_headers=bool(settings.forwarded_allow_ips)",
            "proxy_headers=True",
        ),
        (
            "any proxy is believed",
            "forwarded_allow_ips=list(settings.forwarded_allow_ips)",
            'forwarded_allow_ips="*"',
        ),
        ("the server closes before the proxy does", "_KEEP_ALIVE_SECONDS = 75", "_KEEP_ALIVE_SECONDS = 5"),
    ),
    *_in(
        "app/serving.py",
        "processes/test_rotation.py",
        ("a worker without a key replaces one that has it", "if fault and must_be_able:", "if False:"),
        ("no worker can be without a key", "if fault and must_be_able:", "if fault:"),
    ),
    *_in(
        "app/serving.py",
        "unit/test_command_line.py processes/test_process.py",
        ("nobody is told what to mend", "        report(settings)\n", "        pass\n"),
        (
            "a connection gets the number of a closed stream",
            "while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:",
            "while (number := os.open(os.devnull, os.O_RDWR)) < 0:",
        ),
        (
            "workers are killed while they drain",
            "stop_seconds = settings.drain_seconds + settings.shutdown_grace_seconds",
            "stop_seconds = settings.shutdown_grace_seconds",
        ),
        (
            "workers may not finish what they answer",
            "stop_seconds = settings.drain_seconds + settings.shutdown_grace_seconds",
            "stop_seconds = settings.drain_seconds",
        ),
    ),
    *_in(
        "app/command_line.py",
        "unit/test_command_line.py processes/test_process.py",
        (
            "settings that cannot be used end in a traceback",
            "except InvalidSettings as error:",
            "except KeyError as error:",
        ),
        (
            "tokens that differ end in a traceback",
            "except TokensDiffer as error:",
            "except KeyError as error:",
        ),
    ),
    *_in(
        "app/command_line.py",
        "processes/test_process.py",
        ("a key is made that cannot be set", "if not API_KEY_NAME.fullmatch(text):", "if not text:"),
        (
            "the key is printed where only its digest belongs",
            'sys.stdout.write(f"{key}\\n{name}:{digest}\\n")',
            'sys.stdout.write(f"{key}\\n{name}:{key}\\n")',
        ),
    ),
    *_in(
        "app/operation/tracing.py",
        "unit/test_tracing.py processes/test_traces.py",
        ("a span has what a caller asked for", '"path": path,', '"path": scope["path"],'),
        ("a span has what callers call a method", 'sanitize_method(scope["method"])', 'scope["method"]'),
        ("a span has all headers", '_parent(scope["headers"])', 'scope["headers"]'),
        ("a header of traces fails requests", " and _TRACEPARENT.fullmatch(found[0])", ""),
        ("of two parents one is believed", "len(found) == 1 and", "found and"),
        ("a span has the text of an exception", 'seen["failure"] = error', "raise"),
        ("a span's error is lost", "span.set_status(Status(StatusCode.ERROR))", "pass"),
        (
            "a span's type of error is its status",
            "            await send(message)\n            # OpenTelemetry",
            (
                '            if message["type"] == "http.response.start":\n'
                '                _describe(span, scope, seen["path"])\n'
                "            await send(message)\n            return\n            # OpenTelemetry"
            ),
        ),
        ("health checks are traced", "if path in self._untraced:", "if False:"),
        ("a stop waits for the collector", "_CLOSE_SECONDS = 2", "_CLOSE_SECONDS = 60"),
        ("an export takes ten seconds", "_EXPORT_SECONDS = 1", "_EXPORT_SECONDS = 10"),
        ("the log says each time that the collector is away", "is_away is not self._is_away and", ""),
        ("the log says often that the collector is away", " and self._clock() >= self._silent_until", ""),
        ("the operator cannot name the service", "ours.merge(OTELResourceDetector().detect())", "ours"),
        ("each event of a request is a span", 'exclude_spans=["receive", "send"]', "exclude_spans=[]"),
        ("no line has the trace's id", "if ids.is_valid:", "if False:"),
    ),
    # --- The end, the load, and who is not waited for
    *_in(
        "app/server.py",
        "processes/test_signals.py processes/test_signals_to_workers.py processes/test_process.py",
        (
            "a service that drains is ready",
            "            self._drain.begin()\n            asyncio",
            "            asyncio",
        ),
        (
            "SIGTERM is obeyed at once",
            "call_later(self._drain_seconds, self._stop)\n\n    def _retire",
            "call_soon(self._stop)\n\n    def _retire",
        ),
        (
            "a drain has no end",
            "call_later(self._drain_seconds, self._stop)\n\n    def _retire",
            "time()\n\n    def _retire",
        ),
        ("SIGTERM said twice is done twice", "if not self._drain.is_draining:", "if True:"),
        (
            "SIGINT waits for the drain",
            "signal.SIGINT: self._stop_at_once",
            "signal.SIGINT: self._begin_drain",
        ),
        (
            "SIGINT waits for half a body",
            "min(self._grace_seconds, _SECONDS_AT_ONCE)",
            "max(self._grace_seconds, _SECONDS_AT_ONCE)",
        ),
        ("SIGHUP ends a process alone", "orders[signal.SIGHUP] = _hang_up", ""),
        (
            "half a body is cut off at the end of the grace",
            "_GRACE_TO_ARRIVE = 0.8",
            "_GRACE_TO_ARRIVE = 1.2",
        ),
        (
            "half a body is refused as soon as the server stops",
            "        self._drain.patience_seconds = self._grace_seconds * _GRACE_TO_ARRIVE\n",
            "",
        ),
        ("idle connections hold up the end", "            connection.shutdown()\n", "            pass\n"),
        (
            "whoever does not read holds up the end",
            "while self._is_busy and asyncio.get_running_loop().time() < begun + self._grace_seconds:",
            "while self._is_busy:",
        ),
        (
            "whoever is cut off leaves a traceback",
            "            await asyncio.sleep(_LOOK_SECONDS)\n        for task",
            "            pass\n        for task",
        ),
        ("a worker that retires is not ready", "self._drain.retire()", "self._drain.begin()"),
        (
            "a worker that retires goes on accepting",
            "        self._close_listeners(None)\n        self._drain.retire()",
            "        self._drain.retire()",
        ),
        ("a worker that retires keeps its connections", "        self._drain.retire()\n", ""),
        ("a worker does not say that it serves", "            self._on_start()\n", "            pass\n"),
        (
            "that there are no descriptors is said each second",
            "            self._is_full = True\n",
            "            self._is_full = False\n",
        ),
        ("nobody says that connections are turned away", "            self._check_descriptors()\n", ""),
        (
            "descriptors leak once a second",
            "os.close(os.open(os.devnull, os.O_RDONLY))",
            "os.open(os.devnull, os.O_RDONLY)",
        ),
    ),
    *_in(
        "app/command_line.py",
        "processes/test_doctor_streams.py",
        (
            "an interrupted examination is said to be well",
            "        ending.leave_to_the_system()\n",
            "        pass\n",
        ),
    ),
    *_in(
        "app/__main__.py",
        "processes/test_signals.py",
        ("while it begins, signals are the system's", "    ending.end_when_told()\n", ""),
    ),
    *_in(
        "app/operation/ending.py",
        "processes/test_signals.py processes/test_signals_to_workers.py processes/test_process.py",
        ("SIGHUP ends a process that begins", "        _disregard([signal.SIGHUP])\n", "        pass\n"),
        ("the first signal ends it another way", "partial(_obey, partial(end, 0))", "signal.SIG_DFL"),
        ("the last signal chooses the status", "partial(_obey, lambda: None)", "signal.SIG_DFL"),
        ("the last lines are not written", "    logging.shutdown()\n", ""),
        ("a failure ends with 0", "os._exit(status)", "os._exit(0)"),
    ),
    *_in(
        "app/server.py",
        "unit/test_command_line.py contract/test_deadlines.py",
        (
            "heads may take as long as bodies",
            "head_seconds=settings.head_timeout_seconds",
            "head_seconds=settings.body_timeout_seconds",
        ),
    ),
    *_in(
        "app/workers.py",
        "processes/test_workers.py",
        ("nobody asks whether others are able", "any(worker.is_able for worker", "any(False for worker"),
        ("who opens logs anew ends it", "{**orders, signal.SIGUSR1: lambda: None}", "orders"),
        ("a worker that fails at the start looks like an end", "            self._has_failed = True\n", ""),
        ("a worker that fails at the start is tried for ever", "elif self._has_served:", "elif True:"),
        ("a worker that fails later ends all", "elif self._has_served:", "elif False:"),
        (
            "a worker that fails is started as fast as it can fail",
            '.", worker.pid)\n            self._next_start = time.monotonic() + _RETRY_SECONDS',
            '.", worker.pid)\n            self._next_start = time.monotonic()',
        ),
        ("a worker that does not stop is waited for", "                worker.process.kill()\n", ""),
        (
            "a worker that does not leave is waited for",
            "            old.deadline = time.monotonic() + self._stop_seconds + _MARGIN_SECONDS\n",
            "",
        ),
        ("a worker that cannot be started ends all", "except OSError as error:", "except KeyError as error:"),
        (
            "a successor that cannot be started is waited for",
            "            if not self._fresh:\n                self._to_replace = []\n",
            "",
        ),
        (
            "SIGINT leaves as much time as SIGTERM",
            "_SECONDS_AT_ONCE if number == signal.SIGINT else self._stop_seconds",
            "self._stop_seconds",
        ),
        (
            "SIGINT after SIGTERM is not heard",
            "if self._is_stopping and number == signal.SIGTERM:",
            "if self._is_stopping:",
        ),
        (
            "SIGTERM said twice is passed on twice",
            "if self._is_stopping and number == signal.SIGTERM:",
            "if False:",
        ),
        (
            "workers are told something else",
            "            worker.tell(number)\n",
            "            worker.tell(signal.SIGTERM)\n",
        ),
        (
            "an old worker leaves before its successor serves",
            "if self._fresh and self._fresh.serves:",
            "if self._fresh:",
        ),
        (
            "SIGHUP said again meanwhile is not heard",
            "if not self._is_stopping:\n            logger",
            "if not self._is_stopping and not self._to_replace:\n            logger",
        ),
        (
            "a worker that leaves is taken for one that has failed",
            "if self._is_stopping or worker.is_leaving:",
            "if self._is_stopping:",
        ),
        (
            "a worker that leaves is not replaced",
            "if not worker.is_leaving and worker is not self._fresh]",
            "if worker is not self._fresh]",
        ),
        (
            "a successor on its way is one too many",
            "if not worker.is_leaving and worker is not self._fresh]",
            "if not worker.is_leaving]",
        ),
        (
            "SIGHUP is tried for ever",
            "            self._fresh, self._to_replace = None, []\n",
            "            self._fresh = None\n",
        ),
        (
            "one that dies before its turn stops the replacement",
            "            self._to_replace.remove(worker)\n",
            "            pass\n",
        ),
        (
            "the dead one's successor is one too many",
            "            if worker is self._to_replace[0]:\n                self._fresh = None",
            "            if False:\n                self._fresh = None",
        ),
        ("nobody is told who has ended", "        self._on_end(worker.pid)\n", ""),
        (
            "a signal is heard again and again",
            "                os.read(wakeup, 1024)\n",
            "                pass\n",
        ),
        (
            "a hangup of the terminal ends all workers",
            "    signal.signal(signal.SIGHUP, signal.SIG_IGN)\n",
            "",
        ),
        (
            "a signal waits for the next event",
            "signal.set_wakeup_fd(writing, warn_on_full_buffer=False)",
            "-1",
        ),
    ),
    *_in(
        "app/operation/drain.py",
        "processes/test_signals.py",
        (
            "answers keep their connections while it drains",
            "self.is_draining = self.is_leaving = True",
            "self.is_draining = True",
        ),
    ),
    *_in(
        "app/operation/load.py",
        "unit/wire/test_shedding.py",
        ("requests are at work for ever", "        self.at_work -= 1\n", "        pass\n"),
        ("a peak is told for ever", "peak, self._peak = self._peak, self.at_work", "peak = self._peak"),
        (
            "who is still at work is no peak",
            "self._peak = self._peak, self.at_work",
            "self._peak = self._peak, 0",
        ),
    ),
    *_in(
        "app/wire/shedding.py",
        "unit/wire/test_shedding.py",
        ("one too few is answered", "if at_work > self._limit:", "if at_work >= self._limit:"),
        (
            "the first are refused because of the last",
            """state.get("at_work", self._load.at_work)""",
            "self._load.at_work",
        ),
        (
            "slow bodies are not counted out",
            """get("at_work", self._load.at_work)""",
            """get("at_work", 0)""",
        ),
        (
            "health is refused behind a prefix",
            """scope["path"].removeprefix(scope.get("root_path", ""))""",
            """scope["path"]""",
        ),
        ("health is refused", "if path not in self._exempt:", "if True:"),
    ),
    *_in(
        "app/wire/deadline.py",
        "unit/wire/test_deadline.py",
        (
            "a deadline that is set anew happens twice",
            '        """Begin to wait."""\n        self.lift()\n',
            '        """Begin to wait."""\n',
        ),
        ("a deadline that is lifted happens", "            self._timer.cancel()\n", ""),
        ("a deadline can be lifted once", "            self._timer = None\n\n\n", "\n\n"),
        ("a client that is gone is remembered", "        self._missed = _nothing\n", ""),
    ),
    *_in(
        "app/wire/protocol.py",
        "contract/test_deadlines.py unit/wire/test_protocol.py processes/test_signals.py",
        (
            "whoever sends nothing is waited for",
            "        self._head.set()\n        super().connection_made",
            "        super().connection_made",
        ),
        (
            "nobody knows when a request came",
            """        self.scope["state"]["started"] = time.perf_counter()\n""",
            "",
        ),
        ("each byte of a head has its own time", " and not self._head.is_set:", ":"),
        (
            "an idle connection keeps its last request",
            "            self._forget()\n            return",
            "            return",
        ),
        (
            "an idle connection keeps a request whose body came late",
            "        if cycle.response_complete:\n            self._forget()\n",
            "",
        ),
        (
            "the end of an idle connection keeps its last request",
            "self._context.run(self._complete)",
            "self._complete()",
        ),
        (
            "the second head may take for ever",
            "            self._head.set()\n            self._unset",
            "            self._unset",
        ),
        (
            "a body has the time of a head",
            "        self._unset_keepalive_if_required()\n        self._head.lift()\n",
            "        self._unset_keepalive_if_required()\n",
        ),
        (
            "whoever sends nothing is told that it was late",
            "    def _miss_head(self) -> None:\n        if self._framing.is_between:",
            "    def _miss_head(self) -> None:\n        if False:",
        ),
        (
            "whoever is late is not told",
            "            self._give_up(HeadTimeout())",
            "            self.transport.close()",
        ),
        (
            "a request that was answered is at work",
            "        self._end_work()\n        # Timers",
            "        # Timers",
        ),
        (
            "a request whose client has gone is at work",
            "        self._end_work()\n        self._unset_keepalive",
            "        self._unset_keepalive",
        ),
        (
            "a request is at work before it is there",
            "        length, fault = head.examine",
            "        self._load.begin()\n        length, fault = head.examine",
        ),
        (
            "an answer counts twice",
            "            self._is_at_work = False\n            self._load",
            "            self._load",
        ),
        (
            "answers keep their connections at the end",
            "        if self._drain.is_leaving:\n            cycle.keep_alive = False\n        length",
            "        length",
        ),
        ("half a body is waited for at the end", "            self._last.set()\n", ""),
        (
            "a body that has come is refused at the end",
            "    def _miss_end(self) -> None:\n        if not self._framing.in_head:",
            "    def _miss_end(self) -> None:\n        if True:",
        ),
        (
            "a client that is gone is remembered at the end",
            "            self._last.let_go()\n",
            "            pass\n",
        ),
    ),
    *_in(
        "app/doctor/livekit.py",
        "unit/doctor/test_livekit.py",
        (
            "a wrong clock is taken for a wrong secret",
            "_token(writer, clock() + skew)",
            "_token(writer, clock())",
        ),
        (
            "a date that cannot be read is an exception",
            "except (KeyError, ValueError, OverflowError):",
            "except (KeyError, ValueError):",
        ),
        (
            "tokens that do not arrive are left out",
            '            "problem",\n            "refused as if there were none',
            '            "skipped",\n            "refused as if there were none',
        ),
        (
            "a wrong secret is taken for a wrong clock",
            "            if corrected.accepts:\n",
            "            if True:\n",
        ),
        (
            "an unknown key is taken for a wrong secret",
            '"invalid API key" in answer.text:',
            '"APIkey" in answer.text:',
        ),
        (
            "a clock that is much too slow is fine",
            "abs(skew) <= LEEWAY_SECONDS",
            "skew <= LEEWAY_SECONDS",
        ),
        (
            "whatever answers is LiveKit",
            "        return self.accepts or refuses\n",
            "        return True\n",
        ),
        (
            "a key that does not sign yet is a problem",
            "is_spare = number > 0 and",
            "is_spare = number > 9 and",
        ),
        (
            "tokens go anywhere in the clear",
            'parts.scheme == "ws" and not _is_here',
            'parts.scheme == "x" and not _is_here',
        ),
    ),
    *_in(
        "app/doctor/token.py",
        "unit/doctor/test_token.py",
        ("a wrong signature is right", "if any(source in right for source in named):", "if named or right:"),
        ("any algorithm is fine", 'if algorithm != "HS256":', "if algorithm is None:"),
        (
            "what is not base64url is skipped",
            "not _BASE64URL.fullmatch(part) or len(part) % 4 == 1",
            "len(part) % 4 == 1",
        ),
        ("a token may hold what only Python takes for JSON", ", parse_constant=_refuse", ""),
        ("types are not looked at", "        *wrong_types(claims),\n", ""),
        ("metadata may be of any length", "    if length > limit:\n", "    if length < 0:\n"),
    ),
    *_in(
        "app/doctor/validity.py",
        "unit/doctor/test_token.py",
        ("a token that has expired is well", "ends < now - LEEWAY_SECONDS", "ends < 0"),
    ),
    *_in(
        "app/doctor/known.py",
        "unit/doctor/test_token.py",
        (
            "a terminal does what a token says",
            "printable(without_secrets(text, self.secrets), _MAX_TEXT)",
            "without_secrets(text, self.secrets)",
        ),
        (
            "a secret is cut before it is searched for",
            "without_secrets(text, self.secrets)",
            "text",
        ),
    ),
    *_in(
        "app/doctor/secrecy.py",
        "unit/doctor/test_token.py unit/doctor/test_report.py",
        ("a short secret is shown", "    if text in secrets:\n", '    if text == "":\n'),
        ("a part of a longer secret is shown", "sorted(secrets, key=len, reverse=True)", "secrets"),
    ),
    *_in(
        "app/doctor/grants.py",
        "unit/doctor/test_token.py",
        ("a room may have any name", "length_of(room) > ROOM_BYTES", "length_of(room) < 0"),
    ),
    *_in(
        "app/doctor/claim_types.py",
        "unit/doctor/test_token.py",
        (
            "a flag may be a number",
            "lambda value: isinstance(value, bool),",
            "lambda value: isinstance(value, int),",
        ),
        ("what is null is of a wrong type", "    if value is None:\n", "    if value is ...:\n"),
        (
            "attributes may have any values",
            "            if known in shape:\n",
            "            if name in shape:\n",
        ),
        (
            "the items of a list may be anything",
            "        for item in value:\n",
            "        for item in value[:0]:\n",
        ),
    ),
    *_in(
        "app/doctor/configuration.py",
        "unit/doctor/test_examination.py",
        ("a host is not tried", "asyncio.to_thread(check_host, settings)", "asyncio.sleep(0)"),
        ("traces are not tried", '    traces = make_traces(settings, "")\n', "    traces = None\n"),
        ("a thread of traces goes on", "        await traces.close()\n", "        pass\n"),
    ),
    *_in(
        "app/doctor/examination.py",
        "unit/doctor/test_examination.py",
        ("what a file holds is not looked at", "in credentials.slips(source)", "in []"),
        (
            "a secret without its quotation marks is shown",
            "    secrets += [secret.strip(",
            "    _ = [secret.strip(",
        ),
    ),
    *_in(
        "app/doctor/command.py",
        "processes/test_doctor_streams.py",
        ("a stream that is closed ends in a traceback", "    if stream is None:\n", '    if stream == "":\n'),
        (
            "what is left unwritten is complained of at the end",
            "        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())\n",
            "",
        ),
        ("what was written is not looked at", "        stdout.flush()\n", ""),
    ),
    *_in(
        "app/doctor/pasted.py",
        "unit/doctor/test_token.py",
        ("an address is no token", "    if address:\n", "    if address and not inner:\n"),
        ("a header is no token", "    elif header and header[0]:\n", "    elif header and not inner:\n"),
        ("what a terminal has wrapped is well", "    if whole != inner:\n", "    if not whole:\n"),
    ),
    *_in(
        "app/doctor/credentials.py",
        "unit/doctor/test_examination.py",
        (
            "quotation marks are a part of the secret",
            "text[:1] + text[-1:] in _QUOTES",
            "text[:1] in _QUOTES",
        ),
        ("white space is not noticed", "    if text != value:\n", "    if text is None:\n"),
        (
            "a key of another kind is a secret",
            "if text and not _can_sign(text):",
            "if text is None:",
        ),
        (
            "a reference to a vault is a secret",
            "        is_vault_reference(text),",
            "        False,",
        ),
    ),
    *_in(
        "app/settings/livekit.py",
        "unit/test_settings.py unit/test_functions.py",
        (
            "a reference is a credential",
            "        if is_vault_reference(value):\n            return None\n",
            "",
        ),
    ),
    *_in(
        "app/settings/reading.py",
        "unit/test_settings.py",
        (
            "a reference is a setting",
            "        if is_vault_reference(value):\n",
            "        if value is None:\n",
        ),
    ),
    *_in(
        "app/wire/invocations.py",
        "unit/wire/test_invocations.py",
        ("a client says who it is", 'rpartition(",")[2]', 'partition(",")[0]'),
        ("a caller's trace stays beside the platform's", 'if header[0] != b"traceparent"', "if header"),
        ("log lines have no trace", "                logs.trace_context.set(", "                dict("),
    ),
    *_in(
        "app/operation/logs.py",
        "unit/test_functions.py",
        ("the host's own lines show tokens", "        handler.setFormatter(formatter)\n", "        pass\n"),
    ),
    *_in(
        "app/functions.py",
        "unit/test_functions.py",
        ("a port is opened that nobody reaches", 'update={"metrics": False}', "update={}"),
        (
            "the platform's collector stops the app",
            'update={"otel_exporter_otlp_endpoint": None}',
            "update={}",
        ),
        ("nobody is told what does nothing", "settings.model_fields_set & _WITHOUT_EFFECT", "()"),
    ),
    *_in(
        "app/doctor/report.py",
        "unit/doctor/test_report.py",
        ("a secret is shown that turned up somewhere", "without_secrets(text, secrets)", "text"),
        (
            "a token is shown that turned up somewhere",
            "without_credentials(without_secrets(text, secrets)), _MAX_LINE",
            "without_secrets(text, secrets), _MAX_LINE",
        ),
    ),
    *_in(
        "app/doctor/finding.py",
        "unit/doctor/test_report.py",
        ("a warning is a failure", 'finding.verdict != "problem"', 'finding.verdict == "ok"'),
    ),
    *_in(
        "app/packages.py",
        "processes/test_packages.py",
        ("what was hidden stays so", "        del sys.modules[name]\n", "        pass\n"),
        (
            "hiding what is imported takes it away",
            "    if name in sys.modules:\n        yield\n        return\n    sys.modules[name] = None",
            "    sys.modules[name] = None",
        ),
    ),
    *_in(
        "app/__init__.py",
        "processes/test_packages.py",
        (
            "a process that serves runs a command line",
            'run_when_needed("uvicorn", Config="config")',
            'run_when_needed("uvicorn")',
        ),
        (
            "a process that serves holds a test client",
            'run_when_needed("werkzeug", Request="wrappers")',
            'run_when_needed("werkzeug")',
        ),
        ("each process holds what it never needs", 'with hidden("cryptography"):', "if True:"),
    ),
]
