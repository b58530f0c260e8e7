"""What stands in a page of the documentation: its sections, tables and blocks of code."""

import re
import textwrap


def section(page: str, heading: str) -> str:
    """Read what stands below a heading, to the next one."""
    parts = re.split(rf"^#+ {re.escape(heading)}\n", page, flags=re.MULTILINE)
    assert len(parts) == 2, heading
    return re.split(r"^#+ ", parts[1], flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Read the rows of a table whose first column is code."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]


def code_in(text: str) -> list[str]:
    """List what is set as code in a line."""
    return re.findall(r"`([^`\n]+)`", text)


def all_blocks(page: str) -> list[tuple[str, str]]:
    """List the code blocks of a page, each after its language; `` for those that name none."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", page, re.MULTILINE | re.DOTALL)
    return [(language, textwrap.dedent(code)) for _, language, code in found]


def blocks(page: str, language: str) -> list[str]:
    """List the code blocks of a page that are in a language."""
    return [code for named, code in all_blocks(page) if named == language]


def as_shown(text: str) -> re.Pattern[str]:
    """Make the pattern of what a page shows: `…` stands for anything that is left out, or for nothing."""
    parts = re.split(r"^…\n|…", text, flags=re.MULTILINE)
    return re.compile(".*?".join(map(re.escape, parts)), re.DOTALL)
