"""Each request on its shortest path, with one order of swapping for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Purification, Segment, View
from qoslab.domains.entanglement.routing.orders import equal_shares, optimised_ranks
from qoslab.domains.entanglement.routing.view import Metric, path_cost
from qoslab.graphs.shortest import shortest_path

__all__ = ["ShortestPath", "swap_ranks"]

Order = Literal[
    "asap", "left_to_right", "right_to_left", "balanced", "balanced_mirrored", "optimised", "ranks"
]

_Limit = Annotated[float, Field(ge=0)]


def swap_ranks(order: Order, repeaters: int) -> tuple[int, ...]:
    """Ranks of a path's nodes, both ends highest.

    Args:
        order: `asap` swaps in any order; `balanced` takes every other node that remains, from the left, again and
            again; `balanced_mirrored` the same from the right.
        repeaters: Nodes between the ends.
    """
    inner = [0] * repeaters
    if order == "left_to_right":
        inner = list(range(repeaters))
    elif order == "right_to_left":
        inner = list(range(repeaters))[::-1]
    elif order in ("balanced", "balanced_mirrored"):
        left, level = list(range(repeaters)), 0
        while left:
            for node in left[::2]:
                inner[node] = level
            left, level = left[1::2], level + 1
        inner = inner[::-1] if order == "balanced_mirrored" else inner
    top = max(inner, default=0) + 1
    return (top, *inner, top)


def _both_ends_highest(ranks: tuple[int, ...]) -> tuple[int, ...]:
    if ranks and (len(ranks) < 2 or not ranks[0] == ranks[-1] == max(ranks)):
        message = f"ranks {list(ranks)} are not allowed: one for each node of the path, both ends highest"
        raise ValueError(message)
    return ranks


def _waits(given: float | tuple[float, ...], hops: int) -> tuple[float, ...]:
    """Longest waits of a path's repeaters by side, none where there is no limit."""
    if isinstance(given, tuple):
        return tuple(each or float("inf") for each in given)
    return (given,) * (2 * hops - 2) if given else ()


@method("entanglement", "shortest_path", summary="the shortest path, with a chosen swap order", origin="ours")
@dataclass(frozen=True)
class ShortestPath:
    """Dijkstra's path for each request; memories of a link are shared by the paths over it.

    Attributes:
        order: Which repeaters swap first; `optimised` is the order that dynamic programming finds.
        ranks: With order `ranks`, the rank of every node of the path, lower first, both ends highest.
        cutoff_s: Age at which a link's pair is dropped, s, for all hops or one number per hop of every path; 0 for the
            coherence time alone.
        cost: What makes a path short: hops, km, the links' mean times to a pair, or -ln of their success or fidelity.
        rounds: Rounds of purification of every link's pairs; nested rounds need 2^rounds memories, pumping needs 2.
        scheme: Circuit of purification.
        schedule: Which pairs are purified together.
        enough: Fidelity from which a link's pair is purified no more.
        wait_s: Longest wait of a repeater's pair for a swap, s, for all or two numbers per repeater of every path, for
            its pair to the left and to the right; 0 for no limit.
        end_rounds: Rounds of purification of the users' joined pairs before they use them.
    """

    order: Order = "asap"
    ranks: Annotated[tuple[int, ...], AfterValidator(_both_ends_highest)] = ()
    cutoff_s: _Limit | tuple[_Limit, ...] = 0.0
    cost: Metric = "hops"
    rounds: Annotated[int, Field(ge=0, le=8)] = 0
    scheme: Literal["bbpssw", "dejmps"] = "bbpssw"
    schedule: Literal["nested", "pumping"] = "nested"
    enough: Annotated[float, Field(gt=0.25, le=1)] = 1.0
    wait_s: _Limit | tuple[_Limit, ...] = 0.0
    end_rounds: Annotated[int, Field(ge=0, le=8)] = 0

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """One path per request.

        Raises:
            BadInput: A request without a path, or ranks that are missing or not asked for.
        """
        if (self.order == "ranks") != bool(self.ranks):
            message = "ranks belong to order = 'ranks', and that order needs them"
            raise BadInput(Problem(message=message, field="method.ranks"))
        given = self.cutoff_s if isinstance(self.cutoff_s, tuple) else (self.cutoff_s,)
        ages = tuple(age or float("inf") for age in given)
        cutoff = ages if isinstance(self.cutoff_s, tuple) else ages[0]
        cost = path_cost(view, self.cost)
        routes = []
        for request in view.requests:
            ends = view.network.index(request.source), view.network.index(request.target)
            found = shortest_path(view.network, *ends, cost)
            if found is None:
                message = f"there is no path from {request.source!r} to {request.target!r}"
                raise BadInput(Problem(message=message, field="scenario.requests"))
            routes.append(found)
        paths = []
        for place, (found, memories) in enumerate(zip(routes, equal_shares(view, routes), strict=True)):
            hops = len(found.nodes) - 1
            ranks = self.ranks or (
                optimised_ranks(view, found, memories)
                if self.order == "optimised"
                else swap_ranks(self.order, hops - 1)
            )
            path = PathPlan(
                place,
                tuple(found.nodes),
                ranks,
                rounds=(self.rounds,) * hops if self.rounds else (),
                cutoff_s=cutoff,
                purification=Purification(self.scheme, self.schedule, self.enough),
                wait_s=_waits(self.wait_s, hops),
                segments=(Segment(0, hops, self.end_rounds),) if self.end_rounds and hops > 1 else (),
            )
            paths.append(path)
        return Plan(tuple(paths))
