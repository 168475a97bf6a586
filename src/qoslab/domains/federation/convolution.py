"""A small convolutional network whose parameters are one vector, evaluated by torch for many clients at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from qoslab.core.errors import MissingExtra
from qoslab.domains.federation.network import FloatArray, IntArray

__all__ = ["Convolutional"]


@dataclass(frozen=True)
class Convolutional:
    """Layers of 3 x 3 convolution, ReLU and 2 x 2 max-pooling, then one dense layer; cross-entropy at the end.

    Double precision on the processor, so that equal seeds give equal models.

    Attributes:
        image: Channels, height and width of an image.
        channels: Channels after each convolution; every one halves height and width.
        classes: Number of classes.
    """

    image: tuple[int, int, int]
    channels: tuple[int, ...]
    classes: int

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of all weights and biases, in the order they lie in."""
        found: list[tuple[int, ...]] = []
        for before, after in pairwise((self.image[0], *self.channels)):
            found += [(after, before, 3, 3), (after,)]
        height, width = (size >> len(self.channels) for size in self.image[1:])
        return (*found, (self.classes, self.channels[-1] * height * width), (self.classes,))

    @property
    def count(self) -> int:
        """Number of parameters P."""
        return sum(math.prod(shape) for shape in self.shapes)

    def start(self, rng: np.random.Generator) -> FloatArray:
        """Parameters drawn as He et al. (2015) do: weights N(0, 2 / inputs), biases zero; shape (P,)."""
        parts = []
        for shape in self.shapes:
            size = math.prod(shape)
            drawn = rng.standard_normal(size) if len(shape) > 1 else np.zeros(size)
            parts.append(drawn * np.sqrt(2.0 / max(math.prod(shape[1:]), 1)))
        return np.concatenate(parts)

    def logits(self, parameters: FloatArray, x: FloatArray) -> FloatArray:
        """Scores before the softmax.

        Args:
            parameters: Shape (P,).
            x: Shape (samples, features).

        Returns:
            Shape (samples, classes).
        """
        torch = _torch()
        with torch.no_grad():
            found = self._forward(torch, torch.tensor(parameters), torch.tensor(x))
        return np.asarray(found.numpy())

    def loss(self, parameters: FloatArray, x: FloatArray, y: IntArray) -> FloatArray:
        """Mean cross-entropy in nats, one number, for `parameters` of shape (P,)."""
        torch = _torch()
        with torch.no_grad():
            found = self._loss(torch, torch.tensor(parameters), torch.tensor(x), torch.tensor(y))
        return np.asarray(found.numpy())

    def gradients(self, parameters: FloatArray, x: FloatArray, y: IntArray) -> FloatArray:
        """Gradients of the mean cross-entropy.

        Args:
            parameters: Shape (P,), or (S, P) for S clients.
            x: Shape (samples, features), or (S, samples, features).
            y: Classes, shape (samples,), or (S, samples).

        Returns:
            The shape of `parameters`.
        """
        torch = _torch()
        flat = parameters.ndim == 1
        rows = (parameters[None], x[None], y[None]) if flat else (parameters, x, y)
        found = np.stack([self._gradient(torch, *row) for row in zip(*rows, strict=True)])
        return np.asarray(found[0] if flat else found)

    def _gradient(self, torch: Any, parameters: FloatArray, x: FloatArray, y: IntArray) -> FloatArray:
        at = torch.tensor(parameters, requires_grad=True)
        (slope,) = torch.autograd.grad(self._loss(torch, at, torch.tensor(x), torch.tensor(y)), at)
        return np.asarray(slope.numpy())

    def _loss(self, torch: Any, parameters: Any, x: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(self._forward(torch, parameters, x), y)

    def _forward(self, torch: Any, parameters: Any, x: Any) -> Any:
        parts, at = [], 0
        for shape in self.shapes:
            parts.append(parameters[at : at + math.prod(shape)].reshape(shape))
            at += math.prod(shape)
        act, out = torch.nn.functional, x.reshape(-1, *self.image)
        for layer in range(len(self.channels)):
            weights, biases = parts[2 * layer : 2 * layer + 2]
            out = act.max_pool2d(act.relu(act.conv2d(out, weights, biases, padding=1)), 2)
        return act.linear(out.flatten(1), *parts[-2:])


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        what = "a convolutional network"
        raise MissingExtra(what, "learn") from None
    return torch
