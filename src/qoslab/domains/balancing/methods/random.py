"""Servers by lot."""

from __future__ import annotations

from dataclasses import dataclass

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, integers

__all__ = ["Random"]

CITATION = """@article{mitzenmacher2001power,
  author = {Mitzenmacher, Michael},
  title = {The Power of Two Choices in Randomized Load Balancing},
  journal = {IEEE Transactions on Parallel and Distributed Systems},
  volume = {12},
  number = {10},
  pages = {1094--1104},
  year = {2001}
}"""


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """A uniformly drawn server."""
    return integers(stream, view.active.shape[0])


@balancer("random", summary="draw the server by lot", citation=CITATION, origin="ours")
@dataclass(frozen=True)
class Random(Policy):
    """A uniformly drawn server for each request, as equal-cost multipath does per flow. No parameters."""

    def wire(self, site: Site) -> Wiring:  # noqa: ARG002
        """Route by lot."""
        return Wiring(route)
