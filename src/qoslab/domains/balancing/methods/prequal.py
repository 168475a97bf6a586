"""Prequal: probing to reduce queueing and latency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.domains.balancing.choosing import drawn
from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, uniform

__all__ = ["Prequal", "coldest", "reuses", "worst"]

CITATION = """@inproceedings{wydrowski2024load,
  author = {Wydrowski, Bartek and Kleinberg, Robert and Rumble, Stephen M. and Archer, Aaron},
  title = {Load is not what you should balance: Introducing {Prequal}},
  booktitle = {21st USENIX Symposium on Networked Systems Design and Implementation},
  year = {2024}
}"""

POOL, MAX_AGE, REMOVE, REUSE, QUANTILE, WINDOW = range(6)
"""Entries of `par`."""
COUNT, ODD, SEEN, ENTRIES = range(4)
"""Entries of `box`: probes in the pool, whether the oldest is removed next, answers seen; then pool and windows."""
SERVER, RIF, LATENCY, AT, USES, FIELDS = range(6)
"""Fields of a probe in the pool."""


@kernel
def _discard(box: NDArray[np.float64], probe: int) -> None:
    """Take a probe out of the pool; the order of the others, oldest first, stays."""
    count = int(box[COUNT])
    for i in range(ENTRIES + FIELDS * probe, ENTRIES + FIELDS * (count - 1)):
        box[i] = box[i + FIELDS]
    box[COUNT] = count - 1.0


@kernel
def limit(view: ProbeView) -> float:
    """Theta: the quantile, by nearest rank, of the requests in flight in the last answers; a hot probe has more."""
    quantile = view.par[QUANTILE]
    if quantile >= 1.0:
        return math.inf
    window = int(view.par[WINDOW])
    seen = int(view.box[SEEN])
    size = seen if seen < window else window
    rank = math.ceil(quantile * size)
    if rank == 0:
        return -1.0
    return view.box[ENTRIES + FIELDS * int(view.par[POOL]) + window + rank - 1]  # type: ignore[no-any-return]


@kernel
def coldest(view: ProbeView, theta: float) -> int:
    """The rule HCL: the cold probe of least latency; where all are hot, the one with fewest requests in flight."""
    box = view.box
    best, cold = -1, False
    for probe in range(int(box[COUNT])):
        at = ENTRIES + FIELDS * probe
        if view.up[int(box[at + SERVER])] == 0:
            continue
        mine = box[at + RIF] <= theta
        if best < 0 or (mine and not cold):
            best, cold = probe, mine
        elif mine == cold:
            field = LATENCY if cold else RIF
            if box[at + field] < box[ENTRIES + FIELDS * best + field]:
                best = probe
    return best


@kernel
def worst(view: ProbeView, theta: float) -> int:
    """The hot probe with most requests in flight; where none is hot, the one of largest latency."""
    box = view.box
    last, hot = 0, False
    for probe in range(int(box[COUNT])):
        at = ENTRIES + FIELDS * probe
        mine = box[at + RIF] > theta
        if probe == 0 or (mine and not hot):
            last, hot = probe, mine
        elif mine == hot:
            field = RIF if hot else LATENCY
            if box[at + field] > box[ENTRIES + FIELDS * last + field]:
                last = probe
    return last


@kernel(inline=True)
def _rounded(value: float, stream: Stream) -> int:
    """A whole number at random whose mean is the value."""
    whole = math.floor(value)
    return int(whole) + (1 if uniform(stream) < value - whole else 0)


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:
    """Drop old probes, choose by HCL, remove some probes; a server by lot where fewer than two are pooled."""
    box = view.box
    while box[COUNT] > 0.0 and now - box[ENTRIES + AT] > view.par[MAX_AGE]:
        _discard(box, 0)
    theta = limit(view)
    probe = coldest(view, theta) if box[COUNT] >= 2.0 else -1
    if probe >= 0:
        at = ENTRIES + FIELDS * probe
        j = int(box[at + SERVER])
        box[at + RIF] += 1.0
        box[at + USES] -= 1.0
        if box[at + USES] <= 0.0:
            _discard(box, probe)
    else:
        j = drawn(view.up, stream, -1)
    for _ in range(_rounded(view.par[REMOVE], stream)):
        if box[COUNT] > 0.0:
            _discard(box, 0 if box[ODD] == 1.0 else worst(view, theta))
            box[ODD] = 1.0 - box[ODD]
    return j


@kernel
def _remember(view: ProbeView, load: float) -> None:
    """Put a load into the window of the last ones, and into its sorted copy."""
    box, window = view.box, int(view.par[WINDOW])
    first = ENTRIES + FIELDS * int(view.par[POOL])
    seen = int(box[SEEN])
    slot = first + seen % window
    size = seen if seen < window else window
    low = first + window
    if seen >= window:
        i = low
        while box[i] != box[slot]:
            i += 1
        for k in range(i, low + size - 1):
            box[k] = box[k + 1]
        size -= 1
    k = low + size
    while k > low and box[k - 1] > load:
        box[k] = box[k - 1]
        k -= 1
    box[k] = load
    box[slot] = load
    box[SEEN] = seen + 1.0


@kernel
def on_reply(view: ProbeView, stream: Stream, server: int, now: float) -> None:
    """An answer enters the pool, in place of the oldest where it is full."""
    box = view.box
    _remember(view, view.seen_queue[server])
    uses = _rounded(view.par[REUSE], stream)
    if box[COUNT] >= view.par[POOL]:
        _discard(box, 0)
    at = ENTRIES + FIELDS * int(box[COUNT])
    box[at + SERVER] = server
    box[at + RIF] = view.seen_queue[server]
    box[at + LATENCY] = view.seen_latency[server]
    box[at + AT] = now
    box[at + USES] = uses
    box[COUNT] += 1.0


def reuses(probes: float, remove: float, delta: float, pool: int, servers: int) -> float:
    """How often a probe may be used: b = max(1, (1 + delta) / ((1 - m / n) probes - remove)); 1e9 for no limit.

    Args:
        probes: Probes for each request.
        remove: Probes removed for each request.
        delta: By how much the pool is to be used more than it is fed.
        pool: Size m of the pool.
        servers: Number n of servers.
    """
    net = (1.0 - pool / servers) * probes - remove
    return max(1.0, (1.0 + delta) / net) if net > 0.0 else 1e9


@balancer(
    "prequal",
    summary="hot-cold lexicographic choice from a pool of asynchronous probes (Prequal)",
    citation=CITATION,
    information="probing",
    origin="reference instance",
)
@dataclass(frozen=True)
class Prequal(Policy):
    """Prequal: each request sends probes whose answers, requests in flight (RIF) and latency, serve later requests.

    A probe is hot if its RIF exceeds theta, the `quantile` of RIFs in the last answers. If any probe in the pool is
    cold, the cold one of least latency is used, else the one of least RIF; a server by lot where fewer than two are
    pooled. The RIF of a used probe grows by 1; it is used b = max(1, (1 + delta) / ((1 - m/n) probes - remove))
    times, rounded at random (without limit where that is not positive). With each request `remove` probes go: in
    turn the worst (the hot one of largest RIF, else the one of largest latency) and the oldest.

    Attributes:
        quantile: Q_RIF, which RIFs are hot; 0 uses RIF alone, 1 latency alone.
        probes: probes for each request; a fraction holds in the mean.
        remove: probes removed for each request; a fraction holds in the mean.
        pool: largest number of probes kept, m.
        max_age_s: age at which a probe is dropped, s.
        delta: by how much probes may be used more than they come in.
        window: number of answers from which theta is taken.
    """

    quantile: Annotated[float, Field(ge=0, le=1)] = 0.84
    probes: Annotated[float, Field(gt=0)] = 3.0
    remove: Annotated[float, Field(ge=0)] = 1.0
    pool: Annotated[int, Field(ge=2)] = 16
    max_age_s: Annotated[float, Field(gt=0)] = 1.0
    delta: Annotated[float, Field(ge=0)] = 1.0
    window: Annotated[int, Field(ge=1)] = 128

    def wire(self, site: Site) -> Wiring:
        """An empty pool."""
        probes = min(self.probes, float(site.servers))
        reuse = reuses(probes, self.remove, self.delta, self.pool, site.servers)
        par = [self.pool, self.max_age_s, self.remove, reuse, self.quantile, self.window]
        return Wiring(
            route,
            on_reply=on_reply,
            par=par,
            box=np.zeros(ENTRIES + FIELDS * self.pool + 2 * self.window),
            probing=Probing(per_request=probes, latency=True),
        )
