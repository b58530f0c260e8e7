"""The README and the pages in `docs/` say what is so."""

import ast
import hashlib
import inspect
import json
import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import app
from app.doctor import examination, report
from app.main import create_app
from app.operation import readiness
from app.settings.callers import METHODS
from app.settings.settings import Settings
from app.tokens.key_files import parse
from tests.support.contract import assert_fits, document, schema
from tests.support.makefile import command_of, targets
from tests.support.metrics import PREFIX
from tests.support.pages import blocks, code_in, rows, section
from tests.support.server import make_settings, serve
from tests.support.service_log import audit_lines
from tests.support.stand_in import livekit_ahead, standing_in

ROOT = Path(__file__).parent.parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
}
# A decision speaks of the day when it was taken, and so does the changelog of each version.
GUIDES = {
    name: text for name, text in PAGES.items() if not name.startswith(("docs/decisions/", "CHANGELOG.md"))
}
README, INTEGRATE, OPERATE, CONTRIBUTE, ARCHITECTURE = (
    GUIDES[name]
    for name in (
        "README.md",
        "docs/integrate.md",
        "docs/operations.md",
        "docs/contribute.md",
        "docs/architecture.md",
    )
)
# The base path of the contract, and a path that may follow it.
API_PATH = re.compile(r"/api(/[a-z][a-z./-]*[a-z])")
SCHEMAS = {"errorCode": "ErrorResponse", "participant_token": "ConnectionDetails", "token": "TokenResponse"}


def every_block(language: str) -> list[Any]:
    """List the code blocks of every page that are in a language, as parameters of a test."""
    return [
        pytest.param(block, id=f"{name}-{i}")
        for name, page in GUIDES.items()
        for i, block in enumerate(blocks(page, language))
    ]


def anchors(page: str) -> set[str]:
    """Make the anchors of a page's headings, as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


OPTIONAL_LAYERS: dict[str, Any] = {
    "VALIDATE_RESPONSES": True,
    "RATE_LIMIT": "1/day",
    "RATE_LIMIT_TOTAL": "1/day",
    "AUDIT_REQUIRED": True,
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
}


def layers(*variables: str) -> list[Any]:
    """List the layers that a request passes, outermost first, where these variables are set."""
    chosen = {name.lower(): OPTIONAL_LAYERS[name] for name in variables}
    made = create_app(make_settings(**{"validate_responses": False, **chosen}))
    return [layer.func if isinstance(layer, partial) else layer for layer in made.middlewares]


def picture() -> str:
    """Read the source of the picture."""
    (source,) = blocks(ARCHITECTURE, "mermaid")
    return source


def way_in_the_picture() -> list[str]:
    """Follow the arrows of the picture from their start, of which there is one."""
    leads_to = dict(re.findall(r'^ *(\w+)\[".*"\]:::\w+ --> (\w+)$', picture(), re.MULTILINE))
    (node,) = leads_to.keys() - set(leads_to.values())
    way = [node]
    while way[-1] in leads_to:
        way.append(leads_to[way[-1]])
    return way


@pytest.mark.parametrize(("name", "limit"), [("README.md", 100), ("docs/architecture.md", 120)])
def test_two_screens_are_enough(name: str, limit: int) -> None:
    """Who begins is not given more to read than fits two screens."""
    assert len(PAGES[name].splitlines()) <= limit


def test_the_readme_is_as_wide_as_a_screen() -> None:
    """No line of it is longer than 100 characters."""
    assert max(map(len, README.splitlines())) <= 100


def test_the_index_of_decisions_has_each_of_them() -> None:
    """By number and title, in their order, with what has become of it; no number is given twice."""
    decisions = {
        name.removeprefix("docs/decisions/"): page.splitlines()[0].removeprefix("# ").split(". ", 1)
        for name, page in PAGES.items()
        if re.match(r"docs/decisions/\d", name)
    }
    listed = re.findall(
        r"^\| (\d+) \| \[(.+)\]\((.+)\) \| \S.* \|$", PAGES["docs/decisions/README.md"], re.MULTILINE
    )
    assert listed == [(number, title, name) for name, (number, title) in sorted(decisions.items())]
    assert [name[:4] for name in decisions] == [f"{int(number):04}" for number, _ in decisions.values()]
    assert len({number for number, _, _ in listed}) == len(listed)


def test_the_readme_leads_on_to_every_guide() -> None:
    """Each page of `docs/` is linked, and the contract; the site's first page leads on by itself."""
    linked = set(re.findall(r"\]\(([^)\s]+)\)", README))
    assert GUIDES.keys() - {"README.md", "docs/index.md"} <= linked
    assert "spec/token-api.openapi.yaml" in linked


