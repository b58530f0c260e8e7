"""The versions of the contract: what has changed since the last released one, and which version that takes.

oasdiff judges what it knows. What our vendor keywords demand it cannot know, and servers it does not look at:
both are judged here.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_TEMPLATE = Path(__file__).with_name("contract_changelog.tmpl")
# A new error code is no break: the contract tells callers to expect some. What an answer may have, and has no
# more, is one. oasdiff takes no comment in this file.
_SEVERITIES = Path(__file__).with_name("contract_severities.txt")
_SUFFIX = ".openapi.yaml"
_FOUND = 1
_HEAD = """\
# Changelog of the contract

`make spec-changelog` writes it, from the contract and its versions in `spec/released/`. Which change takes
which version is in [the guide](../docs/contribute.md#which-version).
"""


class Refused(Exception):
    """The version does not tell of the changes, or a document cannot be read; the message says why."""


class Version(NamedTuple):
    """A version of the contract, as semantic versioning has it."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read one.

        Raises:
            Refused: it is not three numbers.
        """
        if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", text, re.ASCII):
            raise Refused(f"{text} is not a version: it is three numbers, as in 1.2.3.")
        return cls(*map(int, text.split(".")))

    def __str__(self) -> str:
        """Write it as the contract does."""
        return ".".join(map(str, self))


class Weight(IntEnum):
    """How much a caller notices of a change."""

    WORDS = 0
    ADDITION = 1
    BREAK = 2


@dataclass(frozen=True)
class Comparison:
    """What has changed from one document to another.

    Attributes:
        weight: that of the heaviest change.
        text: the changes, in Markdown.
    """

    weight: Weight
    text: str


def _becomes_narrower(before: int | None, after: int | None) -> bool:
    return after is not None and (before is None or after < before)


def _is_set(_before: object, after: object) -> bool:
    return after is not None


def _is_unset(_before: object, after: object) -> bool:
    return after is None


def _demands_more(before: Mapping[str, list[str]] | None, after: Mapping[str, list[str]] | None) -> bool:
    had = before or {}
    return any(set(names) - set(had.get(scheme, ())) for scheme, names in (after or {}).items())


def _is_rarer(before: list[str] | None, after: list[str] | None) -> bool:
    return after is not None and (before is None or not set(before) <= set(after))


# The vendor keywords that a caller depends on: whether a change from one value to another, None if there is
# none, breaks a caller. What is not here is words, or for the operator.
_BREAKS: Mapping[str, Callable[[Any, Any], bool]] = {
    "x-always-answered": _is_unset,
    "x-caller": _is_set,
    "x-key-pattern": _is_set,
    "x-max-bytes": _becomes_narrower,
    "x-only-with": _is_rarer,
    "x-required-without": _demands_more,
    "x-values-only-with": lambda _before, _after: False,
}


class VendorChange(NamedTuple):
    """A vendor keyword whose value has changed, None being none: where, and whether that breaks a caller."""

    place: str
    keyword: str
    before: Any
    after: Any

    @property
    def breaks(self) -> bool:
        """Tell whether a caller of before may be refused now, or miss something."""
        return _BREAKS[self.keyword](self.before, self.after)

    def __str__(self) -> str:
        """Say it in a line."""
        return f"`{self.keyword}` of `{self.place}` changed from `{self.before}` to `{self.after}`"


def vendor_changes(base: Mapping[str, Any], revision: Mapping[str, Any]) -> list[VendorChange]:
    """List the changes of vendor keywords that callers depend on, where both documents have the place."""
    before, after = _places_of(base), _places_of(revision)
    found = {
        str(change): change
        for path in before.keys() & after.keys()
        for keyword in _BREAKS
        if (change := _change(before[path], after[path], keyword))
    }
    return [found[text] for text in sorted(found)]


def _servers_gone(base: Mapping[str, Any], revision: Mapping[str, Any]) -> list[str]:
    """List the URLs that paths began at, and do not any more."""
    kept = {server["url"] for server in revision["servers"]}
    return [server["url"] for server in base["servers"] if server["url"] not in kept]


class _Place(NamedTuple):
    name: str
    node: Mapping[str, Any]


def _change(before: _Place, after: _Place, keyword: str) -> VendorChange | None:
    old, new = before.node.get(keyword), after.node.get(keyword)
    return None if old == new else VendorChange(after.name, keyword, old, new)


def _places_of(document: Mapping[str, Any]) -> dict[str, _Place]:
    """Find every place that a caller may depend on, by the way to it."""
    schemes = document["components"]["securitySchemes"]
    return dict(_places(document, {"paths": document["paths"], "components/securitySchemes": schemes}))


def _places(
    document: Mapping[str, Any], node: Any, path: str = "", name: str = ""
) -> Iterator[tuple[str, _Place]]:
    """Walk through a node, and through references; a place is named by the component that it is in."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/")
        node = document
        for step in name.split("/"):
            node = node[step]
    yield path, _Place(name, node)
    for key, value in node.items():
        if key != "examples":
            yield from _places(document, value, f"{path}/{key}", f"{name}/{key}".lstrip("/"))


