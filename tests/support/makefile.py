"""The targets of the Makefile."""

import re

from tests.support.process import ROOT


def targets() -> set[str]:
    """List the targets that `make` alone lists, itself left out."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE)) - {"help"}


def command_of(target: str) -> str:
    """Read what a target has pytest run; nothing where it does not."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)*)", makefile, re.MULTILINE)
    return " ".join(re.findall(r"/pytest (.*)", recipe))
