# mypy: disable-error-code="no-any-return"
"""Episodes of a site that step together: one compiled call puts weights to all balancers, runs all worlds and looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.hooks import Policy, Site, Wiring
from qoslab.domains.balancing.kernels import advance
from qoslab.domains.balancing.learned.reservoirs import (
    BOX_SIZE,
    EARNED,
    LAST,
    MEM_ROWS,
    SLOTS,
    on_complete,
    route,
)
from qoslab.domains.balancing.learned.rewards import REWARDS, fairness
from qoslab.domains.balancing.learned.seeing import BALANCER_FIELDS, SERVER_FIELDS, look
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.source import make_demand
from qoslab.domains.balancing.state import DONE, GROW, HORIZON, NOW, REFILL, World
from qoslab.domains.balancing.view import WEIGHT
from qoslab.engine.kernel import compiled, interpreted, kernel
from qoslab.engine.reference import at, by_references

__all__ = ["SeenByAll", "Sessions", "Watched", "actions_of"]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

SEE, BEGIN = -2, -1
"""What a world is to do beside going on where it stopped: only be looked at; take new weights and begin a step."""
_MEAN = SERVER_FIELDS.index("completion_time_discounted_mean_s")


@dataclass(frozen=True)
class Watched(Policy):
    """Shortest expected delay with weights set from outside, keeping what a learner sees. No parameters."""

    def wire(self, site: Site) -> Wiring:
        """Equal weights at first."""
        box = np.zeros(BOX_SIZE)
        box[LAST] = -1.0
        return Wiring(
            route,
            on_complete=on_complete,
            weight=np.ones(site.servers),
            mem=np.zeros((MEM_ROWS, site.servers)),
            box=box,
        )


class Views(NamedTuple):
    """What a step fills in, for k worlds of m balancers and n servers.

    Attributes:
        balancers: Shape (k, m, 5).
        servers: Shape (k, m, n, 12).
        earned: Own requests done so far and the sum of their completion times, shape (k, m, 2).
        until: When the step ends, s, shape (k,).
        over: 1 where the episode has ended, shape (k,).
        room: For `look`, shape (3, SLOTS).
    """

    balancers: Reals
    servers: Reals
    earned: Reals
    until: Reals
    over: Ints
    room: Table


@kernel
def begin(w: World, actions: Table, smoothing: float) -> None:
    """New weights: w <- smoothing a + (1 - smoothing) w."""
    for lb in range(actions.shape[0]):
        weight = w.board.local[lb, WEIGHT]
        for j in range(actions.shape[1]):
            weight[j] = weight[j] * (1.0 - smoothing) + smoothing * actions[lb, j]


@kernel
def watch(w: World, views: Views, k: int, base: float) -> None:
    """Fill in what is seen of one world, and what its balancers have earned."""
    room = views.room
    look(w.board, w.clock[NOW], base, views.balancers[k], views.servers[k], room[0], room[1], room[2])
    for lb in range(views.earned.shape[1]):
        done, spent = 0.0, 0.0
        for j in range(views.servers.shape[2]):
            done += w.board.mem[lb, EARNED, j]
            spent += w.board.mem[lb, EARNED + 1, j]
        views.earned[k, lb, 0], views.earned[k, lb, 1] = done, spent


@kernel
def step_all(
    worlds: Sequence[World],
    decide: Callable[..., int],
    status: Ints,
    actions: Reals,
    smoothing: float,
    period_s: float,
    base: float,
    views: Views,
) -> int:
    """Go on with all worlds that are not through with their step.

    Args:
        worlds: The worlds.
        decide: The policy, one for all.
        status: `SEE` or `BEGIN` at first; then what `advance` returned, shape (k,).
        actions: Weights, shape (k, m, n).
        smoothing: Share of an action in the weights.
        period_s: Length of a step, s.
        base: See `look`.
        views: Filled in where a world is through.

    Returns:
        How many worlds wait to be given requests or room.
    """
    waiting = 0
    for k in range(status.shape[0]):
        if status[k] != SEE and status[k] != BEGIN and status[k] != REFILL and status[k] != GROW:
            continue
        w = at(worlds, k)
        if status[k] == BEGIN:
            begin(w, actions[k], smoothing)
            views.until[k] = w.clock[NOW] + period_s
        if status[k] != SEE:
            status[k] = advance(w, decide, views.until[k])
            if status[k] == REFILL or status[k] == GROW:
                waiting += 1
                continue
            views.over[k] = 1 if status[k] == DONE or views.until[k] >= w.clock[HORIZON] else 0
        else:
            views.over[k] = 0
            status[k] = DONE
        watch(w, views, k, base)
    return waiting


class SeenByAll(NamedTuple):
    """What k episodes of m balancers and n servers look like; the arrays are used again by the next step.

    Attributes:
        balancers: Shape (k, m, 5), see `BALANCER_FIELDS`.
        servers: Shape (k, m, n, 12), see `SERVER_FIELDS`.
        rewards: Shape (k, m); 0 where an episode has just begun.
        over: Whether each episode is over, shape (k,).
    """

    balancers: Reals
    servers: Reals
    rewards: Reals
    over: NDArray[np.bool_]


class Sessions:
    """k episodes of one scenario, stepped by weights in one compiled call; each runs as it would alone.

    Args:
        scenario: The site.
        count: k.
        period_s: Time between two decisions, s.
        reward: A name in `rewards.REWARDS`.
        smoothing: Share of a new action in the weights in force: w <- smoothing a + (1 - smoothing) w.
        base: Factor by which the weight of a sample falls in a second, in discounted and decayed means.
        context: Services of the laboratory.
        plain: Whether to run uncompiled: the same numbers, some hundred times slower.

    Attributes:
        simulations: The episodes' simulations.
        shape: Numbers of episodes, balancers and servers, (k, m, n).
    """

    def __init__(
        self,
        scenario: BalancingScenario,
        count: int,
        *,
        period_s: float = 0.5,
        reward: str = "jain",
        smoothing: float = 1.0,
        base: float = 0.5,
        context: Context | None = None,
        plain: bool = False,
    ) -> None:
        _check(count, period_s, reward, smoothing, base)
        self.scenario, self._context, self._plain = scenario, context or Context(), plain
        self._numbers, self._reward = (smoothing, period_s, base), reward
        self._demand = make_demand(scenario, self._context)
        self.shape = count, scenario.balancers, scenario.servers.count
        k, m, n = self.shape
        self._views = Views(
            np.zeros((k, m, len(BALANCER_FIELDS))),
            np.zeros((k, m, n, len(SERVER_FIELDS))),
            np.zeros((k, m, 2)),
            np.zeros(k),
            np.zeros(k, np.int64),
            np.zeros((3, SLOTS)),
        )
        self.simulations: list[Simulation] = []
        self._worlds: Sequence[World] | None = None

    def reset(self, seeds: Sequence[Seed]) -> SeenByAll:
        """Begin all episodes; nothing has arrived yet.

        Args:
            seeds: k seeds.
        """
        self.simulations = [self._simulation(seed) for seed in seeds]
        self._worlds = None
        return self._go(np.full(self.shape[0], SEE), np.ones(self.shape))

    def step(self, actions: NDArray[Any], anew: Mapping[int, Seed] | None = None) -> SeenByAll:
        """Put weights to all balancers and go on for a period.

        Args:
            actions: Positive, shape (k, m, n); only ratios matter to the next routes.
            anew: Episodes that begin again instead, and with which seeds; their actions are not looked at.

        Raises:
            BadInput: Nothing has been reset, or an action is not positive and finite, or of the wrong shape.
        """
        if not self.simulations:
            message = "an episode begins with reset, and none has begun"
            raise BadInput(Problem(message=message, field="step"))
        actions = actions_of(actions, self.shape)
        status = np.full(self.shape[0], BEGIN)
        for k, seed in (anew or {}).items():
            self.simulations[k] = self._simulation(seed)
            status[k], self._worlds = SEE, None
        return self._go(status, actions)

    def _simulation(self, seed: Seed) -> Simulation:
        return Simulation(
            self.scenario, Watched(), seed, self._context, demand=self._demand, plain=self._plain
        )

    def _go(self, status: Ints, actions: Reals) -> SeenByAll:
        first, fresh, before = self.simulations[0], status == SEE, self._views.earned.copy()
        run = (
            interpreted(step_all, constants=first.variant)
            if self._plain
            else compiled(step_all, constants=first.variant, wraparound=False)
        )
        while run(self._referred(), first.decide, status, actions, *self._numbers, self._views):
            for k in np.flatnonzero((status == REFILL) | (status == GROW)):
                if status[k] == GROW:
                    self._worlds = None
                self.simulations[k].supply(int(status[k]))
        views = self._views
        rewards = self._rewards(views.earned - before)
        rewards[fresh] = 0.0
        return SeenByAll(views.balancers, views.servers, rewards, views.over == 1)

    def _referred(self) -> Sequence[World]:
        """The worlds as the kernel takes them."""
        if self._worlds is None:
            worlds = [simulation.world for simulation in self.simulations]
            self._worlds = worlds if self._plain else by_references(worlds)
        return self._worlds

    def _rewards(self, earned: Reals) -> Reals:
        if self._reward == "delay":
            done, spent = earned[..., 0], earned[..., 1]
            return np.asarray(-np.divide(spent, done, out=np.zeros_like(spent), where=done > 0))
        k, m, n = self.shape
        means = self._views.servers[..., _MEAN].reshape(k * m, n)
        return fairness(self._reward, means).reshape(k, m)


def actions_of(actions: NDArray[Any], shape: tuple[int, ...]) -> Reals:
    """Actions as kernels take them.

    Raises:
        BadInput: One is not positive and finite, or their shape is another.
    """
    told = np.ascontiguousarray(actions, np.float64)
    if told.shape != shape or not (np.isfinite(told) & (told > 0)).all():
        message = f"actions are positive numbers of the shape {shape}"
        raise BadInput(Problem(message=message, field="actions"))
    return told


def _check(count: int, period_s: float, reward: str, smoothing: float, base: float) -> None:
    problems = [
        Problem(message=message, field=field)
        for field, wrong, message in (
            ("count", count < 1, "must be at least 1"),
            ("period_s", not 0.0 < period_s < math.inf, "must be positive"),
            ("smoothing", not 0.0 < smoothing <= 1.0, "must be above 0 and at most 1"),
            ("base", not 0.0 < base < 1.0, "must lie between 0 and 1"),
        )
        if wrong
    ]
    if reward not in REWARDS:
        hint = did_you_mean(reward, REWARDS)
        problems.append(Problem(message=f"there is no reward {reward!r}", field="reward", hint=hint))
    if problems:
        raise BadInput(problems)
