"""Bisection for the fewest servers or the highest load, and what speaks against its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

__all__ = ["Answer", "Judge", "Point", "Verdict", "search_load", "search_servers"]

Verdict = Literal["meets", "misses", "undecided"]
Judge = Callable[[float], "Point"]
"""Runs one number of servers, or one load."""
_LOAD_STEP = 0.005
_NEIGHBOURS = 3


@dataclass(frozen=True)
class Point:
    """The metric at one number of servers or one load.

    Attributes:
        at: Servers or load.
        mean: Mean over the seeds.
        low: Lower end of its 95 % interval (Student).
        high: Upper end.
        verdict: `meets`, `misses`, or `undecided` where the limit lies within the interval.
        unsteady: Share of the seeds whose run reached no steady state; from a half on the size misses the limit,
            whatever the figures of runs of this length are.
    """

    at: float
    mean: float
    low: float
    high: float
    verdict: Verdict
    unsteady: float = 0.0

    def within(self, limit: float) -> bool:
        """Whether the mean over the seeds meets the limit, in a steady state."""
        return self.mean <= limit and self.unsteady < UNSTEADY


UNSTEADY = 0.5
"""The share of seeds without a steady state from which on a size counts as having none."""


@dataclass
class Answer:
    """What was found.

    Attributes:
        best: The fewest servers or the highest load whose mean meets the limit; None where none does.
        sure: The same, with the whole interval within the limit; None where none is.
        points: All that was run, by size.
        warnings: Where the answer may mislead.
    """

    best: float | None
    sure: float | None
    points: list[Point]
    warnings: list[str] = field(default_factory=list)


def search_servers(judge: Judge, low: int, high: int, limit: float) -> Answer:
    """Bisection over whole numbers of servers; three neighbours on each side of the answer are run too.

    Args:
        judge: Runs one size.
        low: Fewest servers to think of.
        high: Most.
        limit: What the metric may be at most.
    """
    seen: dict[int, Point] = {}

    def at(size: int) -> Point:
        if size not in seen:
            seen[size] = judge(size)
        return seen[size]

    def least(good: Callable[[Point], bool]) -> int | None:
        if not good(at(high)):
            return None
        bad, fine = low - 1, high
        while fine - bad > 1:
            middle = (bad + fine) // 2
            bad, fine = (bad, middle) if good(at(middle)) else (middle, fine)
        return fine

    best = least(lambda point: point.within(limit))
    sure = least(lambda point: point.verdict == "meets")
    if best is not None:
        for size in range(max(low, best - _NEIGHBOURS), min(high, best + _NEIGHBOURS) + 1):
            at(size)
        best = min((size for size in seen if size <= best and seen[size].within(limit)), default=best)
    points = [seen[size] for size in sorted(seen)]
    return Answer(best, sure, points, _doubts(points, limit, falling=True))


def search_load(judge: Judge, low: float, high: float, limit: float) -> Answer:
    """Bisection over loads to within 0.005; the same arguments and result as `search_servers`."""
    seen: dict[float, Point] = {}

    def at(value: float) -> Point:
        if value not in seen:
            seen[value] = judge(value)
        return seen[value]

    def most(good: Callable[[Point], bool]) -> float | None:
        if not good(at(low)):
            return None
        if good(at(high)):
            return high
        fine, bad = low, high
        while bad - fine > _LOAD_STEP:
            middle = round((fine + bad) / 2, 4)
            fine, bad = (middle, bad) if good(at(middle)) else (fine, middle)
        return fine

    best = most(lambda point: point.within(limit))
    sure = most(lambda point: point.verdict == "meets")
    points = [seen[value] for value in sorted(seen)]
    return Answer(best, sure, points, _doubts(points, limit, falling=False))


def _doubts(points: list[Point], limit: float, *, falling: bool) -> list[str]:
    """Says so where the metric does not go one way as the size grows, beyond the intervals."""
    rising = points[::-1] if falling else points
    missed = [point for point in rising if not point.within(limit)]
    found = []
    if missed:
        first = rising.index(missed[0])
        later = [point for point in rising[first:] if point.within(limit)]
        if later:
            found.append(
                f"not monotone: {missed[0].at:g} misses the limit, but {later[0].at:g} meets it, though it is the "
                "harder case; there may be more such gaps between the sizes that were run"
            )
    for one, two in pairwise(rising):
        if two.high < one.low and not found:
            found.append(
                f"not monotone: the metric is worse at {one.at:g} than at {two.at:g}, the harder case"
            )
    return found + _unsteady(points, limit)


def _unsteady(points: list[Point], limit: float) -> list[str]:
    """Says so where runs without a steady state speak for a size, or would have."""
    found = []
    barred = [f"{point.at:g}" for point in points if point.mean <= limit and not point.within(limit)]
    if barred:
        found.append(
            f"no steady state at {', '.join(barred)}: queues grow for as long as the runs last, so these count as "
            "misses although their figures are within the limit"
        )
    some = [f"{point.at:g}" for point in points if point.within(limit) and point.unsteady > 0.0]
    if some:
        found.append(
            f"some seeds reached no steady state at {', '.join(some)}: longer runs may miss the limit there"
        )
    return found
