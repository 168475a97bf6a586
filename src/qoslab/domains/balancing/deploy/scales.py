"""Weights as a proxy takes them, and what a weight of one scale is worth on another one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "as_integers", "carried_over", "is_nearer", "stepwise"]

_MIDDLE = 64.0
MOST = 256
"""The largest weight that HAProxy takes."""


def as_integers(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Weights as HAProxy takes them: whole numbers from 1 to 256, around 64 where that is possible."""
    scale = min(_MIDDLE, MOST / float(weights.max()))
    return np.clip(np.rint(scale * weights), 1, MOST).astype(np.int64)


def stepwise(now: int, wanted: int, step: float) -> int:
    """The whole number nearest to `wanted` that a factor of `step`, or a difference of one, leads to from `now`."""
    least, most = min(now - 1, math.ceil(now / step - 1e-9)), max(now + 1, math.floor(now * step + 1e-9))
    return min(max(wanted, least), most)


def carried_over(
    weight: int, original: Mapping[str, int], in_force: Mapping[str, int], among: Iterable[str]
) -> int:
    """What a weight on the scale in force is on the scale of the original ones.

    Args:
        weight: The weight, positive.
        original: The original weights, by server.
        in_force: The weights in force, by server.
        among: Servers whose sums of weights tell both scales; those of weight 0 in either do not count.

    Returns:
        The weight that has the same ratio to the sum of the original ones, a whole number from 1 to 256.
    """
    both = [name for name in among if original.get(name, 0) > 0 and in_force.get(name, 0) > 0]
    if not both:
        return weight
    scale = sum(original[name] for name in both) / sum(in_force[name] for name in both)
    return min(max(round(weight * scale), 1), MOST)


def is_nearer(weight: int, one: int, other: int) -> bool:
    """Whether the ratio of a weight to one weight is nearer to 1 than that to another one; all positive."""
    return abs(math.log(weight / max(one, 1))) < abs(math.log(weight / max(other, 1)))