class Contracts:
    """The contract at work, and its released versions."""

    def __init__(self, folder: Path, oasdiff: Path) -> None:
        """Look into `folder`, which is laid out as `spec/`; compare by the program `oasdiff`."""
        self.current = folder / f"token-api{_SUFFIX}"
        self._released = folder / "released"
        self._changelog = folder / "CHANGELOG.md"
        self._oasdiff = oasdiff

    def released(self) -> list[Path]:
        """List the released documents, the oldest first.

        Raises:
            Refused: one has another version in it than in its name, or there is none.
        """
        found = {_version(path): path for path in self._released.glob(f"*{_SUFFIX}")}
        if not found:
            raise Refused(f"{self._released} has no document.")
        for version, path in found.items():
            if path.name != f"{version}{_SUFFIX}":
                raise Refused(f"{path} has the version {version} in it.")
        return [found[version] for version in sorted(found)]

    def compare(self, base: Path, revision: Path) -> Comparison:
        """Tell what has changed from one document to another.

        Raises:
            Refused: oasdiff could not read one.
        """
        before, after = _load(base), _load(revision)
        vendor, gone = vendor_changes(before, after), _servers_gone(before, after)
        is_broken, text = self._changes(base, revision)
        if gone:
            items = [f"- **Breaking:** `{url}` is gone" for url in gone]
            text = "\n".join([text, "### Servers", "", *items, ""]).lstrip()
        if vendor:
            items = [f"- {'**Breaking:** ' if change.breaks else ''}{change}" for change in vendor]
            text = "\n".join([text, "### Vendor extensions", "", *items]).strip()
        if is_broken or gone or any(change.breaks for change in vendor):
            return Comparison(Weight.BREAK, text)
        return Comparison(Weight.ADDITION, text) if text else Comparison(Weight.WORDS, "Only words changed.")

    def check(self) -> str:
        """Compare the contract with its last released version, and say what was found.

        Raises:
            Refused: the contract's version does not tell of the changes.
        """
        last, version = self.released()[-1], _version(self.current)
        before = _version(last)
        if version < before:
            raise Refused(f"The version {version} is lower than {before}, which is released.")
        if version == before:
            if self.current.read_bytes() != last.read_bytes():
                raise Refused(f"The contract differs from {last}: it needs a new version.")
            return f"The contract is {version}, as released."
        comparison = self.compare(last, self.current)
        needed = {
            Weight.BREAK: Version(before.major + 1, 0, 0),
            Weight.ADDITION: Version(before.major, before.minor + 1, 0),
            Weight.WORDS: Version(before.major, before.minor, before.patch + 1),
        }[comparison.weight]
        verdict = f"{comparison.text}\n\nSince {before} this takes the version {needed} or a higher one"
        if version < needed:
            raise Refused(f"{verdict}, and it is {version}.")
        return f"{verdict}; it is {version}."

    def changelog(self) -> str:
        """Write the changelog: every version, the newest first.

        Raises:
            Refused: see compare.
        """
        documents = self.released()
        headings = [f"## {_version(document)}" for document in documents]
        if _version(self.current) not in map(_version, documents):
            documents.append(self.current)
            headings.append(f"## {_version(self.current)}, not released yet")
        texts = ["The first version."]
        texts += [self.compare(base, revision).text for base, revision in pairwise(documents)]
        sections = [f"{heading}\n\n{text}\n" for heading, text in zip(headings, texts, strict=True)]
        return "\n".join([_HEAD, *reversed(sections)])

    def write_changelog(self) -> None:
        """Write the changelog into its file.

        Raises:
            Refused: see compare.
        """
        self._changelog.write_text(self.changelog(), encoding="utf-8")

    def check_changelog(self) -> None:
        """See that the changelog is up to date.

        Raises:
            Refused: it is not.
        """
        if self._changelog.read_text(encoding="utf-8") != self.changelog():
            raise Refused(f"{self._changelog} is stale: `make spec-changelog` writes it anew.")

    def release(self) -> Path:
        """Keep the contract as a released version, and tell where.

        Raises:
            Refused: its version is released already, or does not tell of the changes.
        """
        self.check()
        path = self._released / f"{_version(self.current)}{_SUFFIX}"
        if path.exists():
            raise Refused(f"{path} is there already.")
        shutil.copyfile(self.current, path)
        self.write_changelog()
        return path

    def _changes(self, base: Path, revision: Path) -> tuple[bool, str]:
        """Have oasdiff list the changes that it knows of, and tell whether one breaks a caller."""
        # What cannot be proved to be harmless, such as another pattern, is a warning.
        options = ("--fail-on", "WARN", "--severity-levels", _SEVERITIES)
        form = ("--format", "markdown", "--template", _TEMPLATE)
        run = subprocess.run(  # noqa: S603  # The program is the one that the Makefile builds.
            [self._oasdiff, "changelog", base, revision, *options, *form],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode not in {0, _FOUND}:
            raise Refused(f"oasdiff: {run.stderr.strip()}")
        return run.returncode == _FOUND, run.stdout.strip() and f"{run.stdout.strip()}\n"


def _load(path: Path) -> dict[str, Any]:
    return dict(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))


def _version(path: Path) -> Version:
    return Version.parse(_load(path)["info"]["version"])


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.contract_versions", description=__doc__)
    parser.add_argument("--oasdiff", type=Path, required=True, metavar="PATH", help="the program")
    parser.add_argument("--folder", type=Path, default=Path("spec"), help="where the contract is")
    parser.add_argument("command", choices=("check", "changelog", "release"))
    arguments = parser.parse_args()
    contracts = Contracts(arguments.folder, arguments.oasdiff)
    try:
        match arguments.command:
            case "check":
                sys.stdout.write(f"{contracts.check()}\n")
                contracts.check_changelog()
            case "changelog":
                contracts.write_changelog()
            case "release":
                sys.stdout.write(f"{contracts.release()}\n")
    except Refused as refused:
        sys.exit(str(refused))


if __name__ == "__main__":
    main()
