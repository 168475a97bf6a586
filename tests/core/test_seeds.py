"""Seeds by name: stable, apart from each other, independent of order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.core.seeds import Seed, sequence

names = st.lists(st.one_of(st.text(max_size=8), st.integers(0, 99)), max_size=4).map(tuple)


def test_a_seed_never_changes_between_releases():
    """Published tables depend on these words; a change here invalidates every stored result."""
    state = sequence(0, "study", "load=0.8", "arrivals", 3).generate_state(2, np.uint64)
    assert state.tolist() == [15115545743745345749, 11452505027274250044]


@given(st.integers(0, 2**64), names, names)
def test_different_paths_give_different_streams(root, first, second):
    a, b = sequence(root, *first), sequence(root, *second)
    assert (a.generate_state(4).tolist() == b.generate_state(4).tolist()) == (first == second)


def test_words_do_not_run_together():
    assert sequence(0, "ab", "c").spawn_key != sequence(0, "a", "bc").spawn_key
    assert sequence(0, 1).spawn_key != sequence(0, "1").spawn_key


@pytest.mark.parametrize(
    "other",
    [Seed(1, "s", "x", 0), Seed(0, "t", "x", 0), Seed(0, "s", "y", 0), Seed(0, "s", "x", 1)],
)
def test_every_part_of_a_seed_counts(other):
    seed = Seed(0, "s", "x", 0)
    assert seed.generator("a").random() != other.generator("a").random()


def test_streams_of_a_seed_are_named():
    seed = Seed(0, "s", "", 0)
    assert seed.generator("a").random() == seed.generator("a").random()
    assert seed.generator("a").random() != seed.generator("b").random()
    assert seed.path == "0/s//0"
