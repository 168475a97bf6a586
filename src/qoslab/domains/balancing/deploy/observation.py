"""What a controller may see of its servers: a balancer's own counters, whoever keeps them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Observation"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Observation:
    """Counters of one balancer at one instant, for n servers; all but `active` and `up` count from the start.

    Attributes:
        time_s: When it was taken, s on a clock that does not go back.
        active: Own requests in flight, float64, shape (n,).
        done: Own requests answered, a quick refusal in part, float64, shape (n,).
        busy_s: Time with own requests in flight, s, float64, shape (n,).
        area_s: Time that own requests spent in flight, summed over requests, s, float64, shape (n,).
        up: Whether a server takes requests, bool, shape (n,).
        complete: Whether nothing is known to be missing since the observation before, as lost log lines are.
    """

    time_s: float
    active: Reals
    done: Reals
    busy_s: Reals
    area_s: Reals
    up: NDArray[np.bool_]
    complete: bool = True
