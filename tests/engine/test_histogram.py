import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.engine.histogram import HIGHEST, LOWEST, RELATIVE_ERROR, add, bucket, histogram, merge, quantiles
from qoslab.engine.kernel import compiled

POSITIVE = st.floats(LOWEST, HIGHEST, exclude_max=True)


def filled(values, form=compiled):
    h = form(histogram)()
    for value in values:
        form(add)(h, value)
    return h


def plain(function):
    return function


def test_the_error_promised_is_below_half_a_percent():
    assert RELATIVE_ERROR < 0.005


@settings(max_examples=300, deadline=None)
@given(st.lists(POSITIVE, min_size=1, max_size=60), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_quantiles_are_order_statistics_within_the_error(values, shares):
    got = quantiles(filled(values), shares)
    ranks = np.maximum(np.ceil(np.array(shares) * len(values)).astype(int), 1)
    expected = np.sort(values)[ranks - 1]
    assert np.all(np.abs(got - expected) <= RELATIVE_ERROR * (1 + 1e-12) * expected)


@pytest.mark.parametrize("law", ["lognormal", "pareto", "exponential"])
def test_quantiles_of_large_samples(law):
    rng = np.random.default_rng(2)
    values = {
        "lognormal": rng.lognormal(0, 3, 100_000),
        "pareto": rng.pareto(1.1, 100_000) + 1,
        "exponential": rng.exponential(1e-3, 100_000),
    }[law]
    shares = np.array([1e-4, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0])
    got = quantiles(filled(values), shares)
    assert np.allclose(got, np.quantile(values, shares, method="inverted_cdf"), rtol=RELATIVE_ERROR, atol=0)


@settings(max_examples=200)
@given(st.floats())
def test_compiled_and_plain_buckets_agree(value):
    assert compiled(bucket)(value) == bucket(value)


@given(st.lists(st.floats(-1, 1e13), max_size=50), st.lists(st.floats(-1, 1e13), max_size=50))
def test_merging_is_counting_together(a, b):
    both, other = filled(a, plain), filled(b, plain)
    merge(both, other)
    assert np.array_equal(both, filled(a + b, plain))
    again = filled(a, plain)
    compiled(merge)(again, other)
    assert np.array_equal(both, again)


@given(POSITIVE, POSITIVE)
def test_buckets_are_in_order(a, b):
    if a < b:
        assert bucket(a) <= bucket(b)


def test_what_lies_outside():
    low = [0.0, -0.0, -5.0, LOWEST / 2, -math.inf, 5e-324]
    high = [HIGHEST, 2 * HIGHEST, math.inf]
    assert {bucket(value) for value in low} == {0}
    assert len({bucket(value) for value in high}) == 1
    assert bucket(LOWEST) == 1
    assert bucket(np.nextafter(HIGHEST, 0)) == bucket(HIGHEST) - 1
    assert quantiles(filled([*low, *high]), [0.5, 0.99]).tolist() == [0.0, math.inf]


def test_nothing_counted_has_no_quantiles():
    assert np.isnan(quantiles(histogram(), [0.5])).all()


def test_not_a_number_is_not_hidden():
    with pytest.raises(ValueError, match="2 of the values counted were NaN"):
        quantiles(filled([1.0, math.nan, -math.nan]), [0.5])
