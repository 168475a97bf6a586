# mypy: disable-error-code="no-any-return"
"""Servers that change: planned changes, failures and repairs, wandering speeds."""

from __future__ import annotations

import math

from qoslab.domains.balancing.books import item
from qoslab.domains.balancing.measure import settle
from qoslab.domains.balancing.state import (
    BREAK,
    DETECTION,
    DOWN,
    DRAINED,
    DRIFT,
    DRIFT_KEEP,
    DRIFT_NOISE,
    DRIFT_STEP,
    FLAG_LOSE,
    FLAGS,
    IN_POOL,
    KICK,
    MEAN_DOWN,
    MEAN_UP,
    MEND,
    NOTICE,
    OUT,
    REMOVED,
    World,
)
from qoslab.domains.balancing.stations import retime
from qoslab.domains.balancing.view import CAPACITY, MEMBER, UP
from qoslab.engine.heap import push
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import exponential, normal

__all__ = ["change", "fail", "notice", "repair", "takes_requests", "wander"]

SPEED, DRAIN_OUT, REMOVE, ADD, FAIL, REPAIR = range(6)
"""Actions of planned changes."""


@kernel(inline=True)
def takes_requests(w: World, j: int) -> bool:
    """Whether a server takes a request that reaches it, if it has room."""
    servers = w.servers
    lost = servers.status[j] == 0 and (w.counts[FLAGS] & FLAG_LOSE) != 0
    return servers.pool[j] != REMOVED and not lost


@kernel
def _apply_speed(w: World, j: int, now: float) -> None:
    """Let a change of speed take effect."""
    servers = w.servers
    speed = servers.base[j] * servers.relative[0, j] * servers.relative[1, j]
    speed = speed if servers.status[j] == 1 else 0.0
    # What was done so far was done at the old speed.
    retime(w, j, now)
    servers.speed[j] = speed
    w.board.truth[CAPACITY, j] = speed * servers.cores[j]
    retime(w, j, now)


@kernel
def _tell_all(w: World, j: int, up: int) -> None:
    """All balancers learn whether a server may be chosen."""
    counts = w.board.counts
    w.counts[OUT] += counts[0, MEMBER, j] - up
    for lb in range(counts.shape[0]):
        if counts[lb, MEMBER, j] != up:
            counts[lb, MEMBER, j] = up
            counts[lb, UP, j] = up


@kernel
def notice(w: World, j: int) -> None:
    """Balancers notice a failure or a repair."""
    _tell_all(w, j, 1 if w.servers.status[j] == 1 and w.servers.pool[j] == IN_POOL else 0)


@kernel
def fail(w: World, j: int, now: float) -> None:
    """A server stops working; what it holds waits or is lost."""
    w.counts[DOWN] += w.servers.status[j]
    w.servers.status[j] = 0
    _apply_speed(w, j, now)
    push(w.heap, now + w.clock[DETECTION], item(NOTICE, j))
    if w.counts[FLAGS] & FLAG_LOSE:
        push(w.heap, now, item(KICK, j))


@kernel
def repair(w: World, j: int, now: float) -> None:
    """A failed server works again."""
    w.counts[DOWN] -= 1 - w.servers.status[j]
    w.servers.status[j] = 1
    _apply_speed(w, j, now)
    push(w.heap, now + w.clock[DETECTION], item(NOTICE, j))


@kernel
def break_down(w: World, j: int, now: float) -> None:
    """A random failure, and when it will be repaired."""
    fail(w, j, now)
    push(w.heap, now + w.clock[MEAN_DOWN] * exponential(w.streams.failures[j]), item(MEND, j))


@kernel
def mend(w: World, j: int, now: float) -> None:
    """A repair, and when the next failure will come."""
    repair(w, j, now)
    push(w.heap, now + w.clock[MEAN_UP] * exponential(w.streams.failures[j]), item(BREAK, j))


@kernel
def change(w: World, number: int, now: float) -> None:
    """A planned change."""
    servers = w.servers
    action, j, value = int(w.changes[0, number]), int(w.changes[1, number]), w.changes[2, number]
    settle(w.board, servers, j, now)
    if action == SPEED:
        servers.relative[0, j] = value
        _apply_speed(w, j, now)
    elif action == DRAIN_OUT:
        if servers.pool[j] != REMOVED:  # what is gone already hands its requests over, and takes none back
            servers.pool[j] = DRAINED
        _tell_all(w, j, 0)
    elif action == REMOVE:
        servers.pool[j] = REMOVED
        _tell_all(w, j, 0)
        push(w.heap, now, item(KICK, j))
    elif action == ADD:
        servers.pool[j] = IN_POOL
        notice(w, j)
    elif action == FAIL:
        fail(w, j, now)
    else:
        repair(w, j, now)


@kernel
def wander(w: World, now: float) -> None:
    """All servers take the next speeds of their process or record."""
    servers, speeds = w.servers, w.speeds
    keep, noise = w.clock[DRIFT_KEEP], w.clock[DRIFT_NOISE]
    step = w.clock[DRIFT_STEP]
    for j in range(servers.drift.shape[0]):
        if speeds.shape[1] > 0:
            column = int(now / step + 0.5) % speeds.shape[1]
            servers.relative[1, j] = speeds[j % speeds.shape[0], column]
        else:
            servers.drift[j] = keep * servers.drift[j] + noise * normal(w.streams.drift[j])
            # The stationary variance of the logarithm is noise^2 / (1 - keep^2); the mean speed stays the same.
            half = 0.5 * noise * noise / (1.0 - keep * keep) if keep < 1.0 else 0.0
            servers.relative[1, j] = math.exp(servers.drift[j] - half)
        _apply_speed(w, j, now)
    push(w.heap, now + step, item(DRIFT, 0))
