"""The convex solver as judge: it agrees with our solvers, and would not if they were off."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from qoslab.core.errors import MissingExtra
from qoslab.domains.optimization.instances import b2, c1, d1
from qoslab.domains.optimization.oracle import central_checks, central_cost
from qoslab.domains.optimization.problems.coupled import PowerLaw
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.task import Task


def test_the_reference_instances_have_the_solvers_optimal_costs():
    pytest.importorskip("cvxpy")
    for task in (b2(), c1(), d1()):
        assert isinstance(task, Task)
        assert central_cost(task.coupled or task.costs) == pytest.approx(task.cost, rel=1e-7)


def test_every_drawn_problem_passes():
    pytest.importorskip("cvxpy")
    checks = list(central_checks(quick=True))
    assert len(checks) == 10
    assert [check for check in checks if check.status != "pass"] == []


def test_another_problem_has_another_optimum():
    """One agent's cost changed by a tenth: the judge must notice."""
    pytest.importorskip("cvxpy")
    task = d1()
    weight = task.coupled.own.weight.copy()
    weight[1] *= 1.1
    changed = central_cost(replace(task.coupled, own=PowerLaw(weight)))
    assert changed > task.cost * 1.005
    point = b2().costs.point + np.array([0.1, 0.0])
    moved = central_cost(Median(b2().costs.sets, b2().costs.weight, point))
    assert abs(moved - b2().cost) > 1e-3


def test_without_the_extra_rows_say_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    with pytest.raises(MissingExtra, match="optimize"):
        central_cost(c1().coupled)
    rows = list(central_checks(quick=True))
    assert {row.status for row in rows} == {"not run"}
    assert "qoslab[optimize]" in rows[0].note
