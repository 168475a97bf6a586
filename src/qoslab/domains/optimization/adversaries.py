"""Two ends of the scale of eavesdroppers on averaging: one that knows everything but the start, and noise against all.

Threat model of `full_knowledge`: all agents are tapped, every message is caught with a probability, and the adversary
knows the weights and that agents average, x_{t+1} = W x_t. Innovations are sent: m_0 = x_0, m_t = x_t - x_{t-1}. Each
message is a known linear form of x_0, so its guess is exact in the span of what it caught, and 0, its prior, beyond.
One catch of a later round gives all differences between agents; the average is learnt with m_0 alone. Derived here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem

__all__ = ["FullKnowledge", "Private", "full_knowledge", "gaussian_noise", "private_average"]

_HORIZON = 60
"""Later innovations are multiples of the slowest mode alone, and tell nothing that earlier ones did not."""

_RANK = 1e-9


@dataclass(frozen=True)
class FullKnowledge:
    """Mean square error of the guess of one agent's last state, over simulated interceptions.

    Attributes:
        error: The mean.
        standard_error: Of the mean.
        prior: The error of who catches nothing, x_T^2.
    """

    error: float
    standard_error: float
    prior: float

    @property
    def quotient(self) -> float:
        """The protection quotient."""
        return self.error / self.prior if self.prior > 0 else 0.0


def full_knowledge(
    matrix: FloatArray,
    start: FloatArray,
    interception: float,
    rng: np.random.Generator,
    *,
    agent: int = 0,
    rounds: int = 400,
    trials: int = 2000,
    caught: Literal["rounds", "messages"] = "rounds",
    start_sent: bool = True,
) -> FullKnowledge:
    """The error of an adversary that taps all agents and knows W.

    Args:
        matrix: W, shape (n, n).
        start: x_0, shape (n,).
        interception: Probability of each catch.
        rng: Source of interceptions.
        agent: Whose last state is guessed.
        rounds: T.
        trials: Simulated runs.
        caught: Whether all messages of a round are caught together, or each by itself.
        start_sent: Whether m_0 = x_0 is sent over the tapped links; otherwise it came another way.
    """
    n, last = len(start), np.linalg.matrix_power(matrix, rounds)[agent]
    forms = _forms(matrix, min(rounds, _HORIZON), start_sent=start_sent)
    errors = np.empty(trials)
    for trial in range(trials):
        shape = (len(forms), 1 if caught == "rounds" else n)
        seen = np.broadcast_to(rng.random(shape) < interception, forms.shape[:2])
        errors[trial] = (last @ (start - _projected(forms[seen], start))) ** 2
    spread = float(errors.std(ddof=1) / np.sqrt(trials))
    return FullKnowledge(float(errors.mean()), spread, float(last @ start) ** 2)


def _forms(matrix: FloatArray, rounds: int, *, start_sent: bool) -> FloatArray:
    """What each message says of x_0, as unit vectors: shape (messages per agent, n, n)."""
    n, power = len(matrix), np.eye(len(matrix))
    found = [np.eye(n)] if start_sent else []
    for _ in range(rounds):
        found.append((matrix - np.eye(n)) @ power)
        power = matrix @ power
    forms = np.stack(found)
    length = np.linalg.norm(forms, axis=2, keepdims=True)
    return np.asarray(np.where(length > 0, forms / np.where(length > 0, length, 1.0), 0.0))


def _projected(rows: FloatArray, start: FloatArray) -> FloatArray:
    """The part of x_0 in the span of some forms."""
    if not len(rows):
        return np.zeros_like(start)
    values, vectors = np.linalg.eigh(rows.T @ rows)
    kept = vectors[:, values > _RANK * max(values[-1], 1.0)]
    return np.asarray(kept @ (kept.T @ start))


@dataclass(frozen=True)
class Private:
    """What noise on the start does to an average.

    Attributes:
        noise: Standard deviation of the Gaussian noise that each agent adds to its x_0 before it says anything.
        agents_error: Mean square error of the average that agents agree on.
        adversary_error: Mean square error of the average as a guess of who catches any late message.
    """

    noise: float
    agents_error: float
    adversary_error: float


def gaussian_noise(epsilon: float, delta: float, reach: float) -> float:
    """The Gaussian mechanism's standard deviation, reach sqrt(2 ln(1.25 / delta)) / epsilon (Dwork and Roth 2014, A.1).

    Args:
        epsilon: Privacy loss, in (0, 1).
        delta: Probability with which the promise may fail.
        reach: Length of the interval in which the number may lie.

    Raises:
        BadInput: The theorem does not hold for this epsilon.
    """
    if not 0 < epsilon < 1:
        message = "the Gaussian mechanism's bound holds between 0 and 1"
        raise BadInput(Problem(field="epsilon", message=message))
    return reach * math.sqrt(2.0 * math.log(1.25 / delta)) / epsilon


def private_average(n: int, epsilon: float, delta: float = 1e-5, reach: float = 1.0) -> Private:
    """The Gaussian mechanism (Dwork and Roth 2014, theorem A.1) on every agent's start, then plain averaging of states.

    Whatever an adversary sees afterwards is a function of the noisy starts, so nothing it does weakens the promise of
    (epsilon, delta)-differential privacy for a start that may lie anywhere in an interval of length `reach`. States
    leak in the end: the adversary and the agents know the same noisy average, and err alike, s^2 / n.

    Args:
        n: Number of agents.
        epsilon: Privacy loss, in (0, 1).
        delta: Probability with which the promise may fail.
        reach: Length of the interval that each start lies in.
    """
    noise = gaussian_noise(epsilon, delta, reach)
    return Private(noise, noise**2 / n, noise**2 / n)