@pytest.mark.parametrize("name", ["README.md", "docs/index.md", "docs/operations.md"])
def test_the_operator_is_warned(name: str) -> None:
    """By default the service asks nobody who calls: its pages say so, and what changes it."""
    assert Settings.model_fields["auth"].default == ("none",)
    (box,) = re.findall(r"(?:^> .*\n)+", PAGES[name], re.MULTILINE)
    text = " ".join(box.replace("\n> ", " ").removeprefix("> ").split())
    assert text.startswith(
        "**By default, `AUTH=none`, anyone who reaches the service gets a token "
        "for any participant and any room.**"
    )
    assert {f"AUTH={method}" for method in METHODS} <= set(code_in(text))
    assert "security.md)" in text


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    """A relative link leads to a file that exists, and its fragment to a heading."""
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[name]) + re.findall(r'src="([^"]+)"', PAGES[name]):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.resolve().is_relative_to(ROOT), link
        assert target.exists(), link
        assert not fragment or fragment in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("name", GUIDES)
def test_every_file_that_is_named_exists(name: str) -> None:
    """What is set as code and looks like a path of the repository is one."""
    for code in code_in(GUIDES[name]):
        if re.fullmatch(r"(app|benchmarks|deploy|docs|examples|spec|tests|tools)/[\w./-]*", code):
            assert (ROOT / code).exists(), code


@pytest.mark.parametrize("name", GUIDES)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    """Each `make` command is a target of the Makefile."""
    named = {t for code in code_in(GUIDES[name]) for t in re.findall(r"\bmake ([a-z0-9-]+)", code)}
    named |= set(re.findall(r"^\$ make ([a-z0-9-]+)", GUIDES[name], re.MULTILINE))
    assert named <= targets()


def test_every_make_target_is_explained() -> None:
    """Contributors find each target that `make` lists in the table, and no other."""
    listed = [target for row in rows(section(CONTRIBUTE, "Commands")) for target in code_in(row[0])]
    assert sorted(listed) == sorted(targets())


@pytest.mark.parametrize("name", [*GUIDES, "clients/python/README.md", "clients/typescript/README.md"])
def test_nothing_of_ours_is_installed_by_its_name(name: str) -> None:
    """It is on no registry: whoever takes the name there would be installed instead."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for command in re.findall(r"\b(?:npm|pip) install .*livekit.token.api.*", text):
        assert re.search(r"\.(?:tgz|whl)\b", command), command


def claims() -> list[str]:
    """Read the rows of the table of claims, without its head."""
    lines = section(CONTRIBUTE, "Reproduce the claims").splitlines()
    return [line for line in lines if line.startswith("| ")][1:]


def test_every_test_of_the_whole_shows_a_claim() -> None:
    """What is tested over HTTP, with processes or with what is real, is said, and found by who doubts it."""
    folders = ("contract", "processes", "e2e")
    tested = {str(p.relative_to(ROOT)) for name in folders for p in (ROOT / "tests" / name).glob("test_*.py")}
    assert tested <= {code for claim in claims() for code in code_in(claim)}


def test_a_claim_s_command_runs_the_tests_that_it_names() -> None:
    """They are in a folder that the target gives to pytest."""
    for target, files in re.findall(r"`make ([a-z0-9-]+)`: ((?:`[^`]+`(?:, )?)+)", "\n".join(claims())):
        run = command_of(target).split()
        for file in code_in(files):
            assert any(Path(file).is_relative_to(path) for path in run), (target, file)


def test_as_many_claims_need_more_than_the_check_as_is_said() -> None:
    """They are the last ones, and CI's command does not reproduce them; it does the others."""
    (word,) = re.findall(r"Everything below but the last (\w+);", claims()[0])
    checked = r"make (check|contract|coverage|docs|e2e|processes|spec-diff|spec-lint|test|unit)`"
    beyond = [re.search(checked, claim) is None for claim in claims()]
    assert beyond == sorted(beyond)
    assert sum(beyond) == ["none", "one", "two", "three", "four", "five", "six", "seven"].index(word)


