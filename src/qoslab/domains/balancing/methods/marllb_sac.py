"""MARLLB with independent learners: soft actor-critics paid by a potential of their game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.balancing.hooks import Site, Wiring
from qoslab.domains.balancing.learned.discrete_sac import DiscreteSac, Settings
from qoslab.domains.balancing.learned.potential_game import Course, GamePolicy, Team, together
from qoslab.domains.balancing.learned.sessions import Watched
from qoslab.domains.balancing.learned.settings import settings_of
from qoslab.domains.balancing.learned.trained import Weights, of_number, together_by_number

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
class MarllbSac(GamePolicy):
    """MARLLB, independent: argmin (active + 1) / w, with w_j of 1, 1.5 or 2 chosen by each balancer's own learner.

    Each `period_s`, at instants of its own, a balancer sees, of each server, its requests in flight and five statistics
    of their durations so far. With its last choice and a gated recurrent unit, its actor chooses a speed for each
    server. The reward is a function of fairness of the mean durations so far. Learners know nothing of each other. They
    learn between runs, from pieces of all runs so far; in the run that counts they take the most probable speeds and do
    not learn.

    Attributes:
        weights: `builtin`: each seed learns in runs of its own; `train`: a study learns once for a scenario; or a file
            of what was so learned, and then nothing is learned.
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

    WHO: ClassVar[str] = "balancing/marllb_sac"

    reward: Literal["vbf", "log_vbf", "vbf_log_vbf", "ms", "pbf"] = "vbf_log_vbf"
    entropy: Annotated[float, Field(gt=0, lt=1)] = 0.2

    def wire(self, site: Site) -> Wiring:
        """Equal speeds at first; stop at each balancer's own instants."""
        return replace(Watched().wire(site), tick_s=self.period_s, stagger=True, pause=True)

    def team(self, balancers: int, servers: int, seed: np.random.SeedSequence) -> Team:
        """A learner for each balancer."""
        return _Apart(self, balancers, servers, seed)


class _Apart:
    """The learners of a site, each for itself.

    Args:
        method: The parameters.
        balancers: m.
        servers: n.
        seed: Where they draw from.
    """

    def __init__(self, method: MarllbSac, balancers: int, servers: int, seed: np.random.SeedSequence) -> None:
        settings = settings_of(Settings, method)
        self._method = method
        self._learners = [
            DiscreteSac(method.task(servers), settings, child) for child in seed.spawn(balancers)
        ]

    def weights(self) -> dict[str, NDArray[Any]]:
        return together_by_number([learner.weights() for learner in self._learners])

    def begin_with(self, weights: Weights) -> None:
        for number, learner in enumerate(self._learners):
            learner.begin_with(of_number(weights, number))

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
