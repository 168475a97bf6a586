"""Where along a grid the best method gives way to another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.report.amounts import level, name
from qoslab.report.evidence import Axis, Evidence
from qoslab.report.places import axis_value
from qoslab.report.standing import Standing
from qoslab.report.stats import Interval
from qoslab.report.stats.crossing import crossing_of_differences
from qoslab.report.words import decimals_for, fixed

__all__ = ["Takeover", "lines_along", "takeovers", "told"]


@dataclass(frozen=True)
class Takeover:
    """A change of the best method along a numeric axis.

    Attributes:
        axis: The axis.
        within: The other axes' values, in words; empty on a grid of one axis.
        below: Index of the method that is best below.
        above: Index of the method that is best above.
        interval: Where they cross; a limit is infinite where the grid does not bound it.
    """

    axis: Axis
    within: str
    below: int
    above: int
    interval: Interval


def takeovers(evidence: Evidence, standings: Sequence[Standing]) -> list[Takeover]:
    """Every change of the decided best method along the longest numeric axis, for each value of the others.

    Args:
        evidence: The evidence.
        standings: All cases.
    """
    axis = evidence.running_axis
    if axis is None or evidence.metric.direction == "neither":
        return []
    return [
        found for line in lines_along(evidence, axis) for found in _along(evidence, standings, axis, line)
    ]


def lines_along(evidence: Evidence, axis: Axis) -> Iterator[list[int]]:
    """Cases that differ in one axis alone, in its order; one list for each value of the other axes."""

    def others(case: int) -> str:
        return repr([value for key, value in evidence.cases[case].values.items() if key != axis.name])

    def position(case: int) -> int:
        return axis.values.index(evidence.cases[case].values[axis.name])

    cases = range(len(evidence.cases))
    groups: dict[str, list[int]] = {}
    for case in cases:
        groups.setdefault(others(case), []).append(case)
    for group in groups.values():
        yield sorted(group, key=position)


def _along(
    evidence: Evidence, standings: Sequence[Standing], axis: Axis, line: list[int]
) -> Iterator[Takeover]:
    decided = [(i, best) for i, case in enumerate(line) if (best := standings[case].best) is not None]
    grid = [float(evidence.cases[case].values[axis.name]) for case in line]
    for (start, below), (end, above) in itertools.pairwise(decided):
        if below == above:
            continue
        gaps = evidence.values[line, below] - evidence.values[line, above]
        filled: NDArray[np.bool_] = np.any(np.isfinite(gaps), axis=1)
        if not filled[start : end + 1].all():
            continue
        means = [float(row[np.isfinite(row)].mean()) for row in gaps[start : end + 1]]
        at = next((i for i in range(len(means) - 1) if (means[i] < 0) != (means[i + 1] < 0)), None)
        if at is None:
            continue
        keep = [i for i in range(len(line)) if filled[i]]
        found = crossing_of_differences(
            [grid[i] for i in keep], gaps[keep], keep.index(start + at), evidence.level
        )
        within = " and ".join(
            f"{key} = {axis_value(value)}"
            for key, value in evidence.cases[line[0]].values.items()
            if key != axis.name
        )
        yield Takeover(axis, within, below, above, found)


def told(evidence: Evidence, takeover: Takeover) -> str:
    """A change in one sentence."""
    low, high = takeover.interval.low, takeover.interval.high
    half = takeover.interval.half_width
    decimals = decimals_for(takeover.interval.estimate, half if math.isfinite(half) else None)
    value = fixed(takeover.interval.estimate, decimals)
    ends = [end for end in (low, high) if math.isfinite(end)]
    if len(ends) == 2:
        bounds = f"{level(evidence)} interval {fixed(low, decimals)} to {fixed(high, decimals)}"
    elif ends:
        side = "above" if math.isfinite(low) else "below"
        bounds = f"{level(evidence)} sure that it lies {side} {fixed(ends[0], decimals)}"
    else:
        bounds = "the grid does not bound it"
    within = f"With {takeover.within}, " if takeover.within else ""
    return (
        f"{within}{name(evidence, takeover.below)} stops being best at about {takeover.axis.name} = {value} "
        f"({bounds}); above it {name(evidence, takeover.above)} is best."
    )
