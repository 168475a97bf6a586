"""Who wants to send how much to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qoslab.core.errors import Problem
from qoslab.graphs.csr import FloatArray, IntArray

__all__ = ["Demands", "demand_problems", "make_demands"]


class Demands(NamedTuple):
    """Directed demands, sorted by (source, target); a pair stands at most once.

    Attributes:
        source: Node index, shape (d,).
        target: Node index, shape (d,).
        volume: Amount per unit of time, in the unit of the link capacities, shape (d,).
    """

    source: IntArray
    target: IntArray
    volume: FloatArray

    def matrix(self, n: int) -> FloatArray:
        """The demand matrix, shape (n, n): `[source, target]` -> volume."""
        dense = np.zeros((n, n))
        dense[self.source, self.target] = self.volume
        return dense

    @classmethod
    def from_matrix(cls, matrix: FloatArray) -> Demands:
        """The demands that a dense matrix states, without its zeros and its diagonal."""
        dense = np.array(matrix, np.float64)
        np.fill_diagonal(dense, 0.0)
        source, target = np.nonzero(dense)
        return make_demands(source, target, dense[source, target])


def make_demands(
    source: Sequence[int] | IntArray = (),
    target: Sequence[int] | IntArray = (),
    volume: Sequence[float] | FloatArray = (),
) -> Demands:
    """Demands in their canonical order, as read-only arrays; they are judged by `demand_problems`."""
    ends = np.asarray(source, np.int64), np.asarray(target, np.int64)
    order = np.lexsort((ends[1], ends[0]))
    found = Demands(ends[0][order], ends[1][order], np.asarray(volume, np.float64)[order])
    for array in found:
        array.flags.writeable = False
    return found


def demand_problems(demands: Demands, names: Mapping[int, str]) -> list[Problem]:
    """What is wrong with demands between the nodes of `names`."""
    problems = []
    seen: set[tuple[int, int]] = set()
    for k, (a, b, volume) in enumerate(zip(*(array.tolist() for array in demands), strict=True)):
        field = f"demands[{k}]"
        if a not in names or b not in names:
            problems.append(Problem(field=field, message=f"node {a if a not in names else b} does not exist"))
            continue
        pair = f"{names[a]!r} -> {names[b]!r}"
        if a == b:
            problems.append(Problem(field=field, message=f"{pair} is a demand of a node to itself"))
        elif (a, b) in seen:
            problems.append(Problem(field=field, message=f"{pair} stands twice"))
        if not 0 <= volume < np.inf:
            problems.append(Problem(field=field, message=f"{pair} has the volume {volume:g}, not 0 or more"))
        seen.add((a, b))
    return problems
