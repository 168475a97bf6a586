"""MARLLB with independent learners: soft actor-critics paid by a potential of their game."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.hooks import Policy, Site, Wiring
from qoslab.domains.balancing.learned.discrete_sac import DiscreteSac, Settings
from qoslab.domains.balancing.learned.potential_game import LEVELS, Course, play, seen_features, together
from qoslab.domains.balancing.learned.session import Watched
from qoslab.domains.balancing.model import Simulation
from qoslab.learning.session import deterministic

__all__ = ["MarllbSac"]

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

CITATION = """@inproceedings{yao2022learning,
  author = {Yao, Zhiyuan and Ding, Zihan},
  title = {Learning Distributed and Fair Policies for Network Load Balancing as Markov Potential Game},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2022}
}"""


@method(
    "balancing",
    "marllb_sac",
    summary="shortest expected delay with speeds chosen by independent learners of a potential game (MARLLB)",
    citation=CITATION,
    information="blind",
    extra="learn",
    origin="reference instance",
    example={"episodes": 1, "updates": 1, "hidden": 8, "batch": 2, "window": 4, "period_s": 20.0},
)
@dataclass(frozen=True)
class MarllbSac(Policy):
    """MARLLB, independent: argmin (active + 1) / w, with w_j of 1, 1.5 or 2 chosen by each balancer's own learner.

    Each `period_s`, at instants of its own, a balancer sees, of each server, its requests in flight and five statistics
    of their durations so far. With its last choice and a gated recurrent unit, its actor chooses a speed for each
    server. The reward is a function of fairness of the mean durations so far. Learners know nothing of each other. They
    learn between runs, from pieces of all runs so far; in the run that counts they take the most probable speeds and do
    not learn.

    Attributes:
        episodes: Runs of the scenario to learn from, with seeds of their own, before the one that counts.
        reward: Variance-based fairness `vbf`, `log_vbf`, their sum `vbf_log_vbf`, makespan `ms`, or product `pbf`.
        updates: Updates after each run.
        period_s: Time between two actions of a balancer, s.
        scale: What rewards are multiplied by.
        hidden: Width of the networks' layers and memory.
        batch: Pieces of runs in an update.
        window: Steps in a piece at most; a piece begins with an empty memory.
        learning_rate: Step size of Adam.
        discount: Discount of a step.
        tau: Share of the critics that moves into their targets at each update.
        entropy: Entropy that the temperature keeps, as a share of the greatest.
    """

    episodes: Annotated[int, Field(ge=0)] = 20
    reward: Literal["vbf", "log_vbf", "vbf_log_vbf", "ms", "pbf"] = "vbf_log_vbf"
    updates: Annotated[int, Field(ge=0)] = 25
    period_s: Annotated[float, Field(gt=0)] = 0.25
    scale: Annotated[float, Field(gt=0)] = 1.0
    hidden: Annotated[int, Field(ge=1)] = 512
    batch: Annotated[int, Field(ge=1)] = 12
    window: Annotated[int, Field(ge=1)] = 240
    learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    discount: Annotated[float, Field(ge=0, lt=1)] = 0.99
    tau: Annotated[float, Field(gt=0, le=1)] = 0.01
    entropy: Annotated[float, Field(gt=0, lt=1)] = 0.2

    def wire(self, site: Site) -> Wiring:
        """Equal speeds at first; stop at each balancer's own instants."""
        return replace(Watched().wire(site), tick_s=self.period_s, stagger=True, pause=True)

    def play(self, begin: Callable[[Seed], Simulation], seed: Seed, context: Context) -> Simulation:
        """Learn in `episodes` runs, then play the one that counts; see `potential_game.play`."""
        numbers = seed.stream("learners")
        with deterministic(numbers, "balancing/marllb_sac"):
            return play(
                lambda m, n: _Apart(self, m, n, numbers),
                begin,
                seed,
                context,
                episodes=self.episodes,
                updates=self.updates,
            )


class _Apart:
    """The learners of a site, each for itself.

    Args:
        method: The parameters.
        balancers: m.
        servers: n.
        seed: Where they draw from.
    """

    def __init__(self, method: MarllbSac, balancers: int, servers: int, seed: np.random.SeedSequence) -> None:
        settings = Settings(
            hidden=method.hidden,
            rate=method.learning_rate,
            discount=method.discount,
            tau=method.tau,
            batch=method.batch,
            window=method.window,
            entropy=method.entropy,
        )
        self._method = method
        self._learners = [
            DiscreteSac(seen_features(servers), servers, len(LEVELS), settings, child, "balancing/marllb_sac")
            for child in seed.spawn(balancers)
        ]

    def begin(self, *, share: float) -> None:  # noqa: ARG002 - how much is explored, the temperature says
        for learner in self._learners:
            learner.begin()

    def act(self, balancer: int, state: Reals, *, explore: bool) -> Ints:
        return self._learners[balancer].act(state, explore=explore)

    def keep(self, courses: Sequence[Course]) -> None:
        for learner, course in zip(self._learners, courses, strict=True):
            episode = together([course], self._method.reward, self._method.scale)
            learner.keep(episode._replace(states=episode.states[:, 0], actions=episode.actions[:, 0]))

    def learn(self) -> None:
        for learner in self._learners:
            learner.learn()
