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
            "        - participantIdentity\n      properties:\n",
            "      properties:\n",
            2,
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
        ("it is not said that nobody need say who they are", "security: []\n\n", ""),
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
            'room=body["roomName"],\n            identity=body["participantIdentity"]',
            'room=body["participantIdentity"],\n            identity=body["roomName"]',
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
        ("a service that is not ready says that it is", "        self._tokens.check_readiness()\n", ""),
        ("agents are counted from 1", "agents[{index}]", "agents[{index + 1}]"),
        (
            "a field is named as the other endpoint does",
            '{"name": "participantName"}',
            '{"name": "participant_name"}',
        ),
        (
            "the audit log has the name for the identity",
            '"identity": issued.identity,\n            "expiresAt"',
            '"identity": issued.name,\n            "expiresAt"',
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
            "(order.ttl or policy.ttl)",
            "(order.ttl or TokenPolicy().ttl)",
        ),
        ("a service without credentials is ready", "            raise NotReady\n", "            return\n"),
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
            "{self.api_key!r})",
            "{self.api_key!r}, api_secret={self.api_secret!r})",
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
            "        AuditLog,\n        partial(CrossOrigin",
            "        _NoAuditLog,\n        partial(CrossOrigin",
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
        "unit/test_main.py contract/test_response_validation.py",
        (
            "answers are not checked, whatever the operator wants",
            "[ResponseValidationMiddleware] if settings.validate_responses else []",
            "[]",
        ),
        ("a weak secret is not mentioned", "< _STRONG_SECRET:", "< 0:"),
        ("a secret of 31 bytes is strong", "_STRONG_SECRET = 32", "_STRONG_SECRET = 31"),
        (
            "a wildcard for origins is not mentioned",
            'cors_allowed_origins == ("*",)',
            'cors_allowed_origins == "*"',
        ),
    ),
    # --- The wire
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
    ),
    *_in(
        "app/wire/cors.py",
        "contract/test_layers.py contract/test_hostile_input.py",
        (
            "every page may read the answers",
            'if not self.allow_all_origins and self.is_allowed_origin(origin.decode("latin-1")):',
            "if not self.allow_all_origins:",
        ),
        ("pages cannot read the request id", "            expose_headers=(request_id.HEADER,),\n", ""),
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
        "app/wire/dispatcher.py",
        "contract/test_hostile_input.py",
        ("every success is a 200", "send_json(send, self._success_status", "send_json(send, 200"),
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
        ("a 405 does not say what is allowed", "error.headers or {}", "{}"),
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
        "contract/test_process.py",
        ("workers outlive their parent", "os.kill(os.getpid(), signal.SIGTERM)", "pass"),
    ),
    *_in(
        "app/__main__.py",
        "contract/test_process.py",
        ("a host that does not exist ends in a traceback", "        _check_host(settings)\n", ""),
        ("a host of another machine is tried", "            probe.bind(address)\n", ""),
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
        "app/operation/audit.py",
        "contract/test_layers.py contract/test_process.py",
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
        "app/operation/logs.py",
        "unit/operation contract/test_layers.py",
        ("tokens are readable in the log", "return without_tokens(line)", "return line"),
        ("log lines have no request id", '"requestId": request_id.get()', '"requestId": None'),
        (
            "log lines are in local time",
            "datetime.fromtimestamp(record.created, UTC)",
            "datetime.fromtimestamp(record.created)",
        ),
        ("Connexion logs what callers sent", '"connexion": {"level": "ERROR"}', '"connexion": {}'),
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
        "app/settings.py",
        "unit/test_settings.py",
        ("http stays http", '{"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)', "parts.scheme"),
        ("the URL of the server may hold credentials", "_AUTHORITY.fullmatch(parts.netloc)", "parts.netloc"),
        (
            "a secret keeps the newline of its file",
            "(value.strip() or None) if isinstance(value, str) else value",
            "value",
        ),
        ("an origin may have a slash at its end", r"://[a-z0-9.:\[\]_-]+", r"://[a-z0-9.:\[\]_-]+/?"),
        ("unknown sources may be published", "not set(value) <= set(PUBLISH_SOURCES)", "False"),
        (
            "an empty list of agents allows none",
            "if value is not None and not (value and all(",
            "if value is not None and not (all(",
        ),
        ("any root path is taken", "if not _ROOT_PATH.fullmatch(value):", "if False:"),
        ("any proxy may be named", "or [ip_network(address) for address in value]", "or value"),
        ("an operator may issue tokens for ever", "default=3600, ge=60, le=86400", "default=3600, ge=60"),
        (
            "settings are refused in a library's words",
            'words = _WORDS.get(fault["type"], fault["msg"])',
            'words = fault["msg"]',
        ),
        ("the service listens to the world", 'default="127.0.0.1"', 'default="0.0.0.0"'),
    ),
    *_in(
        "app/__main__.py",
        "unit/test_command_line.py contract/test_process.py",
        ("the mount prefix is not passed on", "            root_path=settings.root_path,\n", ""),
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
        (
            "a request that stalls is cut off at the end",
            "math.ceil(settings.body_timeout_seconds) + _SHUTDOWN_MARGIN_SECONDS",
            "1",
        ),
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
        ("nobody is told what to mend", "    report(settings)\n", ""),
    ),
]
