"""Load balancing as a Markov potential game: balancers that choose speeds of servers and learn between runs.

After Yao and Ding, Learning Distributed and Fair Policies for Network Load Balancing as Markov Potential Game (NeurIPS
2022), from its slides and released code. With l_j the decayed mean of the durations so far of own requests open at
server j, all balancers are paid by the same function of fairness, which is then a potential of their game: what one of
them gains by changing its policy, all gain, so that learners who know nothing of each other reach an equilibrium.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.learned.recurrent import Episode
from qoslab.domains.balancing.learned.rewards import FAIRNESS
from qoslab.domains.balancing.learned.seeing import SERVER_FIELDS
from qoslab.domains.balancing.learned.session import Eye
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.view import WEIGHT

__all__ = ["LEVELS", "Course", "Team", "play", "potential", "seen_features", "together"]

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


def seen_features(servers: int) -> int:
    """How many numbers a balancer sees."""
    return len(_SEEN) * servers


def potential(loads: Reals, name: str) -> float:
    """The reward of loads l_j, shape (n,); servers without a sample (0) are left out, and 0 where none has any."""
    times = loads[loads > 0.0]
    return FAIRNESS[name](times) if len(times) else 0.0


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


def play(
    team: Callable[[int, int], Team],
    begin: Callable[[Seed], Simulation],
    seed: Seed,
    context: Context,
    *,
    episodes: int,
    updates: int,
) -> Simulation:
    """Learn from `episodes` runs, with seeds of their own and `updates` updates after each; then play without learning.

    Args:
        team: Makes the learners of m balancers and n servers.
        begin: Makes the simulation of a seed.
        seed: The trial's seed.
        context: Services of the laboratory.
        episodes: Runs to learn from.
        updates: Updates after each.

    Returns:
        The simulation of the trial's seed, at its end.
    """
    learners: Team | None = None
    for number in range(episodes):
        training = Seed(seed.root, seed.study, f"{seed.scenario} training {number}", seed.replication)
        simulation = begin(training)
        learners = learners or _made(team, simulation)
        learners.begin(share=number / episodes)
        courses = _run(learners, simulation, context, explore=True)
        if min(len(course.actions) for course in courses) < 2:
            continue
        learners.keep(courses)
        for _ in range(updates):
            context.check_time()
            learners.learn()
    simulation = begin(seed)
    learners = learners or _made(team, simulation)
    learners.begin(share=1.0)
    _run(learners, simulation, context, explore=False)
    return simulation


def _made(team: Callable[[int, int], Team], simulation: Simulation) -> Team:
    m, _, n = simulation.world.board.counts.shape
    return team(m, n)


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
