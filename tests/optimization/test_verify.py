"""The reference instances, to the digits given."""

import pytest

from qoslab.core.context import Context
from qoslab.domains.optimization.theory import verify


def failures(quick):
    return [check for check in verify(quick=quick, context=Context()) if check.status != "pass"]


def test_reference_instances():
    assert failures(quick=True) == []


@pytest.mark.full
def test_reference_instances_over_many_rounds():
    assert failures(quick=False) == []
