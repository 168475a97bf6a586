"""Soft actor-critic over levels, one head for each server.

After Christodoulou, Soft Actor-Critic for Discrete Action Settings (2019). The policy is a product over heads,
pi(a | h) = prod_j pi_j(a_j | h), and critics are sums over them, Q(h, a) = sum_j q_j(h, a_j), so that expectations over
all joint actions are exact sums over each head's levels:
V(h) = sum_j sum_a pi_j(a | h) (q_j(h, a) - alpha log pi_j(a | h)). Of twin critics the lesser is taken, head by head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.learned.recurrent import (
    Batch,
    EpisodeLearner,
    EpisodeSettings,
    TargetNetworks,
    Task,
)
from qoslab.learning.session import deterministic

__all__ = ["DiscreteSac", "Settings"]

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Settings(EpisodeSettings):
    """What a learner is made of; see `EpisodeSettings` for the rest.

    Attributes:
        entropy: Entropy that the temperature keeps, as a share of the greatest; 0 leaves the temperature at `alpha`.
        alpha: First temperature.
    """

    entropy: float = 0.2
    alpha: float = 1.0


class DiscreteSac(EpisodeLearner):
    """One learner.

    Args:
        task: What there is to choose.
        settings: See `Settings`.
        seed: Where weights, actions and mini-batches are drawn from.
    """

    def __init__(self, task: Task, settings: Settings, seed: np.random.SeedSequence) -> None:
        super().__init__(task, settings, seed)
        torch, self._settings = self._torch, settings
        self.begin()
        with deterministic(self._first, task.who):
            self._network, *critics = (self._heads_network() for _ in range(5))
            self._critics, self._targets = critics[:2], critics[2:]
            self._slow = TargetNetworks(torch, self._critics, self._targets)
            self._log_alpha = torch.full((1,), math.log(settings.alpha), requires_grad=True)
        parameters = [each for critic in self._critics for each in critic.parameters()]
        self._steps = [
            torch.optim.Adam(values, lr=settings.learning_rate)
            for values in (parameters, list(self._network.parameters()), [self._log_alpha])
        ]

    def begin(self) -> None:
        """A new episode: nothing is remembered."""
        self._memory: Any = None
        self._last = np.full(self._task.heads, -1)

    def chances(self, state: Reals) -> Reals:
        """Probability of each level of each head in the state that follows, shape (heads, levels)."""
        torch = self._torch
        x = self._tensor(self._seen(state, self._last))[None, None]
        with torch.no_grad():
            said, self._memory = self._network(x, self._memory)
        return np.asarray(torch.softmax(said[0, 0].double(), dim=-1).numpy())

    def act(self, state: Reals, *, explore: bool = True) -> Ints:
        """A level for each head; the most probable where `explore` is False."""
        chances = self.chances(state)
        if explore:
            self._last = (self._rng.random((self._task.heads, 1)) > chances.cumsum(axis=1)[:, :-1]).sum(
                axis=1
            )
        else:
            self._last = chances.argmax(axis=1)
        return self._last

    def learn(self) -> None:
        """One update of critics, actor, temperature and targets."""
        batch, seen = self._drawn()
        self._update(self._tensor(seen), batch)
        self._slow.follow(self._settings.tau)

    def _update(self, seen: Any, batch: Batch) -> None:
        torch, alpha = self._torch, self._log_alpha.exp().detach()
        there = self._tensor(batch.there)

        def mean(each: Any) -> Any:
            return (each * there).sum() / there.sum()

        log_chance = torch.log_softmax(self._network(seen)[0], dim=-1)
        chance = log_chance.exp()
        with torch.no_grad():
            worth = torch.minimum(*(target(seen)[0] for target in self._targets))
            ahead = (chance * (worth - alpha * log_chance)).sum((-1, -2))[:, 1:]
            going_on = self._settings.discount * self._tensor(batch.going_on)
            goal = self._tensor(batch.rewards) + going_on * ahead
        values = [critic(seen)[0][:, :-1] for critic in self._critics]
        chosen = torch.from_numpy(batch.actions)[..., None]
        loss = sum(mean((q.gather(-1, chosen).sum((-1, -2)) - goal) ** 2) for q in values)
        self._step(0, loss)
        worth = torch.minimum(*(q.detach() for q in values))
        chance, log_chance = chance[:, :-1], log_chance[:, :-1]
        self._step(1, mean((chance * (alpha * log_chance - worth)).sum((-1, -2))))
        if self._settings.entropy:
            entropy = mean(-(chance * log_chance).sum((-1, -2)).detach())
            goal = self._settings.entropy * self._task.heads * math.log(self._task.levels)
            self._step(2, (self._log_alpha * (entropy - goal)).sum())

    def _step(self, which: int, loss: Any) -> None:
        self._steps[which].zero_grad()
        loss.backward()
        self._steps[which].step()
