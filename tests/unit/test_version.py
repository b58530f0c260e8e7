"""There is one version."""

import tomllib

from tests.support.contract import document
from tests.support.process import ROOT


def test_the_package_and_the_contract_have_one_version() -> None:
    """The contract's version is what the service says of itself; the wheel is named by the package's."""
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert package["project"]["version"] == document()["info"]["version"]
