"""Load balancing as a Markov potential game: balancers that choose speeds of servers and learn between runs.

After Yao and Ding, Learning Distributed and Fair Policies for Network Load Balancing as Markov Potential Game (NeurIPS
2022), from its slides and released code. With l_j the decayed mean of the durations so far of own requests open at
server j, all balancers are paid by the same function of fairness, which is then a potential of their game: what one of
them gains by changing its policy, all gain, so that learners who know nothing of each other reach an equilibrium.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.hooks import Policy
from qoslab.domains.balancing.learned.recurrent import Episode, Task
from qoslab.domains.balancing.learned.rewards import FAIRNESS
from qoslab.domains.balancing.learned.seeing import SERVER_FIELDS
from qoslab.domains.balancing.learned.session import Eye
from qoslab.domains.balancing.learned.trained import Weights, demand_runs, first_weights, training_seed
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.source import make_demand
from qoslab.domains.balancing.view import WEIGHT
from qoslab.learning.checkpoint import dump_weights
from qoslab.learning.session import deterministic

__all__ = ["LEVELS", "Course", "GamePolicy", "Team", "potential", "together"]

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = (1.0, 1.5, 2.0)
"""Speeds to choose from for each server."""
DECAY = 0.9
"""Factor by which the weight of a sample falls in a second."""
_OPEN = [SERVER_FIELDS.index(name) for name in SERVER_FIELDS if name.startswith("open_duration")]
_SEEN = [SERVER_FIELDS.index("in_flight"), *_OPEN]
_LOAD = SERVER_FIELDS.index("open_duration_decayed_mean_s")


@dataclass
class Course:
    """What one balancer went through in a run.

    Attributes:
        states: What it saw at each decision, shape (features,) each.
        actions: Indices of levels, shape (n,) each.
        loads: l_j at each decision, shape (n,) each, 0 without a sample.
    """

    states: list[Reals] = field(default_factory=list)
    actions: list[Ints] = field(default_factory=list)
    loads: list[Reals] = field(default_factory=list)


class Team(Protocol):
    """The learners of a site."""

    def begin(self, *, share: float) -> None:
        """A new run begins; `share` of the runs to learn from lie behind."""

    def act(self, balancer: int, state: Reals, *, explore: bool) -> Ints:
        """A balancer's levels, shape (n,)."""

    def keep(self, courses: Sequence[Course]) -> None:
        """Remember a run."""

    def learn(self) -> None:
        """One update of all."""

    def weights(self) -> dict[str, NDArray[Any]]:
        """All that acting needs, by name."""

    def begin_with(self, weights: Weights) -> None:
        """Act by what was learned before; refuses weights of other sizes."""


def potential(loads: Reals, name: str) -> float:
    """The reward of loads l_j, shape (n,); servers without a sample (0) are left out, and 0 where none has any."""
    times = loads[loads > 0.0]
    return float(FAIRNESS[name](times)) if len(times) else 0.0


def together(courses: Sequence[Course], name: str, scale: float) -> Episode:
    """The run of a whole team, paid by loads averaged over balancers.

    Args:
        courses: One of each balancer, of two decisions or more. Decisions of one number belong together; a last one
            that not all took is left out.
        name: The reward's name in `rewards.FAIRNESS`.
        scale: What it is multiplied by.
    """
    steps = min(len(course.actions) for course in courses) - 1
    loads = np.mean([course.loads[1 : steps + 1] for course in courses], axis=0)
    return Episode(
        np.stack([course.states[: steps + 1] for course in courses], axis=1),
        np.stack([course.actions[:steps] for course in courses], axis=1),
        np.array([scale * potential(each, name) for each in loads]),
    )


