"""The faults of `make mutants` can still be planted. Not a unit test: those run on planted faults."""

from tests.mutants.faults import FAULTS
from tests.mutants.planting import stale


def test_no_planted_fault_is_stale() -> None:
    """Whoever changes a line that a fault replaces changes the fault as well."""
    assert stale(FAULTS) == []


def test_there_are_as_many_faults_as_we_say() -> None:
    """Names are unique within a file, and there are more than forty."""
    assert len({(fault.file, fault.name) for fault in FAULTS}) == len(FAULTS) >= 40
