"""Jobs of users that come during the run: each wants some pairs by a deadline, the oldest is served first."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qoslab.core.seeds import Seed

if TYPE_CHECKING:
    from qoslab.domains.entanglement.scenario import EntanglementScenario

__all__ = ["Served", "draw_arrivals", "jain", "serve"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Served:
    """What became of the jobs of one request.

    Attributes:
        arrival_s: When each came, s, shape (jobs,).
        done_s: When it had all its pairs, s; infinite where it left or still waits, shape (jobs,).
        used: Pairs that some job took.
    """

    arrival_s: FloatArray
    done_s: FloatArray
    used: int


def draw_arrivals(scenario: EntanglementScenario, seed: Seed) -> list[FloatArray]:
    """Poisson arrivals of each request's jobs until the horizon, s; none where it has no jobs.

    Each request draws from a stream of its own, whatever the method does.
    """
    found = []
    for place, request in enumerate(scenario.requests):
        times = np.zeros(0)
        if request.jobs is not None:
            rng = seed.generator(f"jobs/{place}")
            count = rng.poisson(request.jobs.arrivals_per_s * scenario.horizon_s)
            times = np.sort(rng.uniform(0.0, scenario.horizon_s, count))
        found.append(times)
    return found


def serve(arrival_s: FloatArray, pairs: int, deadline_s: float, delivered_s: Sequence[float]) -> Served:
    """Give deliveries to waiting jobs, one job after another; a pair that nobody waits for is not used.

    Args:
        arrival_s: When jobs come, s, ascending.
        pairs: How many pairs each wants.
        deadline_s: How long a job waits until it leaves without, s.
        delivered_s: When pairs of enough fidelity are delivered, s, ascending.
    """
    done = np.full(len(arrival_s), np.inf)
    waiting: deque[int] = deque()
    got, used, coming = 0, 0, 0
    for now in delivered_s:
        while coming < len(arrival_s) and arrival_s[coming] <= now:
            waiting.append(coming)
            coming += 1
        while waiting and arrival_s[waiting[0]] + deadline_s < now:
            waiting.popleft()
            got = 0
        if not waiting:
            continue
        got, used = got + 1, used + 1
        if got == pairs:
            done[waiting.popleft()] = now
            got = 0
    return Served(arrival_s, done, used)


def jain(shares: FloatArray) -> float:
    """Fairness of Jain: (sum x)^2 / (n sum x^2), 1 where all get the same or nothing."""
    squares = float(np.square(shares).sum())
    return float(shares.sum()) ** 2 / (len(shares) * squares) if squares else 1.0
