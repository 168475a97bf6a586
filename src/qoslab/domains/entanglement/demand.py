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
    from qoslab.domains.entanglement.scenario import EntanglementScenario, Request

__all__ = ["JobQueue", "Served", "draw_arrivals", "jain", "queues_of", "serve"]

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


class JobQueue:
    """Jobs of one request that wait for pairs, the oldest served first.

    Args:
        arrival_s: When jobs come, s, ascending.
        pairs: How many pairs each wants.
        deadline_s: How long a job waits until it leaves without, s; a pair at that very time still counts.

    Attributes:
        done_s: When each had all its pairs, s; infinite where it left or still waits, shape (jobs,).
        used: Pairs that some job took.
    """

    def __init__(self, arrival_s: FloatArray, pairs: int, deadline_s: float) -> None:
        self.arrival_s, self.pairs, self.deadline_s = arrival_s, pairs, deadline_s
        self.done_s = np.full(len(arrival_s), np.inf)
        self.used = 0
        self._waiting: deque[int] = deque()
        self._got = self._coming = 0

    def wanted(self, now: float) -> int:
        """Pairs that the jobs that wait now still want; time must not go back."""
        while self._coming < len(self.arrival_s) and self.arrival_s[self._coming] <= now:
            self._waiting.append(self._coming)
            self._coming += 1
        while self._waiting and self.arrival_s[self._waiting[0]] + self.deadline_s < now:
            self._waiting.popleft()
            self._got = 0
        return len(self._waiting) * self.pairs - self._got

    def take(self, now: float) -> None:
        """A pair is delivered; nobody uses it where no job waits."""
        if not self.wanted(now):
            return
        self._got, self.used = self._got + 1, self.used + 1
        if self._got == self.pairs:
            self.done_s[self._waiting.popleft()] = now
            self._got = 0


def queues_of(requests: Sequence[Request], arrivals: Sequence[FloatArray]) -> list[JobQueue | None]:
    """The jobs of each request, None where it has none."""
    return [
        None if each.jobs is None else JobQueue(times, each.jobs.pairs, each.jobs.deadline_s or np.inf)
        for each, times in zip(requests, arrivals, strict=True)
    ]


def serve(arrival_s: FloatArray, pairs: int, deadline_s: float, delivered_s: Sequence[float]) -> Served:
    """Give deliveries to waiting jobs, one job after another; a pair that nobody waits for is not used.

    Args:
        arrival_s: When jobs come, s, ascending.
        pairs: How many pairs each wants.
        deadline_s: How long a job waits until it leaves without, s.
        delivered_s: When pairs of enough fidelity are delivered, s, ascending.
    """
    queue = JobQueue(arrival_s, pairs, deadline_s)
    for now in delivered_s:
        queue.take(now)
    return Served(arrival_s, queue.done_s, queue.used)


def jain(shares: FloatArray) -> float:
    """Fairness of Jain: (sum x)^2 / (n sum x^2), 1 where all get the same or nothing."""
    squares = float(np.square(shares).sum())
    return float(shares.sum()) ** 2 / (len(shares) * squares) if squares else 1.0
