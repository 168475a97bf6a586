"""What recurrent learners share: episodes, mini-batches of pieces of them, a network with one head for each server.

After the released code of Yao and Ding, Learning Distributed and Fair Policies for Network Load Balancing as Markov
Potential Game (NeurIPS 2022): an agent sees the state and its last action, remembers by a gated recurrent unit, and
chooses one of a few levels for each server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.learned.trained import Weights, take_over
from qoslab.learning.session import require_torch

__all__ = [
    "Batch",
    "Episode",
    "EpisodeLearner",
    "EpisodeSettings",
    "Standard",
    "TargetNetworks",
    "Task",
    "drawn",
    "heads_network",
    "told",
]

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


class Episode(NamedTuple):
    """What one agent, or a team, went through in T steps.

    Attributes:
        states: Shape (T + 1, ..., features); one more than steps.
        actions: Indices of levels, shape (T, ..., heads).
        rewards: Shape (T,).
        end: Whether nothing follows in truth; else the episode was merely cut off.
    """

    states: Reals
    actions: Ints
    rewards: Reals
    end: bool = False


class Batch(NamedTuple):
    """B pieces of episodes, padded to the longest, of W steps.

    Attributes:
        states: Shape (B, W + 1, ..., features).
        actions: Shape (B, W, ..., heads).
        before: The action before each state, -1 where there is none, shape (B, W + 1, ..., heads).
        rewards: Shape (B, W).
        there: 1 for a step, 0 for padding, shape (B, W).
        going_on: 0 where nothing follows the step, shape (B, W).
    """

    states: Reals
    actions: Ints
    before: Ints
    rewards: Reals
    there: Reals
    going_on: Reals


class Standard:
    """Mean and standard deviation of each feature over all states so far, to standardise by.

    Args:
        features: How many there are.
    """

    def __init__(self, features: int) -> None:
        self._count, self._sum, self._squares = np.zeros(1), np.zeros(features), np.zeros(features)

    def parts(self) -> dict[str, Reals]:
        """What it knows, by name; views, not copies."""
        return {"count": self._count, "sum": self._sum, "squares": self._squares}

    def add(self, states: Reals) -> None:
        """Take states in, shape (..., features)."""
        rows = states.reshape(-1, states.shape[-1])
        self._count += len(rows)
        self._sum += rows.sum(axis=0)
        self._squares += np.square(rows).sum(axis=0)

    def __call__(self, states: Reals) -> Reals:
        """Standardised states; a feature that never changed stays near 0, and states as they are before the first."""
        if self._count[0] == 0:
            return states
        mean = self._sum / self._count
        std = np.sqrt(np.maximum(self._squares / self._count - mean**2, 1e-12))
        return np.clip((states - mean) / std, -10.0, 10.0)


def drawn(kept: Sequence[Episode], size: int, window: int, rng: np.random.Generator) -> Batch:
    """Draw episodes with replacement, and of each a piece of at most `window` steps.

    Args:
        kept: The episodes, none of them without a step.
        size: B.
        window: W at most.
        rng: Where they are drawn from.
    """
    pieces = []
    for k in rng.integers(len(kept), size=size):
        steps = len(kept[k].rewards)
        first = int(rng.integers(max(steps - window, 0) + 1))
        pieces.append((kept[k], first, min(steps, first + window)))
    longest = max(last - first for _, first, last in pieces)
    states, actions = kept[0].states, kept[0].actions
    batch = Batch(
        np.zeros((size, longest + 1, *states.shape[1:])),
        np.zeros((size, longest, *actions.shape[1:]), np.int64),
        np.full((size, longest + 1, *actions.shape[1:]), -1),
        np.zeros((size, longest)),
        np.zeros((size, longest)),
        np.ones((size, longest)),
    )
    for row, (episode, first, last) in enumerate(pieces):
        steps = last - first
        batch.states[row, : steps + 1] = episode.states[first : last + 1]
        batch.actions[row, :steps] = episode.actions[first:last]
        batch.before[row, 1 : steps + 1] = episode.actions[first:last]
        if first:
            batch.before[row, 0] = episode.actions[first - 1]
        batch.rewards[row, :steps] = episode.rewards[first:last]
        batch.there[row, :steps] = 1.0
        batch.going_on[row, steps - 1] = float(not (episode.end and last == len(episode.rewards)))
    return batch


def told(states: Reals, before: Ints, levels: int) -> Reals:
    """States beside the last action, one-hot for each head and all 0 where there was none.

    Args:
        states: Shape (..., features).
        before: Shape (..., heads).
        levels: How many there are.

    Returns:
        Shape (..., features + heads * levels).
    """
    hot = (before[..., None] == np.arange(levels)).astype(np.float64)
    return np.concatenate([states, hot.reshape(*before.shape[:-1], -1)], axis=-1)


def heads_network(torch: Any, inputs: int, heads: int, levels: int, hidden: int) -> Any:
    """Two layers, a gated recurrent unit and two layers, to one number for each level of each head.

    It is called with inputs of shape (B, W, inputs) and a memory of shape (1, B, hidden) or None, and answers with
    numbers of shape (B, W, heads, levels) and the memory after the last step.
    """
    nn = torch.nn

    class Heads(nn.Module):  # type: ignore[misc, name-defined]
        """See above."""

        def __init__(self) -> None:
            super().__init__()
            self.before = nn.Sequential(
                nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
            )
            self.memory = nn.GRU(hidden, hidden, batch_first=True)
            self.after = nn.Sequential(
                nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, heads * levels)
            )

        def forward(self, seen: Any, memory: Any = None) -> tuple[Any, Any]:
            x, memory = self.memory(self.before(seen), memory)
            return self.after(x).unflatten(-1, (heads, levels)), memory

    return Heads()


class TargetNetworks:
    """Networks beside copies of them that follow slowly.

    Args:
        torch: The torch module.
        networks: The networks.
        copies: As many of the same shape; overwritten.
    """

    def __init__(self, torch: Any, networks: Sequence[Any], copies: Sequence[Any]) -> None:
        self._torch, self._pairs = torch, list(zip(networks, copies, strict=True))
        for network, copy in self._pairs:
            copy.load_state_dict(network.state_dict())

    def follow(self, tau: float) -> None:
        """Move parameters a share `tau` of the way, 1 copies; buffers are copied."""
        with self._torch.no_grad():
            for network, copy in self._pairs:
                for new, old in zip(network.parameters(), copy.parameters(), strict=True):
                    old.lerp_(new, tau)
                for new, old in zip(network.buffers(), copy.buffers(), strict=True):
                    old.copy_(new)


@dataclass(frozen=True)
class EpisodeSettings:
    """What all learners from episodes have; the defaults are those of the released code, but for the window.

    Attributes:
        hidden: Width of the layers and of the memory.
        learning_rate: Step size of Adam.
        discount: Discount of a step.
        tau: Share of the networks that moves into their targets at each update.
        batch: Pieces of episodes in an update.
        replay: Episodes that are kept.
        window: Steps in a piece at most; a piece begins with an empty memory.
    """

    hidden: int = 512
    learning_rate: float = 3e-4
    discount: float = 0.99
    tau: float = 0.01
    batch: int = 12
    replay: int = 3000
    window: int = 240


@dataclass(frozen=True)
class Task:
    """What there is to choose, and who chooses.

    Attributes:
        features: Numbers in a state.
        heads: Servers.
        levels: Levels to choose from for each of them.
        who: Who learns, `DOMAIN/METHOD`, for the message where torch is missing.
    """

    features: int
    heads: int
    levels: int
    who: str = "a learned method"


class EpisodeLearner:
    """Keeps episodes and draws pieces of them, with standardised states and the last actions told.

    Args:
        task: What there is to choose.
        settings: See `EpisodeSettings`.
        seed: Where mini-batches and actions are drawn from; its child is `_first`, for weights.
    """

    _network: Any
    """Set by a subclass: what is asked to act."""

    def __init__(self, task: Task, settings: EpisodeSettings, seed: np.random.SeedSequence) -> None:
        self._torch = require_torch(task.who)
        self._task, self._shared = task, settings
        self._rng, (self._first,) = np.random.default_rng(seed), seed.spawn(1)
        self._standard, self._kept = Standard(task.features), list[Episode]()

    def keep(self, episode: Episode) -> None:
        """Remember an episode; its first axis counts steps, others are the learner's own."""
        self._standard.add(episode.states)
        self._kept = [*self._kept, episode][-self._shared.replay :]

    def weights(self) -> dict[str, NDArray[Any]]:
        """All that acting needs, by name; not what learning on would need besides."""
        return {name: array.copy() for name, array in self._learned().items()}

    def begin_with(self, weights: Weights) -> None:
        """Act by what was learned before.

        Args:
            weights: See `weights`.

        Raises:
            BadInput: A name is missing, or a shape is another one.
        """
        take_over(self._learned(), weights)

    def _learned(self) -> dict[str, NDArray[Any]]:
        """The arrays themselves: the network's, which share memory with its tensors, and those of the features."""
        network = self._network.state_dict()
        found = {f"network.{name}": tensor.numpy() for name, tensor in network.items()}
        return found | {f"seen.{name}": array for name, array in self._standard.parts().items()}

    def _heads_network(self, more: int = 0) -> Any:
        """A network that sees a state, the last action and `more` numbers; see `heads_network`."""
        task = self._task
        inputs = task.features + task.heads * task.levels + more
        return heads_network(self._torch, inputs, task.heads, task.levels, self._shared.hidden)

    def _drawn(self) -> tuple[Batch, Reals]:
        """A mini-batch, its states standardised, and what is seen: they beside the actions before them."""
        batch = drawn(self._kept, self._shared.batch, self._shared.window, self._rng)
        batch = batch._replace(states=self._standard(batch.states))
        return batch, told(batch.states, batch.before, self._task.levels)

    def _seen(self, state: Reals, last: Ints) -> Reals:
        """The same of one state."""
        return told(self._standard(state), last, self._task.levels)

    def _tensor(self, values: Reals) -> Any:
        return self._torch.from_numpy(values.astype(np.float32))
