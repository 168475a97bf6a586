"""Soft actor-critic (Haarnoja et al., Soft Actor-Critic Algorithms and Applications, 2018), actions in (-1, 1)^d.

Twin critics with slowly moving targets, a Gaussian actor squashed by tanh, and a temperature that keeps the entropy at
-d. Networks are as Yao, Ding and Clausen use them: batch normalisation of features, 512 units, layer normalisation,
512 units, ELU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from qoslab.domains.balancing.learned.perceptron import Adam, Perceptron, moments_of
from qoslab.domains.balancing.learned.trained import Weights, take_over

__all__ = ["Sac", "Settings"]

Reals = NDArray[np.float64]
Floats = NDArray[Any]
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


class Transitions(NamedTuple):
    """Transitions, one a row."""

    state: Floats
    action: Floats
    reward: Floats
    following: Floats
    going_on: Floats


class _Sampled(NamedTuple):
    """Actions of the actor, and what their gradient needs.

    Attributes:
        action: Shape (B, d).
        chance: Logarithm of their density, shape (B,).
        noise: What was drawn, shape (B, d).
        std: Standard deviations before tanh, shape (B, d).
        inside: Whether they lie within their bounds, shape (B, d).
        trace: Of the actor's network.
    """

    action: Floats
    chance: Floats
    noise: Floats
    std: Floats
    inside: NDArray[np.bool_]
    trace: Any


class Sac:
    """One learner.

    Args:
        features: How many numbers a state has.
        actions: d.
        settings: See `Settings`.
        seed: Where weights, actions and mini-batches are drawn from.
        dtype: Of all numbers that are learned.

    Attributes:
        actor: To means and logarithms of standard deviations.
        critics: The twins, to the worth of a state and an action.
        targets: What follows them slowly.
        log_alpha: Logarithm of the temperature, shape (1,).
        updates: Updates made so far.
    """

    def __init__(
        self,
        features: int,
        actions: int,
        settings: Settings,
        seed: np.random.SeedSequence,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._settings, self._rng, self._actions = settings, np.random.default_rng(seed), actions
        shapes = [(features,), (actions,), (), (features,), ()]
        self._replay = Transitions(*(np.zeros((settings.replay, *shape), dtype) for shape in shapes))
        self._kept = self._next = self.updates = 0
        first = np.random.default_rng(seed.spawn(1)[0])

        def network(inputs: int, out: int, copies: int) -> Perceptron:
            return Perceptron(
                features,
                inputs,
                settings.hidden,
                out,
                copies,
                first,
                normalise=settings.normalise,
                dtype=dtype,
            )

        self.actor, self.critics, self.targets = (
            network(0, 2 * actions, 1),
            network(actions, 1, 2),
            network(actions, 1, 2),
        )
        self.targets.values[:] = self.critics.values
        self.log_alpha = np.zeros(1, dtype)
        self._actor_step, self._critics_step, self._alpha_step = (
            Adam(values, settings.learning_rate)
            for values in (self.actor.values, self.critics.values, self.log_alpha)
        )

    def weights(self) -> dict[str, NDArray[Any]]:
        """All that was learned, by name: networks, targets, temperature; no transitions and no moments of Adam."""
        return {name: array.copy() for name, array in self._learned().items()}

    def begin_with(self, weights: Weights) -> None:
        """Take over what was learned before.

        Args:
            weights: See `weights`.

        Raises:
            BadInput: A name is missing, or a shape is another one.
        """
        take_over(self._learned(), weights)

    def _learned(self) -> dict[str, NDArray[Any]]:
        """The arrays themselves."""
        networks = {"actor": self.actor, "critics": self.critics, "targets": self.targets}
        found: dict[str, NDArray[Any]] = {}
        for whose, network in networks.items():
            parts = network.parts | {"mean": network.mean, "variance": network.variance}
            found |= {f"{whose}.{name}": array for name, array in parts.items()}
        return found | {"log_alpha": self.log_alpha}

    def act(self, state: Reals, *, explore: bool = True) -> Reals:
        """An action for a state, in (-1, 1)^d; the mean one where `explore` is False."""
        row = np.asarray(state, self.log_alpha.dtype)[None]
        out = self.actor.forward(self.actor.standardised(row))[0][0, 0]
        mean, log_std = out[: self._actions], out[self._actions :]
        if explore:
            std = np.exp(np.clip(log_std, LEAST_LOG_STD, MOST_LOG_STD))
            mean = mean + std * self._rng.standard_normal(self._actions)
        return np.asarray(np.tanh(mean), np.float64)

    def keep(
        self, state: Reals, action: Reals, reward: float, following: Reals, *, end: bool = False
    ) -> None:
        """Remember a transition; `end` where nothing follows in truth, not where an episode is merely cut off."""
        row = (state, action, reward, following, 0.0 if end else 1.0)
        for column, value in zip(self._replay, row, strict=True):
            column[self._next] = value
        self._next = (self._next + 1) % self._settings.replay
        self._kept = min(self._kept + 1, self._settings.replay)

    def learn(self) -> bool:
        """One update of critics, actor, temperature and targets; False while there are too few transitions."""
        settings = self._settings
        if self._kept < settings.batch:
            return False
        rows = self._rng.integers(self._kept, size=settings.batch)
        batch = Transitions(*(column[rows] for column in self._replay))
        ahead, here = (self._rng.standard_normal(batch.action.shape) for _ in range(2))
        following, state = self._seen(batch)
        self.lower_critics(batch, state, self.goals(batch, following, ahead))
        self._critics_step.step(self.critics.gradient)
        entropy = self.lower_actor(state, here)
        self._actor_step.step(self.actor.gradient)
        # The temperature's loss is log alpha times the entropy's excess over its goal, -d.
        self._alpha_step.step(np.asarray([entropy + self._actions], self.log_alpha.dtype))
        self.targets.values += settings.tau * (self.critics.values - self.targets.values)
        self.targets.mean[:], self.targets.variance[:] = self.critics.mean, self.critics.variance
        self.updates += 1
        return True

    def _seen(self, batch: Transitions) -> tuple[Floats, Floats]:
        """Following and present states standardised by the mini-batch's own statistics, which networks follow."""
        if not self._settings.normalise:
            return batch.following, batch.state
        following, here = moments_of(batch.following), moments_of(batch.state)
        self.actor.follow(following)
        for network in (self.actor, self.critics):
            network.follow(here)
        return following.standardised(batch.following), here.standardised(batch.state)

    def goals(self, batch: Transitions, following: Floats, noise: Floats) -> Floats:
        """What the critics are to say, shape (B,).

        Args:
            batch: The transitions.
            following: The states that follow, as the actor sees them.
            noise: Standard normal numbers, shape (B, d).
        """
        drawn = self._sample(following, noise)
        seen = self.targets.standardised(batch.following)
        worth = self.targets.forward(seen, drawn.action)[0][..., 0].min(0)
        alpha = math.exp(self.log_alpha[0])
        goal: Floats = batch.reward + self._settings.discount * batch.going_on * (
            worth - alpha * drawn.chance
        )
        return goal

    def lower_critics(self, batch: Transitions, state: Floats, goal: Floats) -> float:
        """The critics' loss, the sum of both's mean squared errors; its gradient goes into `critics.gradient`."""
        said, trace = self.critics.forward(state, batch.action)
        error = said - goal[:, None]
        self.critics.backward(trace, error * (2.0 / len(goal)))
        return float(np.square(error[..., 0]).mean(1).sum())

    def lower_actor(self, state: Floats, noise: Floats) -> float:
        """Fill `actor.gradient` with that of the mean of alpha log pi(a | s) - min Q(s, a), and say the entropy."""
        drawn = self._sample(state, noise)
        worth, trace = self.critics.forward(state, drawn.action)
        rows, alpha = len(state), math.exp(self.log_alpha[0])
        least = worth[0] <= worth[1]
        by_worth = np.stack([least, ~least]).astype(worth.dtype) * (-1.0 / rows)
        by_action = self.critics.by_action(trace, by_worth)
        # a = tanh(u), and the logarithm of the density rises by 2 a with u.
        by_plain = by_action * (1.0 - np.square(drawn.action)) + (2.0 * alpha / rows) * drawn.action
        by_log_std = (by_plain * drawn.std * drawn.noise - alpha / rows) * drawn.inside
        self.actor.backward(drawn.trace, np.concatenate([by_plain, by_log_std], axis=1)[None])
        return -float(drawn.chance.mean())

    def _sample(self, state: Floats, noise: Floats) -> _Sampled:
        """Actions for states as the actor sees them."""
        noise = noise.astype(state.dtype)
        out, trace = self.actor.forward(state)
        mean, raw = out[0, :, : self._actions], out[0, :, self._actions :]
        log_std = np.clip(raw, LEAST_LOG_STD, MOST_LOG_STD)
        std = np.exp(log_std)
        plain = mean + std * noise
        # log(1 - tanh(u)^2) without the loss of digits at large |u|
        squash = 2.0 * (math.log(2.0) - np.abs(plain) - np.log1p(np.exp(-2.0 * np.abs(plain))))
        chance = -0.5 * np.square(noise) - log_std - 0.5 * math.log(2.0 * math.pi) - squash
        return _Sampled(np.tanh(plain), chance.sum(1), noise, std, raw == log_std, trace)
