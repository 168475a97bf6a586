"""One instance: a network, private costs, and the optimum to measure against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qoslab.agents.channel import Channel
from qoslab.agents.message import FloatArray
from qoslab.agents.program import Own
from qoslab.agents.weights import Rules, Weights, require_strong
from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.data import degraded, make_problem
from qoslab.domains.optimization.local import Change, Known, Measurements, Terms
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.problems.coupled import Coupled, Dual
from qoslab.domains.optimization.problems.distance import Distance
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.multipliers import solve_coupled
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.problems.solve import require_optimum, solve
from qoslab.domains.optimization.problems.usercosts import UserCosts
from qoslab.domains.optimization.rowsteps import row_step
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.tables import FileTable, QosTable
from qoslab.graphs.network import Network
from qoslab.graphs.sequences import random_links
from qoslab.graphs.spec import build
from qoslab.graphs.spectra import perron

__all__ = ["Task", "changing", "make_task", "own_of", "task_of"]


@dataclass(frozen=True, eq=False)
class Task:
    """What a run works on, and what it is judged by.

    Attributes:
        weights: The mixing matrices of the whole network.
        costs: Costs of the shared decision: given, or the dual of a coupled problem.
        coupled: The coupled problem; None where the decision is shared.
        optimum: x*, shape (p,); of a coupled problem the optimal prices.
        decisions: Optimal decisions, shape (n, p) or (n, d).
        cost: Optimal cost.
        turn: The round from which on `later` holds; 0 where nothing changes.
        later: The task after a change of the costs in mid-run.
    """

    weights: Weights
    costs: Costs
    coupled: Coupled | None
    optimum: FloatArray
    decisions: FloatArray
    cost: float
    turn: int = 0
    later: Task | None = None

    def at(self, k: int) -> Task:
        """What agents are judged by after k rounds."""
        return self if self.later is None or k < self.turn else self.later

    @property
    def n(self) -> int:
        """Number of agents."""
        return self.weights.network.n


def task_of(
    network: Network,
    problem: Costs | Coupled,
    *,
    own_row: Any = None,
    rules: Rules | None = None,
    optimum: FloatArray | None = None,
) -> Task:
    """The task of agents on a network; also the way in for a user's own costs.

    Args:
        network: Who can say something to whom.
        problem: The agents' costs.
        own_row: A row-stochastic matrix to use instead.
        rules: How mixing matrices are made; uniform and Metropolis weights by default.
        optimum: x* of costs, where it is known; found centrally otherwise.

    Raises:
        BadInput: The network is not strongly connected, its weights' rows do not sum to one, the feasible set is
            empty, or no optimum was found.
    """
    require_strong(network)
    weights = Weights(network, own_row, rules or Rules())
    _ = weights.row
    if isinstance(problem, Coupled):
        found = solve_coupled(problem)
        return Task(weights, Dual(None, problem), problem, found.prices, found.x, found.cost)
    optimum = solve(problem) if optimum is None else optimum
    if isinstance(problem, UserCosts):
        problem = problem.with_optimum(optimum)
    decisions = np.broadcast_to(optimum, (network.n, len(optimum)))
    with np.errstate(over="ignore", invalid="ignore"):
        cost = float(problem.total(optimum[None])[0])
    if not np.isfinite(cost):
        message = f"the least cost is {cost:g}: numbers of this size overflow in double precision"
        raise BadInput(Problem(field="scenario.problem", message=message, hint="other units"))
    return Task(weights, problem, None, optimum, decisions, cost)


def make_task(scenario: OptimizationScenario, seed: Seed, context: Context) -> Task:
    """The instance that a scenario and a seed describe.

    Raises:
        BadInput: As `task_of`; or lists of the problem do not fit the network.
    """
    network = build(scenario.network, seed.generator("network"), dataset=context.dataset)
    problem = make_problem(scenario.problem, network.n, seed.generator("problem"))
    rules = scenario.weights.rules(int(seed.generator("weights").integers(2**62)))
    table = scenario.problem
    if isinstance(table, FileTable) and table.optimum is not None:
        if len(table.optimum) != table.dimension:
            message = f"needs {table.dimension} numbers, as many as `dimension`"
            raise BadInput(Problem(field="scenario.problem.optimum", message=message))
        assert isinstance(problem, Costs)
        require_optimum(problem, np.array(table.optimum))
        return task_of(network, problem, rules=rules, optimum=np.array(table.optimum))
    task = task_of(network, problem, rules=rules)
    if not isinstance(table, QosTable) or table.degraded is None:
        return task
    if table.degraded.round >= scenario.rounds:
        message = f"round {table.degraded.round} is past the last of {scenario.rounds}"
        raise BadInput(Problem(field="scenario.problem.degraded.round", message=message))
    assert isinstance(problem, Coupled)
    return replace(
        task, turn=table.degraded.round, later=task_of(network, degraded(table, problem), rules=rules)
    )


def own_of(task: Task, scenario: OptimizationScenario, seed: Seed, decision: str) -> Own:
    """What all agents know; `decision` says whether the shared or their own decisions are sought."""
    agents = np.arange(task.n)
    shape = task.decisions.shape if decision == "own" else (task.n, task.costs.dimension)
    known = Known(
        agents,
        task.costs,
        task.coupled,
        _start(task, scenario.start, shape),
        perron(task.weights.row),
        float(task.costs.smoothness().max()),
        float(task.costs.convexity().min()),
    )
    channel = scenario.channel
    steady = scenario.link_up == 1 and Channel(channel.noise, channel.loss, channel.delay).ideal
    known = replace(known, steady=steady)
    if decision == "shared":
        known = replace(known, row_step=row_step(task.weights, task.costs.smoothness()))
    if task.coupled is not None:
        terms = Terms.of(task.coupled)
        curvature = float(task.coupled.own.curvature(_even(task.coupled, terms)).max())
        norm = float(np.linalg.norm(task.coupled.share, 2, axis=(1, 2)).max())
        known = replace(known, own_smoothness=curvature, share_norm=norm, terms=terms)
    if task.later is not None:
        known = replace(known, change=Change(task.turn, task.later.costs, task.later.coupled))
    if scenario.measurement_noise > 0:
        streams = [seed.generator("measurement", i) for i in range(task.n)]
        noise = Measurements(scenario.measurement_noise, streams, shape[1])
        known = replace(known, measurements=noise)
    return Own(agents, task.n, known)


def _even(coupled: Coupled, terms: Terms) -> FloatArray:
    """Where equal parts of the goals put the agents, shape (n, d); the middle of the box where no goal bounds an entry.

    Not where they start: costs such as 1 / x bend without bound near an end of the box, where nobody stays.
    """
    middle = 0.5 * (coupled.low + coupled.high)
    part = (terms.goals / terms.parties)[:, None]
    room = np.where(coupled.share > 0, part / np.where(coupled.share > 0, coupled.share, 1.0), np.inf).min(
        axis=1
    )
    return coupled.project(np.where(np.isfinite(room), room, middle))


def _start(task: Task, start: float | str, shape: tuple[int, ...]) -> FloatArray:
    if start != "own":
        return np.full(shape, float(start))
    if isinstance(task.costs, Quadratic):
        return task.costs.target.copy()
    if isinstance(task.costs, Median | Distance):
        return task.costs.point.copy()
    return np.zeros(shape)


def changing(task: Task, up: float, rng: np.random.Generator) -> Callable[[int], Weights]:
    """Weights of each round, asked for in order, where every link is up with a probability."""
    networks = random_links(task.weights.network, up, rng)
    last: dict[int, Weights] = {}

    def weights(k: int) -> Weights:
        if k not in last:
            last.clear()
            last[k] = Weights(next(networks), rules=task.weights.rules)
        return last[k]

    return weights
