"""How good predictions are: errors per parameter and over all, rankings, intervals, and errors user by user."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qoslab.core.outcome import Series

__all__ = ["TOPS", "calibration", "errors", "ranking", "user_errors"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

TOPS = (5, 10, 20)
"""Lengths k of the lists that `ndcg_k` and `precision_k` judge."""


def errors(
    parameters: Sequence[str], predicted: FloatArray, truth: FloatArray, test: BoolArray
) -> dict[str, float]:
    """MAE, RMSE and NMAE of each parameter, and each averaged over the parameters.

    Args:
        parameters: Names, length P.
        predicted: Predictions, shape (P, users, services).
        truth: Measurements, same shape.
        test: Which cells are asked, same shape.

    Returns:
        `mae[NAME]`, `rmse[NAME]`, `nmae[NAME]` and the plain averages `mae`, `rmse`, `nmae`.
    """
    off = [np.abs(p[asked] - t[asked]) for p, t, asked in zip(predicted, truth, test, strict=True)]
    mae = np.array([o.mean() for o in off])
    rmse = np.array([np.sqrt((o**2).mean()) for o in off])
    level = np.array([np.abs(t[asked]).mean() for t, asked in zip(truth, test, strict=True)])
    return _named(parameters, {"mae": mae, "rmse": rmse, "nmae": mae / level})


def ranking(
    parameters: Sequence[str],
    predicted: FloatArray,
    truth: FloatArray,
    test: BoolArray,
    larger: Sequence[str],
) -> dict[str, float]:
    """NDCG and precision of the k services that the predictions put first, k of `TOPS`, averaged over users.

    A service's gain for a user is the share of the other asked services that it beats (half of those it equals): among
    values of heavy tails the single best service would be all that counts. Discounts are 1 / log2(1 + place).
    Precision is the share of the chosen k that are no worse than the truly k-th best. Services of equal predictions
    are taken in any order: both are means over all of these (McSherry and Najork, ECIR 2008), for where predictions
    are kept between the known values many of them are equal, and the order of a table would decide.

    Args:
        parameters: Names, length P.
        predicted: Predictions, shape (P, users, services).
        truth: Measurements, same shape.
        test: Which cells are asked, same shape; a user counts where more than k services are asked.
        larger: Parameters of which large values are good.

    Returns:
        `ndcg_k[NAME]`, `precision_k[NAME]` and their averages; without what no user counts for.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for name, values, real, asked in zip(parameters, predicted, truth, test, strict=True):
        sign = -1.0 if name in larger else 1.0
        for u, here in enumerate(asked):
            if here.any() and np.ptp(real[u, here]) > 0:
                for metric, value in _tops(sign * values[u, here], sign * real[u, here]).items():
                    found.setdefault(metric, {}).setdefault(name, []).append(value)
    out = {}
    for metric, by_name in sorted(found.items(), key=lambda item: item[0].startswith("precision")):
        means = {name: float(np.mean(each)) for name, each in by_name.items()}
        out[metric] = float(np.mean(list(means.values())))
        out |= {f"{metric}[{name}]": value for name, value in means.items()}
    return out


def _tops(predicted: FloatArray, real: FloatArray) -> dict[str, float]:
    """NDCG and precision of one user's lists, of those that do not hold all services; small values are good."""
    ordered = np.sort(real)
    worse = len(real) - np.searchsorted(ordered, real, side="right")
    equal = len(real) - worse - np.searchsorted(ordered, real, side="left") - 1
    gain = (worse + 0.5 * equal) / (len(real) - 1)
    best = np.sort(gain)[::-1]
    rank = np.unique(predicted, return_inverse=True)[1]
    found = {}
    for k in (k for k in TOPS if k < len(real)):
        discount = 1 / np.log2(np.arange(2, k + 2))
        found[f"ndcg_{k}"] = float(_expected(gain, rank, k) @ discount / (best[:k] @ discount))
        found[f"precision_{k}"] = float(_expected((real <= ordered[k - 1]).astype(float), rank, k).mean())
    return found


def _expected(worth: FloatArray, rank: NDArray[np.int64], k: int) -> FloatArray:
    """What the first k places are worth in the mean over all orders of services of equal rank, shape (k,)."""
    count = np.bincount(rank)
    return np.repeat(np.bincount(rank, worth) / count, count)[:k]


def calibration(
    parameters: Sequence[str],
    bounds: tuple[FloatArray, FloatArray],
    truth: FloatArray,
    test: BoolArray,
) -> dict[str, float]:
    """How many of the asked values lie in their intervals, and how wide these are.

    Args:
        parameters: Names, length P.
        bounds: Lower and upper ends, each of shape (P, users, services).
        truth: Measurements, same shape.
        test: Which cells are asked, same shape.

    Returns:
        `coverage[NAME]`, a share, and `interval_width[NAME]`, the mean width over the mean of the asked values; and
        their averages.
    """
    coverage, width = np.empty(len(parameters)), np.empty(len(parameters))
    for p, (lower, upper, real, asked) in enumerate(zip(*bounds, truth, test, strict=True)):
        coverage[p] = ((lower <= real) & (real <= upper))[asked].mean()
        width[p] = (upper - lower)[asked].mean() / np.abs(real[asked]).mean()
    return _named(parameters, {"coverage": coverage, "interval_width": width})


def user_errors(
    parameters: Sequence[str], predicted: FloatArray, truth: FloatArray, test: BoolArray
) -> Series:
    """Each user's mean absolute error and number of asked cells, one row per user and parameter with any.

    Two methods of one study meet the same cells, so that differences of these rows are paired.
    """
    off = np.where(test, np.abs(predicted - np.where(test, truth, 0.0)), 0.0)
    count, total = test.sum(axis=2), off.sum(axis=2)
    names, users = np.nonzero(count)
    return {
        "parameter": np.array(parameters)[names],
        "user": users,
        "cells": count[names, users],
        "mae": total[names, users] / count[names, users],
    }


def _named(parameters: Sequence[str], columns: dict[str, FloatArray]) -> dict[str, float]:
    found = {name: float(column.mean()) for name, column in columns.items()}
    for name, column in columns.items():
        found |= {f"{name}[{parameter}]": float(x) for parameter, x in zip(parameters, column, strict=True)}
    return found
