"""An SIS epidemic on a graph, from the engine's parts: the second model, as unlike queues as can be.

An infected node recovers at rate 1 and infects each susceptible neighbour at rate `beta`. Every infected node has one
timer for whatever it does next; with exponential laws that is the next-reaction method. A decision is due each
`pause`: which node to cure at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.eventlog import EventLog, event_log, record
from qoslab.engine.kernel import kernel
from qoslab.engine.stepper import DECIDE, OVER, PAUSED
from qoslab.engine.streams import exponential, integers, streams, uniform
from qoslab.engine.timeaverage import average, change, time_average
from qoslab.engine.timers import Timers, first, first_time, set_timer, stop_timer, timers

RECOVERY, INFECTION, CURE = 0, 1, 2


class World(NamedTuple):
    start: NDArray[np.int64]  # CSR: the neighbours of node i are neighbour[start[i] : start[i + 1]]
    neighbour: NDArray[np.int64]
    infected: NDArray[np.int64]
    timers: Timers
    streams: np.ndarray[tuple[int, int], np.dtype[np.uint64]]  # one per node
    prevalence: NDArray[np.float64]
    log: EventLog
    clock: NDArray[np.float64]  # now, next decision, pause, beta, prevalence area at the last look


def world(
    edges: list[tuple[int, int]],
    nodes: int,
    beta: float,
    seeds: list[int],
    seed: int,
    pause: float = np.inf,
    room: int = 0,
) -> World:
    both = sorted(edges + [(b, a) for a, b in edges])
    start = np.searchsorted([a for a, _ in both], np.arange(nodes + 1)).astype(np.int64)
    neighbour = np.array([b for _, b in both], np.int64)
    w = World(
        start,
        neighbour,
        np.zeros(nodes, np.int64),
        timers(nodes),
        streams(seed, nodes),
        time_average(0.0, 0.0),
        event_log(room),
        np.array([0.0, pause, pause, beta, 0.0]),
    )
    for node in seeds:
        infect(w, node)
    return w


@kernel
def act_later(w: World, node: int) -> None:
    rate = 1.0 + w.clock[3] * (w.start[node + 1] - w.start[node])
    set_timer(w.timers, node, w.clock[0] + exponential(w.streams[node]) / rate)


@kernel
def infect(w: World, node: int) -> None:
    if w.infected[node] == 0:
        w.infected[node] = 1
        change(w.prevalence, w.clock[0], 1.0)
        record(w.log, w.clock[0], INFECTION, node, 0)
        act_later(w, node)


@kernel
def recover(w: World, node: int, how: int) -> None:
    if w.infected[node] == 1:
        w.infected[node] = 0
        change(w.prevalence, w.clock[0], -1.0)
        record(w.log, w.clock[0], how, node, 0)
        stop_timer(w.timers, node)


@kernel
def act(w: World, node: int) -> None:
    degree = w.start[node + 1] - w.start[node]
    s = w.streams[node]
    if uniform(s) * (1.0 + w.clock[3] * degree) < 1.0:
        recover(w, node, RECOVERY)
    else:
        infect(w, w.neighbour[w.start[node] + integers(s, degree)])
        act_later(w, node)


@kernel
def advance(w: World, action: NDArray[np.int64], until: float) -> int:
    if w.clock[0] == w.clock[1]:
        if action[0] >= 0:
            recover(w, action[0], CURE)
        w.clock[1] += w.clock[2]
    stop = min(w.clock[1], until)
    while w.prevalence[2] > 0.0 and first_time(w.timers) <= stop:
        w.clock[0] = first_time(w.timers)
        act(w, first(w.timers))
    if w.prevalence[2] == 0.0:
        return OVER
    w.clock[0] = stop
    return DECIDE if stop == w.clock[1] else PAUSED


@kernel
def observe(w: World, observation: NDArray[np.float64]) -> float:
    for node in range(w.infected.shape[0]):
        observation[node] = w.infected[node]
    area = average(w.prevalence, w.clock[0]) * w.clock[0] if w.clock[0] > 0.0 else 0.0
    reward = w.clock[4] - area  # minus the infected node-time since the last look
    w.clock[4] = area
    return reward
