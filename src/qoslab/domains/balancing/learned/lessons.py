"""What the network learns from: what balancers saw on simulated sites, beside the capacities that were true then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.hooks import Policy, Site, Wiring
from qoslab.domains.balancing.learned.inference import NEW, SEEN, SINCE, Rule, wiring
from qoslab.domains.balancing.learned.memories import FIXED_INPUTS
from qoslab.domains.balancing.learned.network import SHAPES
from qoslab.domains.balancing.learned.worlds import drawn_world
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.view import CAPACITY

__all__ = ["TICKS", "Lesson", "Pupil", "Shard", "blank", "lessons"]

Floats = NDArray[np.float32]
Weights = Mapping[str, NDArray[Any]]

WITNESSES = 2
"""Balancers of a site whose views are kept."""
TICKS = 96
"""Looks, T, in a run."""
UNTAUGHT = (
    Rule(delta=0.5, trust=0.0, own=1.0, doubt=np.inf, widen=False),
    Rule(delta=0.5, trust=0.0, own=0.0, doubt=np.inf, widen=False),
    Rule(delta=1.0, trust=0.0, own=1.0, doubt=np.inf, widen=False),
)
"""How sites are routed before the network has learned anything: by own rates of completion, or by equal weights."""
TAUGHT = (
    Rule(delta=0.5, trust=1.0, own=0.0, doubt=np.inf, widen=False),
    Rule(delta=0.5, trust=0.5, own=0.5, doubt=np.inf, widen=False),
    Rule(delta=0.75, trust=1.0, own=0.0, doubt=np.inf, widen=False),
    Rule(delta=1.0, trust=1.0, own=0.0, doubt=np.inf, widen=False),
)
"""How they are routed afterwards: most often by the network itself, so that it knows the sites that it makes."""


@dataclass(frozen=True)
class Lesson:
    """What one balancer saw in the course of a run.

    Attributes:
        inputs: What fixed memories say at each look, shape (T, n, FIXED_INPUTS).
        new: Completions, busy time, request-seconds and time since the look before, shape (T, n, 4).
        known: Whether the memories held anything yet, shape (T,).
        balancers: Their number.
        truth: Logarithm of each server's capacity, mean 0, shape (T, n).
        change: The first look after some speeds have changed; 0 where none do.
    """

    inputs: Floats
    new: Floats
    known: NDArray[np.bool_]
    balancers: int
    truth: Floats
    change: int


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


@dataclass(frozen=True, eq=False)
class Shard:
    """Work for an actor: sites to run a policy on.

    Attributes:
        weights: The network that routes, as it was when the shard was given out.
        taught: Whether it has learned enough to route.
        worlds: How many sites.
        seed: Where all of it is drawn from.
    """

    weights: Weights
    taught: bool
    worlds: int
    seed: Seed


def blank() -> dict[str, NDArray[Any]]:
    """A network that says nothing: all weights 0."""
    return {name: np.zeros(shape) for name, shape in SHAPES.items()}


def lessons(shard: Shard) -> list[Lesson]:
    """Run a policy on sites drawn at random and look over its shoulder; the same shard gives the same lessons."""
    rng = shard.seed.generator("worlds")
    rules = TAUGHT if shard.taught else UNTAUGHT
    learned: list[Lesson] = []
    for number in range(shard.worlds):
        world = drawn_world(rng)
        period = float(world.duration_s or 0.0) / TICKS
        pupil = Pupil(shard.weights, rules[rng.integers(len(rules))], period)
        seed = shard.seed
        trial = Seed(seed.root, seed.study, f"{seed.scenario} {number}", seed.replication)
        simulation = Simulation(world, pupil, trial, Context())
        change = int(np.ceil(world.changes[0].at_s / period)) if world.changes else 0
        learned += _watched(simulation, period, change, rng)
    return learned


def _watched(simulation: Simulation, period: float, change: int, rng: np.random.Generator) -> list[Lesson]:
    """Run it to its end, one look after the other: the looks of a balancer are a period apart."""
    board = simulation.world.board
    balancers, servers = len(board.counts), board.truth.shape[1]
    shown = rng.choice(balancers, size=min(WITNESSES, balancers), replace=False)
    inputs = np.zeros((len(shown), TICKS, servers, FIXED_INPUTS), np.float32)
    new = np.zeros((len(shown), TICKS, servers, 4), np.float32)
    truth = np.zeros((TICKS, servers), np.float32)
    last = np.zeros(len(shown))
    for t in range(TICKS):
        if simulation.advance((t + 1) * period) == state.DONE and t < TICKS - 1:
            inputs, new, truth = inputs[:, :t], new[:, :t], truth[:t]
            break
        logs = np.log(board.truth[CAPACITY])
        truth[t] = logs - logs.mean()
        inputs[:, t] = board.mem[shown, SEEN : SEEN + FIXED_INPUTS].transpose(0, 2, 1)
        new[:, t, :, :3] = board.mem[shown, NEW : NEW + 3].transpose(0, 2, 1)
        new[:, t, :, 3] = (board.box[shown, SINCE] - last)[:, None]
        last = board.box[shown, SINCE]
    known = (inputs != 0.0).any(axis=(2, 3))
    return [
        Lesson(inputs[w], new[w], known[w], balancers, truth, change)
        for w in range(len(shown))
        if known[w].sum() > TICKS // 4
    ]
