# mypy: disable-error-code="no-any-return"
"""Service under sharing: stations whose requests all advance at one rate, and the servers that consist of them.

A station keeps a virtual time, the work each of its requests has had since the station was last empty; a request that
needs work x and enters at virtual time v ends at v + x. Requests in service stand in a skew heap by that tag (Sleator
and Tarjan 1986), linked through their slots, so that a station may hold any number. Speeds change by changing the rate.
With as many places in service as cores this is FIFO. Station j is the cores of server j, station n + j its
input/output.
"""

from __future__ import annotations

import math

from qoslab.domains.balancing.books import release
from qoslab.domains.balancing.measure import settle
from qoslab.domains.balancing.state import GONE, SERVING, WAITING, Jobs, World
from qoslab.domains.balancing.view import DRAIN, LEFT
from qoslab.engine.kernel import kernel
from qoslab.engine.timers import set_timer

__all__ = ["admit", "drop", "end_of_stage", "first_waiting", "retime", "take_out"]


@kernel(inline=True)
def _before(jobs: Jobs, a: int, b: int) -> bool:
    """Whether request a ends before request b; ties by order of arrival."""
    if jobs.tag[a] != jobs.tag[b]:
        return jobs.tag[a] < jobs.tag[b]
    return (jobs.number[a] < jobs.number[b]) | ((jobs.number[a] == jobs.number[b]) & (a < b))


@kernel
def merged(jobs: Jobs, a: int, b: int) -> int:
    """The root of two skew heaps made one, top down; -1 is the empty heap."""
    if a < 0:
        return b
    if b < 0:
        return a
    if _before(jobs, b, a):
        a, b = b, a
    root = a
    while True:
        right = jobs.right[a]
        jobs.right[a] = jobs.left[a]
        if right < 0:
            jobs.left[a] = b
            return root
        if _before(jobs, b, right):
            jobs.left[a] = b
            a, b = b, right
        else:
            jobs.left[a] = right
            a = right


@kernel(inline=True)
def _bring(w: World, station: int, now: float) -> None:
    """Bring a station's virtual time up to date."""
    s = w.stations
    s.virtual[station] += (now - s.since[station]) * s.rate[station]
    s.since[station] = now


@kernel
def retime(w: World, station: int, now: float) -> None:
    """Set a station's rate and its timer after a change of its requests or of its server's speed."""
    s, jobs, servers = w.stations, w.jobs, w.servers
    n = w.board.queue.shape[0]
    _bring(w, station, now)
    while s.root[station] >= 0 and jobs.state[s.root[station]] == GONE:
        gone = s.root[station]
        s.root[station] = merged(jobs, jobs.left[gone], jobs.right[gone])
        release(jobs, w.counts, gone)
    inside = s.inside[station]
    rate = 0.0
    if station >= n:
        rate = 1.0 / inside if inside > 0 else 0.0
    else:
        cores, speed = servers.cores[station], servers.speed[station]
        rate = speed if inside <= cores else speed * (cores / inside)
        settle(w.board, servers, station, now)
        w.board.truth[DRAIN, station] = speed * (inside if inside < cores else cores)
        if w.board.queue[station] == 0:
            w.board.truth[LEFT, station] = 0.0
    s.rate[station] = rate
    end = math.inf
    if inside > 0 and rate > 0.0:
        left = jobs.tag[s.root[station]] - s.virtual[station]
        end = now + (left / rate if left > 0.0 else 0.0)
    set_timer(w.timers, station, end)


@kernel
def _join(w: World, station: int, job: int, work: float, now: float) -> None:
    """Let a request into a station."""
    s, jobs = w.stations, w.jobs
    _bring(w, station, now)
    if s.inside[station] == 0 and s.root[station] < 0:
        s.virtual[station] = 0.0
    jobs.tag[job] = s.virtual[station] + work
    jobs.left[job] = -1
    jobs.right[job] = -1
    s.root[station] = merged(jobs, s.root[station], job)
    s.inside[station] += 1
    retime(w, station, now)


@kernel(inline=True)
def _part(w: World, job: int, which: int) -> float:
    """A request's share of core work (even `which`) or input/output (odd) in a stage."""
    split = w.stations.split
    return split[job, which] if split.shape[1] > 0 else 1.0


@kernel
def _serve(w: World, job: int, j: int, now: float) -> None:
    """Take a request into service."""
    jobs = w.jobs
    jobs.state[job] = SERVING
    jobs.stage[job] = 0
    jobs.since[job] = now
    w.stations.held[j] += 1
    _join(w, j, job, _part(w, job, 0) * jobs.size[job], now)


