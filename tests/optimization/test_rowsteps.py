"""The default step of row-stochastic tracking: against a fine scan of the true rate, and at the ends of its range."""

from dataclasses import replace

import numpy as np
import pytest

from qoslab.agents.weights import Weights
from qoslab.core.context import Context
from qoslab.domains.optimization.asymptotics import Asymptotics, predicted_rate, stability_limit
from qoslab.domains.optimization.instances import a1, perron_ring, ring, work
from qoslab.domains.optimization.methods.frost import Frost
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.rowsteps import row_step
from qoslab.domains.optimization.task import task_of
from qoslab.graphs.network import Network


def on(network, own_row=None):
    i = np.arange(network.n)
    return task_of(network, Quadratic(None, 0.5 + i / network.n, np.cos(i)[:, None]), own_row=own_row)


def directed_ring(n):
    return Network.from_links(n, list(range(n)), [(i + 1) % n for i in range(n)], directed=True)


def complete(n):
    return Network.from_links(n, *np.triu_indices(n, 1), name="complete")


TASKS = {
    "a1": a1,
    "ring": lambda: on(ring(20)),
    "long ring": lambda: on(ring(40)),
    "directed ring": lambda: on(directed_ring(12)),
    "complete": lambda: on(complete(10)),
    "weights of their own": lambda: on(*perron_ring()),
}


@pytest.mark.parametrize("name", TASKS)
def test_the_default_falls_at_least_half_as_fast_as_the_best_step(name):
    task = TASKS[name]()
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    method = RowStochasticTracking()
    steps = stability_limit(method, near) * np.geomspace(1e-3, 0.99, 60)
    best = min(predicted_rate(replace(method, step=float(step)), near) for step in steps)
    assert 1.0 - predicted_rate(method, near) >= 0.5 * (1.0 - best)


@pytest.mark.parametrize("name", TASKS)
def test_the_default_keeps_half_of_the_limit(name):
    """Quadratics are their own linear model; the limit is found to 1 %."""
    task = TASKS[name]()
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    assert row_step(task.weights, task.costs.smoothness()) <= 0.5 * stability_limit(
        RowStochasticTracking(), near
    )


@pytest.mark.parametrize("method", [RowStochasticTracking(), Frost()], ids=["coordinated", "frost"])
def test_runs_take_the_step_that_the_prediction_goes_by(method):
    """A long ring in 5,000 rounds; at a tenth of the natural scale it would still be at 9e-4."""
    task = on(ring(40))
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    by_default = work(task, method, 200, Context()).x
    np.testing.assert_array_equal(
        by_default, work(task, replace(method, step=near.row_step), 200, Context()).x
    )
    assert work(task, method, 5000, Context()).errors[-1] < 1e-5


def test_steps_scale_with_the_inverse_of_the_costs():
    weights, size = Weights(directed_ring(6)), np.arange(1.0, 7.0)
    assert row_step(weights, 100.0 * size) == pytest.approx(row_step(weights, size) / 100.0, rel=1e-9)


def test_many_agents_and_odd_costs_take_the_closed_form():
    assert row_step(Weights(ring(65)), np.full(65, 2.0)) == pytest.approx(0.1 / (65 * 2.0), rel=1e-9)
    assert row_step(Weights(ring(5)), np.zeros(5)) == 0.1
    assert row_step(Weights(ring(5)), np.full(5, np.inf)) == 0.0
