"""Soft actor-critic (Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 2018), actions in (-1, 1)^d.

Twin critics with slowly moving targets, a Gaussian actor squashed by tanh, and a temperature that keeps the entropy at
-d. Networks are as Yao, Ding and Clausen use them: batch normalisation of features, 512 units, layer normalisation,
512 units, ELU.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.learned.recurrent import TargetNetworks
from qoslab.learning.session import deterministic, require_torch

__all__ = ["Sac", "Settings"]

Reals = NDArray[np.float64]
LEAST_LOG_STD, MOST_LOG_STD = -10.0, 2.0


@dataclass(frozen=True)
class Settings:
    """What a learner is made of; the defaults are those of Yao, Ding and Clausen's released code.

    Attributes:
        hidden: Width of the hidden layers.
        learning_rate: Step size of Adam, for critics, actor and temperature.
        discount: Discount of a step.
        tau: Share of the critics that moves into their targets at each update.
        batch: Transitions in an update.
        replay: Transitions that are kept.
        normalise: Whether features are batch-normalised.
    """

    hidden: int = 512
    learning_rate: float = 3e-4
    discount: float = 0.99
    tau: float = 0.01
    batch: int = 64
    replay: int = 3000
    normalise: bool = True


class _Replay(NamedTuple):
    """Transitions, oldest overwritten first; arrays of `Settings.replay` rows."""

    state: Reals
    action: Reals
    reward: Reals
    following: Reals
    going_on: Reals


class Sac:
    """One learner.

    Args:
        features: How many numbers a state has.
        actions: d.
        settings: See `Settings`.
        seed: Where weights, actions and mini-batches are drawn from.
        who: Who learns, `DOMAIN/METHOD`, for the message where torch is missing.

    Attributes:
        updates: Updates made so far.
    """

    def __init__(
        self,
        features: int,
        actions: int,
        settings: Settings,
        seed: np.random.SeedSequence,
        who: str = "a learned method",
    ) -> None:
        self._torch = require_torch(who)
        self._settings, self._rng = settings, np.random.default_rng(seed)
        rows = settings.replay
        self._replay = _Replay(
            np.zeros((rows, features)),
            np.zeros((rows, actions)),
            np.zeros(rows),
            np.zeros((rows, features)),
            np.zeros(rows),
        )
        self._kept = self._next = self.updates = 0
        torch = self._torch
        with deterministic(seed.spawn(1)[0], who):
            self._actor = _network(torch, features, 0, 2 * actions, 1, settings)
            self._critics, self._targets = (
                _network(torch, features, actions, 1, 2, settings) for _ in range(2)
            )
            self._targets.eval()
            self._slow = TargetNetworks(torch, [self._critics], [self._targets])
            self._log_alpha = torch.zeros(1, requires_grad=True)
            self._generator = torch.Generator().manual_seed(int(self._rng.integers(2**62)))
        self._actions = actions
        self._steps = [
            torch.optim.Adam(parameters, lr=settings.learning_rate, fused=True)
            for parameters in (
                list(self._critics.parameters()),
                list(self._actor.parameters()),
                [self._log_alpha],
            )
        ]

    def weights(self) -> dict[str, NDArray[Any]]:
        """All that was learned, by name: networks, targets, temperature; no transitions and no moments of Adam."""
        return {name: tensor.detach().numpy().copy() for name, tensor in self._learned().items()}

    def begin_with(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take over what was learned before.

        Args:
            weights: See `weights`.

        Raises:
            BadInput: A name is missing, or a shape is another one.
        """
        torch = self._torch
        mine = self.weights()
        wrong = [name for name in mine if name not in weights or weights[name].shape != mine[name].shape]
        if wrong:
            message = f"were learned for other sizes: {len(wrong)} arrays do not fit, among them {wrong[0]!r}"
            raise BadInput(Problem(message=message, field="weights"))
        with torch.no_grad():
            for name, tensor in self._learned().items():
                tensor.copy_(torch.from_numpy(weights[name]))

    def _learned(self) -> dict[str, Any]:
        """The tensors themselves, but for batch normalisation's counts, which nothing reads."""
        parts = {"actor": self._actor, "critics": self._critics, "targets": self._targets}
        found = {
            f"{part}.{name}": tensor
            for part, network in parts.items()
            for name, tensor in network.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        return found | {"log_alpha": self._log_alpha}

    def act(self, state: Reals, *, explore: bool = True) -> Reals:
        """An action for a state, in (-1, 1)^d; the mean one where `explore` is False."""
        torch = self._torch
        self._actor.eval()
        with torch.no_grad():
            x = torch.from_numpy(np.asarray(state, np.float32))[None]
            action, _, mean = self._sample(x)
        return np.asarray((action if explore else mean)[0].numpy(), np.float64)

    def keep(
        self, state: Reals, action: Reals, reward: float, following: Reals, *, end: bool = False
    ) -> None:
        """Remember a transition; `end` where nothing follows in truth, not where an episode is merely cut off."""
        k = self._next
        replay = self._replay
        replay.state[k], replay.action[k], replay.reward[k] = state, action, reward
        replay.following[k], replay.going_on[k] = following, 0.0 if end else 1.0
        self._next = (k + 1) % self._settings.replay
        self._kept = min(self._kept + 1, self._settings.replay)

    def learn(self) -> bool:
        """One update of critics, actor, temperature and targets; False while there are too few transitions."""
        torch, settings = self._torch, self._settings
        if self._kept < settings.batch:
            return False
        state, action, reward, following, going_on = self._drawn()
        alpha = self._log_alpha.exp().detach()
        self._actor.train()
        self._critics.train()
        with torch.no_grad():
            ahead, log_chance, _ = self._sample(following)
            worth = self._targets(following, ahead)[..., 0].amin(0)
            goal = reward + settings.discount * going_on * (worth - alpha * log_chance)
        loss = (self._critics(state, action)[..., 0] - goal).square().mean(1).sum()
        self._step(0, loss)
        drawn, log_chance, _ = self._sample(state)
        # The actor's gradient goes through the critics; their own would be thrown away.
        self._critics.requires_grad_(requires_grad=False)
        worth = self._critics(state, drawn)[..., 0].amin(0)
        self._step(1, (alpha * log_chance - worth).mean())
        self._critics.requires_grad_(requires_grad=True)
        self._step(2, -(self._log_alpha * (log_chance.detach() - self._actions)).mean())
        self._slow.follow(settings.tau)
        self.updates += 1
        return True

    def _drawn(self) -> list[Any]:
        """A mini-batch of each column of the replay."""
        rows = self._rng.integers(self._kept, size=self._settings.batch)
        return [self._torch.from_numpy(column[rows].astype(np.float32)) for column in self._replay]

    def _step(self, which: int, loss: Any) -> None:
        self._steps[which].zero_grad()
        loss.backward()
        self._steps[which].step()

    def _sample(self, state: Any) -> tuple[Any, Any, Any]:
        """Actions, the logarithm of their density, and the mean actions."""
        torch = self._torch
        mean, log_std = self._actor(state, None)[0].chunk(2, dim=1)
        log_std = log_std.clamp(LEAST_LOG_STD, MOST_LOG_STD)
        noise = torch.randn(mean.shape, generator=self._generator)
        plain = mean + log_std.exp() * noise
        gauss = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        # log(1 - tanh(x)^2) without the loss of digits at large |x|
        squash = 2.0 * (math.log(2.0) - plain - torch.nn.functional.softplus(-2.0 * plain))
        return torch.tanh(plain), (gauss - squash).sum(1), torch.tanh(mean)


def _network(torch: Any, features: int, actions: int, out: int, copies: int, settings: Settings) -> Any:
    """Networks of one shape side by side: states, and actions where they are critics, to shape (copies, B, out).

    One product of stacked matrices instead of one for each copy: with small layers the calls cost more than the sums.
    """
    nn, functional = torch.nn, torch.nn.functional

    def uniform(bound: float, *shape: int) -> Any:
        return nn.Parameter(torch.empty(copies, *shape).uniform_(-bound, bound))

    class Network(nn.Module):  # type: ignore[misc, name-defined]
        """See the module's docstring."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(features))
            self.register_buffer("variance", torch.ones(features))
            self.gain = nn.Parameter(torch.ones(copies, 1, features))
            self.shift = nn.Parameter(torch.zeros(copies, 1, features))
            sizes = (features + actions, settings.hidden, settings.hidden, out)
            layers = list(itertools.pairwise(sizes))
            self.weights = nn.ParameterList(uniform(a**-0.5, a, b) for a, b in layers)
            self.biases = nn.ParameterList(uniform(a**-0.5, 1, b) for a, b in layers)
            self.layer_gain = nn.Parameter(torch.ones(copies, 1, settings.hidden))
            self.layer_shift = nn.Parameter(torch.zeros(copies, 1, settings.hidden))

        def forward(self, state: Any, action: Any) -> Any:
            # Copies see the same states, so the statistics are common; gains and shifts are their own.
            if settings.normalise:
                state = functional.batch_norm(state, self.mean, self.variance, training=self.training)
                state = torch.addcmul(self.shift, self.gain, state)
            else:
                state = state.expand(copies, *state.shape)
            if action is not None:
                state = torch.cat([state, action.expand(copies, *action.shape)], dim=-1)
            (first, second, last), (one, two, three) = self.weights, self.biases
            x = functional.layer_norm(torch.baddbmm(one, state, first), (settings.hidden,))
            x = functional.elu(torch.addcmul(self.layer_shift, self.layer_gain, x))
            return torch.baddbmm(three, functional.elu(torch.baddbmm(two, x, second)), last)

    return Network()
