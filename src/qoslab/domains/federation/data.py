"""Samples, their division, and the indices that a round's training draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from qoslab.core.errors import BadInput, MissingExtra, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.federation.network import FloatArray, IntArray, Perceptron
from qoslab.domains.federation.partition import divide
from qoslab.domains.federation.scenario import Digits, FederationScenario, Planted

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
    network: Perceptron
    start: FloatArray


def make_task(scenario: FederationScenario, seed: Seed) -> Task:
    """The instance that a seed draws: test set, server's samples, clients' samples, first parameters, attackers.

    Raises:
        BadInput: Too few samples for test, server and clients, or too few clients that hold any.
        MissingExtra: The digits are wanted and scikit-learn is not installed.
    """
    x, y, classes = _samples(scenario.data, seed)
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
    network = Perceptron((x.shape[1], *scenario.hidden, classes))
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
    count = round(scenario.faults.malicious * scenario.clients)
    found[seed.generator("malicious").permutation(scenario.clients)[:count]] = True
    return found


def _samples(data: Digits | Planted, seed: Seed) -> tuple[FloatArray, IntArray, int]:
    if isinstance(data, Digits):
        return (*_digits(), 10)
    rng = seed.generator("planted")
    centres = rng.standard_normal((data.classes, data.features))
    centres *= data.separation / np.linalg.norm(centres, axis=1, keepdims=True)
    y = rng.integers(0, data.classes, data.samples)
    return centres[y] + rng.standard_normal((data.samples, data.features)), y, data.classes


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
