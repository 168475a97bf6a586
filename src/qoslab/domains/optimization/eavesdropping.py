"""What somebody learns who intercepts each message of one agent with a probability.

Threat model: one agent is tapped, interceptions are independent, and the adversary knows neither the dynamics nor
the other agents' messages. Two ways of sending a trajectory x_0 .. x_T are compared: the states, or x_0 and then
the innovations m_t = x_t - x_{t-1}, which legitimate hearers add up. The protection quotient, E ||x_T - guess||^2
over ||x_T||^2 (the error of an adversary that intercepts nothing), is our definition. The setting is that of Maity
and Mai (arXiv 2409.09539); the formulas are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.agents.message import FloatArray

__all__ = [
    "Leakage",
    "innovation_leakage",
    "scaled_quotient",
    "scaled_state_quotient",
    "simulated_leakage",
    "state_leakage",
]


@dataclass(frozen=True)
class Leakage:
    """Mean square errors of an adversary's guess of x_T from intercepted innovations.

    Attributes:
        zero_fill: Guess: the sum of what was intercepted; (1 - g)^2 S^2 + g (1 - g) Q.
        unbiased: That sum over g; Q (1 - g) / g.
        best_scale: That sum times the factor that is best for who knows S^2 and Q, the floor of scaled guesses;
            S^2 (1 - g) Q / (g S^2 + (1 - g) Q).
        prior: S^2 = ||x_T||^2, the error of who intercepts nothing.
    """

    zero_fill: float
    unbiased: float
    best_scale: float
    prior: float

    @property
    def quotient(self) -> float:
        """The protection quotient against the best scaled guess."""
        return self.best_scale / self.prior if self.prior > 0 else 0.0


def innovation_leakage(path: FloatArray, interception: float) -> Leakage:
    """The adversary's errors where innovations are sent.

    Args:
        path: x_0 .. x_T, shape (T + 1, p).
        interception: g, above 0.
    """
    sent = np.vstack([path[:1], np.diff(path, axis=0)])
    variation, end, g = float((sent**2).sum()), float((path[-1] ** 2).sum()), interception
    floor = g * end + (1 - g) * variation
    best = end * (1 - g) * variation / floor if floor > 0 else 0.0
    return Leakage((1 - g) ** 2 * end + g * (1 - g) * variation, (1 - g) / g * variation, best, end)


def state_leakage(path: FloatArray, interception: float, secret: FloatArray | None = None) -> float:
    """The adversary's mean square error where states are sent: the last one intercepted is its guess, 0 before.

    Args:
        path: x_0 .. x_T, shape (T + 1, p).
        interception: g.
        secret: What it is after, shape (p,); x_T where not given.
    """
    wanted = path[-1] if secret is None else secret
    age = np.arange(len(path))
    apart = ((wanted - path[::-1]) ** 2).sum(axis=1)
    seen = interception * (1 - interception) ** age * apart
    return float(seen.sum() + (1 - interception) ** len(path) * (wanted**2).sum())


def scaled_state_quotient(path: FloatArray, interception: float, secret: FloatArray) -> float:
    """The protection quotient of the last intercepted state times the best factor, as `scaled_quotient` has it of sums.

    1 - (c^T E s)^2 / (||c||^2 E ||s||^2) for the secret c and the last state caught s, 0 where none was.

    Args:
        path: x_0 .. x_T, shape (T + 1, p).
        interception: g.
        secret: c, shape (p,), not 0.
    """
    last = interception * (1 - interception) ** np.arange(len(path))
    mean, square = last @ path[::-1], float(last @ (path[::-1] ** 2).sum(axis=1))
    floor = float((secret**2).sum()) * square
    # Rounding may leave a guess that is right a hair below 0.
    return max(0.0, 1.0 - float(secret @ mean) ** 2 / floor) if floor > 0 else 1.0


def scaled_quotient(path: FloatArray, interception: float, secret: FloatArray) -> float:
    """The protection quotient of the best scaled sum of intercepted innovations as a guess of something else than x_T.

    1 - g (c^T x_T)^2 / (||c||^2 (g S^2 + (1 - g) Q)) for the secret c; `innovation_leakage` has it at c = x_T.

    Args:
        path: x_0 .. x_T, shape (T + 1, p).
        interception: g, above 0.
        secret: c, shape (p,), not 0.
    """
    sent = np.vstack([path[:1], np.diff(path, axis=0)])
    variation, end, g = float((sent**2).sum()), float((path[-1] ** 2).sum()), interception
    floor = float((secret**2).sum()) * (g * end + (1 - g) * variation)
    return max(0.0, 1.0 - g * float(secret @ path[-1]) ** 2 / floor) if floor > 0 else 1.0


def simulated_leakage(
    path: FloatArray, interception: float, rng: np.random.Generator, trials: int
) -> tuple[Leakage, Leakage]:
    """Means over simulated interceptions of the errors of `innovation_leakage`, and their standard errors."""
    sent = np.vstack([path[:1], np.diff(path, axis=0)])
    exact = innovation_leakage(path, interception)
    end, g = path[-1], interception
    variation = float((sent**2).sum())
    scale = exact.prior / (g * exact.prior + (1 - g) * variation)
    total = (rng.random((trials, len(sent))) < g).astype(np.float64) @ sent
    errors = [((end - factor * total) ** 2).sum(axis=1) for factor in (1.0, 1.0 / g, scale)]
    mean = [float(one.mean()) for one in errors]
    error = [float(one.std(ddof=1) / np.sqrt(trials)) for one in errors]
    return Leakage(mean[0], mean[1], mean[2], exact.prior), Leakage(error[0], error[1], error[2], 0.0)
