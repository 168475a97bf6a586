"""One queue that pauses at each arrival to ask whether to admit the customer: a step-protocol model for tests."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel
from qoslab.engine.stepper import DECIDE, OVER, PAUSED
from qoslab.engine.streams import exponential, streams

LOAD, REWARD, PRICE = 1.5, 5.0, 1.0


class Queue(NamedTuple):
    number: NDArray[np.int64]  # customers held, customers to come
    clock: NDArray[np.float64]  # now, next arrival, next departure, earned
    streams: np.ndarray[tuple[int, int], np.dtype[np.uint64]]  # arrivals, services


def queue(seed: int, customers: int = 20) -> Queue:
    q = Queue(np.array([0, customers]), np.array([0.0, 0.0, math.inf, 0.0]), streams(seed, 2))
    q.clock[1] = exponential(q.streams[0]) / LOAD
    return q


@kernel
def move(q: Queue, to: float) -> None:
    q.clock[3] -= PRICE * q.number[0] * (to - q.clock[0])
    q.clock[0] = to


@kernel
def advance(q: Queue, action: NDArray[np.int64], until: float) -> int:
    if q.clock[0] == q.clock[1]:
        q.number[1] -= 1
        q.clock[1] = q.clock[0] + exponential(q.streams[0]) / LOAD if q.number[1] > 0 else math.inf
        if action[0] == 1:
            q.clock[3] += REWARD
            q.number[0] += 1
            if q.number[0] == 1:
                q.clock[2] = q.clock[0] + exponential(q.streams[1])
    while q.clock[2] < q.clock[1]:
        if q.clock[2] > until:
            move(q, until)
            return PAUSED
        move(q, q.clock[2])
        q.number[0] -= 1
        q.clock[2] = q.clock[0] + exponential(q.streams[1]) if q.number[0] > 0 else math.inf
    if q.clock[1] == math.inf:
        return OVER
    if q.clock[1] > until:
        move(q, until)
        return PAUSED
    move(q, q.clock[1])
    return DECIDE


@kernel
def observe(q: Queue, observation: NDArray[np.float64]) -> float:
    observation[0] = q.number[0]
    reward = q.clock[3]
    q.clock[3] = 0.0
    return reward
