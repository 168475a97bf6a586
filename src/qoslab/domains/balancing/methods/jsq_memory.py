"""Join the shortest of d new and m remembered queues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.choosing import another
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import OracleView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["JsqMemory"]

CITATION = """@inproceedings{mitzenmacher2002load,
  author = {Mitzenmacher, Michael and Prabhakar, Balaji and Shah, Devavrat},
  title = {Load Balancing with Memory},
  booktitle = {Proceedings of the 43rd Annual IEEE Symposium on Foundations of Computer Science},
  pages = {799--808},
  year = {2002}
}"""

CHOICES, MEMORY = range(2)
"""Entries of `par`."""
KEPT, FIRST = range(2)
"""Entries of `box`: how many servers are remembered, and where their numbers begin; those drawn anew follow them."""


@kernel
def route(view: OracleView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The shortest queue of the servers remembered and d more; the next best of them are remembered."""
    box = view.box
    servers = box[FIRST:]
    count = 0
    for i in range(int(box[KEPT])):  # those that went down are forgotten
        if view.up[int(servers[i])] == 1:
            servers[count] = servers[i]
            count += 1
    for _ in range(int(view.par[CHOICES])):
        j = another(servers, count, view.up, stream)
        if j < 0:
            break
        servers[count] = j
        count += 1
    box[KEPT] = 0.0
    if count == 0:
        return 0
    best = 0
    for i in range(1, count):
        if view.queue[int(servers[i])] < view.queue[int(servers[best])]:
            best = i
    chosen = int(servers[best])
    keep = int(view.par[MEMORY])
    keep = keep if keep < count else count
    for i in range(keep):  # the least loaded to the front; the chosen one counts its new request
        least = i
        for k in range(i + 1, count):
            if _load(view, servers[k], chosen) < _load(view, servers[least], chosen):
                least = k
        servers[i], servers[least] = servers[least], servers[i]
    box[KEPT] = keep
    return chosen


@kernel(inline=True)
def _load(view: OracleView, server: float, chosen: int) -> int:
    """A server's queue once the request has joined the chosen one."""
    j = int(server)
    return view.queue[j] + (1 if j == chosen else 0)  # type: ignore[no-any-return]


@balancer(
    "jsq_memory",
    summary="the shortest of d queues drawn by lot and m remembered ones",
    citation=CITATION,
    information="oracle",
    origin="reference instance",
)
@dataclass(frozen=True)
class JsqMemory(Policy):
    """The (d, m) policy: join the shortest of d queues drawn by lot and of m remembered from the request before.

    True queues are compared, equal ones in favour of the remembered; afterwards the m shortest of these d + m, with
    the new request counted, are remembered. Those drawn are distinct and not remembered already.

    Attributes:
        d: how many servers are drawn for each request, among those that are up.
        memory: how many servers are remembered, m; 0 is JSQ(d).
    """

    d: Annotated[int, Field(ge=1)] = 1
    memory: Annotated[int, Field(ge=0)] = 1

    def wire(self, site: Site) -> Wiring:
        """Nothing remembered yet."""
        d, memory = min(self.d, site.servers), min(self.memory, site.servers)
        return Wiring(route, par=[d, memory], box=np.zeros(FIRST + d + memory))
