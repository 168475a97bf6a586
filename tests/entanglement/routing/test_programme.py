"""Rounded packings against all packings."""

from itertools import product

import numpy as np
import pytest

from qoslab.domains.entanglement.routing.programme import rounded_packing


@pytest.mark.parametrize("seed", range(30))
def test_a_packing_is_feasible_full_and_near_the_best(seed):
    rng = np.random.default_rng(seed)
    loads = rng.choice([0, 1, 2, 4], (4, 3), p=[0.4, 0.3, 0.2, 0.1])
    loads[rng.integers(0, 4, 3), np.arange(3)] = 1
    limits, values = rng.integers(1, 7, 4), rng.uniform(0.1, 3, 3)
    found = rounded_packing(loads, limits, values)
    best = max(
        values @ np.array(x) for x in product(range(8), repeat=3) if (loads @ np.array(x) <= limits).all()
    )
    left = limits - loads @ found
    assert (left >= 0).all()
    assert not any((loads[:, column] <= left).all() for column in range(3))
    assert 0.5 * best - 1e-9 <= values @ found <= best + 1e-9


def test_whole_solutions_are_kept():
    # Two columns on rows of their own, a third that would take both.
    loads = np.array([[1, 0, 1], [0, 1, 1]])
    assert rounded_packing(loads, np.array([3, 2]), np.array([1.0, 1.0, 1.5])).tolist() == [3, 2, 0]
    assert rounded_packing(loads, np.array([3, 2]), np.array([1.0, 1.0, 2.5])).tolist() == [1, 0, 2]


def test_nothing_to_pack():
    assert rounded_packing(np.zeros((3, 0), np.int64), np.ones(3, np.int64), np.zeros(0)).tolist() == []
