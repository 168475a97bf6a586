"""How much wider the intervals of strangers are: users and services of whom the context, or nothing, is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qoslab.domains.prediction.data import FloatArray
from qoslab.domains.prediction.deploy.priors import Basis

__all__ = ["SIDES", "STRANGERS", "factors", "quantile", "shares_of_ends", "weaker"]

SIDES = ("user", "service", "both")
"""Who may be new."""

STRANGERS: tuple[Basis, ...] = ("context", "population")
"""What an answer about somebody whom nobody measured can rest on."""

_LEAST_WIDER, _MOST_WIDER = 0.05, 20.0
"""Bounds of the factor on a stranger's interval."""

_LEAST_CELLS = 20
"""Cells that such a factor rests on, at least; with fewer the context's is the population's, and that one is 1."""


def factors(
    ratios: Mapping[tuple[str, Basis], Sequence[FloatArray]], parameters: int, level: float
) -> dict[tuple[str, Basis], FloatArray]:
    """Factors that let intervals hold a share of the known cells, had each been a stranger's.

    Args:
        ratios: By side (`user`, `service` or `both`) and basis, errors over the half of the interval that they lie
            in, arrays of shape (P, n).
        parameters: P.
        level: The share.

    Returns:
        By side and basis, shape (P, 1).
    """
    found: dict[tuple[str, Basis], FloatArray] = {}
    for side in SIDES:
        factor = np.ones((parameters, 1))
        for basis in reversed(STRANGERS):
            every = np.concatenate([factor[:, :0], *ratios.get((side, basis), [])], axis=1)
            factor = found[side, basis] = quantile(every, level, factor)
    return found


def shares_of_ends(scores: FloatArray, ends: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Errors over the half of the interval that they lie in, shape (P, n).

    Args:
        scores: Errors over spread, shape (P, n).
        ends: Scores of the two ends of the interval, shape (P,) each.
    """
    lower, upper = (end[:, None] for end in ends)
    return np.where(scores > 0, scores / np.maximum(upper, 1e-9), scores / np.minimum(lower, -1e-9))


def weaker(a: Basis, b: Basis) -> Basis:
    """The one of two that says less."""
    order: tuple[Basis, ...] = ("population", "context", "model")
    return min(a, b, key=order.index)


def quantile(
    ratios: FloatArray,
    level: float,
    otherwise: FloatArray,
    *,
    least: int = _LEAST_CELLS,
    bounds: tuple[float, float] = (_LEAST_WIDER, _MOST_WIDER),
) -> FloatArray:
    """The quantile of each row's finite ratios, shape (P, 1), within bounds; another number where there are few.

    That of rank ceil((n + 1) level), which the next ratio exceeds with the probability 1 - level at most; the largest
    where n is too small for that.
    """
    found = otherwise.copy()
    for p, row in enumerate(ratios):
        known = row[np.isfinite(row)]
        if len(known) >= least:
            rank = min(int(np.ceil((len(known) + 1) * level - 1e-9)), len(known))
            found[p] = np.clip(np.sort(known)[rank - 1], *bounds)
    return found
