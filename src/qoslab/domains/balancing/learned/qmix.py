"""QMIX: a team whose joint value rises with the values of its parts.

After Rashid et al., QMIX: Monotonic Value Function Factorisation for Deep Multi-Agent Reinforcement Learning (ICML
2018). Each head of each agent values its own levels. A mixing network, whose weights are the absolute outputs of
hypernetworks of the joint state, makes of the values of the chosen levels that of the joint action, Q_tot, which rises
with each of them: what is best for each head is best for all. Agents act alone; they learn together, towards TD(lambda)
returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.learned.recurrent import (
    EpisodeLearner,
    EpisodeSettings,
    TargetNetworks,
    Task,
)
from qoslab.learning.session import deterministic

__all__ = ["Qmix", "Settings", "lambda_returns", "mixer_network"]

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Settings(EpisodeSettings):
    """What a team is made of; see `EpisodeSettings` for the rest. `hidden` is the mixing network's width, too.

    Attributes:
        hyper: Width of the hypernetworks.
        td_lambda: Share of the return that comes from later steps rather than from the next value.
    """

    hidden: int = 128
    hyper: int = 128
    learning_rate: float = 1e-3
    td_lambda: float = 0.6
    batch: int = 25


class Qmix(EpisodeLearner):
    """A team that learns together and acts apart; agents share one network and tell it who they are.

    Args:
        agents: How many there are.
        task: What each has to choose.
        settings: See `Settings`.
        seed: Where weights, actions and mini-batches are drawn from.
    """

    def __init__(self, agents: int, task: Task, settings: Settings, seed: np.random.SeedSequence) -> None:
        super().__init__(task, settings, seed)
        torch, self._settings, self._agents = self._torch, settings, agents
        state, parts = agents * task.features, agents * task.heads
        with deterministic(self._first, task.who):
            self._network, self._old = (self._heads_network(agents) for _ in range(2))
            self._mixer, self._old_mixer = (
                mixer_network(torch, state, parts, settings.hidden, settings.hyper) for _ in range(2)
            )
            self._slow = TargetNetworks(torch, [self._network, self._mixer], [self._old, self._old_mixer])
        parameters = [*self._network.parameters(), *self._mixer.parameters()]
        self._optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
        self.begin()

    def begin(self) -> None:
        """A new episode: nothing is remembered."""
        self._memories: list[Any] = [None] * self._agents
        self._last = np.full((self._agents, self._task.heads), -1)

    def values(self, agent: int, state: Reals) -> Reals:
        """What an agent thinks each level is worth in the state that follows, shape (heads, levels)."""
        seen = self._seen(state, self._last[agent])
        x = self._tensor(np.concatenate([seen, np.eye(self._agents)[agent]]))
        with self._torch.no_grad():
            said, self._memories[agent] = self._network(x[None, None], self._memories[agent])
        return np.asarray(said[0, 0].double().numpy())

    def act(self, agent: int, state: Reals, epsilon: float = 0.0) -> Ints:
        """A level for each head: the best, or one by lot with probability `epsilon` for each head."""
        best = self.values(agent, state).argmax(axis=1)
        lot = self._rng.integers(self._task.levels, size=self._task.heads)
        chosen: Ints = np.where(self._rng.random(self._task.heads) < epsilon, lot, best)
        self._last[agent] = chosen
        return chosen

    def learn(self) -> None:
        """One update of agents, mixing network and targets."""
        torch, settings = self._torch, self._settings
        batch, seen = self._drawn()
        who = np.broadcast_to(np.eye(self._agents), (*seen.shape[:3], self._agents))
        x = self._tensor(np.concatenate([seen, who], axis=-1))
        joint = self._tensor(batch.states.reshape(*batch.states.shape[:2], -1))
        chosen = torch.from_numpy(batch.actions)[..., None]
        worth = self._values(self._network, x)[:, :-1].gather(-1, chosen)
        total = self._mixer(worth.flatten(2), joint[:, :-1])
        there = self._tensor(batch.there)
        with torch.no_grad():
            best = self._values(self._old, x).amax(-1)[:, 1:]
            ahead = self._old_mixer(best.flatten(2), joint[:, 1:])
            discount = settings.discount * self._tensor(batch.going_on)
            goal = lambda_returns(
                torch, self._tensor(batch.rewards), ahead, discount, there, settings.td_lambda
            )
        loss = ((total - goal) ** 2 * there).sum() / there.sum()
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._slow.follow(settings.tau)

    def _values(self, network: Any, x: Any) -> Any:
        """Values of shape (B, W, agents, heads, levels) from inputs of shape (B, W, agents, inputs)."""
        rows = x.transpose(1, 2).flatten(0, 1)
        return network(rows)[0].unflatten(0, (x.shape[0], self._agents)).transpose(1, 2)


def lambda_returns(torch: Any, rewards: Any, ahead: Any, discount: Any, there: Any, td_lambda: float) -> Any:
    """TD(lambda) returns: G_t = r_t + gamma_t ((1 - lambda) V_{t+1} + lambda G_{t+1}), the last with V alone.

    Args:
        torch: The torch module.
        rewards: r, shape (B, W), as all that follow.
        ahead: Value of what follows each step, V_{t+1}.
        discount: gamma_t, 0 where nothing follows.
        there: 1 for a step, 0 for padding.
        td_lambda: lambda.
    """
    found = [rewards[:, -1] + discount[:, -1] * ahead[:, -1]]
    for t in range(rewards.shape[1] - 2, -1, -1):
        share = td_lambda * there[:, t + 1]
        following = (1.0 - share) * ahead[:, t] + share * found[-1]
        found.append(rewards[:, t] + discount[:, t] * following)
    return torch.stack(found[::-1], dim=1)


def mixer_network(torch: Any, state: int, parts: int, hidden: int, hyper: int) -> Any:
    """The mixing network: values of shape (..., parts) and joint states (..., state) to Q_tot of shape (...).

    Q_tot = |w(s)| . elu(|W(s)| q + b(s)) + v(s), so dQ_tot / dq_i >= 0 whatever the state.
    """
    nn = torch.nn

    def two_layers(width: int, out: int) -> Any:
        return nn.Sequential(nn.Linear(state, width), nn.ReLU(), nn.Linear(width, out))

    class Mixer(nn.Module):  # type: ignore[misc, name-defined]
        """See above."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = two_layers(hyper, parts * hidden), two_layers(hyper, hidden)
            self.bias, self.value = nn.Linear(state, hidden), two_layers(hidden, 1)

        def forward(self, values: Any, joint: Any) -> Any:
            first = self.first(joint).abs().unflatten(-1, (parts, hidden))
            mixed = (values[..., None, :] @ first)[..., 0, :] + self.bias(joint)
            total = (nn.functional.elu(mixed) * self.last(joint).abs()).sum(-1)
            return total + self.value(joint)[..., 0]

    return Mixer()
