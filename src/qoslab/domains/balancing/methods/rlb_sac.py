"""RLB-SAC: independent soft actor-critic learners that set speeds for shortest expected delay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.errors import MissingExtra
from qoslab.core.method import method
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.hooks import Policy, Site, Wiring
from qoslab.domains.balancing.learned.rewards import FAIRNESS
from qoslab.domains.balancing.learned.sac import Sac, Settings
from qoslab.domains.balancing.learned.session import Eye
from qoslab.domains.balancing.learned.sessions import Watched
from qoslab.domains.balancing.learned.settings import settings_of
from qoslab.domains.balancing.learned.trained import (
    Weights,
    demand_runs,
    first_weights,
    of_number,
    together_by_number,
    training_seed,
)
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.source import make_demand
from qoslab.domains.balancing.view import WEIGHT
from qoslab.learning.checkpoint import dump_weights

__all__ = ["RlbSac"]

Reals = NDArray[np.float64]

CITATION = """@inproceedings{yao2021reinforced,
  author = {Yao, Zhiyuan and Ding, Zihan and Clausen, Thomas},
  title = {Reinforced Workload Distribution Fairness},
  booktitle = {Workshop on Machine Learning for Systems at NeurIPS},
  year = {2021}
}"""

_SEEN = [0, *range(2, 12)]
"""Columns of a server's row that the published state holds: all but whether it may be chosen."""


@method(
    "balancing",
    "rlb_sac",
    summary="shortest expected delay with speeds that independent soft actor-critic learners set (RLB-SAC)",
    citation=CITATION,
    information="blind",
    extra="learn",
    origin="reference instance",
    example={"episodes": 1, "updates": 1, "hidden": 8, "batch": 2, "period_s": 20.0},
)
@dataclass(frozen=True)
class RlbSac(Policy):
    """RLB-SAC: argmin (active + 1) / w, with w moved towards the action of a learner of each balancer's own.

    Each `period_s`, at instants of its own, a balancer sees the time between its requests and, of each server, its
    requests in flight, their completion times and their durations so far, each as five statistics of a reservoir. Its
    actor answers with a speed for each server, a = tanh(N(mu, sigma)) + 1, and w <- smoothing a + (1 - smoothing) w.
    The reward is a fairness index of the discounted mean completion times, minus 1, times `scale`. Learners know
    nothing of each other and learn at their own instants. They learn during the run, after `episodes` runs that do not
    count: by default each seed has its own; with `weights = "train"` a study makes them once for a scenario.

    Written from the poster and from descriptions of the authors' released simulator. Unlike there, the score is applied
    once, reservoirs' empty slots do not count, and learning takes no simulated time.

    Attributes:
        weights: `builtin`: a run begins with networks drawn by lot; `train`: with those that a study has trained for
            its scenario; or a file of such weights.
        episodes: Runs of the scenario, with seeds of their own, before the one that counts; it learns in all of them.
        index: Fairness index of the reward: `jain`, `g` or `bossaer`.
        updates: Updates per step.
        period_s: Time between two actions of a balancer, s.
        smoothing: Share of a new action in the speeds.
        scale: What rewards are multiplied by.
        hidden: Width of the networks' hidden layers.
        batch: Transitions in an update.
        replay: Transitions that are kept.
        learning_rate: Step size of Adam.
        discount: Discount of a step.
        tau: Share of the critics that moves into their targets at each update.
    """

    weights: str = "builtin"
    episodes: Annotated[int, Field(ge=0)] = 20
    index: Literal["jain", "g", "bossaer"] = "jain"
    updates: Annotated[int, Field(ge=0)] = 10
    period_s: Annotated[float, Field(gt=0)] = 0.5
    smoothing: Annotated[float, Field(gt=0, le=1)] = 0.5
    scale: Annotated[float, Field(gt=0)] = 10.0
    hidden: Annotated[int, Field(ge=1)] = 512
    batch: Annotated[int, Field(ge=2)] = 64
    replay: Annotated[int, Field(ge=2)] = 3000
    learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    discount: Annotated[float, Field(ge=0, lt=1)] = 0.99
    tau: Annotated[float, Field(gt=0, le=1)] = 0.01

    def wire(self, site: Site) -> Wiring:
        """Equal speeds at first; stop at each balancer's own instants."""
        return replace(Watched().wire(site), tick_s=self.period_s, stagger=True, pause=True)

    def play(self, begin: Callable[[Seed], Simulation], seed: Seed, context: Context) -> Simulation:
        """Learn in `episodes` runs, then in the one that counts.

        Args:
            begin: Makes the simulation of a seed.
            seed: The trial's seed.
            context: Services of the laboratory.

        Returns:
            The simulation of the trial's seed, at its end.
        """
        numbers = seed.stream("learners")
        with _one_thread():
            simulation = begin(seed)
            if self.weights == "builtin":
                agents = self._taught(begin, seed, context)
            else:
                agents = _Agents(self, simulation, numbers)
                agents.begin_with(first_weights(self.weights, context))
            agents.go_through(simulation, context)
        return simulation

    def train(self, scenario: BalancingScenario, seed: Seed, context: Context) -> bytes:
        """Learn in `episodes` runs of a scenario.

        Args:
            scenario: The scenario.
            seed: The training's seed.
            context: Services of the laboratory.

        Returns:
            The learners' weights, a safetensors file.

        Raises:
            BadInput: There are to be no episodes.
        """
        demand_runs(self.episodes)
        begin = partial(Simulation, scenario, self, context=context, demand=make_demand(scenario, context))
        with _one_thread():
            learned = self._taught(begin, seed, context).weights()
        about = {"method": "balancing/rlb_sac", "episodes": self.episodes}
        about |= {"balancers": scenario.balancers, "servers": scenario.servers.count, "hidden": self.hidden}
        return dump_weights(learned, about)

    def _taught(self, begin: Callable[[Seed], Simulation], seed: Seed, context: Context) -> _Agents:
        """Learners after `episodes` runs."""
        numbers = seed.stream("learners")
        agents: _Agents | None = None
        for episode in range(self.episodes):
            simulation = begin(training_seed(seed, episode))
            agents = agents or _Agents(self, simulation, numbers)
            agents.go_through(simulation, context)
        return agents or _Agents(self, begin(seed), numbers)


