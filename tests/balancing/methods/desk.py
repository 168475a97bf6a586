"""A desk to try policies at: one board, its bookkeeping done by hand, no simulator."""

from __future__ import annotations

import math

import numpy as np

from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.hooks import COMPLETE, DECIDE, LOSS, REPLY, ROUTE, TICK, Site
from qoslab.domains.balancing.modifiers import modified
from qoslab.domains.balancing.view import (
    ACTIVE,
    AREA,
    BUSY,
    CAPACITY,
    DRAIN,
    FLOW,
    LATENCY,
    LEFT,
    MEMBER,
    OPENED,
    QUEUE,
    RATE,
    SENT,
    SERVICE,
    SINCE,
    STAMP,
    TOUCHED,
    UP,
    USAGE,
    WEIGHT,
    Board,
    LocalView,
    OracleView,
    ProbeView,
)
from qoslab.domains.balancing.view import DONE as ANSWERED
from qoslab.engine.reference import by_reference
from qoslab.engine.streams import streams

VIEW = {"blind": LocalView, "probing": ProbeView, "oracle": OracleView}
POLICIES = [entry.name for entry in registry.methods("balancing")]


def make(name, **parameters):
    """A policy by name."""
    return registry.method("balancing", name).cls(**parameters)


def site(weights, balancers=1, seed=0):
    weights = np.asarray(weights, np.float64)
    return Site(len(weights), balancers, weights, Seed(seed, "desk"), mean_size_s=1.0, rate_per_s=1.0)


class Desk:
    """A policy at work: the test says what happens and the policy answers.

    A request that is sent stays in flight until `finish` or `lose`. Servers' truth is set by `board`.
    """

    def __init__(
        self, policy, weights, *, balancers=1, seed=0, compiled=False, ejection=None, slow_start=None
    ):
        if isinstance(policy, str):
            policy = make(policy)
        self.site = site(weights, balancers, seed)
        wiring, self.plain = modified(
            policy.wire(self.site), policy.information, self.site, ejection, slow_start
        )
        self.wiring = wiring
        self.information = policy.information
        n, m = self.site.servers, balancers
        counts = np.zeros((m, 5, n), np.int64)
        counts[:, [UP, MEMBER]] = 1
        local = np.zeros((m, 5, n))
        local[:, WEIGHT] = self.site.weight if wiring.weight is None else wiring.weight
        answers = np.zeros((m, 9, n))
        answers[:, STAMP] = -math.inf
        truth = np.zeros((4, n))
        truth[CAPACITY] = self.site.weight
        mem = np.zeros((0, n)) if wiring.mem is None else np.asarray(wiring.mem, np.float64)
        box = np.asarray(wiring.box, np.float64)
        self.board = Board(
            counts,
            local,
            np.array(np.broadcast_to(mem, (m, *mem.shape[-2:])), order="C"),
            np.array(np.broadcast_to(box, (m, box.shape[-1])), order="C"),
            np.array(wiring.par, np.float64).reshape(-1),
            answers,
            np.zeros(n, np.int64),
            truth,
            np.zeros(2, np.int64),
            np.ones(1),
        )
        self.streams = streams(np.random.SeedSequence(seed), m)
        self.now = 0.0
        self.decide = DECIDE.pointer(self.plain) if compiled else self.plain
        self.given = by_reference(self.board) if compiled else self.board
        self.open = [[[] for _ in range(n)] for _ in range(m)]

    def view(self, lb=0):
        """What the policy's hooks are given."""
        board, kind = self.board, VIEW[self.information]
        counts, local, seen = board.counts[lb], board.local[lb], board.answers[lb]
        cut = (*counts[[ACTIVE, UP, SENT, ANSWERED]], *local[[WEIGHT, OPENED, BUSY, AREA, TOUCHED]])
        own = (lb, board.request[FLOW], *cut, board.mem[lb], board.box[lb], board.par)
        if kind is ProbeView:
            return ProbeView(*own, *seen[[QUEUE, LATENCY, SERVICE, USAGE, RATE, STAMP]])
        if kind is OracleView:
            return OracleView(*own, board.queue, *board.truth[[CAPACITY, LEFT, SINCE, DRAIN]], board.size[0])
        return LocalView(*own)

    @property
    def active(self):
        return self.board.counts[0, ACTIVE]

    @property
    def up(self):
        return self.board.counts[0, UP]

    @property
    def weight(self):
        return self.board.local[0, WEIGHT]

    @property
    def mem(self):
        return self.board.mem[0]

    @property
    def box(self):
        return self.board.box[0]

    @property
    def seen(self):
        return self.board.answers[0]

    def wait(self, seconds):
        self.now += seconds

    def _call(self, event, server=0, value=0.0, lb=0):
        return int(self.decide(self.given, lb, self.streams[lb], event, server, value, self.now))

    def route(self, flow=0, *, lb=0, keep=True):
        """Where the policy sends a request, which is then in flight (unless it need not be kept)."""
        self.board.request[FLOW] = flow
        j = self._call(ROUTE, lb=lb)
        if keep:
            self._touch(lb, j)
            self.board.counts[lb, ACTIVE, j] += 1
            self.board.counts[lb, SENT, j] += 1
            self.board.local[lb, OPENED, j] += self.now
            self.board.queue[j] += 1
            self.open[lb][j].append(self.now)
        return j

    def routes(self, count, flows=None, *, keep=False):
        return [self.route(k if flows is None else flows[k], keep=keep) for k in range(count)]

    def finish(self, server, *, lb=0):
        """The oldest request on a server is answered."""
        sent = self._end(lb, server)
        self.board.counts[lb, ANSWERED, server] += 1
        self._call(COMPLETE, server, self.now - sent, lb)

    def lose(self, server, *, lb=0):
        """The oldest request on a server is rejected."""
        self._end(lb, server)
        self._call(LOSS, server, 0.0, lb)

    def tick(self, *, lb=0):
        self._call(TICK, lb=lb)

    def reply(self, server, *, lb=0, queue=None, latency=0.0, service=0.0, usage=0.0, rate=0.0):
        """A server's answer arrives."""
        fields = {
            QUEUE: self.board.queue[server] if queue is None else queue,
            LATENCY: latency,
            SERVICE: service,
            USAGE: usage,
            RATE: rate,
            STAMP: self.now,
        }
        for field, value in fields.items():
            self.board.answers[lb, field, server] = value
        self._call(REPLY, server, 0.0, lb)

    def _end(self, lb, server):
        sent = self.open[lb][server].pop(0)
        self._touch(lb, server)
        self.board.counts[lb, ACTIVE, server] -= 1
        self.board.local[lb, OPENED, server] -= sent
        self.board.queue[server] -= 1
        return sent

    def _touch(self, lb, j):
        local = self.board.local
        since = self.now - local[lb, TOUCHED, j]
        active = self.board.counts[lb, ACTIVE, j]
        local[lb, TOUCHED, j] = self.now
        local[lb, AREA, j] += since * active
        local[lb, BUSY, j] += since * (active > 0)

    def set_work(self, left, drain=None):
        self.board.truth[LEFT] = left
        self.board.truth[SINCE] = self.now
        self.board.truth[DRAIN] = 0.0 if drain is None else drain
