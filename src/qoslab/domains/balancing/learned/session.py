"""An episode of a site whose balancers are told weights from outside, in numpy alone: what environments stand on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.hooks import Policy, Site, Wiring
from qoslab.domains.balancing.learned.reservoirs import (
    BOX_SIZE,
    EARNED,
    LAST,
    MEM_ROWS,
    SLOTS,
    on_complete,
    route,
)
from qoslab.domains.balancing.learned.rewards import FAIRNESS, REWARDS
from qoslab.domains.balancing.learned.seeing import BALANCER_FIELDS, SERVER_FIELDS, look
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.source import Demand, make_demand
from qoslab.domains.balancing.view import WEIGHT
from qoslab.engine.kernel import compiled
from qoslab.engine.reference import by_reference

__all__ = ["Eye", "Seen", "Session", "Watched"]

Reals = NDArray[np.float64]


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


class Seen(NamedTuple):
    """What m balancers see after a step; the arrays are the caller's own.

    Attributes:
        balancers: Shape (m, 5), see `BALANCER_FIELDS`.
        servers: Shape (m, n, 12), see `SERVER_FIELDS`.
        rewards: Shape (m,).
        over: Whether the episode is over.
    """

    balancers: Reals
    servers: Reals
    rewards: Reals
    over: bool


class Eye:
    """Reads off a simulation of `Watched` balancers, or of a policy with the same memory, what each of them sees.

    Args:
        balancers: m.
        servers: n.
        base: Factor by which the weight of a sample falls in a second, in discounted and decayed means.

    Attributes:
        balancers: Filled by `look`, shape (m, 5), see `BALANCER_FIELDS`.
        servers: Filled by `look`, shape (m, n, 12), see `SERVER_FIELDS`.
    """

    def __init__(self, balancers: int, servers: int, base: float = 0.5) -> None:
        self.balancers = np.zeros((balancers, len(BALANCER_FIELDS)))
        self.servers = np.zeros((balancers, servers, len(SERVER_FIELDS)))
        self._look, self._base, self._room = compiled(look), base, np.zeros((3, SLOTS))

    def look(self, simulation: Simulation) -> None:
        """Look at the present state."""
        room, line, past = self._room
        board = by_reference(simulation.world.board)
        self._look(board, simulation.now, self._base, self.balancers, self.servers, room, line, past)

    def completion_times(self, balancer: int) -> Reals:
        """Discounted mean completion times of a balancer's own requests, of servers that have any, s."""
        means = self.servers[balancer, :, SERVER_FIELDS.index("completion_time_discounted_mean_s")]
        return np.asarray(means[means > 0.0])


class Session:
    """Episodes of one scenario, stepped by weights.

    Args:
        scenario: The site.
        period_s: Time between two decisions, s.
        reward: A name in `rewards.REWARDS`.
        smoothing: Share of a new action in the weights in force: w <- smoothing a + (1 - smoothing) w.
        base: Factor by which the weight of a sample falls in a second, in discounted and decayed means.
        context: Services of the laboratory.

    Attributes:
        simulation: The episode's simulation.
        shape: Numbers of balancers and servers, (m, n).
    """

    def __init__(
        self,
        scenario: BalancingScenario,
        *,
        period_s: float = 0.5,
        reward: str = "jain",
        smoothing: float = 1.0,
        base: float = 0.5,
        context: Context | None = None,
    ) -> None:
        _check(period_s, reward, smoothing, base)
        self.scenario, self._context = scenario, context or Context()
        self._period_s, self._reward, self._smoothing = period_s, reward, smoothing
        self._demand: Demand = make_demand(scenario, self._context)
        self.shape = (scenario.balancers, scenario.servers.count)
        self._eye = Eye(*self.shape, base)
        self._earned = np.zeros((scenario.balancers, 2))
        self.simulation: Simulation

    def reset(self, seed: Seed) -> Seen:
        """Begin an episode; nothing has arrived yet."""
        self.simulation = Simulation(self.scenario, Watched(), seed, self._context, demand=self._demand)
        self._earned[:] = 0.0
        return self._seen(over=False)

    def step(self, actions: NDArray[Any]) -> Seen:
        """Put weights to all balancers and go on for a period.

        Args:
            actions: Positive, shape (m, n); only ratios matter to the next routes.

        Raises:
            BadInput: An action is not positive and finite, or of the wrong shape.
        """
        actions = np.asarray(actions, np.float64)
        if actions.shape != self.shape or not (np.isfinite(actions) & (actions > 0)).all():
            message = f"actions are positive numbers of the shape {self.shape}"
            raise BadInput(Problem(message=message, field="actions"))
        simulation = self.simulation
        weight = simulation.world.board.local[:, WEIGHT]
        weight *= 1.0 - self._smoothing
        weight += self._smoothing * actions
        until = simulation.now + self._period_s
        over = simulation.advance(until) == state.DONE or until >= simulation.world.clock[state.HORIZON]
        return self._seen(over=bool(over))

    def _seen(self, *, over: bool) -> Seen:
        self._eye.look(self.simulation)
        return Seen(self._eye.balancers.copy(), self._eye.servers.copy(), self._rewards(), over)

    def _rewards(self) -> Reals:
        earned = self.simulation.world.board.mem[:, EARNED : EARNED + 2].sum(axis=2)
        done, spent = (earned - self._earned).T
        self._earned[:] = earned
        if self._reward == "delay":
            return np.asarray(-np.divide(spent, done, out=np.zeros_like(spent), where=done > 0))
        rule = FAIRNESS[self._reward]
        times = [self._eye.completion_times(lb) for lb in range(self.shape[0])]
        return np.array([rule(each) if len(each) else 0.0 for each in times])


def _check(period_s: float, reward: str, smoothing: float, base: float) -> None:
    problems = [
        Problem(message=message, field=field)
        for field, wrong, message in (
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
