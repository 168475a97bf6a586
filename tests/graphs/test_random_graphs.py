"""Random graphs: their invariants, and their distributions against exact laws.

Every statistical test uses a fixed seed and a bound that a correct generator passes but with probability 1e-6.
"""

from collections import Counter
from itertools import combinations
from math import comb

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2

from qoslab.core.errors import BadInput
from qoslab.graphs import random_graphs as models
from qoslab.graphs import spatial
from qoslab.graphs.components import is_connected, is_strongly_connected
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.random_graphs import _pair_of, _pruefer
from qoslab.graphs.spanning import is_spanning_tree

ERROR = 1e-6
SEEDS = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def uniform(counts, classes):
    total = sum(counts.values())
    expected = total / classes
    statistic = sum((c - expected) ** 2 / expected for c in counts.values())
    statistic += (classes - len(counts)) * expected
    return statistic < chi2.isf(ERROR, classes - 1)


def links(network):
    return tuple(zip(network.tail.tolist(), network.head.tolist(), strict=True))


@pytest.mark.parametrize(
    "draw",
    [
        lambda r: models.erdos_renyi(50, 0.1, r),
        lambda r: models.erdos_renyi(50, 0.1, r, directed=True),
        lambda r: models.watts_strogatz(50, 4, 0.2, r),
        lambda r: models.barabasi_albert(50, 2, r),
        lambda r: models.scale_free(50, r),
        lambda r: models.power_law(50, 2.5, r),
        lambda r: models.random_regular(50, 3, r),
        lambda r: models.random_tree(50, r, extra_links=5),
        lambda r: models.k_in(50, 4, r),
        lambda r: spatial.random_geometric(50, 0.3, r),
        lambda r: spatial.waxman(50, r),
    ],
)
def test_the_generator_alone_decides(draw):
    assert draw(rng(1)) == draw(rng(1))
    assert draw(rng(1)) != draw(rng(2))


