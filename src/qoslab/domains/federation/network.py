"""A multilayer perceptron whose parameters are one vector, evaluated for many clients at once.

Clients train copies of one small network. Their copies are the rows of one array, so that a step of all of them is
a handful of stacked matrix products instead of a loop over clients.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Classifier", "FloatArray", "IntArray", "Perceptron"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Classifier(Protocol):
    """A network whose parameters are one vector; `Perceptron` says what the shapes are."""

    @property
    def count(self) -> int:
        """Number of parameters P."""
        ...

    def start(self, rng: np.random.Generator) -> FloatArray:
        """First parameters, shape (P,)."""
        ...

    def logits(self, parameters: FloatArray, x: FloatArray) -> FloatArray:
        """Scores before the softmax."""
        ...

    def loss(self, parameters: FloatArray, x: FloatArray, y: IntArray) -> FloatArray:
        """Mean cross-entropy in nats."""
        ...

    def gradients(self, parameters: FloatArray, x: FloatArray, y: IntArray) -> FloatArray:
        """Gradients of the mean cross-entropy, one row per row of `parameters`."""
        ...


@dataclass(frozen=True)
class Perceptron:
    """Layers of x W + b with ReLU between them and cross-entropy at the end; no hidden layer is softmax regression.

    Attributes:
        sizes: Features, hidden widths, classes.
    """

    sizes: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of parameters P."""
        return sum((before + 1) * after for before, after in pairwise(self.sizes))

    def start(self, rng: np.random.Generator) -> FloatArray:
        """Parameters drawn as He et al. (2015) do: weights N(0, 2 / inputs), biases zero; shape (P,)."""
        parts = []
        for before, after in pairwise(self.sizes):
            parts += [rng.standard_normal(before * after) * np.sqrt(2.0 / before), np.zeros(after)]
        return np.concatenate(parts)

    def logits(self, parameters: FloatArray, x: FloatArray) -> FloatArray:
        """Scores before the softmax.

        Args:
            parameters: Shape (..., P).
            x: Shape (..., samples, features).

        Returns:
            Shape (..., samples, classes).
        """
        return self._activations(parameters, x)[-1]

    def loss(self, parameters: FloatArray, x: FloatArray, y: IntArray) -> FloatArray:
        """Mean cross-entropy in nats, shape (...): one value per row of `parameters`."""
        scores = self.logits(parameters, x)
        scores = scores - scores.max(axis=-1, keepdims=True)
        right = np.take_along_axis(scores, y[..., None], axis=-1)[..., 0]
        return np.asarray((np.log(np.exp(scores).sum(axis=-1)) - right).mean(axis=-1))

    def gradients(self, parameters: FloatArray, x: FloatArray, y: IntArray) -> FloatArray:
        """Gradients of the mean cross-entropy.

        Args:
            parameters: Shape (..., P).
            x: Shape (..., samples, features).
            y: Classes, shape (..., samples).

        Returns:
            Shape (..., P).
        """
        active = self._activations(parameters, x)
        signal = _softmax(active[-1]) - np.eye(self.sizes[-1])[y]
        signal /= x.shape[-2]
        found = np.empty_like(parameters)
        layers, slots = self._layers(parameters), self._layers(found)
        for k in range(len(layers) - 1, -1, -1):
            weights, biases = slots[k]
            np.matmul(active[k].swapaxes(-1, -2), signal, out=weights)
            biases[...] = signal.sum(axis=-2, keepdims=True)
            if k:
                signal = (signal @ layers[k][0].swapaxes(-1, -2)) * (active[k] > 0)
        return found

    def _activations(self, parameters: FloatArray, x: FloatArray) -> list[FloatArray]:
        """What enters each layer, and the scores last."""
        active = [x]
        layers = self._layers(parameters)
        for k, (weights, biases) in enumerate(layers):
            out = active[-1] @ weights + biases
            active.append(np.maximum(out, 0.0) if k + 1 < len(layers) else out)
        return active

    def _layers(self, parameters: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
        """Views (weights (..., in, out), biases (..., 1, out)) of each layer; writing to them changes `parameters`."""
        lead, at, found = parameters.shape[:-1], 0, []
        for before, after in pairwise(self.sizes):
            end = at + before * after
            weights = parameters[..., at:end].reshape(*lead, before, after)
            found.append((weights, parameters[..., end : end + after].reshape(*lead, 1, after)))
            at = end + after
        return found


def _softmax(scores: FloatArray) -> FloatArray:
    grown = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=-1, keepdims=True))
