import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import SFC64, Generator, Philox, SeedSequence

from qoslab.engine.kernel import compiled, kernel
from qoslab.engine.streams import (
    bits,
    exponential,
    gamma,
    high_bits,
    integers,
    low_bits,
    normal,
    stream,
    streams,
    uniform,
)

SEEDS = st.integers(0, 2**64 - 1)


def drawn(function, seed, count, *, plain=False):
    """`count` draws of one kind in one call."""

    @kernel
    def fill(s: np.ndarray, values: np.ndarray) -> None:
        for i in range(values.shape[0]):
            values[i] = function(s)

    values = np.empty(count)
    (fill if plain else compiled(fill))(stream(seed), values)
    return values


NUMPY = {uniform: "random", exponential: "standard_exponential", normal: "standard_normal"}


@pytest.mark.parametrize("function", NUMPY, ids=lambda function: function.__name__)
def test_draws_are_numpys_bit_for_bit(function):
    reference = getattr(Generator(SFC64(SeedSequence(7))), NUMPY[function])(2_000_000)
    assert np.array_equal(drawn(function, SeedSequence(7), 2_000_000), reference)
    # 60,000 plain draws pass through wedges about 700 times and through tails about 20 times
    assert np.array_equal(drawn(function, SeedSequence(7), 60_000, plain=True), reference[:60_000])


@given(SEEDS)
def test_words_are_numpys_bit_for_bit(seed):
    s = stream(seed)
    assert [bits(s) for _ in range(20)] == SFC64(seed).random_raw(20).tolist()


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(1, 63), st.integers(1, 2**63 - 1), st.floats(1e-3, 50))
def test_compiled_and_plain_draws_and_states_agree(seed, count, n, shape):
    a, b = stream(seed), stream(seed)
    for _ in range(3):
        assert compiled(high_bits)(a, count) == high_bits(b, count) < 2**count
        assert compiled(low_bits)(a, count) == low_bits(b, count) < 2**count
        assert compiled(integers)(a, n) == integers(b, n) < n
        assert compiled(gamma)(a, shape) == gamma(b, shape)
        assert np.array_equal(a, b)


def test_plain_bits_split_a_word():
    a, b, c = stream(3), stream(3), stream(3)
    word = bits(a)
    assert high_bits(b, 10) == word >> 54
    assert low_bits(c, 10) == word & 1023


def test_large_ranges_are_numpys_bit_for_bit():
    n = 2**62 + 12345
    s = stream(11)
    reference = Generator(SFC64(11)).integers(0, n, 2000, dtype=np.uint64)
    assert [integers(s, n) for _ in range(2000)] == reference.tolist()


@pytest.mark.parametrize("n", [1, 2, 3, 7, 1000])
def test_integers_are_uniform(n):
    from scipy.stats import chisquare

    s, draw = stream(n), compiled(integers)
    counts = np.bincount([draw(s, n) for _ in range(20_000)], minlength=n)
    assert len(counts) == n
    if n > 1:  # five tests at 1e-5 each: a true law fails with probability 4e-5
        assert chisquare(counts).pvalue > 1e-5


@pytest.mark.parametrize("shape", [0.2, 0.9, 1.0, 3.7, 40.0])
def test_gamma_has_its_law(shape):
    from scipy.stats import gamma as law
    from scipy.stats import kstest

    s, draw = stream(SeedSequence(5)), compiled(gamma)
    values = [draw(s, shape) for _ in range(50_000)]
    assert kstest(values, law(shape).cdf).pvalue > 1e-5  # five tests: error probability 5e-5


@pytest.mark.parametrize(
    ("function", "law"), [(uniform, "uniform"), (exponential, "expon"), (normal, "norm")]
)
def test_rows_of_a_bank_have_their_law_and_are_independent(function, law):
    import scipy.stats

    draw = compiled(function)
    table = np.array([[draw(s) for _ in range(4)] for s in streams(3, 5000)])
    shares = getattr(scipy.stats, law).cdf(table)
    # 3 laws x (4 columns + 6 pairs) at 1e-6: error probability 3e-5
    for column in shares.T:
        assert scipy.stats.kstest(column, "uniform").pvalue > 1e-6
    for a in range(4):
        for b in range(a):
            assert scipy.stats.pearsonr(shares[:, a], shares[:, b]).pvalue > 1e-6
    assert scipy.stats.pearsonr(shares[1:, 0], shares[:-1, 0]).pvalue > 1e-6


@given(SEEDS, st.integers(1, 60))
def test_a_row_does_not_depend_on_how_many_there_are(seed, count):
    assert np.array_equal(streams(seed, count), streams(seed, 64)[:count])


def test_rows_are_numpys_generators_in_the_state_given():
    seed = SeedSequence(9)
    bank, keys = streams(seed, 3), Philox(seed).random_raw(9).reshape(3, 3)
    for s, key in zip(bank, keys, strict=True):
        reference = SFC64()
        reference.state = {**reference.state, "state": {"state": np.array([*key, 1], np.uint64)}}
        reference.random_raw(12)
        assert reference.random_raw(50).tolist() == [bits(s) for _ in range(50)]


def test_names_give_streams_of_their_own():
    root = SeedSequence(1)
    states = [stream(SeedSequence(1, spawn_key=(key,))).tobytes() for key in range(1000)]
    states += [row.tobytes() for row in streams(root, 1000)]
    assert len(set(states)) == 2000


def test_seeding_changes_no_seed():
    seed = SeedSequence(4)
    assert np.array_equal(stream(seed), stream(seed))
    assert np.array_equal(streams(seed, 2), streams(seed, 2))
    assert seed.n_children_spawned == 0


def test_ziggurat_tables_are_ziggurats():
    """All layers of a ziggurat have one area: checked for both tables by their own equations."""
    from qoslab.engine import streams as module

    for bound, width, density, scale, law in (
        (module._EXP_BOUND, module._EXP_WIDTH, module._EXP_DENSITY, 2.0**53, lambda x: math.exp(-x)),
        (
            module._NORMAL_BOUND,
            module._NORMAL_WIDTH,
            module._NORMAL_DENSITY,
            2.0**52,
            lambda x: math.exp(-x * x / 2),
        ),
    ):
        edge = (
            width * scale
        )  # right edges of layers 1 (topmost) to 255; of layer 0 the width of an equal rectangle
        assert np.allclose(density[1:], [law(x) for x in edge[1:]], rtol=1e-13)
        heights = np.append(density[:-1][1:] - density[2:], [])
        areas = edge[2:] * heights
        assert np.allclose(areas, areas[0], rtol=1e-9)
        assert np.allclose(bound[2:] / scale, edge[1:-1] / edge[2:], rtol=1e-12)
