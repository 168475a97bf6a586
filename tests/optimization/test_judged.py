"""What a decision is judged by: a cheaper, infeasible one is told apart from a feasible, dearer one."""

import numpy as np
import pytest

from qoslab.domains.optimization.instances import b1, c1
from qoslab.domains.optimization.metrics import judged


def test_a_cheap_infeasible_decision_is_below_the_optimum_and_a_feasible_one_above():
    """C1, where all decisions are interior: moved along the gradient of the costs until they cost f* -+ 1."""
    task = c1()
    own, best = task.coupled.own, task.decisions
    found = {}
    for sign in (-1.0, 1.0):
        # Costs fall towards what each agent wishes, which takes more than there is.
        moved = _first(lambda t, s=sign: own.value(best - s * t * (own.wish - best)).sum() - task.cost, sign)
        found[sign] = judged(task, best - sign * moved * (own.wish - best), "own")
    for sign, one in found.items():
        assert one["suboptimality"] == pytest.approx(sign / task.cost, abs=1e-9)
        assert one["optimality_gap"] == pytest.approx(1.0 / task.cost, abs=1e-9)
    assert found[-1.0]["infeasibility"] > 0.1
    assert found[1.0]["infeasibility"] == 0.0


def _first(excess, target):
    """Where a monotone function of t >= 0 is `target`, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if abs(excess(middle)) < abs(target) else (low, middle)
    return low


def test_of_shared_decisions_the_farthest_from_the_optimum_counts_with_its_sign():
    """B1 with sets: x* = 1.5 at cost 11.5; x = 1 breaks x >= 1.5 and costs 11, x = 2 costs 12, x = 1.75 11.75."""
    task = b1(constrained=True)
    x = np.array([[1.0], [1.5], [1.5], [1.75]])
    found = judged(task, x, "shared")
    assert found["suboptimality"] == pytest.approx(-0.5 / 11.5, abs=1e-9)
    assert found["optimality_gap"] == pytest.approx(0.5 / 11.5, abs=1e-9)
    dear = judged(task, np.array([[1.5], [1.5], [2.0], [1.75]]), "shared")
    assert dear["suboptimality"] == dear["optimality_gap"] == pytest.approx(0.5 / 11.5, abs=1e-9)
