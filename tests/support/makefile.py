"""The targets of the Makefile."""

import re

from tests.support.process import ROOT


def targets() -> set[str]:
    """List the targets that `make` alone lists, itself left out."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE)) - {"help"}
