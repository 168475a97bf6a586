"""Mixing matrices, their spectra and Perron vectors, against their definitions and closed forms."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.graphs import mixing, shapes
from qoslab.graphs.components import component_labels, is_connected
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import erdos_renyi, k_in, random_tree
from qoslab.graphs.spectra import perron, second_eigenvalue, spectral_gap, spectral_radius
from qoslab.graphs.stochastic import check_mixing

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, n, p, directed):
    return erdos_renyi(n, p, np.random.default_rng(seed), directed=directed)


UNDIRECTED = st.builds(drawn, SEEDS, st.integers(1, 12), st.floats(0, 1), st.just(False))
DIGRAPHS = st.builds(drawn, SEEDS, st.integers(1, 12), st.floats(0, 0.6), st.just(True))


@given(UNDIRECTED)
def test_metropolis_and_max_degree_by_their_definitions(network):
    degree = network.out_degree
    w, u = mixing.metropolis(network).toarray(), mixing.max_degree(network).toarray()
    for i in range(network.n):
        for j in range(network.n):
            linked = to_networkx(network).has_edge(i, j)
            if i != j:
                assert w[i, j] == (1 / (1 + max(degree[i], degree[j])) if linked else 0)
                assert u[i, j] == (1 / (1 + degree.max()) if linked else 0)
    for matrix in (w, u):
        assert (matrix == matrix.T).all()
        assert np.diag(matrix).min() > 0
        assert check_mixing(matrix, "doubly", network, tolerance=1e-12).toarray().tolist() == matrix.tolist()


@given(
    DIGRAPHS,
    st.sampled_from(["in", "out"]),
    st.sampled_from(["uniform", "weight", "random"]),
    st.none() | st.floats(0, 1),
)
def test_rows_and_columns_sum_to_one_on_any_digraph(network, hears, shares, self_weight):
    options = {"hears": hears, "shares": shares, "self_weight": self_weight, "rng": np.random.default_rng(1)}
    row = mixing.row_stochastic(network, **options)
    check_mixing(row, "row", network, hears=hears, tolerance=1e-12)
    column = mixing.column_stochastic(network, **options)
    check_mixing(column, "column", network, hears=hears, tolerance=1e-12)
    if self_weight is not None:
        heard = network.in_degree if hears == "in" else network.out_degree
        assert row.diagonal() == pytest.approx(np.where(heard > 0, self_weight, 1.0))
    assert row.has_sorted_indices
    assert row.nnz == network.m + network.n


def test_who_hears_whom():
    network = Network.from_links(3, [0, 1], [2, 2], directed=True, weight=[3.0, 1.0])
    heard = mixing.row_stochastic(network).toarray()
    assert heard.tolist() == [[1, 0, 0], [0, 1, 0], [1 / 3, 1 / 3, 1 / 3]]
    weighted = mixing.row_stochastic(network, shares="weight").toarray()
    assert weighted.tolist() == [[1, 0, 0], [0, 1, 0], [0.75, 0.25, 0]]
    kept = mixing.row_stochastic(network, shares="weight", self_weight=0.5).toarray()
    assert kept[2].tolist() == [0.375, 0.125, 0.5]
    follows = mixing.row_stochastic(network, hears="out").toarray()
    assert follows.tolist() == [[0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0, 1]]
    pushed = mixing.column_stochastic(network).toarray()
    assert pushed.tolist() == [[0.5, 0, 0], [0, 0.5, 0], [0.5, 0.5, 1]]


@given(DIGRAPHS)
def test_doubly_stochastic_weights_exist_where_every_arc_is_on_a_cycle(network):
    weak, strong = component_labels(network), component_labels(network, strong=True)
    if (weak == strong).all():
        matrix = mixing.doubly_stochastic(network)
        check_mixing(matrix, "doubly", network, tolerance=1e-12)
        assert matrix.nnz == network.m + network.n
        assert matrix.data.min() > 0
    else:
        with pytest.raises(BadInput, match="there is no way back"):
            mixing.doubly_stochastic(network)


def test_sinkhorn():
    matrix = np.array([[2.0, 1.0], [3.0, 5.0]])
    scaled = mixing.sinkhorn(matrix).toarray()
    # The fixed point keeps the cross ratio a d / (b c) = 10/3 and is symmetric for 2 x 2: x^2 / (1 - x)^2.
    root = np.sqrt(10 / 3)
    assert scaled[0, 0] == pytest.approx(root / (1 + root), rel=1e-12)
    assert scaled[0, 1] == pytest.approx(scaled[1, 0], rel=1e-12)
    for bad, words in [
        ([[1.0, 1.0], [0.0, 1.0]], "does not converge"),
        ([[1.0, 0.0], [1.0, 0.0]], "without a positive entry"),
        ([[1.0, -1.0], [1.0, 1.0]], "finite nonnegative"),
        ([[1.0, 1.0]], "square"),
    ]:
        with pytest.raises(BadInput, match=words):
            mixing.sinkhorn(np.array(bad), rounds=1000)


@given(UNDIRECTED.filter(is_connected))
def test_best_constant_is_the_fastest_of_equal_weights(network):
    if network.n < 2:
        return
    values = np.linalg.eigvalsh(mixing.laplacian(network).toarray())
    best = second_eigenvalue(mixing.best_constant(network))
    assert best == pytest.approx((values[-1] - values[1]) / (values[-1] + values[1]), abs=1e-9)
    assert best <= second_eigenvalue(mixing.max_degree(network)) + 1e-9


@given(UNDIRECTED)
def test_laplacian_is_that_of_networkx(network):
    assert (mixing.laplacian(network).toarray() == nx.laplacian_matrix(to_networkx(network)).toarray()).all()


@given(UNDIRECTED, st.floats(0, 1))
def test_lazy(network, stay):
    matrix = mixing.metropolis(network)
    lazier = mixing.lazy(matrix, stay)
    assert lazier.toarray() == pytest.approx(stay * np.eye(network.n) + (1 - stay) * matrix.toarray())
    assert np.linalg.eigvalsh(lazier.toarray()).min() >= 2 * stay - 1 - 1e-12


@pytest.mark.parametrize("make", [mixing.metropolis, mixing.max_degree, mixing.best_constant])
def test_symmetric_weights_need_an_undirected_network(make):
    with pytest.raises(BadInput, match="need an undirected network"):
        make(shapes.ring(4, directed=True))


def test_bad_options():
    ring = shapes.ring(4)
    with pytest.raises(BadInput, match="self_weight"):
        mixing.row_stochastic(ring, self_weight=1.5)
    with pytest.raises(BadInput, match="stay"):
        mixing.lazy(mixing.metropolis(ring), -0.1)
    with pytest.raises(BadInput, match="negative weight"):
        mixing.row_stochastic(Network.from_links(2, [0], [1], weight=-1.0), shares="weight")
    with pytest.raises(BadInput, match="not connected"):
        mixing.best_constant(Network.from_links(2, [], []))
    with pytest.raises(ValueError, match="need a generator"):
        mixing.row_stochastic(ring, shares="random")


# --- spectra -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 12, 900])
def test_second_eigenvalue_of_a_ring_in_closed_form(n):
    # 1/3 (1 + 2 cos(2 pi k / n)), k = 1, by LAPACK and, for the long ring, by ARPACK.
    matrix = mixing.metropolis(shapes.ring(n, 1))
    expected = (1 + 2 * np.cos(2 * np.pi / n)) / 3
    assert second_eigenvalue(matrix) == pytest.approx(expected, rel=1e-9)
    assert spectral_gap(matrix) == pytest.approx(1 - expected, abs=1e-9)


def test_second_eigenvalues_in_closed_form():
    assert second_eigenvalue(mixing.max_degree(shapes.complete(7))) == pytest.approx(0, abs=1e-12)
    assert second_eigenvalue(mixing.row_stochastic(shapes.hypercube(4))) == pytest.approx(1 - 2 / 5)
    assert second_eigenvalue(mixing.row_stochastic(shapes.hypercube(4), self_weight=0.0)) == pytest.approx(1)
    assert second_eigenvalue(np.eye(3)) == 1
    assert second_eigenvalue(np.eye(1)) == 0


def test_spectral_radius_of_a_large_sparse_matrix():
    assert spectral_radius(shapes.star(900)) == pytest.approx(30, rel=1e-10)
    assert spectral_radius(shapes.karate()) == pytest.approx(6.725697727631732, rel=1e-12)
    assert spectral_radius(Network.from_links(0, [], [])) == 0


@settings(max_examples=50)
@given(SEEDS, st.integers(2, 30), st.integers(1, 3))
def test_perron_vector(seed, n, k):
    rng = np.random.default_rng(seed)
    matrix = mixing.row_stochastic(k_in(n, min(k, n - 1), rng), shares="random", rng=rng)
    pi = perron(matrix)
    assert pi @ matrix == pytest.approx(pi, abs=1e-14)
    assert pi.sum() == pytest.approx(1)
    assert pi.min() > 0


def test_perron_vector_of_a_walk_is_its_degree():
    network = random_tree(1200, np.random.default_rng(3), extra_links=500)
    pi = perron(mixing.row_stochastic(network))
    share = (network.out_degree + 1) / (network.out_degree + 1).sum()
    assert pi == pytest.approx(share, rel=1e-9)
    small = shapes.lollipop(5, 10)
    assert perron(mixing.row_stochastic(small)) == pytest.approx(
        (small.out_degree + 1) / (2 * small.m + 15), rel=1e-14
    )


def test_perron_vector_keeps_tiny_entries():
    # Birth and death with ratio 1e-3: pi_k ~ 1e-3k to full relative precision, 90 decades down.
    n, up = 31, 1e-4
    chain = np.zeros((n, n))
    for k in range(n):
        chain[k, min(k + 1, n - 1)] += up
        chain[k, max(k - 1, 0)] += 0.1
        chain[k, k] += 0.9 - up
    pi = perron(chain)
    assert pi[1:] / pi[:-1] == pytest.approx(np.full(n - 1, up / 0.1), rel=1e-12)


def test_perron_vectors_that_are_none():
    with pytest.raises(BadInput, match="row-stochastic"):
        perron(np.array([[0.5, 0.4], [0.5, 0.5]]))
    with pytest.raises(BadInput, match="not strongly connected"):
        perron(np.eye(2))


# --- matrices that somebody brings ---------------------------------------------------------------------------


def test_everything_wrong_with_a_matrix_is_told():
    network = Network.from_links(["a", "b", "c"], [0, 1], [1, 2], directed=True)
    with pytest.raises(BadInput) as caught:
        check_mixing([[1, 0.5, 0], [0.5, 0.5, 0], [0, 1.5, -0.5]], "doubly", network, field="method.weights")
    text = str(caught.value)
    for words in (
        "method.weights: entry (2, 2) is -0.5",
        "row 0 sums to 1.5",
        "column 0 sums to 1.5",
        "column 1 sums to 2.5",
        "'a' puts weight 0.5 on 'b', whom it does not hear",
    ):
        assert words in text
    assert "'b' puts weight" not in text


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.ones((2, 3)), "has the shape"),
        ([[np.nan, 1], [0, 1]], "not finite"),
        ([["a"]], "no matrix of numbers"),
        (np.eye(3), r"not \(2, 2\)"),
        (np.ones(2), "has the shape"),
    ],
)
def test_what_is_no_mixing_matrix(matrix, words):
    with pytest.raises(BadInput, match=words):
        check_mixing(matrix, "row", shapes.path(2))
