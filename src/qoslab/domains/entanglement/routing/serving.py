"""Requests that take turns at live pairs."""

from __future__ import annotations

import math
from collections.abc import Callable

from qoslab.domains.entanglement.protocol import LivePair, Swap, View
from qoslab.domains.entanglement.routing.pairs import Chain, LiveGraph, fidelity_of, swaps_of
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.routing.view import ends_of, swap_werners
from qoslab.domains.entanglement.states import werner_of_fidelity

__all__ = ["by_fidelity", "by_hops", "good_path", "greedy_chain", "served_in_turn", "turns"]


def by_hops(pair: LivePair) -> float:  # noqa: ARG001
    """Every pair costs 1."""
    return 1.0


def by_fidelity(pair: LivePair) -> float:
    """-ln of the pair's Werner parameter; infinite where it has none."""
    werner = werner_of_fidelity(pair.fidelity)
    return max(0.0, -math.log(werner)) if werner > 0.0 else math.inf


def turns(view: View) -> list[int]:
    """Requests, the one that has got fewest pairs first.

    One that has all it wanted so far comes after them, one none of whose jobs waits for a pair last.
    """

    def key(place: int) -> tuple[bool, bool, int, int]:
        got = view.delivered[place] if view.delivered else 0
        wanted = view.requests[place].rate_per_s
        return view.wanted(place) == 0, wanted is not None and got >= wanted * view.now_s, got, place

    return sorted(range(len(view.requests)), key=key)


def good_path(graph: LiveGraph, ends: Ends, wanted: float, *, hops_first: bool) -> Chain | None:
    """The chain of fewest hops or of most fidelity, if its fidelity suffices.

    A chain of fewest hops that does not suffice gives way to the one of most fidelity.
    """
    gates = swap_werners(graph.view)
    for cost in (by_hops, by_fidelity) if hops_first else (by_fidelity,):
        nodes = graph.path(ends, cost)
        chain = graph.seen(nodes) if nodes is not None else None
        if chain is not None and fidelity_of(chain, gates) >= wanted:
            return chain
    return None


def greedy_chain(graph: LiveGraph, ends: Ends, left: Callable[[int], float]) -> Chain | None:
    """The chain that always goes to the neighbour of live pairs nearest to the target; None where it gets stuck.

    Args:
        graph: The live pairs that are left; none is taken.
        ends: From where to where.
        left: Distance of a node from the target, 0 there alone.
    """
    nodes = [ends.source]
    while nodes[-1] != ends.target:
        nearer = [node for node in graph.at(nodes[-1]) if left(node) < left(nodes[-1])]
        if not nearer:
            return None
        nodes.append(min(nearer, key=lambda node: (left(node), node)))
    return graph.seen(tuple(nodes))


def served_in_turn(
    view: View, graph: LiveGraph, find: Callable[[LiveGraph, int, Ends], Chain | None]
) -> list[Swap]:
    """Every request in turn gets one more chain, whose pairs are gone then, until nobody finds or wants one.

    A request with jobs gets no more chains than those that wait want pairs.

    Args:
        view: What is known now.
        graph: Its live pairs; what is taken is gone from it afterwards.
        find: A chain for a request in the pairs that are left, not taken yet.
    """
    ends, swaps = ends_of(view), []
    waiting, given = turns(view), [0] * len(ends)

    def wants(request: int) -> bool:
        wanted = view.wanted(request)
        return wanted is None or given[request] < wanted

    while waiting:
        served = []
        for request in filter(wants, waiting):
            chain = find(graph, request, ends[request])
            if chain is not None:
                for pair in chain.pairs:
                    graph.take_pair(pair)
                swaps += swaps_of(chain, request)
                given[request] += 1
                served.append(request)
        waiting = served
    return swaps
