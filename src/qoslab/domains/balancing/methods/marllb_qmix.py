"""MARLLB with QMIX: balancers that act apart and learn together, paid by fairness of their mean loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.balancing.hooks import Site, Wiring
from qoslab.domains.balancing.learned.potential_game import Course, GamePolicy, Team, together
from qoslab.domains.balancing.learned.qmix import Qmix, Settings
from qoslab.domains.balancing.learned.sessions import Watched
from qoslab.domains.balancing.learned.settings import settings_of
from qoslab.domains.balancing.learned.trained import Weights
from qoslab.domains.balancing.methods.marllb_sac import CITATION

__all__ = ["MarllbQmix"]

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


@method(
    "balancing",
    "marllb_qmix",
    summary="shortest expected delay with speeds chosen by balancers that learn together by QMIX (MARLLB)",
    citation=CITATION,
    information="blind",
    extra="learn",
    origin="reference instance",
    example={"episodes": 1, "updates": 1, "hidden": 8, "hyper": 8, "batch": 2, "window": 4, "period_s": 20.0},
)
@dataclass(frozen=True)
class MarllbQmix(GamePolicy):
    """MARLLB, QMIX: argmin (active + 1) / w, with each w_j one of 1, 1.5 and 2, chosen by agents trained together.

    Each `period_s`, all at once, balancers see what those of `marllb_sac` see, and each chooses the speeds that it
    values most. Between runs they learn together: a mixing network makes of the values of all chosen speeds that of the
    joint action, and the reward is a function of fairness of the loads averaged over balancers. To explore, a speed is
    drawn by lot with a probability that falls from 1 to `exploration` over the first half of the runs. In the run that
    counts nothing is drawn by lot and nothing learned.

    Attributes:
        weights: `builtin`: each seed learns in runs of its own; `train`: a study learns once for a scenario; or a file
            of what was so learned, and then nothing is learned.
        episodes: Runs of the scenario to learn from, with seeds of their own, before the one that counts.
        reward: Variance-based fairness `vbf`, `log_vbf`, their sum `vbf_log_vbf`, makespan `ms`, or product `pbf`.
        updates: Updates after each run.
        period_s: Time between two actions, s.
        scale: What rewards are multiplied by.
        hidden: Width of the agents' layers and memory, and of the mixing network.
        hyper: Width of the hypernetworks.
        batch: Pieces of runs in an update.
        window: Steps in a piece at most; a piece begins with an empty memory.
        learning_rate: Step size of Adam.
        discount: Discount of a step.
        td_lambda: Share of the return that comes from later steps rather than from the next value.
        tau: Share of the networks that moves into their targets at each update.
        exploration: Probability of a speed by lot in the second half of the runs.
    """

    WHO: ClassVar[str] = "balancing/marllb_qmix"

    hidden: Annotated[int, Field(ge=1)] = 128
    hyper: Annotated[int, Field(ge=1)] = 128
    batch: Annotated[int, Field(ge=1)] = 25
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    td_lambda: Annotated[float, Field(ge=0, le=1)] = 0.6
    exploration: Annotated[float, Field(ge=0, le=1)] = 0.05

    def wire(self, site: Site) -> Wiring:
        """Equal speeds at first; stop at instants common to all balancers."""
        return replace(Watched().wire(site), tick_s=self.period_s, stagger=False, pause=True)

    def team(self, balancers: int, servers: int, seed: np.random.SeedSequence) -> Team:
        """One learner for all balancers."""
        return _Together(self, balancers, servers, seed)


class _Together:
    """The learners of a site, as one team.

    Args:
        method: The parameters.
        balancers: m.
        servers: n.
        seed: Where they draw from.
    """

    def __init__(
        self, method: MarllbQmix, balancers: int, servers: int, seed: np.random.SeedSequence
    ) -> None:
        settings = settings_of(Settings, method)
        self._method, self._epsilon = method, 1.0
        (child,) = seed.spawn(1)
        self._team = Qmix(balancers, method.task(servers), settings, child)

    def weights(self) -> dict[str, NDArray[Any]]:
        return self._team.weights()

    def begin_with(self, weights: Weights) -> None:
        self._team.begin_with(weights)

    def begin(self, *, share: float) -> None:
        self._epsilon = max(1.0 - 2.0 * share, self._method.exploration)
        self._team.begin()

    def act(self, balancer: int, state: Reals, *, explore: bool) -> Ints:
        return self._team.act(balancer, state, self._epsilon if explore else 0.0)

    def keep(self, courses: Sequence[Course]) -> None:
        episode = together(courses, self._method.reward, self._method.scale)
        self._team.keep(episode)

    def learn(self) -> None:
        self._team.learn()
