# mypy: disable-error-code="no-any-return"
"""Service in order of arrival at constant speed, the fast path: each core has its request and its timer."""

from __future__ import annotations

from qoslab.domains.balancing.measure import settle
from qoslab.domains.balancing.state import World
from qoslab.domains.balancing.view import DRAIN, LEFT
from qoslab.engine.kernel import kernel
from qoslab.engine.timers import set_timer, stop_timer

__all__ = ["enter", "leave"]

PROBING = True
"""Whether servers can be asked, and remember how long requests took."""


@kernel(inline=True)
def _start(w: World, job: int, core: int, j: int, now: float) -> None:
    """Let a core work on a request."""
    w.servers.core[core] = job
    if PROBING:
        w.jobs.since[job] = now
    set_timer(w.timers, core, now + w.jobs.size[job] / w.servers.speed[j])


@kernel
def enter(w: World, job: int, j: int, now: float) -> None:
    """A request enters a server that has room."""
    board, servers, jobs = w.board, w.servers, w.jobs
    settle(board, servers, j, now)
    board.queue[j] += 1
    board.truth[LEFT, j] += jobs.size[job]
    idle = servers.idle[j]
    if idle > 0:
        servers.idle[j] = idle - 1
        board.truth[DRAIN, j] += servers.speed[j]
        _start(w, job, servers.spare[servers.first[j] + idle - 1], j, now)
        return
    jobs.next[job] = -1
    if servers.head[j] < 0:
        servers.head[j] = job
    else:
        jobs.next[servers.tail[j]] = job
    servers.tail[j] = job


@kernel
def leave(w: World, core: int, now: float) -> int:
    """The request that a core has finished leaves its server; the core takes the next one."""
    board, servers, jobs = w.board, w.servers, w.jobs
    job, j = servers.core[core], servers.owner[core]
    settle(board, servers, j, now)
    board.queue[j] -= 1
    waiting = servers.head[j]
    if waiting >= 0:
        servers.head[j] = jobs.next[waiting]
        _start(w, waiting, core, j, now)
        return job
    stop_timer(w.timers, core)
    idle = servers.idle[j]
    servers.spare[servers.first[j] + idle] = core
    servers.idle[j] = idle + 1
    if idle + 1 == servers.cores[j]:
        board.truth[DRAIN, j] = 0.0
        board.truth[LEFT, j] = 0.0
    else:
        board.truth[DRAIN, j] -= servers.speed[j]
    return job
