"""Networks of two hidden layers with gradients written out, in numpy alone.

Networks as narrow as the soft actor-critic's spend their time between operations, not in them: written out by hand an
update takes a fraction of what it takes where every operation is recorded for differentiation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Adam", "Moments", "Perceptron", "moments_of"]

Floats = NDArray[Any]
_EPSILON = 1e-5
_MOMENTUM = 0.1


class Moments(NamedTuple):
    """Mean and variance of each feature over a mini-batch of `rows` states."""

    mean: Floats
    variance: Floats
    rows: int

    def standardised(self, states: Floats) -> Floats:
        """States less the mean, over the standard deviation."""
        out: Floats = (states - self.mean) / np.sqrt(self.variance + _EPSILON)
        return out


class _Trace(NamedTuple):
    """What a forward pass leaves for the backward one."""

    state: Floats
    inputs: Floats
    standard: Floats
    spread: Floats
    slopes: tuple[Floats, Floats]
    layers: tuple[Floats, Floats]


class Perceptron:
    """Copies of one network side by side, with parameters of their own and common statistics of features.

    Features standardised, times a gain, plus a shift; a layer, layer normalisation, ELU; a layer, ELU; a layer.

    Args:
        features: Numbers in a state, which are normalised.
        actions: Numbers beside them, which are not.
        hidden: Width of the hidden layers.
        out: Numbers that come out.
        copies: Networks side by side.
        rng: Where first weights are drawn from, uniform within the inverse root of a layer's inputs.
        normalise: Whether states are standardised and have a gain and a shift.
        dtype: Of all numbers.

    Attributes:
        values: All parameters, one after the other; `parts` are views of it.
        gradient: Of the same shape, filled by `backward`.
        parts: Parameters by name, the first axis counting copies.
        mean: Running mean of each feature.
        variance: Running variance of each feature.
    """

    def __init__(
        self,
        features: int,
        actions: int,
        hidden: int,
        out: int,
        copies: int,
        rng: np.random.Generator,
        *,
        normalise: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._features, self._normalise = features, normalise
        shapes = {
            "gain": (1, features),
            "shift": (1, features),
            "first": (features + actions, hidden),
            "first_bias": (1, hidden),
            "layer_gain": (1, hidden),
            "layer_shift": (1, hidden),
            "second": (hidden, hidden),
            "second_bias": (1, hidden),
            "last": (hidden, out),
            "last_bias": (1, out),
        }
        self.values = np.zeros(copies * sum(map(math.prod, shapes.values())), dtype)
        self.gradient = np.zeros_like(self.values)
        self.parts = _views(self.values, shapes, copies)
        self._slopes = _views(self.gradient, shapes, copies)
        self.mean, self.variance = np.zeros(features, dtype), np.ones(features, dtype)
        for name in ("first", "second", "last"):
            bound = self.parts[name].shape[1] ** -0.5
            for part in (self.parts[name], self.parts[f"{name}_bias"]):
                part[:] = rng.uniform(-bound, bound, part.shape)
        self.parts["gain"][:] = self.parts["layer_gain"][:] = 1.0

    def standardised(self, states: Floats) -> Floats:
        """States by the running statistics; as they are where features are not normalised."""
        if not self._normalise:
            return states
        return Moments(self.mean, self.variance, 0).standardised(states)

    def follow(self, moments: Moments) -> None:
        """Move the running statistics towards a mini-batch's."""
        unbiased = moments.rows / (moments.rows - 1)
        self.mean += _MOMENTUM * (moments.mean - self.mean)
        self.variance += _MOMENTUM * (moments.variance * unbiased - self.variance)

    def forward(self, state: Floats, action: Floats | None = None) -> tuple[Floats, _Trace]:
        """What comes out, shape (copies, B, out), and what `backward` needs.

        Args:
            state: Standardised states, shape (B, features).
            action: Shape (B, actions); None where there are none.
        """
        p, copies = self.parts, len(self.parts["first"])
        wide = np.empty((copies, len(state), p["first"].shape[1]), self.values.dtype)
        wide[..., : self._features] = state
        if self._normalise:
            wide[..., : self._features] *= p["gain"]
            wide[..., : self._features] += p["shift"]
        if action is not None:
            wide[..., self._features :] = action
        standard = wide @ p["first"]
        standard += p["first_bias"]
        standard -= standard.mean(-1, keepdims=True)
        spread = 1.0 / np.sqrt(np.square(standard).mean(-1, keepdims=True) + _EPSILON)
        standard *= spread
        x = standard * p["layer_gain"]
        x += p["layer_shift"]
        one, slope_one = _elu(x)
        x = one @ p["second"]
        x += p["second_bias"]
        two, slope_two = _elu(x)
        out = two @ p["last"]
        out += p["last_bias"]
        return out, _Trace(state, wide, standard, spread, (slope_one, slope_two), (one, two))

    def backward(self, trace: _Trace, slope: Floats) -> None:
        """Fill `gradient` with that of a loss whose derivative by what came out is `slope`."""
        g, (one, two) = self._slopes, trace.layers
        second, first, into = self._back(trace, slope)
        np.matmul(two.swapaxes(1, 2), slope, out=g["last"])
        slope.sum(1, keepdims=True, out=g["last_bias"])
        np.matmul(one.swapaxes(1, 2), second, out=g["second"])
        second.sum(1, keepdims=True, out=g["second_bias"])
        (first * trace.standard).sum(1, keepdims=True, out=g["layer_gain"])
        first.sum(1, keepdims=True, out=g["layer_shift"])
        np.matmul(trace.inputs.swapaxes(1, 2), into, out=g["first"])
        into.sum(1, keepdims=True, out=g["first_bias"])
        if self._normalise:
            states = into @ self.parts["first"][:, : self._features].swapaxes(1, 2)
            states.sum(1, keepdims=True, out=g["shift"])
            states *= trace.state
            states.sum(1, keepdims=True, out=g["gain"])

    def by_action(self, trace: _Trace, slope: Floats) -> Floats:
        """The same loss's derivative by the actions, summed over copies, shape (B, actions); `gradient` stays."""
        into = self._back(trace, slope)[2]
        out: Floats = (into @ self.parts["first"][:, self._features :].swapaxes(1, 2)).sum(0)
        return out

    def _back(self, trace: _Trace, slope: Floats) -> tuple[Floats, Floats, Floats]:
        """Derivatives by what enters the second ELU, the first ELU, and the layer normalisation."""
        p, (slope_one, slope_two) = self.parts, trace.slopes
        second = slope @ p["last"].swapaxes(1, 2)
        second *= slope_two
        first = second @ p["second"].swapaxes(1, 2)
        first *= slope_one
        into = first * p["layer_gain"]
        common = into.mean(-1, keepdims=True)
        tilt = (into * trace.standard).mean(-1, keepdims=True)
        into -= common
        into -= trace.standard * tilt
        into *= trace.spread
        return second, first, into


