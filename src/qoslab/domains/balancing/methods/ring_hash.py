"""Consistent hashing with bounded loads."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.domains.balancing.hashing import hash_bits
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.methods.ecmp import draw_salt
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["RingHash", "make_ring", "successor"]

CITATION = """@inproceedings{mirrokni2018consistent,
  author = {Mirrokni, Vahab and Thorup, Mikkel and Zadimoghaddam, Morteza},
  title = {Consistent Hashing with Bounded Loads},
  booktitle = {Proceedings of the Twenty-Ninth Annual ACM-SIAM Symposium on Discrete Algorithms},
  pages = {587--604},
  year = {2018}
}"""

SALT, BALANCE, RING = range(3)
"""Entries of `par`; from `RING` on, the nodes' places in order, then their servers."""
PLACE_BITS = 52


@kernel
def successor(ring: NDArray[np.float64], place: float) -> int:
    """The first node at or after a place on the ring, which begins again after its last node.

    Args:
        ring: Places of nodes in order, then their servers, shape (2 k,).
        place: From 0 to 2**52 - 1.

    Returns:
        The node, from 0 to k - 1.
    """
    nodes = ring.shape[0] // 2
    low, high = 0, nodes
    while low < high:
        middle = (low + high) // 2
        if ring[middle] < place:
            low = middle + 1
        else:
            high = middle
    return low if low < nodes else 0


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The first server clockwise of the flow's place that is up and below its cap."""
    ring = view.par[RING:]
    nodes = ring.shape[0] // 2
    total, heavy = 1.0, 0.0
    for j in range(view.up.shape[0]):
        total += view.active[j]
        heavy += view.weight[j] if view.up[j] == 1 else 0.0
    node = successor(ring, float(hash_bits(view.flow, int(view.par[SALT]), PLACE_BITS)))
    for _ in range(nodes):
        j = int(ring[nodes + node])
        if view.up[j] == 1:
            share = view.par[BALANCE] * total * view.weight[j] / heavy
            if share == math.inf or view.active[j] < math.ceil(share):
                return j
        node = node + 1 if node + 1 < nodes else 0
    return 0


@functools.lru_cache(maxsize=8)
def _ring(counts: tuple[int, ...]) -> tuple[float, ...]:
    places = [
        (float(hash_bits(j, k + 1, PLACE_BITS)), float(j))
        for j, count in enumerate(counts)
        for k in range(count)
    ]
    places.sort()
    return (*(place for place, _ in places), *(server for _, server in places))


def make_ring(weight: NDArray[np.float64], nodes: int) -> tuple[float, ...]:
    """A ring of virtual nodes, the same for the same weights.

    Args:
        weight: Positive, shape (n,).
        nodes: Mean number of nodes of a server; a server has them in proportion to its weight, but at least one.

    Returns:
        Places of the nodes in order, then their servers.
    """
    counts = np.maximum(1, np.rint(nodes * weight / weight.mean())).astype(np.int64)
    return _ring(tuple(counts.tolist()))


@balancer(
    "ring_hash",
    summary="consistent hashing on a ring, with a cap on every server's load",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class RingHash(Policy):
    """Consistent hashing with bounded loads: the first server clockwise of the flow's place that is below its cap.

    The cap of server j is ceil(balance (own requests in flight + 1) w_j / sum w); there is always a server below it.
    HAProxy calls the factor `hash-balance-factor`. Servers have virtual nodes in proportion to their weights.

    Attributes:
        balance: factor 1 + eps by which a server may exceed its share; `inf` for plain consistent hashing.
        nodes: mean number of virtual nodes of a server; the more, the more even the shares.
    """

    balance: Annotated[float, Field(gt=1)] = 1.25
    nodes: Annotated[int, Field(ge=1, le=10_000)] = 100

    def wire(self, site: Site) -> Wiring:
        """The ring, the same for all balancers."""
        return Wiring(route, par=[draw_salt(site), self.balance, *make_ring(site.weight, self.nodes)])
