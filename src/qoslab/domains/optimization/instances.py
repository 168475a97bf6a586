"""Our reference instances: small, without chance, with digits that tests and `qoslab verify` hold the domain to."""

from __future__ import annotations

from typing import Any

import numpy as np

from qoslab.agents.program import Own
from qoslab.agents.rounds import Wire
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.model import Trace, follow
from qoslab.domains.optimization.problems.coupled import Coupled, PowerLaw, Quadratics
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.sets import HalfSpaces
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.task import Task, own_of, task_of
from qoslab.graphs.network import Network

__all__ = ["a1", "b1", "b2", "c1", "d1", "digraph_of_ten", "known_to", "perron_ring", "ring", "work"]


def digraph_of_ten() -> Network:
    """Agent i hears i - 1, and i - 3 where that is even (mod 10); |l_2| = 0.8359977 with uniform rows."""
    arcs = [((i - 1) % 10, i) for i in range(10)]
    arcs += [((i - 3) % 10, i) for i in range(10) if (i - 3) % 10 % 2 == 0]
    tail, head = zip(*arcs, strict=True)
    return Network.from_links(10, tail, head, directed=True, name="digraph of ten")


def perron_ring(shares: tuple[float, ...] = (0.9, 0.5, 0.3, 0.1)) -> tuple[Network, Any]:
    """A directed ring in which agent i gives its predecessor the weight s_i: pi_i is in proportion to 1 / s_i."""
    n = len(shares)
    network = Network.from_links(
        n, [(i - 1) % n for i in range(n)], list(range(n)), directed=True, name="Perron ring"
    )
    matrix = np.diag(1.0 - np.array(shares))
    matrix[np.arange(n), np.arange(n) - 1] = shares
    return network, matrix


def ring(n: int) -> Network:
    """An undirected ring; Metropolis weights are 1/3."""
    return Network.from_links(n, list(range(n)), [(i + 1) % n for i in range(n)], name="ring")


def a1() -> Task:
    """Ten quadratics on the digraph of ten, q_i = 0.2 (i + 1), c_i = (-1)^i (i + 1); x* = -1."""
    i = np.arange(10.0)
    problem = Quadratic(None, np.asarray(0.2 * (i + 1)), np.asarray((-1.0) ** i * (i + 1))[:, None])
    return task_of(digraph_of_ten(), problem)


def b1(*, constrained: bool) -> Task:
    """Distances to 0, 1, 2, 10 with weights 1, 2, 1, 1 on the Perron ring; constrained: x <= 5 and x >= 1.5."""
    network, matrix = perron_ring()
    sets = None
    if constrained:
        normals = np.array([[1.0], [-1.0], [1.0], [1.0]])
        sets = HalfSpaces(normals, np.array([5.0, -1.5, np.inf, np.inf]))
    problem = Median(sets, np.array([1.0, 2.0, 1.0, 1.0]), np.array([[0.0], [1.0], [2.0], [10.0]]))
    return task_of(network, problem, own_row=matrix)


def b2() -> Task:
    """Distances in the plane on the digraph of ten, every agent with a half-plane of its own."""
    i = np.arange(10.0)
    turn = 2 * np.pi * i / 10
    point = np.column_stack([3 * np.cos(turn) + i / 10, 3 * np.sin(turn)])
    normals = np.column_stack([np.cos(turn + 0.3), np.sin(turn + 0.3)])
    offsets = np.where(i == 0, 0.1, 0.5)
    return task_of(digraph_of_ten(), Median(HalfSpaces(normals, offsets), (i + 1) / 10, point))


def c1() -> Task:
    """Ten quadratics in [0, 5] on a ring, sum x_i <= 20, q_i = 1 + i / 10, r_i = 2 + i mod 4."""
    i = np.arange(10.0)
    own = Quadratics(np.asarray(1 + i / 10)[:, None], np.asarray(2.0 + i % 4)[:, None])
    share, offset = np.ones((10, 1, 1)), np.full((10, 1), 2.0)
    low, high = np.zeros((10, 1)), np.full((10, 1), 5.0)
    return task_of(ring(10), Coupled(own, share, offset, low, high, equality=False))


def d1(core: tuple[float, float] = (8.0, 12.0)) -> Task:
    """A core and three access networks share end-to-end budgets 1 and 2 of two classes, at cost k / budget."""
    weight = np.array([core, (4.0, 9.0), (6.0, 4.0), (9.0, 6.0)])
    share, offset = np.zeros((4, 6, 2)), np.zeros((4, 6))
    for path in range(3):
        for s in range(2):
            share[[0, path + 1], 2 * path + s, s] = 1.0
            offset[path + 1, 2 * path + s] = (1.0, 2.0)[s]
    low, high = np.full((4, 2), 0.05), np.full((4, 2), 3.0)
    star = Network.from_links(4, [0, 0, 0], [1, 2, 3], name="star")
    return task_of(star, Coupled(PowerLaw(weight), share, offset, low, high, equality=False))


def work(
    task: Task,
    method: Any,
    rounds: int,
    context: Context,
    *,
    start: float | str = 0.0,
    noise: float = 0.0,
    seed: Seed | None = None,
) -> Trace:
    """Let a method work on a task, without predicting anything before."""
    own = known_to(task, method, start=start, noise=noise, seed=seed)
    return follow(method, task, own, Wire(method.message(own), task.weights), rounds, context)


def known_to(
    task: Task, method: Any, *, start: float | str = 0.0, noise: float = 0.0, seed: Seed | None = None
) -> Own:
    """What the agents of an instance know."""
    table = {"network": {"generate": {"model": "ring", "nodes": 3}}, "problem": {"kind": "dispatch"}}
    scenario = OptimizationScenario.model_validate(table | {"start": start, "measurement_noise": noise})
    return own_of(task, scenario, seed or Seed(), method.decision)