class Adam:
    """Adam (Kingma and Ba, 2015) with its usual decays, 0.9 and 0.999.

    Args:
        values: What is moved, in place.
        rate: Step size.
    """

    def __init__(self, values: Floats, rate: float) -> None:
        self._values, self._rate, self._count = values, rate, 0
        self._mean, self._square = np.zeros_like(values), np.zeros_like(values)

    def step(self, gradient: Floats) -> None:
        """One step against a gradient."""
        self._count += 1
        self._mean += 0.1 * (gradient - self._mean)
        self._square *= 0.999
        self._square += 0.001 * np.square(gradient)
        scale = np.sqrt(self._square)
        scale *= (1.0 - 0.999**self._count) ** -0.5
        scale += 1e-8
        np.divide(self._mean, scale, out=scale)
        scale *= self._rate / (1.0 - 0.9**self._count)
        self._values -= scale


def moments_of(states: Floats) -> Moments:
    """Mean and variance of each feature, of states of shape (B, features)."""
    mean = states.mean(0)
    return Moments(mean, np.square(states - mean).mean(0), len(states))


def _elu(x: Floats) -> tuple[Floats, Floats]:
    """ELU and its derivative."""
    slope = np.exp(np.minimum(x, 0.0))
    out = np.maximum(x, 0.0)
    out += slope
    out -= 1.0
    return out, slope


def _views(flat: Floats, shapes: dict[str, tuple[int, int]], copies: int) -> dict[str, Floats]:
    """Pieces of a flat array by name, of shape (copies, *shape)."""
    sizes: Sequence[int] = [copies * math.prod(shape) for shape in shapes.values()]
    pieces = np.split(flat, np.cumsum(sizes)[:-1])
    return {
        name: piece.reshape(copies, *shape)
        for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
    }
