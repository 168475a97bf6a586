"""Two methods on the same seeds: what can be paired, and what cannot."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qoslab.core.errors import BadInput, Problem
from qoslab.report.stats.sample import FloatArray, sample

__all__ = ["Pairs", "pair"]


@dataclass(frozen=True)
class Pairs:
    """Values of a method and of its baseline on the seeds that both have.

    Attributes:
        method: Shape (n,), in the order of the method's seeds.
        baseline: Shape (n,).
        unpaired: Seeds that only one of the two has.
        failed: Seeds that both have but where a value is NaN or infinite.
    """

    method: FloatArray
    baseline: FloatArray
    unpaired: int = 0
    failed: int = 0

    @property
    def n(self) -> int:
        """Number of pairs."""
        return int(self.method.size)

    @property
    def differences(self) -> FloatArray:
        """Method minus baseline, shape (n,)."""
        return self.method - self.baseline


def pair(
    method: Mapping[Hashable, float] | ArrayLike, baseline: Mapping[Hashable, float] | ArrayLike
) -> Pairs:
    """Pair the values of two methods by seed.

    Args:
        method: Values by seed, or a sequence whose order is that of the seeds (NaN for a failed trial).
        baseline: The same for the baseline.

    Returns:
        The pairs, with the number of seeds that could not be paired.

    Raises:
        BadInput: No pair is left, sequences differ in length, or a mapping meets a sequence.
    """
    if isinstance(method, Mapping) != isinstance(baseline, Mapping):
        raise BadInput(Problem(message="values by seed cannot be paired with values without seeds"))
    unpaired = 0
    if isinstance(method, Mapping) and isinstance(baseline, Mapping):
        common = [seed for seed in method if seed in baseline]
        unpaired = len(method) + len(baseline) - 2 * len(common)
        left = np.array([method[seed] for seed in common], dtype=np.float64)
        right = np.array([baseline[seed] for seed in common], dtype=np.float64)
    else:
        left = np.asarray(method, dtype=np.float64)
        right = np.asarray(baseline, dtype=np.float64)
        if left.shape != right.shape:
            message = f"{left.size} values cannot be paired with {right.size}"
            raise BadInput(
                Problem(message=message, hint="give values by seed; common seeds are then compared")
            )
    usable = np.isfinite(left) & np.isfinite(right)
    left, right = left[usable], right[usable]
    if left.size == 0:
        raise BadInput(
            Problem(message="no seed has a value of both methods", hint="run both on common seeds")
        )
    return Pairs(sample(left), sample(right), unpaired, int(np.count_nonzero(~usable)))
