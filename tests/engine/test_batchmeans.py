import numpy as np
import pytest
from bitwise import same
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.engine.batchmeans import add, batch_means, means, restart
from qoslab.engine.kernel import compiled


@given(st.integers(1, 8), st.integers(0, 300))
def test_batches_are_equal_and_in_order(batches, length):
    values = np.arange(length) ** 2.0
    b = batch_means(batches)
    for value in values:
        add(b, value)
    full, size = int(b.counts[0]), int(b.counts[1])
    assert size & (size - 1) == 0
    assert full == length // size
    if length >= batches:
        assert batches <= full < 2 * batches
    expected = values[: full * size].reshape(full, size).mean(axis=1) if full else []
    assert np.allclose(means(b), expected, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.lists(st.floats(-10, 10), max_size=80))
def test_compiled_and_plain_agree(batches, values):
    twin, plain = compiled(batch_means)(batches), batch_means(batches)
    for value in values:
        compiled(add)(twin, value), add(plain, value)
    assert same(tuple(twin), tuple(plain))
    compiled(restart)(twin), restart(plain)
    assert len(means(twin)) == len(means(plain)) == 0
    add(plain, 3.0)
    assert means(plain).tolist() == [3.0]


def test_the_variance_of_batch_means_falls_with_their_size():
    """For independent values the variance of a mean of m is 1/m: within 6 standard errors, error below 1e-8."""
    b = compiled(batch_means)(512)
    for value in np.random.default_rng(3).normal(size=40_000):
        compiled(add)(b, value)
    got = means(b)
    assert len(got) == 625
    assert got.var(ddof=1) * b.counts[1] == pytest.approx(1.0, abs=6 * np.sqrt(2 / 624))
