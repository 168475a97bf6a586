"""SHARP-QoS and boosted factors together, in shares that hidden cells decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.core.outcome import Series
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.intervals import child
from qoslab.domains.prediction.methods.boosted_factors import BoostedFactors
from qoslab.domains.prediction.methods.sharp_qos import SharpQos
from qoslab.domains.prediction.model import Prediction
from qoslab.domains.prediction.newcomer_trees import newcomers

__all__ = ["SharpBoosted", "errors_by_share"]

SHARES: FloatArray = np.linspace(0.0, 1.0, 21)
"""Shares of the network that are compared."""

_FEWEST = 20
"""Hidden measurements of a parameter below which they say nothing of its share."""

_UNDECIDED = 0.5
"""Share where nothing is known of either's errors: the squared error of a mean is at most the mean of the squares."""


@method(
    "prediction",
    "sharp_boosted",
    summary="sharp_qos and boosted_factors averaged, each parameter in shares that hidden known cells decide",
    extra="learn",
    origin="ours",
    example={"steps": 5, "rank": 4, "hidden": 8, "width": 4, "trees": 4, "folds": 2},
)
@dataclass(frozen=True)
class SharpBoosted:
    """An average of two predictors that err in other cells: a network over graphs and trees over features of cells.

    Some of the known cells are hidden from both; the share of the network in each parameter is that of the least mean
    absolute error there. The trees then learn once more from all known cells; the network keeps what it has learned.
    Users and services of whom the network saw no cell are left to the trees, which learn those without a known one
    apart.
    What is not an attribute here is as `sharp_qos` and `boosted_factors` have it.

    Attributes:
        held_out: Share of the known cells that is hidden to find the shares; with 0, or with few cells, both have half.
        steps: Steps of the network at most.
        rank: Width of the network's features.
        hidden: Width of its encoders and blocks.
        width: Width of its heads' outputs, which are multiplied.
        trees: Trees of each booster.
        folds: Folds of the trees' features.
        device: Where the network learns; `auto` takes CUDA where there is one.
    """

    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.05
    steps: Annotated[int, Field(ge=1)] = 1000
    rank: Annotated[int, Field(ge=1)] = 50
    hidden: Annotated[int, Field(ge=1)] = 128
    width: Annotated[int, Field(ge=1)] = 64
    trees: Annotated[int, Field(ge=1)] = 150
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> Prediction:
        """Train both without the hidden cells, choose the shares there, train the trees again, and average.

        The series `shares` holds the mean absolute errors in hidden cells at every share of the network, in raw
        units; `training` is that of `sharp_qos`.
        """
        chosen_by, for_network, for_trees = (child(seed, number) for number in range(3))
        hidden = _hidden(known, self.held_out, np.random.default_rng(chosen_by))
        seen = replace(known, values=np.where(hidden, np.nan, known.values))
        learned = self._network().predict(seen, for_network, context)
        shares, series = np.full(len(known.values), _UNDECIDED), dict(learned.series)
        if hidden.any():
            first = self._trees().predict(seen, for_trees, context)
            network = _bounded(learned.values, seen)
            errors = errors_by_share(network, first, np.where(hidden, known.values, np.nan))
            shares = _best(errors, np.isfinite(np.where(hidden, known.values, np.nan)).sum(axis=(1, 2)))
            series["shares"] = _series(known, errors)
        trees = self._trees().predict(known, for_trees, context)
        # The network knows nothing of those whose cells were all hidden, and of newcomers the hidden cells say nothing.
        strangers = np.any(list(newcomers(seen.values).values()), axis=0)
        share = np.where(strangers, 0.0, shares[:, None, None])
        return Prediction(share * _bounded(learned.values, known) + (1 - share) * trees, series=series)

    def _network(self) -> SharpQos:
        return SharpQos(
            steps=self.steps, rank=self.rank, hidden=self.hidden, width=self.width, device=self.device
        )

    def _trees(self) -> BoostedFactors:
        return BoostedFactors(trees=self.trees, folds=self.folds)


def errors_by_share(network: FloatArray, trees: FloatArray, truth: FloatArray) -> FloatArray:
    """Mean absolute errors of averages of two completed tables.

    Args:
        network: Shape (P, users, services).
        trees: The same shape.
        truth: The same shape, NaN where nothing is compared.

    Returns:
        Shape (shares, P), one row for each of `SHARES`; NaN for a parameter without a cell to compare in.
    """
    out = np.full((len(SHARES), len(truth)), np.nan)
    for p, table in enumerate(truth):
        cells = np.isfinite(table)
        if cells.any():
            one, other, true = network[p][cells], trees[p][cells], table[cells]
            out[:, p] = [np.abs(a * one + (1 - a) * other - true).mean() for a in SHARES]
    return out


def _best(errors: FloatArray, counts: NDArray[np.int64]) -> FloatArray:
    """The share of the least error, the smallest of several; a half where too few cells were compared."""
    enough = counts >= _FEWEST
    found = SHARES[np.where(np.isnan(errors), np.inf, errors).argmin(axis=0)]
    return np.where(enough, found, _UNDECIDED)


def _hidden(known: Known, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A share of the cells where anything is known, the same for all parameters; none if a parameter lost its last."""
    measured = np.isfinite(known.values)
    cells = np.flatnonzero(measured.any(axis=0))
    chosen = np.zeros(measured[0].size, bool)
    chosen[rng.permutation(cells)[: round(share * len(cells))]] = True
    hidden = measured & chosen.reshape(measured[0].shape)
    kept = (measured & ~hidden).any(axis=(1, 2))
    return hidden if kept.all() else np.zeros_like(hidden)


def _bounded(values: FloatArray, known: Known) -> FloatArray:
    """Between the smallest and the largest known value of each parameter, as the trees' predictions are."""
    lowest, highest = (bound(known.values, axis=(1, 2), keepdims=True) for bound in (np.nanmin, np.nanmax))
    return np.clip(values, lowest, highest)


def _series(known: Known, errors: FloatArray) -> Series:
    return {"share": SHARES} | {f"mae[{name}]": errors[:, p] for p, name in enumerate(known.parameters)}
