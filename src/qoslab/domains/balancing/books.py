# mypy: disable-error-code="no-any-return"
"""Kernels that keep the books: slots for requests, items on the heap, a balancer's own counters."""

from __future__ import annotations

from qoslab.domains.balancing.state import FREE, SPARE, WANTS_TIMES, Ints, Jobs
from qoslab.domains.balancing.view import ACTIVE, AREA, BUSY, OPENED, SENT, TOUCHED, UP, Board
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, integers

__all__ = [
    "index_of",
    "item",
    "kind_of",
    "note_end",
    "note_sent",
    "redirected",
    "release",
    "take",
]

_KINDS = 32


@kernel(inline=True)
def item(kind: int, index: int) -> int:
    """An event as one number: its kind, and the slot, server or balancer that it is about."""
    return kind + _KINDS * index


@kernel(inline=True)
def kind_of(code: int) -> int:
    """The kind of an event."""
    return code & (_KINDS - 1)


@kernel(inline=True)
def index_of(code: int) -> int:
    """What an event is about."""
    return code // _KINDS


@kernel(inline=True)
def take(jobs: Jobs, counts: Ints) -> int:
    """A free slot; there is one."""
    job = counts[FREE]
    counts[FREE] = jobs.next[job]
    counts[SPARE] -= 1
    return job


@kernel(inline=True)
def release(jobs: Jobs, counts: Ints, job: int) -> None:
    """Give a slot back."""
    jobs.next[job] = counts[FREE]
    counts[FREE] = job
    counts[SPARE] += 1


@kernel(inline=True)
def touch(board: Board, lb: int, j: int, now: float) -> None:
    """Bring a balancer's own measurements of a server up to date."""
    local = board.local
    since = now - local[lb, TOUCHED, j]
    active = board.counts[lb, ACTIVE, j]
    local[lb, TOUCHED, j] = now
    local[lb, AREA, j] += since * active
    local[lb, BUSY, j] += since if active > 0 else 0.0


@kernel(inline=True)
def note_sent(board: Board, wants: int, lb: int, j: int, now: float) -> None:
    """A balancer counts a request that it sends; what its policy never reads is not measured."""
    if wants & WANTS_TIMES:
        touch(board, lb, j, now)
        board.local[lb, OPENED, j] += now
    board.counts[lb, ACTIVE, j] += 1
    board.counts[lb, SENT, j] += 1


@kernel(inline=True)
def note_end(board: Board, wants: int, lb: int, j: int, sent: float, now: float) -> None:
    """A balancer counts the end of a request, answered or not."""
    active = board.counts[lb, ACTIVE, j] - 1
    if wants & WANTS_TIMES:
        touch(board, lb, j, now)
        # With nothing in flight no rounding is carried over.
        board.local[lb, OPENED, j] = board.local[lb, OPENED, j] - sent if active > 0 else 0.0
    board.counts[lb, ACTIVE, j] = active


@kernel
def redirected(board: Board, lb: int, stream: Stream, other: int) -> int:
    """A server drawn uniformly from those that are up and are not `other`; from all, where there is none."""
    n = board.queue.shape[0]
    up = 0
    for j in range(n):
        up += 1 if board.counts[lb, UP, j] == 1 and j != other else 0
    if up == 0:
        return integers(stream, n)
    rank = integers(stream, up)
    for j in range(n):
        if board.counts[lb, UP, j] == 1 and j != other:
            if rank == 0:
                return j
            rank -= 1
    return n - 1