def _one_thread() -> Any:
    """The order of sums over threads is not fixed, and a study runs one trial on each core."""
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError:
        who = "balancing/rlb_sac"
        raise MissingExtra(who, "learn") from None
    return threadpool_limits(1)


class _Agents:
    """The learners of a site, one for each balancer.

    Args:
        method: The parameters.
        simulation: A simulation of the site.
        seed: Where they draw from.
    """

    def __init__(self, method: RlbSac, simulation: Simulation, seed: np.random.SeedSequence) -> None:
        m, _, n = simulation.world.board.counts.shape
        settings = replace(settings_of(Settings, method), replay=max(method.replay, method.batch))
        self._method, self._eye = method, Eye(m, n)
        features = self._eye.balancers.shape[1] + n * len(_SEEN)
        self._learners = [Sac(features, n, settings, child) for child in seed.spawn(m)]
        self._past: list[tuple[Reals, Reals] | None] = [None] * m

    def weights(self) -> dict[str, NDArray[Any]]:
        """What all learners have learned, by the learner's number and the array's name."""
        return together_by_number([learner.weights() for learner in self._learners])

    def begin_with(self, weights: Weights) -> None:
        """Take over what was learned before; see `Sac.begin_with`."""
        for number, learner in enumerate(self._learners):
            learner.begin_with(of_number(weights, number))

    def go_through(self, simulation: Simulation, context: Context) -> None:
        """Decide, and learn, from the beginning of a run to its end; what was done before has no sequel."""
        self._past = [None] * len(self._past)
        while (reason := simulation.advance()) != state.DONE:
            context.check_time()
            if reason == state.PAUSE:
                self.decide(simulation, int(simulation.world.counts[state.DECIDER]))

    def decide(self, simulation: Simulation, balancer: int) -> None:
        """One balancer remembers what its last action led to, learns, and acts."""
        method, learner = self._method, self._learners[balancer]
        self._eye.look(simulation)
        servers = self._eye.servers[balancer][:, _SEEN]
        seen = np.concatenate([self._eye.balancers[balancer], servers.ravel()])
        past = self._past[balancer]
        if past is not None:
            times = self._eye.completion_times(balancer)
            reward = method.scale * FAIRNESS[method.index](times) if len(times) else 0.0
            learner.keep(*past, reward, seen)
            for _ in range(method.updates):
                learner.learn()
        action = learner.act(seen)
        self._past[balancer] = seen, action
        weight = simulation.world.board.local[balancer, WEIGHT]
        # tanh reaches -1 in float32; a speed of 0 would divide by 0.
        weight[:] = method.smoothing * np.maximum(action + 1.0, 1e-3) + (1.0 - method.smoothing) * weight
