import math

import numpy as np
from bitwise import same
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.engine.kernel import compiled
from qoslab.engine.moments import Summary, add, merge, moments, reset, summary

VALUES = st.lists(st.floats(-1e6, 1e6), max_size=40)


def of(values):
    m = moments()
    for value in values:
        add(m, value)
    return m


@given(VALUES.filter(len))
def test_against_numpy(values):
    got = summary(of(values))
    assert got.size == len(values)
    assert math.isclose(got.mean, np.mean(values), rel_tol=1e-9, abs_tol=1e-9)
    assert (got.least, got.greatest) == (min(values), max(values))
    if len(values) > 1:
        assert math.isclose(got.variance, np.var(values, ddof=1), rel_tol=1e-9, abs_tol=1e-7)


def test_variance_survives_a_large_mean():
    values = 1e9 + np.random.default_rng(1).normal(size=10_000)
    # a sum of squares would be off by a million; Welford's sum by less than 1e-6
    assert math.isclose(summary(of(values)).variance, np.var(values, ddof=1), rel_tol=1e-6)


@given(VALUES, VALUES)
def test_merging_is_adding_together(a, b):
    merged, together = of(a), summary(of(a + b))
    merge(merged, of(b))
    got = summary(merged)
    assert (got.size, got.least, got.greatest) == (together.size, together.least, together.greatest)
    assert np.allclose(got[1:3], together[1:3], rtol=1e-9, atol=1e-6, equal_nan=True)


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES)
def test_compiled_and_plain_agree(a, b):
    twin, other = compiled(moments)(), of(b)
    for value in a:
        compiled(add)(twin, value)
    plain = of(a)
    assert same(twin, plain)
    compiled(merge)(twin, other), merge(plain, other)
    assert same(twin, plain)


def test_an_empty_sample():
    m = of([1.0, 2.0])
    reset(m)
    assert same(m, moments())
    assert np.array_equal(summary(m), Summary(0, math.nan, math.nan, math.inf, -math.inf), equal_nan=True)
    assert math.isnan(summary(of([1.0])).variance)
