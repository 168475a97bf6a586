"""What a run leaves, and when it is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from qoslab.agents.message import FloatArray

__all__ = ["Trace", "grown", "unsettled"]

_GROWTH = 1e9

_FAR = 10.0


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


def unsettled(trace: Trace, optimal: FloatArray) -> bool:
    """Whether a run that was not stopped ends ten times as far from the optimum as it began.

    Steps that are too large need not diverge: where gradients are bounded, or decisions are kept in sets, errors go to
    and fro. What an error is compared with is the first one, or the optimal decisions' own size where that is larger.

    Args:
        trace: The run.
        optimal: Optimal decisions in the end, shape (n, p) or (n, d).
    """
    if trace.diverged:
        return False
    size = float(np.sqrt((optimal**2).sum(axis=1).mean()))
    return bool(trace.errors[-1] > _FAR * max(float(trace.errors[0]), size) > 0.0)