@kernel
def admit(w: World, job: int, j: int, now: float) -> None:
    """A request enters a server that has room."""
    board, servers, jobs = w.board, w.servers, w.jobs
    settle(board, servers, j, now)
    board.queue[j] += 1
    board.truth[LEFT, j] += jobs.size[job]
    if w.stations.held[j] < servers.slots[j]:
        _serve(w, job, j, now)
        return
    jobs.state[job] = WAITING
    jobs.next[job] = -1
    if servers.head[j] < 0:
        servers.head[j] = job
    else:
        jobs.next[servers.tail[j]] = job
    servers.tail[j] = job


@kernel
def first_waiting(w: World, j: int) -> int:
    """Take the first request that waits at a server; -1 for none. Those that are gone are swept out on the way."""
    servers, jobs = w.servers, w.jobs
    while servers.head[j] >= 0:
        job = servers.head[j]
        servers.head[j] = jobs.next[job]
        if jobs.state[job] != GONE:
            return job
        release(jobs, w.counts, job)
    return -1


@kernel
def _free_place(w: World, j: int, now: float) -> None:
    """A place in service is free: the next waiting request takes it."""
    w.stations.held[j] -= 1
    job = first_waiting(w, j)
    if job >= 0:
        _serve(w, job, j, now)


@kernel
def end_of_stage(w: World, station: int, now: float) -> int:
    """The first request of a station has ended its stage there.

    Returns:
        The request if it leaves the server, else -1.
    """
    s, jobs = w.stations, w.jobs
    n = w.board.queue.shape[0]
    job = s.root[station]
    s.root[station] = merged(jobs, jobs.left[job], jobs.right[job])
    s.inside[station] -= 1
    j = station if station < n else station - n
    stage = jobs.stage[job] + 1
    if stage < s.split.shape[1] - 1:
        jobs.stage[job] = stage
        retime(w, station, now)
        odd = stage % 2 == 1
        work = _part(w, job, stage) * (jobs.io[job] if odd else jobs.size[job])
        _join(w, n + j if odd else j, job, work, now)
        return -1
    settle(w.board, w.servers, j, now)
    w.board.queue[j] -= 1
    retime(w, station, now)
    _free_place(w, j, now)
    return job


@kernel
def _work_left(w: World, job: int, now: float) -> float:
    """Core work that a request in service still needs."""
    s, jobs = w.stations, w.jobs
    n = w.board.queue.shape[0]
    j, stage = jobs.server[job], jobs.stage[job]
    left = 0.0
    for later in range(stage + 1, s.split.shape[1] - 1):
        left += s.split[job, later] * jobs.size[job] if later % 2 == 0 else 0.0
    if stage % 2 == 0:
        _bring(w, j, now)
        rest = jobs.tag[job] - s.virtual[j]
        left += rest if rest > 0.0 else 0.0
    else:
        _bring(w, n + j, now)
    return left


@kernel
def take_out(w: World, job: int, now: float) -> None:
    """Stop work on a request that waits or is served; its slot is freed when it is swept out of its list or heap."""
    s, jobs, board = w.stations, w.jobs, w.board
    n = board.queue.shape[0]
    j = jobs.server[job]
    settle(board, w.servers, j, now)
    served = jobs.state[job] == SERVING
    board.truth[LEFT, j] -= _work_left(w, job, now) if served else jobs.size[job]
    board.queue[j] -= 1
    jobs.state[job] = GONE
    if served:
        station = j if jobs.stage[job] % 2 == 0 else n + j
        s.inside[station] -= 1
        retime(w, station, now)
        _free_place(w, j, now)


@kernel
def drop(w: World, j: int, now: float) -> int:
    """Take one request out of a server that loses all it holds.

    Returns:
        The request, in no list any more; -1 when there is none left.
    """
    s, jobs, board = w.stations, w.jobs, w.board
    n = board.queue.shape[0]
    settle(board, w.servers, j, now)
    job = first_waiting(w, j)
    for station in (j, n + j):
        while job < 0 and s.root[station] >= 0:
            root = s.root[station]
            s.root[station] = merged(jobs, jobs.left[root], jobs.right[root])
            if jobs.state[root] == GONE:
                release(jobs, w.counts, root)
                continue
            job = root
            s.inside[station] -= 1
            s.held[j] -= 1
            retime(w, station, now)
    if job >= 0:
        board.queue[j] -= 1
    if board.queue[j] == 0:
        board.truth[LEFT, j] = 0.0
    return job
