"""
Every call of the system in every writing operation on Meerkat's files killed and failed.

What is left is the state before or the state after; what was acknowledged is there, what was refused is not and never
will be; the next command works; nothing is repaired by hand.
"""

from __future__ import annotations

import pytest
from tests.crash.sweep import more_faults, some_faults
from tests.meerkat.faultsweep import OPERATIONS, Operation, sweep


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_a_fault_at_each_call(operation: Operation) -> None:
    """G4, G5, G6: old or new, nothing acknowledged lost, nothing refused done, at every call."""
    assert sweep(operation, plan=some_faults) > 3


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_more_faults_at_each_call(operation: Operation) -> None:
    """The same with every call, twice; ``python -m tests.meerkat.faultsweep`` has every fault at each."""
    assert sweep(operation, plan=more_faults) > 20
