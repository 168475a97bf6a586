"""Samples, their division, and the indices that a round's training draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, MissingExtra, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.federation.convolution import Convolutional
from qoslab.domains.federation.images import (
    Bytes,
    read_cifar,
    read_cifar_archive,
    read_emnist_archive,
    read_idx,
)
from qoslab.domains.federation.network import Classifier, FloatArray, IntArray, Perceptron
from qoslab.domains.federation.partition import divide
from qoslab.domains.federation.scenario import (
    Cifar,
    Digits,
    Emnist,
    FederationScenario,
    Idx,
    Mnist,
    Planted,
)
from qoslab.domains.federation.strategy import floor_share

__all__ = ["Task", "make_task"]


@dataclass(frozen=True)
class Task:
    """One instance of the problem.

    Attributes:
        x: Features, shape (n, d).
        y: Classes, shape (n,).
        classes: Number of classes.
        parts: Indices of each client's samples.
        server: Indices of the server's samples.
        test: Indices of the samples that nobody learns from.
        malicious: Which clients attack, shape (N,).
        network: What is trained.
        start: Its first parameters, shape (P,).
    """

    x: FloatArray
    y: IntArray
    classes: int
    parts: tuple[IntArray, ...]
    server: IntArray
    test: IntArray
    malicious: np.ndarray
    network: Classifier
    start: FloatArray


def make_task(scenario: FederationScenario, seed: Seed, context: Context | None = None) -> Task:
    """The instance that a seed draws: test set, server's samples, clients' samples, first parameters, attackers.

    Raises:
        BadInput: Too few samples for test, server and clients, or too few clients that hold any.
        MissingExtra: The digits are wanted and scikit-learn is not installed.
        MissingData: A registered data set is wanted and not on this machine.
    """
    x, y, classes, image = _samples(scenario.data, seed, context or Context())
    aside = scenario.test + scenario.server.reserve
    if aside >= len(y):
        reserve = scenario.server.reserve
        message = f"{scenario.test} samples for testing and {reserve} for the server leave none of {len(y)}"
        raise BadInput(Problem(message=message, field="scenario.test"))
    order = seed.generator("split").permutation(len(y))
    rest = order[aside:]
    parts = divide(scenario.partition, y[rest], scenario.clients, seed.generator("partition"))
    filled = sum(len(part) > 0 for part in parts)
    if filled < scenario.sampled:
        message = f"only {filled} clients hold samples, and {scenario.sampled} take part in a round"
        raise BadInput(Problem(message=message, field="scenario.sampled"))
    network = _network(scenario, x.shape[1], classes, image)
    return Task(
        x,
        y,
        classes,
        tuple(rest[part] for part in parts),
        _server(scenario, y, order[scenario.test : aside]),
        order[: scenario.test],
        _malicious(scenario, seed),
        network,
        network.start(seed.generator("model")),
    )


def _server(scenario: FederationScenario, y: IntArray, reserve: IntArray) -> IntArray:
    chosen = reserve[: scenario.server.samples]
    if scenario.server.classes:
        chosen = chosen[y[chosen] < scenario.server.classes]
    if not len(chosen):
        message = f"none of the server's samples is of its first {scenario.server.classes} classes"
        raise BadInput(Problem(message=message, field="scenario.server.classes"))
    return chosen


def _malicious(scenario: FederationScenario, seed: Seed) -> np.ndarray:
    found = np.zeros(scenario.clients, bool)
    count = floor_share(scenario.faults.malicious, scenario.clients)
    found[seed.generator("malicious").permutation(scenario.clients)[:count]] = True
    return found


def _network(
    scenario: FederationScenario, features: int, classes: int, image: tuple[int, int, int] | None
) -> Classifier:
    if scenario.network == "perceptron":
        return Perceptron((features, *scenario.hidden, classes))
    if image is None:
        message = f"a convolutional network takes images, and data of kind {scenario.data.kind!r} has none"
        raise BadInput(Problem(message=message, field="scenario.network"))
    if min(image[1:]) >> len(scenario.channels) < 1:
        message = f"{len(scenario.channels)} halvings leave nothing of {image[1]} x {image[2]} pixels"
        raise BadInput(Problem(message=message, field="scenario.channels"))
    return Convolutional(image, scenario.channels, classes)


def _samples(
    data: Digits | Planted | Mnist | Emnist | Idx | Cifar, seed: Seed, context: Context
) -> tuple[FloatArray, IntArray, int, tuple[int, int, int] | None]:
    """Features, classes, number of classes, and the shape of an image where there are images."""
    if isinstance(data, Digits):
        return (*_digits(), 10, (1, 8, 8))
    if isinstance(data, Planted):
        return (*_planted(data, seed), data.classes, None)
    pixels, labels = _images(data, context)
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    if pixels.ndim != 4 or labels.ndim != 1 or len(pixels) != len(labels):
        message = f"images of shape {pixels.shape} and classes of shape {labels.shape} do not belong together"
        raise BadInput(Problem(message=message, field="scenario.data"))
    kept = seed.generator("subset").permutation(len(labels))[: data.samples]
    x = pixels[kept].reshape(len(kept), -1) / 255.0
    return x, labels[kept].astype(np.int64), int(labels.max()) + 1, pixels.shape[1:]


def _images(data: Mnist | Emnist | Idx | Cifar, context: Context) -> tuple[Bytes, Bytes]:
    if isinstance(data, Mnist):
        return read_idx(context.dataset(data.images)), read_idx(context.dataset(data.labels))
    if isinstance(data, Emnist):
        return read_emnist_archive(context.dataset(data.archive), data.split)
    if isinstance(data, Idx):
        return read_idx(data.images), read_idx(data.labels)
    return read_cifar(data.files) if data.files else read_cifar_archive(context.dataset(data.archive))


def _planted(data: Planted, seed: Seed) -> tuple[FloatArray, IntArray]:
    rng = seed.generator("planted")
    centres = rng.standard_normal((data.classes, data.features))
    centres *= data.separation / np.linalg.norm(centres, axis=1, keepdims=True)
    y = rng.integers(0, data.classes, data.samples)
    return centres[y] + rng.standard_normal((data.samples, data.features)), y


@cache
def _digits() -> tuple[FloatArray, IntArray]:
    """Pixels in [0, 1], shape (1797, 64), and classes; read-only, since they are kept for the process."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        what = "the digits"
        raise MissingExtra(what, "learn") from None
    pixels, labels = load_digits(return_X_y=True)
    x, y = np.asarray(pixels, np.float64) / 16.0, np.asarray(labels, np.int64)
    x.flags.writeable = y.flags.writeable = False
    return x, y
