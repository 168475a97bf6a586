"""Rounds of many agents against a plain NumPy loop, and budgets of a hundred access networks.

    OMP_NUM_THREADS=1 python -m benchmarks.optimization_speed

CPU seconds of this process; medians of three runs of each, taken in turn. The plain loop is what one writes down: dense
matrices, x, y and z mixed in every round; it runs fewer rounds, and its figure is multiplied up.
"""

from __future__ import annotations

import numpy as np

from benchmarks.common import cpu_s, interleaved, judge, ratio, show, spread
from qoslab.agents.rounds import Wire, rounds
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.data import make_problem
from qoslab.domains.optimization.instances import ring, work
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.problems.coupled import Coupled
from qoslab.domains.optimization.problems.multipliers import penalised
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.scenario import example
from qoslab.domains.optimization.tables import QosTable
from qoslab.domains.optimization.task import Task, own_of, task_of
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import erdos_renyi, k_in

AGENTS, DIMENSION, ROUNDS, PLAIN = 1000, 10, 10_000, 60
CORES, ACCESS, PENALTY = 10, 100, 100.0


def quadratics(network: Network) -> Task:
    rng = np.random.default_rng(1)
    costs = Quadratic(None, rng.uniform(0.5, 2.0, AGENTS), rng.standard_normal((AGENTS, DIMENSION)))
    return task_of(network, costs)


def plain(task: Task, step: float) -> None:
    """Method A as one writes it down, nothing spared, for PLAIN rounds."""
    costs = task.costs
    assert isinstance(costs, Quadratic)
    a, q, c = task.weights.row.toarray(), costs.curvature[:, None], costs.target
    x, y = np.zeros_like(c), np.eye(AGENTS)
    slope = q * (x - c)
    z = slope
    for _ in range(PLAIN):
        fresh = a @ x - step * z
        y = a @ y
        later = q * (fresh - c) / np.diag(y)[:, None]
        z = a @ z + later - slope
        x, slope = fresh, later


def tracking() -> None:
    task = quadratics(k_in(AGENTS, 4, np.random.default_rng(0)))
    method = RowStochasticTracking()
    step = 0.1 / (AGENTS * 2.0)
    spent = interleaved(
        {
            "ours": lambda: cpu_s(lambda: work(task, method, ROUNDS, Context())),
            "plain": lambda: ROUNDS / PLAIN * cpu_s(lambda: plain(task, step)),
        },
        3,
    )
    judge("A, 1,000 agents, in-degree 4, 10,000 rounds", spread(spent["ours"]), ".2f", "s", at_most=20)
    show("the same, plain NumPy loop, multiplied up", f"{spread(spent['plain']):.0f} s")
    show("plain loop over ours", f"{ratio(spent['plain'], spent['ours']):.0f}")
    slow = quadratics(ring(AGENTS))
    seconds = spread([cpu_s(lambda: work(slow, method, 300, Context())) * ROUNDS / 300 for _ in range(3)])
    show("A on an undirected ring of 1,000, multiplied up from 300", f"{seconds:.1f} s")
    ends = list(range(AGENTS))
    one_way = Network.from_links(AGENTS, ends, [*ends[1:], 0], directed=True, name="one way")
    trace = work(quadratics(one_way), method, 500, Context())
    # y_ii falls to 2^-999 before the first word of others' y comes around.
    show("A on a directed ring of 1,000", f"diverged after {len(trace.errors) - 1} rounds" * trace.diverged)


def distance(problem: Coupled, x: np.ndarray, target: np.ndarray) -> float:
    """Relative, the larger of the penalised cost's and the budgets'."""

    def merit(at: np.ndarray) -> float:
        over = np.maximum(problem.constraint(at).sum(axis=0), 0.0)
        return float(problem.own.value(at).sum() + 0.5 * PENALTY * (over**2).sum())

    apart = np.linalg.norm(x - target) / np.linalg.norm(target)
    return max(float(apart), abs(merit(x) / merit(target) - 1.0))


def budgets() -> None:
    n = CORES + ACCESS
    problem = make_problem(QosTable(kind="qos", cores=CORES), n, np.random.default_rng(0))
    assert isinstance(problem, Coupled)
    target = penalised(problem, PENALTY).x
    task = task_of(erdos_renyi(n, 10 / n, np.random.default_rng(3)), problem)
    method = PenaltyConsensus(penalty=PENALTY, scaling="curvature", step=0.8, pause=40, lag=2.0, decay=1e9)
    reached: list[int] = []

    def negotiate() -> None:
        own = own_of(task, example().model_copy(update={"start": 0.4}), Seed(), method.decision)
        for k, state in enumerate(rounds(method, own, Wire(method.message(own), task.weights), 100_000)):
            if k % 400 == 0 and distance(problem, state["x"], target) < 1e-3:
                reached.append(k)
                return

    seconds = spread([cpu_s(negotiate) for _ in range(3)])
    judge("D, 100 access networks on 10 cores, to 1e-3", seconds, ".2f", "s", at_most=10)
    show("its rounds", str(reached[-1]))


def main() -> None:
    tracking()
    budgets()


if __name__ == "__main__":
    main()
