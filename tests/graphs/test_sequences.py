from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from qoslab.core.errors import BadInput
from qoslab.graphs import shapes
from qoslab.graphs.components import is_strongly_connected
from qoslab.graphs.random_graphs import k_in
from qoslab.graphs.sequences import is_jointly_connected, random_links, rotating_links


@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.integers(1, 6))
def test_rotating_links_are_jointly_connected_by_construction(seed, n, rounds):
    rng = np.random.default_rng(seed)
    network = k_in(n, 2, rng)
    found = list(islice(rotating_links(network, rounds, rng), 2 * rounds + 1))
    assert is_jointly_connected(found, rounds)
    assert sum(one.m for one in found[:rounds]) == network.m
    assert found[0] == found[rounds]


def test_a_ring_in_two_halves_is_connected_in_no_round():
    found = list(islice(rotating_links(shapes.ring(6), 2, np.random.default_rng(0)), 4))
    assert not any(is_strongly_connected(one) for one in found)
    assert is_jointly_connected(found, 2)
    assert not is_jointly_connected(found, 1)


def test_random_links_are_up_with_their_probability():
    network = shapes.complete(10)
    rounds = list(islice(random_links(network, 0.3, np.random.default_rng(1)), 400))
    up = sum(one.m for one in rounds)
    low, high = binom.isf([1 - 5e-7, 5e-7], 400 * network.m, 0.3)  # error 1e-6
    assert low <= up <= high
    assert rounds[0] != rounds[1]
    again = list(islice(random_links(network, 0.3, np.random.default_rng(1)), 3))
    assert again == rounds[:3]


def test_what_cannot_be():
    ring = shapes.ring(4)
    with pytest.raises(BadInput, match="p"):
        random_links(ring, 1.5, np.random.default_rng(0))
    with pytest.raises(BadInput, match="at least 1"):
        rotating_links(ring, 0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="a window of 3 in 2 rounds"):
        is_jointly_connected([ring, ring], 3)