@pytest.mark.parametrize("n", [2, 3, 10, 1000])
def test_ranks_of_pairs_are_exact(n):
    low, high = _pair_of(np.arange(n * (n - 1) // 2), n)
    assert list(zip(low.tolist(), high.tolist(), strict=True)) == sorted(
        combinations(range(n), 2), key=lambda p: p[::-1]
    )


def test_ranks_of_pairs_are_exact_where_doubles_are_not():
    n = 200_000_000
    high = np.array([n - 1, n - 2, n // 2, 94_906_267])
    for low in (np.zeros(4, np.int64), high - 1):
        found = _pair_of(high * (high - 1) // 2 + low, n)
        assert (found[0] == low).all()
        assert (found[1] == high).all()


@pytest.mark.parametrize("directed", [False, True])
def test_erdos_renyi_has_independent_links(directed):
    draws, p, n = 2000, 0.3, 4
    places = n * (n - 1) if directed else comb(n, 2)
    generator = rng(7)
    found = [models.erdos_renyi(n, p, generator, directed=directed) for _ in range(draws)]
    seen = Counter(link for network in found for link in links(network))
    assert len(seen) == places
    # Bonferroni over the places and over both sides.
    low, high = binom.isf([1 - ERROR / 2 / places, ERROR / 2 / places], draws, p)
    assert all(low <= count <= high for count in seen.values())
    sizes = Counter(network.m for network in found)
    expected = [draws * binom.pmf(k, places, p) for k in range(places + 1)]
    kept = [k for k in range(places + 1) if expected[k] > 5]
    statistic = sum((sizes[k] - expected[k]) ** 2 / expected[k] for k in kept)
    assert statistic < chi2.isf(ERROR, len(kept))


def test_erdos_renyi_at_its_ends():
    assert models.erdos_renyi(20, 0.0, rng()).m == 0
    assert models.erdos_renyi(20, 1.0, rng()).m == 190
    assert models.erdos_renyi(20, 1.0, rng(), directed=True).m == 380
    assert models.erdos_renyi(20, 1e-300, rng()).m == 0
    assert models.erdos_renyi(1, 0.5, rng()).m == 0
    assert models.erdos_renyi(1, 0.5, rng(), directed=True).m == 0


@given(SEEDS, st.integers(6, 30), st.sampled_from([2, 4]), st.floats(0, 1))
def test_watts_strogatz_keeps_its_links(seed, n, k, p):
    network = models.watts_strogatz(n, k, p, rng(seed))
    assert network.m == n * k // 2
    assert network.out_degree.min() >= k // 2
    if p == 0:
        assert set(links(network)) == {tuple(sorted(e)) for e in nx.watts_strogatz_graph(n, k, 0).edges}


def test_watts_strogatz_moves_the_share_it_should():
    network = models.watts_strogatz(1000, 4, 0.3, rng(3))
    gap = np.abs(network.head - network.tail)
    moved = int((np.minimum(gap, 1000 - gap) > 2).sum())
    # A move lands within the ring's reach with probability below 0.5 %; the law is binomial but for that.
    assert binom.isf(1 - ERROR / 2, 2000, 0.295) <= moved <= binom.isf(ERROR / 2, 2000, 0.3)


@given(SEEDS, st.integers(1, 4), st.integers(1, 30))
def test_barabasi_albert_has_the_links_it_should(seed, m, more):
    network = models.barabasi_albert(m + more, m, rng(seed))
    assert network.m == m + (more - 1) * m
    assert is_connected(network)
    assert network.m == nx.barabasi_albert_graph(m + more, m, seed=1).number_of_edges()


def test_barabasi_albert_prefers_by_degree():
    # With m = 1 the third node joins the first link's ends evenly, the fourth one the middle with probability 1/2.
    generator, draws = rng(5), 3000
    stars = sum(models.barabasi_albert(4, 1, generator).out_degree.max() == 3 for _ in range(draws))
    assert binom.isf(1 - ERROR / 2, draws, 0.5) <= stars <= binom.isf(ERROR / 2, draws, 0.5)


def test_scale_free_grows_as_its_law_says():
    network = models.scale_free(4000, rng(2))
    assert network.n == 4000
    assert network.directed
    peer = nx.DiGraph(nx.scale_free_graph(4000, seed=3))
    peer.remove_edges_from(list(nx.selfloop_edges(peer)))
    # A new node comes in 46 % of the steps, so there are n / 0.46 arcs less loops and repeats, as in the peer.
    assert network.m == pytest.approx(peer.number_of_edges(), rel=0.05)
    assert network.in_degree.max() > 20 * network.in_degree.mean()
    # Shares of sources and sinks within 4 % points of the peer's (sd 0.8 points; error below 1e-6).
    for mine, other in ((network.in_degree, peer.in_degree), (network.out_degree, peer.out_degree)):
        share = np.mean([d == 0 for _, d in other])
        assert (mine == 0).mean() == pytest.approx(share, abs=0.04)


def test_power_law_degrees():
    network = models.power_law(20000, 2.5, rng(4), min_degree=2, max_degree=40)
    degree = network.out_degree
    k = np.arange(2, 41)
    share = k**-2.5 / (k**-2.5).sum()
    assert degree.max() <= 41
    # Erasure takes well under 1 % of the links here; means agree within that and the sampling error.
    assert degree.mean() == pytest.approx((k * share).sum(), rel=0.02)
    assert (degree == 2).mean() == pytest.approx(share[0], abs=0.02)


@given(SEEDS, st.integers(2, 20), st.integers(0, 6))
def test_random_regular(seed, n, d):
    if n * d % 2 or d >= n:
        with pytest.raises(BadInput, match="no graph on"):
            models.random_regular(n, d, rng(seed))
    else:
        assert set(models.random_regular(n, d, rng(seed)).out_degree.tolist()) == {d}


def test_random_trees_are_uniform():
    generator = rng(6)
    counts = Counter(links(models.random_tree(4, generator)) for _ in range(4000))
    assert len(counts) == 4**2
    assert uniform(counts, 16)


@given(st.integers(3, 12).flatmap(lambda n: st.lists(st.integers(0, n - 1), min_size=n - 2, max_size=n - 2)))
def test_pruefer_sequences(sequence):
    mine = {frozenset(pair) for pair in _pruefer(sequence)}
    assert mine == {frozenset(edge) for edge in nx.from_prufer_sequence(sequence).edges}


@given(SEEDS, st.integers(1, 12), st.integers(0, 100))
def test_random_tree_with_extra_links(seed, n, extra):
    network = models.random_tree(n, rng(seed), extra_links=extra)
    assert network.m == min(comb(n, 2), n - 1 + extra)
    assert is_connected(network)
    if extra == 0:
        assert is_spanning_tree(network, np.arange(network.m))


@given(SEEDS, st.integers(3, 20), st.integers(1, 2), st.booleans())
def test_k_in(seed, n, k, ring):
    network = models.k_in(n, k, rng(seed), ring=ring)
    assert set(network.in_degree.tolist()) == {k}
    if ring:
        assert is_strongly_connected(network)


@given(SEEDS, st.integers(1, 40), st.floats(0.05, 1.5))
def test_random_geometric_links_just_the_near(seed, n, radius):
    network = spatial.random_geometric(n, radius, rng(seed))
    gaps = np.linalg.norm(network.position[:, None] - network.position, axis=2)
    wanted = {(a, b) for a, b in combinations(range(n), 2) if gaps[a, b] <= radius}
    assert set(links(network)) == wanted
    assert network.length_km.tolist() == pytest.approx([gaps[link] for link in links(network)])


def test_waxman_links_with_its_probability():
    network = spatial.waxman(400, rng(8), alpha=0.6, beta=0.2, side_km=100.0)
    gaps = np.linalg.norm(network.position[:, None] - network.position, axis=2)
    pairs = np.triu_indices(400, 1)
    p = 0.6 * np.exp(-gaps[pairs] / (0.2 * gaps.max()))
    # Sum of independent trials of known probability: 5 sigma, two-sided error 6e-7.
    assert abs(network.m - p.sum()) < 5 * np.sqrt((p * (1 - p)).sum())
    linked = np.zeros((400, 400), bool)
    linked[network.tail, network.head] = True
    near = p > np.median(p)
    assert abs(linked[pairs][near].sum() - p[near].sum()) < 5 * np.sqrt((p * (1 - p))[near].sum())


def test_convert_to_networkx_keeps_the_fields():
    network = spatial.random_geometric(20, 0.5, rng(9))
    graph = to_networkx(network)
    assert graph.number_of_edges() == network.m
    assert all(set(d) == {"length_km", "weight"} for *_, d in graph.edges(data=True))
