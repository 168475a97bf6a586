"""What a run leaves, and when it is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from qoslab.agents.message import FloatArray

__all__ = ["Trace", "grown"]

_GROWTH = 1e9


@dataclass(frozen=True, eq=False)
class Trace:
    """What a run left.

    Attributes:
        x: The agents' last state, shape (n, p) or (n, d).
        errors: Error at first and after each round, shape (rounds + 1,).
        messages: Messages sent.
        bytes: Their size.
        diverged: Whether it was stopped because the error grew without bound.
        path: States x of all agents by round, for the rounds that were kept.
    """

    x: FloatArray
    errors: FloatArray
    messages: int
    bytes: int
    diverged: bool
    path: Mapping[int, FloatArray] = field(default_factory=dict)


def grown(error: float, first: float) -> bool:
    """Whether an error has grown without bound since the first, or is no number."""
    return not (np.isfinite(error) and error <= _GROWTH * (1.0 + first))