def test_every_setting_is_listed_with_its_default() -> None:
    """The table has each environment variable of the settings, in their order, and no other."""
    listed = {row[0].strip("`"): row[1].strip("`") for row in rows(section(OPERATE, "Settings"))}
    assert list(listed) == [name.upper() for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        default = field.default
        text = "" if default is None else ",".join(default) if isinstance(default, tuple) else str(default)
        assert listed[name.upper()].lower() == text.lower(), name


@pytest.mark.parametrize(
    ("page", "heading"),
    [(INTEGRATE, "Errors"), (OPERATE, "Error codes")],
    ids=["integrate", "operate"],
)
def test_every_error_code_is_listed_with_its_status(page: str, heading: str) -> None:
    """The table has each `errorCode` of the contract, with the status of its examples."""
    statuses = {
        example["value"]["errorCode"]: str(example["value"]["statusCode"])
        for response in document()["components"]["responses"].values()
        # What no deployment answers has no example.
        for example in response["content"].get("application/json", {}).get("examples", {}).values()
        if "errorCode" in example["value"]
    }
    listed = {row[0].strip("`"): row[1] for row in rows(section(page, heading))}
    assert list(listed) == schema("ErrorResponse")["properties"]["errorCode"]["enum"]
    assert listed == statuses


def test_whoever_kills_is_told_how_long_to_wait() -> None:
    """The sum of the guide is that of the defaults, and of what a worker may take beyond."""
    words = r"`DRAIN_SECONDS` \+ `SHUTDOWN_GRACE_SECONDS` \+ (\d+) s, which is (\d+) s by default"
    ((margin, total),) = re.findall(words, section(OPERATE, "How it stops"))
    given = [Settings.model_fields[name].default for name in ("drain_seconds", "shutdown_grace_seconds")]
    assert int(total) == int(margin) + sum(given)


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("The request of an SDK", "ConnectionDetailsRequest"),
        ("The request of a frontend", "TokenRequest"),
    ],
)
def test_every_property_of_a_request_is_listed(heading: str, name: str) -> None:
    """The table has each property of a request, in the contract's order, and the numbers of its limits."""
    listed = {row[0].strip("`"): " ".join(row[1:]) for row in rows(section(INTEGRATE, heading))}
    properties = schema(name)["properties"]
    assert list(listed) == list(properties)
    for key, rule in properties.items():
        for limit in ("maxLength", "minimum", "maximum", "default"):
            # "the same": the rule of the row above.
            if limit in rule and not re.search(r"\bthe same\b", listed[key]):
                assert f"{rule[limit]:,}" in listed[key] or str(rule[limit]) in listed[key], (key, limit)


def test_the_bodies_of_requests_may_be_as_long_as_is_said() -> None:
    """16 KiB is the contract's limit of each body."""
    bodies = document()["components"]["requestBodies"].values()
    assert {body["x-max-bytes"] for body in bodies} == {16 * 1024}
    assert INTEGRATE.count("at most 16 KiB.") == len(bodies)


def test_every_path_of_the_api_that_is_named_is_served() -> None:
    """Each is in the contract, or is where the contract is published; an example adds one that is not."""
    pages = [page for name, page in GUIDES.items() if name != "CONTRIBUTING.md"]
    named = {path for page in pages for path in API_PATH.findall(page)}
    assert named - {"/openapi.json", "/ui"} == document()["paths"].keys()


@pytest.mark.parametrize("block", every_block("json"))
def test_every_example_in_json_is_an_answer_or_an_audit_line(block: str) -> None:
    """It parses, and fits the contract; an audit line is held to the real ones below."""
    # Where a token is cut.
    example = json.loads(block.replace("…", ".e30"))
    if example.get("logger") != "app.audit":
        assert_fits(next(name for key, name in SCHEMAS.items() if key in example), example)


def test_the_audit_line_has_the_fields_of_a_real_one() -> None:
    """The example has what the line of an issued token has, and the table what any line may have."""
    key, entry = key_of_the_guide()
    valid = {"roomName": "room-1", "participantIdentity": "alice"}
    with serve(make_settings(auth="api-key", api_key_digests=entry)) as url:
        for request_id, body in (("docs-issued", valid), ("docs-refused", {})):
            httpx.post(f"{url}/api/token", json=body, headers={"X-Request-Id": request_id, "X-API-Key": key})
    (issued,), (refused,) = audit_lines("docs-issued"), audit_lines("docs-refused")
    (block,) = blocks(OPERATE, "json")
    example = json.loads(block)
    assert example.keys() == issued.keys()
    assert [type(value) for value in example.values()] == [type(issued[key]) for key in example]
    assert (example["caller"], example["auth"]) == (issued["caller"], issued["auth"])
    listed = [field for row in rows(section(OPERATE, "The log")) for field in code_in(row[0])]
    assert sorted(listed) == sorted(issued.keys() | refused.keys())


