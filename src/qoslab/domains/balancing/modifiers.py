"""What an operator puts around any policy: outlier ejection and slow start; hedging is the scenario's `hedge_s`.

Both decide which servers a policy may choose, request by request, from what the balancer itself has seen. They keep
their memory behind the policy's own rows of `Board.mem`, so a policy knows nothing of them.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.method import Information
from qoslab.core.scenario import Part
from qoslab.domains.balancing.hooks import COMPLETE, DECIDE, LOSS, ROUTE, Site, Wiring, adapted
from qoslab.domains.balancing.view import MEMBER, UP, Board
from qoslab.engine.kernel import kernel
from qoslab.engine.mistakes import stands_for
from qoslab.engine.streams import Stream, uniform

__all__ = ["Ejection", "SlowStart", "modified"]


class Ejection(Part):
    """Outlier ejection as in Envoy: a balancer leaves out, for a while, a server that failed it several times in a row.

    A failure is a rejection or a timeout. The k-th ejection lasts k times `base_s`; each `forgive_s` without one takes
    one back from k. Where no server would be left, none is left out.
    """

    failures: int = Field(
        5, ge=1, description="failures in a row, as this balancer sees them, that eject a server"
    )
    base_s: float = Field(30.0, gt=0, description="time of a first ejection, s")
    most_s: float = Field(300.0, gt=0, description="longest ejection, s")
    most_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="largest share of the servers ejected at a time, though one may always be",
    )
    forgive_s: float = Field(10.0, gt=0, description="time in the pool that takes one ejection back, s")


class SlowStart(Part):
    """Slow start as in Envoy: a server that is added, repaired or readmitted gets its share little by little.

    `age` seconds after it came back it may be chosen only with probability max(least, (age / window_s)^(1 /
    aggression)), drawn for each request. Servers that are there at the start are at full share.
    """

    window_s: float = Field(60.0, gt=0, description="time until it has its full share, s")
    aggression: float = Field(
        1.0, gt=0, description="1: grows in proportion to time; above 1: faster at first"
    )
    least: float = Field(0.1, gt=0, le=1, description="least probability")


Reals = NDArray[np.float64]

# Rows of `Board.mem`, counted from its end; the parameters are the same in all columns.
FAILS, UNTIL, TIMES, PRESENT, SINCE = range(-13, -8)
FAILURES, BASE, MOST, MOST_EJECTED, FORGIVE, WINDOW, POWER, LEAST = range(-8, 0)
ROWS = 13


@kernel
def _is_in(board: Board, lb: int, j: int, stream: Stream, now: float) -> int:
    """Whether a server may be chosen for a request, as membership, ejection and slow start have it."""
    mem = board.mem[lb]
    present = 1 if board.counts[lb, MEMBER, j] == 1 and mem[UNTIL, j] <= now else 0
    if present == 1 and mem[PRESENT, j] == 0.0:
        mem[SINCE, j] = now
    mem[PRESENT, j] = present
    age = now - mem[SINCE, j]
    if present == 0 or age >= mem[WINDOW, j]:
        return present
    chance = math.pow(age / mem[WINDOW, j], mem[POWER, j])
    chance = chance if chance > mem[LEAST, j] else mem[LEAST, j]
    return 1 if uniform(stream) < chance else 0


@kernel
def admit(board: Board, lb: int, stream: Stream, now: float) -> None:
    """Set which servers may be chosen for this request; all members, where none would be left."""
    up, member = board.counts[lb, UP], board.counts[lb, MEMBER]
    left = 0
    for j in range(up.shape[0]):
        up[j] = _is_in(board, lb, j, stream, now)
        left += up[j]
    if left == 0:
        for j in range(up.shape[0]):
            up[j] = member[j]


@kernel
def note_failure(board: Board, lb: int, j: int, now: float) -> None:
    """Count a failure; eject the server where it was one too many and not too many others are out."""
    mem = board.mem[lb]
    mem[FAILS, j] += 1.0
    if mem[FAILS, j] < mem[FAILURES, j] or mem[UNTIL, j] > now:
        return
    out = 0
    for k in range(board.queue.shape[0]):
        out += 1 if mem[UNTIL, k] > now else 0
    if out >= mem[MOST_EJECTED, j]:
        return
    forgiven = math.floor((now - mem[UNTIL, j]) / mem[FORGIVE, j]) if mem[TIMES, j] > 0.0 else 0.0
    before = mem[TIMES, j] - forgiven
    mem[TIMES, j] = (before if before > 0.0 else 0.0) + 1.0
    length = mem[BASE, j] * mem[TIMES, j]
    mem[UNTIL, j] = now + (length if length < mem[MOST, j] else mem[MOST, j])
    mem[FAILS, j] = 0.0


@kernel
def note_success(board: Board, lb: int, j: int) -> None:
    """An answer ends a row of failures."""
    board.mem[lb, FAILS, j] = 0.0


def modified(
    wiring: Wiring,
    information: Information,
    site: Site,
    ejection: Ejection | None,
    slow_start: SlowStart | None,
) -> tuple[Wiring, Callable[..., int]]:
    """A policy with what the operator puts around it.

    Args:
        wiring: The policy.
        information: Its class of information.
        site: The site.
        ejection: Outlier ejection; None for none.
        slow_start: Slow start; None for none.

    Returns:
        The policy's wiring, with room for more memory and hearing of all ends, and what the simulator calls.
    """
    decide = adapted(wiring, information)
    if ejection is None and slow_start is None:
        return wiring, decide
    mem = np.zeros((0, site.servers)) if wiring.mem is None else wiring.mem
    mem = np.broadcast_to(mem, (site.balancers, *mem.shape[-2:]))
    rows = np.broadcast_to(_rows(site, ejection, slow_start), (site.balancers, ROWS, site.servers))
    roomy = dataclasses.replace(
        wiring,
        mem=np.concatenate([mem, rows], axis=1),
        on_complete=wiring.on_complete or _nothing_done,
        on_loss=wiring.on_loss or _nothing,
    )
    return roomy, _around(decide)


def _rows(site: Site, ejection: Ejection | None, slow_start: SlowStart | None) -> Reals:
    """First memory: nobody ejected, all at full share; and the parameters."""
    rows = np.zeros((ROWS, site.servers))
    rows[[UNTIL, SINCE]] = -math.inf
    rows[PRESENT] = 1.0
    e = ejection or Ejection()
    rows[FAILURES] = e.failures if ejection else math.inf
    most_ejected = max(1.0, math.floor(e.most_share * site.servers))
    rows[[BASE, MOST, MOST_EJECTED, FORGIVE]] = np.array(
        [[e.base_s], [e.most_s], [most_ejected], [e.forgive_s]]
    )
    s = slow_start or SlowStart()
    rows[WINDOW] = s.window_s if slow_start else 0.0
    rows[[POWER, LEAST]] = np.array([[1.0 / s.aggression], [s.least]])
    return rows


@kernel(inline=True)
def _nothing(view: object, stream: Stream, server: int, now: float) -> int:  # noqa: ARG001
    return 0


@kernel(inline=True)
def _nothing_done(view: object, stream: Stream, server: int, duration: float, now: float) -> int:  # noqa: ARG001
    return 0


@functools.cache
def _around(inner: Callable[..., int]) -> Callable[..., int]:
    @kernel
    def decide(
        board: Board, balancer: int, stream: Stream, event: int, server: int, value: float, now: float
    ) -> int:
        if event == ROUTE:
            admit(board, balancer, stream, now)
        elif event == COMPLETE:
            note_success(board, balancer, server)
        elif event == LOSS:
            note_failure(board, balancer, server, now)
        return inner(board, balancer, stream, event, server, value, now)

    decide.__name__ = decide.__qualname__ = inner.__name__
    stands_for(decide, inner)
    return DECIDE.policy(decide)
