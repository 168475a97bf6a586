"""Mixing weights that a scenario chooses: what they are by hand, and that methods arrive with each."""

import numpy as np
import pytest
from pydantic import ValidationError

from qoslab.agents.weights import Rules, Weights
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.methods.push_pull import PushPull
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.task import make_task
from qoslab.graphs.network import Network

STAR = Network.from_links(4, [0, 0, 0], [1, 2, 3], weight=[1.0, 2.0, 5.0], name="star")


def world(model=None, **changes):
    base = {
        "network": {"generate": model or {"model": "ring", "nodes": 7}},
        "problem": {"kind": "quadratic"},
        "rounds": 2000,
    }
    return OptimizationScenario.model_validate(base | changes)


def ended(method, scenario):
    return next(iter(run(scenario, method, [Seed()], Context()))).metrics["error"]


@pytest.mark.parametrize(
    ("rule", "link", "centre"),
    # The star's Laplacian has the eigenvalues 0, 1, 1, 4: the best constant is 2 / 5.
    [
        ("metropolis", 0.25, 0.25),
        ("lazy_metropolis", 0.125, 0.625),
        ("max_degree", 0.25, 0.25),
        ("best_constant", 0.4, -0.2),
    ],
)
def test_doubly_stochastic_weights_of_a_star(rule, link, centre):
    found = Weights(STAR, rules=Rules(doubly=rule)).doubly.toarray()
    np.testing.assert_allclose(found[0], [centre, link, link, link], atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=0), 1.0)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_maximum_degree_weights_are_not_metropolis_weights_where_degrees_differ():
    path = Network.from_links(4, [0, 1, 1], [1, 2, 3], name="fork")
    both = [Weights(path, rules=Rules(doubly=rule)).doubly[2, 2] for rule in ("metropolis", "max_degree")]
    assert both == pytest.approx([0.75, 0.75])
    longer = Network.from_links(5, [0, 1, 1, 3], [1, 2, 3, 4], name="longer fork")
    both = [Weights(longer, rules=Rules(doubly=rule)).doubly[3, 4] for rule in ("metropolis", "max_degree")]
    assert both == pytest.approx([1 / 3, 1 / 4])


def test_row_weights_by_the_links_weights_keep_what_is_asked():
    found = Weights(STAR, rules=Rules(row="weight", column="weight", self_weight=0.2))
    np.testing.assert_allclose(found.row.toarray()[0], [0.2, 0.1, 0.2, 0.5])
    np.testing.assert_allclose(found.column.toarray()[:, 0], [0.2, 0.1, 0.2, 0.5])


def test_random_weights_go_by_their_seed():
    first, again, other = (
        Weights(STAR, rules=Rules(row="random", seed=seed)).row.toarray() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    draws = [
        make_task(world(weights={"row": "random"}), Seed(replication=i), Context()).weights.row
        for i in (0, 1)
    ]
    assert not np.allclose(draws[0].toarray(), draws[1].toarray())


@pytest.mark.parametrize("rule", ["lazy_metropolis", "max_degree", "best_constant", "sinkhorn"])
def test_extra_arrives_with_every_doubly_stochastic_matrix(rule):
    assert ended(Extra(), world(weights={"doubly": rule})) < 1e-8


@pytest.mark.parametrize("method", [RowStochasticTracking(), PushPull()], ids=["row", "row and column"])
def test_directed_methods_arrive_with_random_weights(method):
    scenario = world(
        {"model": "k_in", "nodes": 7, "in_degree": 2}, weights={"row": "random", "column": "random"}
    )
    assert ended(method, scenario) < 1e-8


def test_sinkhorn_weights_let_doubly_stochastic_methods_work_on_a_digraph():
    digraph = {"model": "k_in", "nodes": 7, "in_degree": 2}
    with pytest.raises(BadInput, match="undirected"):
        ended(Extra(), world(digraph))
    matrix = make_task(
        world(digraph, weights={"doubly": "sinkhorn"}), Seed(), Context()
    ).weights.doubly.toarray()
    np.testing.assert_allclose(matrix.sum(axis=0), 1.0, atol=1e-12)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)
    assert not np.allclose(matrix, matrix.T)


def test_weights_that_cannot_be_are_refused():
    with pytest.raises(ValidationError, match="need self_weight"):
        world(weights={"row": "weight"})
    with pytest.raises(ValidationError, match="best_constant weights need all links"):
        world(weights={"doubly": "best_constant"}, link_up=0.5)
    cut = Network.from_links(3, [0, 1], [1, 2], weight=[1.0, 0.0])
    with pytest.raises(BadInput, match="no positive weight"):
        _ = Weights(cut, rules=Rules(row="weight", self_weight=0.5)).row