def test_the_doctor_of_the_guide_says_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has another secret gets the lines of the example."""
    (block,) = [text for text in blocks(OPERATE, "console") if "doctor\nok" in text]
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("LIVEKIT_API_KEY", "APIexample")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "s" * 43)
    with standing_in(livekit_ahead(0, "t" * 43)) as authority:
        monkeypatch.setenv("LIVEKIT_URL", f"ws://{authority}")
        lines = report.as_lines(examination.of_the_service().findings)
    assert block == f"$ livekit-token-api doctor\n{lines}".replace(authority, "localhost:7880")


def key_of_the_guide() -> tuple[str, str]:
    """Read the API key of the guide, and its `NAME:DIGEST`."""
    (block,) = [text for text in blocks(OPERATE, "console") if "lktoken_" in text]
    key, entry = block.splitlines()[-2:]
    return key, entry


def test_the_key_of_the_guide_has_the_digest_that_is_shown() -> None:
    """It looks as `new-api-key` prints it."""
    key, entry = key_of_the_guide()
    assert entry == f"backend:{hashlib.sha256(key.encode()).hexdigest()}"


def test_the_key_file_of_the_guide_is_one() -> None:
    """The first key is the new one, which signs."""
    (text,) = [block for block in blocks(OPERATE, "yaml") if "LIVEKIT_KEYS_FILE" in block]
    assert [found.api_key for found in parse(text)] == ["APInew", "APIold"]


def test_every_reason_of_the_health_check_is_listed_with_its_status() -> None:
    """The table has the contract's reasons, and 503 where the service is not ready for one."""
    reasons = [reason for reason in vars(readiness).values() if isinstance(reason, readiness.Reason)]
    listed = {row[0].strip("`"): row[1] for row in rows(section(OPERATE, "Health"))}
    assert list(listed) == schema("Reason")["enum"]
    assert listed == {reason.code: "503" if reason.words else "200" for reason in reasons}


def test_every_metric_is_listed_with_its_type_and_its_labels() -> None:
    """The table has each metric of ours that a real scrape has, and no other."""
    with serve(make_settings()) as url:
        httpx.post(f"{url}/api/token", json={"roomName": "r", "participantIdentity": "i"})
        text = httpx.get(f"{url}/api/metrics").text
    told = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if family.name.startswith(PREFIX):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            told[name] = (family.type, labels)
    listed = {row[0].strip("`"): (row[1], set(code_in(row[2]))) for row in rows(section(OPERATE, "Metrics"))}
    assert listed == told


def test_every_credential_is_listed_with_its_header() -> None:
    """The table has the contract's security schemes, and no other."""
    listed = {}
    for line in section(INTEGRATE, "Who asks").splitlines():
        if line.startswith("|") and "`" in line:
            scheme, header = code_in(line)[:2]
            listed[scheme] = header.split(":")[0]
    schemes = document()["components"]["securitySchemes"]
    assert listed == {name: scheme.get("name", "Authorization") for name, scheme in schemes.items()}


def test_the_headers_of_limits_are_those_of_the_contract() -> None:
    """The examples fit the patterns."""
    (block,) = blocks(INTEGRATE, "http")
    shown = dict(line.split(": ", 1) for line in block.splitlines())
    assert shown.keys() == {"RateLimit", "RateLimit-Policy"}
    for name, value in shown.items():
        assert re.search(document()["components"]["headers"][name]["schema"]["pattern"], value), name


def test_the_command_of_the_readme_gets_the_answer_that_is_shown() -> None:
    """A service as `make run` starts it answers the README's curl with the README's answer."""
    (command,) = [text for text in blocks(README, "console") if "curl" in text]
    (answer,) = map(json.loads, blocks(README, "json"))
    program, url, *options = shlex.split(command.removeprefix("$ ").replace("\\\n", ""))
    assert (program, options[::2]) == ("curl", ["-H", "-d"])
    port = Settings.model_fields["port"].default
    address = f"http://127.0.0.1:{port}"
    assert url.startswith(f"{address}/")
    header, value = options[1].split(": ")
    with serve(make_settings(livekit_url=answer["serverUrl"])) as served:
        got = httpx.post(url.replace(address, served), headers={header: value}, content=options[3])
    assert got.status_code == 200
    body = got.json()
    assert list(body) == list(answer)
    assert body["token"].startswith(answer.pop("token").removesuffix("…"))
    assert re.sub(r"\d", "0", body["expiresAt"]) == re.sub(r"\d", "0", answer.pop("expiresAt"))
    assert answer.items() <= body.items()


