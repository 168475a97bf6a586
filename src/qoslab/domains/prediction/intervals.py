"""Intervals around the predictions of any method, from cells that it did not see: split and cross-conformal.

Residuals are differences of logarithms, because QoS values have heavy tails and errors grow with them. They are divided
by a predicted spread, so that intervals are narrow where a method errs little. Split conformal prediction, its
cross-validated form and normalised scores follow Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World,
2005, and Vovk, Annals of Mathematics and Artificial Intelligence 74, 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.prediction.data import Codes, FloatArray, Known
from qoslab.domains.prediction.factor_analysis import floor_of, shifted_logs

__all__ = [
    "LEAST_SPREAD",
    "Complete",
    "Intervals",
    "Residuals",
    "Spread",
    "calibrate",
    "child",
    "fit_spread",
    "out_of_fold",
]

Complete = Callable[[Known, np.random.SeedSequence], FloatArray]
"""Completes a table: known measurements and a seed in, values of shape (P, users, services) out."""

_BINS = 12
"""Steps of the spread over the predicted level."""

_PRIOR_CELLS = 8.0
"""Weight of "as everywhere" in a user's or service's own factor of the spread, in cells."""

_ROUNDING = 1e-6
"""Share of a value by which ends of intervals are rounded outwards: arrays of kept models are float32, and a value that
many cells share (a timeout, a full availability) shall not lie outside for the rounding of its logarithm."""

LEAST_SPREAD = 1e-3
"""Nothing is expected to miss by less, in logarithms."""

_MOST_SCORES = 20_000


@dataclass(frozen=True)
class Residuals:
    """What a method missed in cells that were hidden from it.

    Attributes:
        users: User of each hidden cell, shape (n,).
        services: Its service, shape (n,).
        predicted: Logarithms of the predictions, shape (P, n).
        missed: Logarithms of the measurements less these, shape (P, n), NaN where a parameter was not measured.
        part: Group of each cell whose scores the others' spread divides, shape (n,).
    """

    users: Codes
    services: Codes
    predicted: FloatArray
    missed: FloatArray
    part: Codes


@dataclass(frozen=True)
class Spread:
    """The size of a residual that is to be expected: a factor of the level, one of the user and one of the service.

    Attributes:
        edges: Levels (logarithms of predictions) between two steps, shape (P, B - 1).
        steps: Mean absolute residual of each step, shape (P, B), positive.
        user: Shape (P, users), about one.
        service: Shape (P, services), about one.
        most: Standard deviation of the logarithms of the known values, shape (P,): nothing is expected to miss by more.
    """

    edges: FloatArray
    steps: FloatArray
    user: FloatArray
    service: FloatArray
    most: FloatArray

    def at(self, users: Codes, services: Codes, predicted: FloatArray) -> FloatArray:
        """The spread of cells.

        Args:
            users: Shape (n,); -1 is a user without data.
            services: Shape (n,); -1 is a service without data.
            predicted: Logarithms of predictions, shape (P, n).

        Returns:
            Shape (P, n), positive.
        """
        found = np.empty(predicted.shape)
        for p, level in enumerate(predicted):
            step = self.steps[p][np.searchsorted(self.edges[p], level)]
            found[p] = step * _of(self.user[p], users) * _of(self.service[p], services)
        return np.clip(found, LEAST_SPREAD, self.most[:, None])


@dataclass(frozen=True)
class Intervals:
    """Calibrated intervals for every cell.

    Attributes:
        floor: Least of what logarithms are taken of, shape (P,), positive: the smallest positive known value.
        offset: Added to values before their logarithm is taken, shape (P,): zero, or where zeros are known the smallest
            positive value, so that zeros and what lies between them and that value are told apart.
        lowest: Smallest known value of each parameter, shape (P,).
        highest: Largest known value of each parameter, shape (P,): no interval reaches further. A new cell is
            larger than n known ones with the probability 1 / (n + 1), which is what this costs in coverage.
        spread: The size of residuals to be expected.
        scores: Residuals over spread of hidden cells, shape (n, P), NaN where a parameter was not measured; a row
            keeps what belongs to one cell together.
        levels: Logarithms of their predictions, shape (n, P).
        sizes: The spread that their residuals were divided by, shape (n, P).
    """

    floor: FloatArray
    offset: FloatArray
    lowest: FloatArray
    highest: FloatArray
    spread: Spread
    scores: FloatArray
    levels: FloatArray
    sizes: FloatArray

    def quantiles(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Scores between which a share `level` of all scores lies, half of the rest on either side, each shape (P,).

        Raises:
            BadInput: Too few cells were hidden to promise that much.
        """
        lower, upper = np.empty(len(self.floor)), np.empty(len(self.floor))
        for p, column in enumerate(self.scores.T):
            known = np.sort(column[np.isfinite(column)])
            rank = _rank(len(known), level)
            lower[p], upper[p] = known[rank - 1], known[-rank]
        return lower, upper

    def around(self, values: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends for a completed table of shape (P, users, services), in raw units."""
        shape = values.shape[1:]
        users, services = (axis.ravel() for axis in np.indices(shape))
        low, high = self.at(users, services, values.reshape(len(values), -1), level)
        return low.reshape(values.shape), high.reshape(values.shape)

    def at(
        self, users: Codes, services: Codes, values: FloatArray, level: float
    ) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends for cells.

        Args:
            users: Shape (n,).
            services: Shape (n,).
            values: Predictions in raw units, shape (P, n).
            level: Probability that an interval promises.

        Returns:
            Two arrays of shape (P, n), in raw units.
        """
        logs = self.logs(values)
        spread = self.spread.at(users, services, logs)
        return self.ends(logs, spread, self.quantiles(level))

    def ends(
        self, logs: FloatArray, spread: FloatArray, quantiles: tuple[FloatArray, FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends, shape (P, n), in raw units.

        Args:
            logs: Logarithms of predictions, shape (P, n).
            spread: The size of a residual that is to be expected, same shape.
            quantiles: Scores of the two ends, each shape (P,).
        """
        low, high = (logs + q[:, None] * spread for q in quantiles)
        return self.raw(low - _ROUNDING), self.raw(high + _ROUNDING)

    def reaching(self, values: FloatArray) -> Intervals:
        """The same, also for new measurements outside what was seen.

        Args:
            values: One per parameter, shape (P,), NaN where it was not measured.
        """
        if not ((values < self.lowest) | (values > self.highest) | (values < self.floor)).any():
            return self
        floor = np.where(values > 0, np.fmin(self.floor, values), self.floor)
        # A first zero shall not count as the smallest positive value, which may be what most cells measure.
        first = (values == 0) & (self.lowest > 0) & (self.offset == 0)
        ends = np.fmin(self.lowest, values), np.fmax(self.highest, values)
        return replace(self, floor=np.where(first, floor / 2, floor), lowest=ends[0], highest=ends[1])

    @property
    def zero(self) -> FloatArray:
        """Up to what an expected value is a zero, shape (P,): the floor where zeros came after the training, else 0."""
        return np.where((self.lowest == 0) & (self.offset == 0), self.floor, 0.0)

    def logs(self, values: FloatArray) -> FloatArray:
        """Raw units, shape (P, ...), to logarithms; what is less than the floor counts as the floor."""
        shape = (-1,) + (1,) * (values.ndim - 1)
        return shifted_logs(values, self.floor.reshape(shape), self.offset.reshape(shape))

    def raw(self, logs: FloatArray) -> FloatArray:
        """Logarithms, shape (P, n), to raw units within what was seen, whose ends are met exactly."""
        lowest, highest = self.lowest[:, None], self.highest[:, None]
        low, high = self.logs(lowest), self.logs(highest)
        values = np.clip(np.exp(np.clip(logs, low, high)) - self.offset[:, None], lowest, highest)
        return np.asarray(np.where(logs <= low, lowest, np.where(logs >= high, highest, values)))


def out_of_fold(
    complete: Complete,
    known: Known,
    folds: int,
    rounds: int,
    seed: np.random.SeedSequence,
    context: Context,
    *,
    level: float | None = None,
) -> Residuals:
    """Hide known cells fold by fold and see what a method misses.

    Args:
        complete: The method.
        known: All that is known.
        folds: Number of folds that the cells are dealt into.
        rounds: How many of them are hidden, one after the other; one is split conformal prediction.
        seed: Deals the cells and seeds the method.
        context: Its time limit is kept between rounds.
        level: What intervals are to promise, where it is known already.

    Raises:
        BadInput: There are fewer known cells than folds, or too few of a parameter would be hidden to promise the
            level; then nothing is trained.
    """
    users, services = np.nonzero(np.isfinite(known.values).any(axis=0))
    if len(users) < folds:
        many = "cell" if len(users) == 1 else "cells"
        message = f"{len(users)} known {many} cannot be dealt into {folds} folds"
        fewer = f"name fewer `folds`, at most {len(users)}, or more known cells"
        hint = fewer if len(users) > 1 else "more known cells are needed, two at least"
        raise BadInput(Problem(message=message, field="folds", hint=hint))
    rng = np.random.default_rng(child(seed, rounds))
    fold = rng.permutation(len(users)) % folds
    if level is not None:
        for count in np.isfinite(known.values[:, users, services])[:, fold < rounds].sum(axis=1).tolist():
            _rank(count, level)
    floor, offset = (part[:, None] for part in _floor(known))
    logs = shifted_logs(known.values[:, users, services], floor, offset)
    predicted = np.full(logs.shape, np.nan)
    for turn in range(rounds):
        context.check_time()
        hidden = fold == turn
        rest = known.copy()
        rest.values[:, users[hidden], services[hidden]] = np.nan
        _must_speak(rest)
        found = complete(rest, child(seed, turn))[:, users[hidden], services[hidden]]
        predicted[:, hidden] = shifted_logs(found, floor, offset)
    used = fold < rounds
    part = fold[used] if rounds > 1 else rng.permutation(int(used.sum())) % 2
    predicted = predicted[:, used]
    return Residuals(users[used], services[used], predicted, logs[:, used] - predicted, part)


def calibrate(residuals: Residuals, known: Known, seed: np.random.SeedSequence) -> Intervals:
    """Intervals from residuals; scores of each part are divided by a spread that the other parts gave.

    Args:
        residuals: What the method missed.
        known: All that is known.
        seed: Draws which scores are kept where there are many.
    """
    shape = (known.users, known.services)
    sizes = np.empty(residuals.missed.shape)
    for part in range(int(residuals.part.max()) + 1):
        inside = residuals.part == part
        spread = fit_spread(residuals, ~inside, shape)
        who, what = residuals.users[inside], residuals.services[inside]
        sizes[:, inside] = spread.at(who, what, residuals.predicted[:, inside])
    hidden = np.stack([residuals.missed / sizes, residuals.predicted, sizes]).transpose(0, 2, 1)
    if hidden.shape[1] > _MOST_SCORES:
        chosen = np.random.default_rng(seed).choice(hidden.shape[1], _MOST_SCORES, replace=False)
        hidden = hidden[:, chosen]
    whole = fit_spread(residuals, np.ones(len(residuals.users), bool), shape)
    lowest, highest = (end(known.values, axis=(1, 2)) for end in (np.nanmin, np.nanmax))
    return Intervals(*_floor(known), lowest, highest, whole, *np.ascontiguousarray(hidden))


def fit_spread(residuals: Residuals, use: NDArray[np.bool_], shape: tuple[int, int]) -> Spread:
    """The spread that a part of the residuals shows, by two rounds of means: level, then user, then service.

    Args:
        residuals: What the method missed.
        use: Which cells speak, shape (n,).
        shape: Numbers of users and services.
    """
    tasks = len(residuals.missed)
    edges, steps = np.zeros((tasks, _BINS - 1)), np.ones((tasks, _BINS))
    user, service = np.ones((tasks, shape[0])), np.ones((tasks, shape[1]))
    most = np.ones(tasks)
    for p in range(tasks):
        has = use & np.isfinite(residuals.missed[p])
        size, level = np.abs(residuals.missed[p][has]), residuals.predicted[p][has]
        if not len(size):
            continue
        most[p] = max(float(np.std(level + residuals.missed[p][has])), LEAST_SPREAD)
        edges[p] = np.quantile(level, np.linspace(0, 1, _BINS + 1)[1:-1])
        bins = np.searchsorted(edges[p], level)
        overall = max(float(size.mean()), LEAST_SPREAD)
        who, what = residuals.users[has], residuals.services[has]
        for _ in range(2):
            others = size / (user[p][who] * service[p][what])
            steps[p] = overall * _shares(bins, others / overall, _BINS)
            left = size / steps[p][bins]
            user[p] = _shares(who, left / service[p][what], shape[0])
            service[p] = _shares(what, left / user[p][who], shape[1])
    return Spread(edges, steps, user, service, most)


def _rank(count: int, level: float) -> int:
    """Rank from either end of the scores between which a share `level` of `count` and a new one lies.

    Raises:
        BadInput: They are too few to promise that much.
    """
    rank = int(np.floor((count + 1) * (1 - level) / 2 + 1e-9))
    if rank < 1:
        raise BadInput(_too_few(count, level, int(np.ceil(2 / (1 - level) - 1e-9)) - 1))
    return rank


def _too_few(count: int, level: float, least: int) -> Problem:
    message = f"{count} hidden cells cannot promise intervals of {100 * level:.6g} %: {least:,} are needed"
    return Problem(message=message, field="level", hint="measure more, hide more (rounds), or promise less")


def child(seed: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    """A seed that follows from another and a number; unlike `spawn` it leaves the other as it is."""
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))


def _shares(codes: Codes, ratios: FloatArray, count: int) -> FloatArray:
    """Mean ratio of each code, drawn towards one as by `_PRIOR_CELLS` cells."""
    total = np.bincount(codes, ratios, count)
    return np.asarray((total + _PRIOR_CELLS) / (np.bincount(codes, minlength=count) + _PRIOR_CELLS))


def _of(factors: FloatArray, codes: Codes) -> FloatArray:
    return np.where(codes < 0, 1.0, factors[codes])


def _floor(known: Known) -> tuple[FloatArray, FloatArray]:
    """Floor and offset of the logarithms of each parameter, shape (P,)."""
    floor = floor_of(known.values)[:, 0, 0]
    return floor, np.where(np.nanmin(known.values, axis=(1, 2)) < floor, floor, 0.0)


def _must_speak(known: Known) -> None:
    for name, table in zip(known.parameters, known.values, strict=True):
        if not np.isfinite(table).any():
            message = f"{name!r} has too few measurements to hide a part of them"
            raise BadInput(Problem(message=message, field="folds"))
