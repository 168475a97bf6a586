"""What a learner sees of one balancer, field by field, and the kernel that reads it off the balancer's memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.learned.reservoirs import (
    FINISHED,
    FINISHED_COUNT,
    GAP_COUNT,
    GAPS,
    OPEN,
    OPEN_COUNT,
    SLOTS,
    STATISTICS,
    summary,
)
from qoslab.domains.balancing.view import ACTIVE, UP, Board
from qoslab.engine.kernel import kernel

__all__ = ["BALANCER_FIELDS", "SERVER_FIELDS", "look"]

Reals = NDArray[np.float64]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Cube = np.ndarray[tuple[int, int, int], np.dtype[np.float64]]

BALANCER_FIELDS = tuple(f"inter_arrival_{name}_s" for name in STATISTICS)
"""Of the balancer: five statistics of the time between its own requests."""
SERVER_FIELDS = (
    "in_flight",
    "up",
    *(f"completion_time_{name}_s" for name in STATISTICS),
    *(f"open_duration_{name}_s" for name in STATISTICS),
)
"""Of each server: own requests in flight; 1 where it may be chosen; five statistics of the completion times of own
requests and five of the durations so far of own requests still open, sampled at own arrivals."""


@kernel
def look(
    board: Board,
    now: float,
    base: float,
    balancers: Table,
    servers: Cube,
    room: Reals,
    line: Reals,
    past: Reals,
) -> None:
    """Fill in what every balancer sees.

    Args:
        board: The board.
        now: The present time, s.
        base: See `summary`.
        balancers: Overwritten, shape (m, 5), see `BALANCER_FIELDS`.
        servers: Overwritten, shape (m, n, 12), see `SERVER_FIELDS`.
        room: Overwritten, shape (SLOTS,).
        line: Overwritten, shape (SLOTS,).
        past: Overwritten, shape (SLOTS,).
    """
    m, n = servers.shape[0], servers.shape[1]
    for lb in range(m):
        box, mem = board.box[lb], board.mem[lb]
        gaps, times = box[GAPS : GAPS + SLOTS], box[GAPS + SLOTS : GAPS + 2 * SLOTS]
        summary(gaps, times, int(box[GAP_COUNT]), now, base, room, balancers[lb])
        for j in range(n):
            servers[lb, j, 0] = board.counts[lb, ACTIVE, j]
            servers[lb, j, 1] = board.counts[lb, UP, j]
            for which in range(2):
                first = FINISHED if which == 0 else OPEN
                count = int(mem[FINISHED_COUNT if which == 0 else OPEN_COUNT, j])
                for k in range(count):
                    line[k], past[k] = mem[first + k, j], mem[first + SLOTS + k, j]
                summary(line, past, count, now, base, room, servers[lb, j, 2 + 5 * which : 7 + 5 * which])
