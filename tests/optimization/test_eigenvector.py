"""When an agent may stop asking for the Perron vector, and what the arrays then save."""

from dataclasses import replace

import numpy as np
import pytest

from qoslab.agents.message import MessageType, Part
from qoslab.agents.program import Own
from qoslab.agents.rounds import Wire, rounds
from qoslab.agents.weights import Weights
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.instances import a1, digraph_of_ten, ring
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.scenario import OptimizationScenario, example
from qoslab.domains.optimization.task import own_of
from qoslab.graphs.random_graphs import k_in
from qoslab.graphs.spectra import perron


def states(task, method, count, *, steady):
    own = own_of(task, example(), Seed(), "shared")
    own = Own(own.agents, own.n, replace(own.data, steady=steady))
    return list(rounds(method, own, Wire(method.message(own), task.weights), count))


@pytest.mark.parametrize(
    "make", [digraph_of_ten, lambda: ring(30), lambda: k_in(40, 3, np.random.default_rng(1))]
)
def test_an_estimate_that_has_come_to_rest_is_the_perron_vector(make):
    """Change of one unit in the last place leaves an error of that over 1 - |l_2|, 0.003 on the ring of 30."""
    network = make()
    task = replace(a1(), weights=Weights(network))
    n = network.n
    costs = type(task.costs)(None, np.ones(n), np.ones((n, 1)))
    task = replace(task, costs=costs, optimum=np.ones(1), decisions=np.ones((n, 1)))
    last = states(task, RowStochasticTracking(1e-4), 6000, steady=True)[-1]
    assert last["calm"].all()
    exact = np.tile(perron(task.weights.row), (n, 1))
    np.testing.assert_allclose(last["y"], exact, rtol=2e-13)


def test_stopping_moves_nobody():
    """The same run with and without: what is left differs by rounding."""
    task, method = a1(), RowStochasticTracking(0.01)
    stopped = states(task, method, 800, steady=True)
    going = states(task, method, 800, steady=False)
    assert stopped[-1]["calm"].all()
    assert not going[-1]["calm"].any()
    for one, other in zip(stopped, going, strict=True):
        np.testing.assert_allclose(one["x"], other["x"], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "changes", [{"link_up": 0.5}, {"channel": {"delay": 2}}, {"channel": {"loss": 0.3}}], ids=str
)
def test_nobody_stops_where_a_repetition_means_nothing(changes):
    """A silent link makes an agent hear only itself: its y repeats, and is not the Perron vector."""
    scenario = OptimizationScenario.model_validate(
        {
            "network": {"generate": {"model": "k_in", "nodes": 6, "in_degree": 2}, "connected": "strongly"},
            "problem": {"kind": "quadratic"},
            **changes,
        }
    )
    own = own_of(a1(), scenario, Seed(), "shared")
    assert not own.data.steady
    (outcome,) = run(scenario.model_copy(update={"rounds": 50}), RowStochasticTracking(), [Seed()], Context())
    assert np.isfinite(outcome.metrics["error"])


def test_the_wire_mixes_again_unless_the_very_same_frozen_array_is_said():
    wire = Wire(MessageType((Part("y", (2,), "row"),)), Weights(ring(4)))
    said = np.arange(8.0).reshape(4, 2)
    first = wire.exchange({"y": said}, 0)["y"]
    said += 1.0
    np.testing.assert_allclose(wire.exchange({"y": said}, 1)["y"], first + 1.0)
    said = said.copy()
    said.setflags(write=False)
    frozen = wire.exchange({"y": said}, 2)["y"]
    assert wire.exchange({"y": said}, 3)["y"] is frozen
    other = said + 1.0
    other.setflags(write=False)
    np.testing.assert_allclose(wire.exchange({"y": other}, 4)["y"], frozen + 1.0)
    assert wire.messages == 5 * 8