@pytest.mark.parametrize("block", every_block("python"))
def test_every_snippet_of_python_is_python(block: str) -> None:
    """It compiles, as it stands, in a coroutine or not."""
    compile(block, "docs", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


def test_the_interface_for_angular_is_that_of_the_contract() -> None:
    """It has each property of a TokenResponse, and a `?` where that may be missing."""
    (typescript,) = [code for code in blocks(INTEGRATE, "ts") if "interface" in code]
    (body,) = re.findall(r"interface TokenResponse \{\n(.*?)\n\}", typescript, re.DOTALL)
    declared = dict(re.findall(r"(\w+)(\??): string;", body))
    rule = schema("TokenResponse")
    assert list(declared) == list(rule["properties"])
    assert [name for name, mark in declared.items() if not mark] == rule["required"]


def test_the_picture_has_the_layers_in_their_order() -> None:
    """From the server to the token service, a request passes what `app.main` lists."""
    names = [layer.__name__ for layer in layers(*OPTIONAL_LAYERS)]
    assert way_in_the_picture() == ["HttpProtocol", *names, "Handlers", "TokenService"]


@pytest.mark.parametrize("variable", OPTIONAL_LAYERS)
def test_the_picture_says_which_layer_is_there_for_a_setting_only(variable: str) -> None:
    """It is missing by default, and its node names the setting."""
    (optional,) = set(layers(variable)) - set(layers())
    (label,) = re.findall(rf'{optional.__name__}\["(.*)"\]', picture())
    assert re.search(rf"\b{variable}\b", label)


def test_the_picture_says_of_no_other_layer_that_it_may_be_missing() -> None:
    """What is there by default has no `if` in its node."""
    for layer in layers():
        (label,) = re.findall(rf'{layer.__name__}\["(.*)"\]', picture())
        assert ": if " not in label, layer


@pytest.mark.parametrize("layer", layers(*OPTIONAL_LAYERS), ids=lambda layer: layer.__name__)
def test_the_picture_says_whose_a_layer_is(layer: type) -> None:
    """Connexion's as it is, Connexion's that ours derives from, or our own."""
    origins = [base.__module__.split(".")[0] for base in inspect.getmro(layer)]
    ours = "derived" if "connexion" in origins else "ours"
    whose = "connexion" if origins[0] == "connexion" else ours
    assert re.findall(rf'{layer.__name__}\[".*"\]:::(\w+)', picture()) == [whose]


def test_the_layers_that_may_raise_are_those_within_error_responses() -> None:
    """The frame of the picture holds what comes after `ErrorResponses`, and its arrow leads back there."""
    (frame,) = re.findall(r"subgraph (\w+) .*?\n(.*?)\n    end", picture(), re.DOTALL)
    way = way_in_the_picture()
    assert re.findall(r'(\w+)\["', frame[1]) == way[way.index("ErrorResponses") + 1 :]
    assert re.search(rf'{frame[0]} -\. "raises" \.-> ErrorResponses$', picture(), re.MULTILINE)


def test_imports_point_the_way_that_is_said() -> None:
    """The page has the line of the package, which the architecture's own test holds modules to."""
    assert app.__doc__
    (line,) = re.findall(r"tokens, callers < .* < __main__", app.__doc__)
    assert f"`{line}`" in ARCHITECTURE


def test_the_map_of_the_house_has_every_module() -> None:
    """Each module of `app/` has a line in its wing, and each line a module."""
    (tree,) = [block for block in blocks(CONTRIBUTE, "") if block.startswith("app/\n")]
    mapped, wing = set(), ""
    for indent, name in re.findall(r"^( +)(\w+(?:/|\.py)) {2,}\S", tree, re.MULTILINE):
        if len(indent) == 2:
            wing = name if name.endswith("/") else ""
        mapped.add(f"{wing}{name}" if name != wing else name)
    package = ROOT / "app"
    modules = {str(path.relative_to(package)) for path in package.rglob("*.py")}
    wings = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert len(mapped) == len(tree.splitlines()) - 1
    assert mapped == modules - {f"{wing}__init__.py" for wing in wings} | wings


def test_the_proxy_of_the_guide_is_the_one_that_is_tested() -> None:
    """Every line of the longer example stands in the configuration that a real nginx runs, in that order."""
    _, heart = blocks(OPERATE, "nginx")
    whole = (ROOT / "deploy" / "nginx" / "token-api.conf").read_text(encoding="utf-8")
    following = iter([line.split("  #")[0].strip() for line in whole.splitlines()])
    for line in map(str.strip, heart.splitlines()):
        assert line in following, line
