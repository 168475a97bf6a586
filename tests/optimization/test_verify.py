"""The reference instances, to the digits given."""

from importlib.util import find_spec

import pytest

from qoslab.core.context import Context
from qoslab.domains.optimization.theory import verify


def failures(quick):
    # What needs a convex solver is not run where there is none.
    left_out = "CVXPY" if find_spec("cvxpy") is None else None
    checks = [check for check in verify(quick=quick, context=Context()) if check.source != left_out]
    return [check for check in checks if check.status != "pass"]


def test_reference_instances():
    assert failures(quick=True) == []


@pytest.mark.full
def test_reference_instances_over_many_rounds():
    assert failures(quick=False) == []
