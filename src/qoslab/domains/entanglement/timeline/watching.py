"""A kernel's store that tells a watcher whenever an end of a pair is closed.

The kernels run on it uncompiled: the same trajectory as in a study, at the price of time, so it is for short spans.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Closings", "fate_of"]

from qoslab.domains.entanglement.chain import CONSUMED, MEASURED, SWAPPED

_FATES = {CONSUMED: "used", MEASURED: "spent"}


class Closings(np.ndarray[Any, np.dtype[np.float64]]):
    """An array of times at which ends are closed, which tells of every entry: its place, and the time."""

    told: Callable[[Any, float], None] | None = None

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        if self.told is not None:
            self.told(key, float(value))


def fate_of(state: int, *, good: bool) -> str:
    """What became of an end, by its state in the store and whether its swap, if it had one, succeeded."""
    if state == SWAPPED:
        return "swapped" if good else "failed"
    return _FATES.get(state, "dropped")
