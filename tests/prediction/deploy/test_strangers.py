"""The factor on the intervals of strangers, against what it promises."""

import numpy as np
import pytest

from qoslab.domains.prediction.deploy.strangers import quantile


@pytest.mark.parametrize("count", [20, 50, 200])
def test_as_many_new_ratios_are_below_as_promised(count):
    """Of 20,000 draws of n ratios and a new one; the bound is missed by chance with a probability below 1e-6."""
    rng = np.random.default_rng(count)
    ratios = rng.random((20_000, count + 1)) + 1.0
    factors = quantile(ratios[:, :-1], 0.9, np.ones((20_000, 1)), bounds=(0.0, 10.0))
    inside = (ratios[:, -1:] <= factors).mean()
    deviation = (0.9 * 0.1 / 20_000) ** 0.5
    assert 0.9 - 5 * deviation < inside < 0.9 + 1 / count + 5 * deviation


def test_a_level_that_falls_on_a_ratio_is_that_ratio():
    assert quantile(np.arange(1.0, 100.0)[None], 0.9, np.ones((1, 1)), bounds=(0, 1e3))[0, 0] == 90.0


@pytest.mark.parametrize(("count", "level"), [(20, 0.99), (50, 0.99), (20, 0.96)])
def test_too_few_for_a_level_say_their_largest(count, level):
    ratios = np.random.default_rng(0).random((3, count))
    found = quantile(ratios, level, np.ones((3, 1)), bounds=(0, 10))
    np.testing.assert_array_equal(found[:, 0], ratios.max(axis=1))


def test_few_ratios_say_nothing_and_bounds_hold():
    otherwise = np.array([[1.5], [1.5]])
    ratios = np.array([[1.0, 2.0, np.nan, np.nan], [9.0, 9.0, 9.0, 9.0]])
    assert quantile(ratios, 0.5, otherwise, least=3, bounds=(1.0, 4.0)).tolist() == [[1.5], [4.0]]
