"""Smooth weighted round robin, as in nginx."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["SmoothWrr", "smooth_pick"]

CITATION = r"""@misc{nginx_upstream,
  author = {{nginx}},
  title = {Module ngx\_http\_upstream\_module},
  howpublished = {documentation of nginx},
  url = {https://nginx.org/en/docs/http/ngx_http_upstream_module.html}
}"""

CURRENT = 0
"""Row of `mem`: the current weights."""


@kernel
def smooth_pick(current: NDArray[np.float64], weight: NDArray[np.float64], up: NDArray[np.int64]) -> int:
    """One pick: every current weight grows by its weight, the largest is chosen and pays the sum of all."""
    total, best = 0.0, -1
    for j in range(weight.shape[0]):
        if up[j] == 1:
            current[j] += weight[j]
            total += weight[j]
            if best < 0 or current[j] > current[best]:
                best = j
    if best < 0:
        return 0
    current[best] -= total
    return best


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server with the largest current weight."""
    return smooth_pick(view.mem[CURRENT], view.weight, view.up)


@balancer(
    "smooth_wrr",
    summary="servers in turn by weight, the heavy ones spread out (nginx)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class SmoothWrr(Policy):
    """Smooth weighted round robin, the default of nginx (documented for its module ngx_http_upstream).

    At each request every server's current weight grows by its weight; the server with the largest current weight, the
    first of equals, is chosen and its current weight shrinks by the sum of all weights. Weights 5, 1, 1 give
    a a b a c a a. Servers that are not up are left out. What nginx adds for failing servers is not part of it.

    Attributes:
        random_start: whether each balancer begins at a point of its own in the cycle: current weights start at uniform
            shares of the weights; else all start at zero, as in nginx, and balancers move in step.
    """

    random_start: bool = False

    def wire(self, site: Site) -> Wiring:
        """Current weights, zero or drawn by lot with sum zero."""
        current = np.zeros((site.balancers, 1, site.servers))
        if self.random_start:
            drawn = site.generator("start").uniform(size=current.shape) * site.weight
            current = drawn - drawn.mean(axis=-1, keepdims=True)
        return Wiring(route, mem=current)
