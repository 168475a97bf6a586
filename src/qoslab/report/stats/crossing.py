"""Where along a grid of a scenario's value the best method stops being best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from qoslab.core.errors import BadInput, Problem
from qoslab.core.metric import Direction
from qoslab.report.stats.compare import holm, paired_p_value
from qoslab.report.stats.intervals import Interval, t_quantile
from qoslab.report.stats.pairs import pair
from qoslab.report.stats.sample import FloatArray, check_fraction, sample

__all__ = ["Crossing", "Segment", "crossing_of_differences", "crossings", "segments"]


@dataclass(frozen=True)
class Segment:
    """Neighbouring grid points with the same answer.

    Attributes:
        best: The method shown to be best at each of these points; None where that is undecided.
        leader: The method with the best mean, decided or not, at the first of these points.
        low: First grid point.
        high: Last grid point.
        points: Number of grid points.
    """

    best: str | None
    leader: str
    low: float
    high: float
    points: int


@dataclass(frozen=True)
class Crossing:
    """Where one leader gives way to another.

    Attributes:
        below: The method with the best mean before the crossing.
        above: The method with the best mean after it.
        interval: Where their interpolated means cross; a limit is infinite where the grid does not bound it.
    """

    below: str
    above: str
    interval: Interval


def _tables(grid: ArrayLike, values: Mapping[str, ArrayLike]) -> tuple[FloatArray, dict[str, FloatArray]]:
    """The checked grid, and the values with seeds that any method lacks at a point masked for all (NaN)."""
    points = sample(grid, name="grid")
    problems = []
    if np.any(np.diff(points) <= 0):
        problems.append(Problem(message="grid points must increase", field="grid"))
    if len(values) < 2:
        problems.append(Problem(message="at least two methods are needed", field="values"))
    tables = {name: np.asarray(table, dtype=np.float64) for name, table in values.items()}
    seeds = {table.shape[1:] for table in tables.values()}
    for name, table in tables.items():
        if table.ndim != 2 or table.shape[0] != points.size or len(seeds) != 1:
            message = f"shape {table.shape}, but all methods need ({points.size} grid points, the same seeds)"
            problems.append(Problem(message=message, field=name, hint="put NaN where a trial is missing"))
    if problems:
        raise BadInput(problems)
    usable = np.all([np.isfinite(table) for table in tables.values()], axis=0)
    empty = points[~usable.any(axis=1)]
    if empty.size:
        message = f"no seed has a value of every method at {', '.join(f'{x:g}' for x in empty)}"
        raise BadInput(Problem(message=message, field="values"))
    return points, {name: np.where(usable, table, np.nan) for name, table in tables.items()}


def _check_direction(direction: Direction) -> None:
    if direction == "neither":
        raise BadInput(Problem(message="of a metric of which neither way is better no method is best"))


def _leaders(tables: Mapping[str, FloatArray], direction: Direction) -> list[str]:
    """The method with the best mean at each grid point; the first named wins an exact tie."""
    names = list(tables)
    means = np.array([np.nanmean(tables[name], axis=1) for name in names])
    index = means.argmin(axis=0) if direction == "lower" else means.argmax(axis=0)
    return [names[i] for i in index]


def _p_best(tables: Mapping[str, FloatArray], leader: str, point: int) -> float:
    """P-value of "the leader is best here": its weakest comparison, times the rivals it was chosen among."""
    rows = {name: table[point] for name, table in tables.items()}
    rivals = [name for name in rows if name != leader]
    worst = max(paired_p_value(pair(rows[leader], rows[name])) for name in rivals)
    return min(1.0, worst * len(rivals))


def segments(
    grid: ArrayLike, values: Mapping[str, ArrayLike], *, direction: Direction = "lower", level: float = 0.95
) -> list[Segment]:
    """Runs of grid points in which one method is shown to be best.

    At each point the method with the best mean must beat every rival in the paired t test; Bonferroni over the
    rivals pays for having picked it, Holm over the points for having looked at all of them. So the chance that
    any segment names a method that is not best is at most 1 - level.

    Args:
        grid: The scenario's values, increasing, shape (points,).
        values: By method, shape (points, seeds), seeds in the same order; NaN where a trial is missing.
        direction: Which way is better.
        level: Confidence level of the whole statement.

    Returns:
        Segments in order, covering every grid point.

    Raises:
        BadInput: Wrong shapes, a grid that does not increase, a point without common seeds, fewer than two
            methods, or a metric without a direction.
    """
    _check_direction(direction)
    check_fraction(level, "level")
    points, tables = _tables(grid, values)
    leaders = _leaders(tables, direction)
    raw = [_p_best(tables, leader, point) for point, leader in enumerate(leaders)]
    shown = [p_value <= 1 - level + 1e-12 for p_value in holm(raw)]
    best = [leader if sure else None for leader, sure in zip(leaders, shown, strict=True)]
    starts = [i for i in range(points.size) if i == 0 or best[i] != best[i - 1]]
    ends = [*starts[1:], points.size]
    return [
        Segment(best[i], leaders[i], float(points[i]), float(points[j - 1]), j - i)
        for i, j in zip(starts, ends, strict=True)
    ]


def _roots_within(square: float, linear: float, constant: float) -> list[float]:
    """Roots of a quadratic strictly between 0 and 1, in order; written so that nothing overflows or cancels."""
    discriminant = linear * linear - 4 * square * constant
    if discriminant < 0:
        return []
    stable = -(linear + np.copysign(np.sqrt(discriminant), linear)) / 2
    pairs = ((stable, square), (constant, stable))
    return sorted(float(top / bottom) for top, bottom in pairs if abs(top) < abs(bottom) and top / bottom > 0)


def _undecided_parts(left: FloatArray, right: FloatArray, level: float) -> list[tuple[float, float]]:
    """Where between two neighbouring grid points the interpolated mean difference may be 0.

    Args:
        left: Differences by seed at the left point, shape (n,), n >= 2.
        right: The same seeds at the right point.
        level: Confidence level.

    Returns:
        Closed ranges of the weight w in [0, 1] of the right point at which the t test of
        (1 - w) left + w right does not reject a mean of 0.
    """
    n = left.size
    step = right - left
    cut = float(t_quantile((1 + level) / 2, n - 1)) ** 2 / n
    a, b = float(left.mean()), float(step.mean())
    rest, slope = left - a, step - b
    products = ((rest, rest), (rest, slope), (slope, slope))
    var_a, covariance, var_b = (float(np.dot(u, v)) / (n - 1) for u, v in products)
    # (a + b w)^2 <= cut * variance(w) is a quadratic inequality in w.
    quadratic = (b * b - cut * var_b, 2 * (a * b - cut * covariance), a * a - cut * var_a)
    inner = _roots_within(*quadratic)
    edges = [0.0, *inner, 1.0]
    parts: list[tuple[float, float]] = []
    for low, high in pairwise(edges):
        if np.polyval(quadratic, (low + high) / 2) <= 0:
            if parts and parts[-1][1] == low:
                low = parts.pop()[0]
            parts.append((low, high))
    return parts


def _confidence_set(points: FloatArray, table: FloatArray, level: float) -> list[tuple[float, float]]:
    """Ranges of x in which the interpolated mean difference may be 0; see `crossing_of_differences`."""
    parts: list[tuple[float, float]] = []
    for i in range(points.size - 1):
        common = np.isfinite(table[i]) & np.isfinite(table[i + 1])
        inside = [(0.0, 1.0)]
        if np.count_nonzero(common) > 1:
            inside = _undecided_parts(table[i, common], table[i + 1, common], level)
        left, right = float(points[i]), float(points[i + 1])
        for low, high in inside:
            start = left + low * (right - left)
            end = right if high == 1 else left + high * (right - left)
            if parts and parts[-1][1] == start:
                start = parts.pop()[0]
            parts.append((start, end))
    return parts


def crossing_of_differences(
    grid: ArrayLike, differences: ArrayLike, at: int, level: float = 0.95
) -> Interval:
    """Zero of the mean difference, interpolated between grid points `at` and `at + 1`.

    The confidence set holds every x at which the t test of the interpolated differences does not reject 0
    (Fieller's principle), so it covers the crossing of the interpolated means with the level's chance, exactly
    for normal differences; the part connected to the estimate is returned.

    Args:
        grid: Increasing, shape (points,).
        differences: Shape (points, seeds); NaN where a trial is missing.
        at: Index of the grid point before the change of sign of the mean difference.
        level: Confidence level.

    Returns:
        The crossing; a limit is infinite where the set reaches the end of the grid. Between points with fewer
        than two seeds in common nothing is rejected.
    """
    points = sample(grid, name="grid", minimum=2)
    table = np.asarray(differences, dtype=np.float64)
    here = np.nanmean(table[at : at + 2], axis=1)
    weight = float(here[0] / (here[0] - here[1])) if here[0] != here[1] else 0.5
    step = float(points[at + 1] - points[at])
    estimate = float(points[at] + min(max(weight, 0.0), 1.0) * step)
    slack = 1e-9 * step
    whole = (float(points[0]), float(points[-1]))
    parts = _confidence_set(points, table, level)
    low, high = next(((s, e) for s, e in parts if s - slack <= estimate <= e + slack), whole)
    low = float("-inf") if low == whole[0] else min(low, estimate)
    high = float("inf") if high == whole[1] else max(high, estimate)
    return Interval(estimate, low, high, level, int(np.isfinite(table[at]).sum()), "crossing")


def _decided_changes(
    tables: Mapping[str, FloatArray], answers: list[str | None]
) -> list[tuple[str, str, int]]:
    """Changes from one decided best to the next, with the first change of sign between them."""
    decided = [(i, name) for i, name in enumerate(answers) if name is not None]
    found = []
    for (i, a), (j, b) in pairwise(decided):
        if a != b:
            means = np.nanmean(tables[a][i : j + 1] - tables[b][i : j + 1], axis=1)
            changed = np.flatnonzero(np.sign(means) != np.sign(means[0]))
            found.append((a, b, i + int(changed[0]) - 1))
    return found


def crossings(
    grid: ArrayLike,
    values: Mapping[str, ArrayLike],
    *,
    direction: Direction = "lower",
    level: float = 0.95,
    decided: bool = True,
) -> list[Crossing]:
    """Where along the grid one method stops being best and another begins.

    Args:
        grid: The scenario's values, increasing, shape (points,).
        values: By method, shape (points, seeds), seeds in the same order; NaN where a trial is missing.
        direction: Which way is better.
        level: Confidence level of each interval, and of the segments.
        decided: Only between methods that are shown to be best on either side (see `segments`); otherwise
            wherever the method with the best mean changes, which noise alone does too.

    Returns:
        Crossings in order; none where one method is best throughout.

    Raises:
        BadInput: As `segments`.
    """
    found = segments(grid, values, direction=direction, level=level)
    points, tables = _tables(grid, values)
    if decided:
        changes = _decided_changes(tables, [part.best for part in found for _ in range(part.points)])
    else:
        leaders = _leaders(tables, direction)
        changes = [(a, b, i) for i, (a, b) in enumerate(pairwise(leaders)) if a != b]
    return [
        Crossing(a, b, crossing_of_differences(points, tables[a] - tables[b], i, level))
        for a, b, i in changes
    ]
