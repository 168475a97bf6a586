"""What the network learns from: what balancers saw on simulated sites, beside the capacities that were true then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.hooks import Policy, Site, Wiring
from qoslab.domains.balancing.learned.inference import REMEMBERED, SEEN, Rule, wiring
from qoslab.domains.balancing.learned.memories import INPUTS
from qoslab.domains.balancing.learned.network import SHAPES
from qoslab.domains.balancing.learned.worlds import drawn_world
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.view import CAPACITY

__all__ = ["Lesson", "Pupil", "blank", "lessons"]

Reals = NDArray[np.float64]
Weights = Mapping[str, NDArray[np.generic]]

SNAPSHOTS = 10
WITNESSES = 3
"""Balancers of a site that are asked at each snapshot."""
TICKS = 120
"""Inferences in a run."""


@dataclass(frozen=True)
class Lesson:
    """What one balancer saw at one time.

    Attributes:
        inputs: Shape (n, INPUTS).
        fleet: Shape (FLEET,).
        truth: Logarithm of each server's capacity, mean 0, shape (n,).
    """

    inputs: Reals
    fleet: Reals
    truth: Reals


@dataclass(frozen=True, eq=False)
class Pupil(Policy):
    """The policy while it learns.

    Attributes:
        weights: The network's.
        rule: How it routes.
        period_s: Time between two inferences, s.
    """

    weights: Weights
    rule: Rule
    period_s: float

    def wire(self, site: Site) -> Wiring:
        """As the finished policy."""
        return wiring(self.weights, self.rule, site, self.period_s)


def blank() -> dict[str, NDArray[Any]]:
    """A network that says nothing: all weights 0."""
    return {name: np.zeros(shape) for name, shape in SHAPES.items()}


def lessons(weights: Weights, rules: list[Rule], worlds: int, seed: Seed) -> Iterator[Lesson]:
    """Run a policy on sites drawn at random and look over its shoulder.

    Args:
        weights: The network that routes.
        rules: One of these is drawn for each site.
        worlds: How many sites.
        seed: Where all of it is drawn from.
    """
    rng = seed.generator("worlds")
    for number in range(worlds):
        world = drawn_world(rng)
        duration = float(world.duration_s or 0.0)
        pupil = Pupil(weights, rules[rng.integers(len(rules))], duration / TICKS)
        trial = Seed(seed.root, seed.study, f"{seed.scenario} {number}", seed.replication)
        simulation = Simulation(world, pupil, trial, Context())
        for at in _times(rng, duration, world.changes[0].at_s if world.changes else None):
            if simulation.advance(float(at)) == state.DONE:
                break
            yield from _seen(simulation, rng)


def _times(rng: np.random.Generator, duration: float, change: float | None) -> list[float]:
    """When balancers are asked, s: at any time, and as often soon after a change, where there is one."""
    anywhere = rng.uniform(0.03, 1.0, SNAPSHOTS) * duration
    if change is None:
        return list(np.sort(anywhere))
    after = change + (duration - change) * rng.uniform(0.0, 1.0, SNAPSHOTS) ** 2
    return list(np.sort(np.concatenate([anywhere[: SNAPSHOTS // 2], after])))


def _seen(simulation: Simulation, rng: np.random.Generator) -> Iterator[Lesson]:
    board = simulation.world.board
    truth = np.log(board.truth[CAPACITY])
    balancers = len(board.counts)
    for lb in rng.choice(balancers, size=min(WITNESSES, balancers), replace=False):
        if board.mem[lb, REMEMBERED].sum() > 0.0:
            inputs = board.mem[lb, SEEN : SEEN + INPUTS].T.copy()
            yield Lesson(inputs, board.box[lb, -1:].copy(), truth - truth.mean())