@dataclass(frozen=True)
class GamePolicy(Policy):
    """A policy that learns in runs of its own before the one that counts; a subclass explains the parameters.

    Attributes:
        WHO: The method's name, `DOMAIN/METHOD`.
    """

    WHO: ClassVar[str]

    weights: str = "builtin"
    episodes: Annotated[int, Field(ge=0)] = 20
    reward: Literal["vbf", "log_vbf", "vbf_log_vbf", "ms", "pbf"] = "vbf"
    updates: Annotated[int, Field(ge=0)] = 25
    period_s: Annotated[float, Field(gt=0)] = 0.25
    scale: Annotated[float, Field(gt=0)] = 1.0
    hidden: Annotated[int, Field(ge=1)] = 512
    batch: Annotated[int, Field(ge=1)] = 12
    window: Annotated[int, Field(ge=1)] = 240
    learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    discount: Annotated[float, Field(ge=0, lt=1)] = 0.99
    tau: Annotated[float, Field(gt=0, le=1)] = 0.01

    def team(self, balancers: int, servers: int, seed: np.random.SeedSequence) -> Team:
        """The learners of a site."""
        raise NotImplementedError

    def task(self, servers: int) -> Task:
        """What each balancer has to choose."""
        return Task(len(_SEEN) * servers, servers, len(LEVELS), self.WHO)

    def play(self, begin: Callable[[Seed], Simulation], seed: Seed, context: Context) -> Simulation:
        """Learn from `episodes` runs, `updates` updates after each; then play the one that counts without learning.

        Args:
            begin: Makes the simulation of a seed.
            seed: The trial's seed.
            context: Services of the laboratory.

        Returns:
            The simulation of the trial's seed, at its end.
        """
        numbers = seed.stream("learners")
        with deterministic(numbers, self.WHO):
            simulation = begin(seed)
            if self.weights == "builtin":
                learners = self._taught(begin, seed, context)
            else:
                learners = self._made(simulation, numbers)
                learners.begin_with(first_weights(self.weights, context))
            learners.begin(share=1.0)
            _run(learners, simulation, context, explore=False)
        return simulation

    def train(self, scenario: BalancingScenario, seed: Seed, context: Context) -> bytes:
        """Learn from `episodes` runs of a scenario.

        Args:
            scenario: The scenario.
            seed: The training's seed.
            context: Services of the laboratory.

        Returns:
            What the learners act by, a safetensors file.

        Raises:
            BadInput: There are to be no episodes.
        """
        demand_runs(self.episodes)
        begin = partial(Simulation, scenario, self, context=context, demand=make_demand(scenario, context))
        with deterministic(seed.stream("learners"), self.WHO):
            learned = self._taught(begin, seed, context).weights()
        about = {"method": self.WHO, "episodes": self.episodes, "hidden": self.hidden}
        return dump_weights(
            learned, about | {"balancers": scenario.balancers, "servers": scenario.servers.count}
        )

    def _taught(self, begin: Callable[[Seed], Simulation], seed: Seed, context: Context) -> Team:
        """Learners after `episodes` runs."""
        numbers = seed.stream("learners")
        learners: Team | None = None
        for number in range(self.episodes):
            simulation = begin(training_seed(seed, number))
            learners = learners or self._made(simulation, numbers)
            self._practise(learners, simulation, context, share=number / self.episodes)
        return learners or self._made(begin(seed), numbers)

    def _made(self, simulation: Simulation, seed: np.random.SeedSequence) -> Team:
        m, _, n = simulation.world.board.counts.shape
        return self.team(m, n, seed)

    def _practise(self, learners: Team, simulation: Simulation, context: Context, *, share: float) -> None:
        """One run to learn from; it teaches nothing where a balancer has not decided twice."""
        learners.begin(share=share)
        courses = _run(learners, simulation, context, explore=True)
        if min(len(course.actions) for course in courses) < 2:
            return
        learners.keep(courses)
        for _ in range(self.updates):
            context.check_time()
            learners.learn()


def _run(team: Team, simulation: Simulation, context: Context, *, explore: bool) -> list[Course]:
    m, _, n = simulation.world.board.counts.shape
    eye, courses = Eye(m, n, DECAY), [Course() for _ in range(m)]
    levels = np.array(LEVELS)
    while (reason := simulation.advance()) != state.DONE:
        context.check_time()
        if reason == state.PAUSE:
            balancer = int(simulation.world.counts[state.DECIDER])
            eye.look(simulation)
            servers, course = eye.servers[balancer], courses[balancer]
            course.states.append(servers[:, _SEEN].ravel())
            course.loads.append(servers[:, _LOAD].copy())
            course.actions.append(team.act(balancer, course.states[-1], explore=explore))
            simulation.world.board.local[balancer, WEIGHT] = levels[course.actions[-1]]
    return courses
