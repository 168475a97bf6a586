"""Agents as Ray actors do what they do on arrays, also when an actor is killed."""

import os
import signal
from dataclasses import dataclass

import numpy as np
import pytest

from qoslab.agents import ray as on_ray
from qoslab.agents.message import FloatArray
from qoslab.agents.program import Own
from qoslab.agents.rounds import Wire, rounds
from qoslab.core.context import Context
from qoslab.core.errors import BadInput, MissingExtra
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.apart import follow_apart
from qoslab.domains.optimization.instances import a1, c1, ring
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.scenario import example
from qoslab.domains.optimization.task import own_of, task_of

pytestmark = pytest.mark.filterwarnings("ignore")


def on_ring(n=3):
    i = np.arange(n)
    return task_of(ring(n), Quadratic(None, 0.5 + i / n, np.column_stack([np.cos(i), np.sin(2.0 * i)])))


def knowledge(task, method, noise=0.1):
    scenario = example().model_copy(update={"measurement_noise": noise})
    return own_of(task, scenario, Seed(replication=4), method.decision)


def on_arrays(task, method, count) -> FloatArray:
    own = knowledge(task, method)
    return np.stack(
        [state["x"] for state in rounds(method, own, Wire(method.message(own), task.weights), count)]
    )


def on_actors(task, method, count, **more):
    own = knowledge(task, method)
    singles = [Own(np.array([i]), task.n, own.data.rows([i])) for i in range(task.n)]
    return on_ray.work_on_ray(method, singles, method.message(own), task.weights, count, **more)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"qoslab\[ray\]"):
        on_actors(on_ring(), Dgd(), 5)


def test_a_method_that_no_actor_can_import_is_refused():
    @dataclass(frozen=True)
    class Mine(Dgd):
        """Made in a function."""

    with pytest.raises(BadInput, match="Mine cannot be imported by a process of its own"):
        on_actors(on_ring(), Mine(), 5)


@pytest.fixture
def cluster():
    ray = pytest.importorskip("ray")
    on_ray._begin(ray)
    yield ray
    ray.shutdown()


@pytest.mark.full
def test_actors_do_what_arrays_do_also_when_one_is_killed(cluster):
    """Three agents; one is killed after its first checkpoint. Noise goes on where it was."""
    task, method, count, killed = on_ring(), Dgd(), 3000, {}

    def kill(pids, done):
        if not killed and done[1] >= 60:
            killed[1] = done[1]
            os.kill(pids[1], signal.SIGKILL)

    walk = on_actors(task, method, count, every=50, watch=kill)
    np.testing.assert_allclose(walk.x, on_arrays(task, method, count), rtol=1e-12, atol=1e-12)
    assert walk.restarts == len(killed) == 1
    own = knowledge(task, method, 0.0)
    apart = follow_apart(method, task, own, 40, Context(), on="ray")
    wire = Wire(method.message(own), task.weights)
    last = list(rounds(method, knowledge(task, method, 0.0), wire, 40))[-1]
    np.testing.assert_allclose(apart.x, last["x"], rtol=1e-12)
    assert apart.messages == wire.messages


@pytest.mark.full
@pytest.mark.parametrize(
    ("make", "method"), [(a1, RowStochasticTracking(0.01)), (c1, PenaltyConsensus(step=0.005))]
)
def test_ten_actors_lose_two_and_nothing_changes(cluster, make, method):
    task, count, killed = make(), 3000, {}

    def kill(pids, done):
        for agent, after in ((1, 60), (3, 900)):
            if agent not in killed and after <= done[agent] < count - 500:
                killed[agent] = done[agent]
                os.kill(pids[agent], signal.SIGKILL)

    walk = on_actors(task, method, count, every=50, watch=kill)
    assert walk.restarts == len(killed) >= 1
    np.testing.assert_allclose(walk.x, on_arrays(task, method, count), rtol=1e-12, atol=1e-12)
