"""One episode of a site whose balancers are told weights from outside, in numpy alone: what environments stand on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned.reservoirs import SLOTS
from qoslab.domains.balancing.learned.seeing import BALANCER_FIELDS, SERVER_FIELDS, look
from qoslab.domains.balancing.learned.sessions import SeenByAll, Sessions, actions_of
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.engine.kernel import compiled
from qoslab.engine.reference import by_reference

__all__ = ["Eye", "Seen", "Session"]

Reals = NDArray[np.float64]


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
    """Episodes of one scenario, stepped by weights: `Sessions` of one.

    Args:
        scenario: The site.
        period_s: Time between two decisions, s.
        reward: A name in `rewards.REWARDS`.
        smoothing: Share of a new action in the weights in force: w <- smoothing a + (1 - smoothing) w.
        base: Factor by which the weight of a sample falls in a second, in discounted and decayed means.
        context: Services of the laboratory.

    Attributes:
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
        self._all = Sessions(
            scenario, 1, period_s=period_s, reward=reward, smoothing=smoothing, base=base, context=context
        )
        self.shape = self._all.shape[1:]

    @property
    def simulation(self) -> Simulation:
        """The episode's simulation."""
        return self._all.simulations[0]

    def reset(self, seed: Seed) -> Seen:
        """Begin an episode; nothing has arrived yet."""
        return _seen(self._all.reset([seed]))

    def step(self, actions: NDArray[Any]) -> Seen:
        """Put weights to all balancers and go on for a period.

        Args:
            actions: Positive, shape (m, n); only ratios matter to the next routes.

        Raises:
            BadInput: Nothing has been reset, or an action is not positive and finite, or of the wrong shape.
        """
        return _seen(self._all.step(actions_of(actions, self.shape)[None]))


def _seen(seen: SeenByAll) -> Seen:
    """The one episode, in arrays of its own."""
    return Seen(seen.balancers[0].copy(), seen.servers[0].copy(), seen.rewards[0], bool(seen.over[0]))
