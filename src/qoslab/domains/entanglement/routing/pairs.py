"""The pairs that live now as a graph: chains of them from user to user, and the swaps that join a chain."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

from qoslab.domains.entanglement.protocol import LivePair, Swap, View
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.states import fidelity_of_werner, werner_of_fidelity

__all__ = ["Chain", "LiveGraph", "fidelity_of", "swaps_of"]

Cost = Callable[[LivePair], float]


class Chain(NamedTuple):
    """Pairs in a row, each beginning where the one before ends.

    Attributes:
        nodes: From source to target, one more than pairs.
        pairs: The pairs.
    """

    nodes: tuple[int, ...]
    pairs: tuple[LivePair, ...]


def swaps_of(chain: Chain, request: int) -> list[Swap]:
    """The swaps that join a chain, from its source on; none for a single pair."""
    joints = zip(chain.nodes[1:-1], pairwise(chain.pairs), strict=True)
    return [Swap(node, a.ident, b.ident, request) for node, (a, b) in joints]


def fidelity_of(chain: Chain, gates: Sequence[float]) -> float:
    """Expected fidelity after the chain's swaps, as Werner pairs; `gates` as in `swap_werners`."""
    werner = math.prod(werner_of_fidelity(pair.fidelity) for pair in chain.pairs)
    return float(fidelity_of_werner(werner * math.prod(gates[node] for node in chain.nodes[1:-1])))


class LiveGraph:
    """Live pairs that nobody has taken yet.

    Args:
        view: What is known now.
        pairs: The pairs to look at; all that live by default.

    Attributes:
        between: Pairs by their ends (lower node, higher node), the first choice first: by the scenario's rule of
            selection, or else the best.
        neighbours: Nodes that share a pair with a node.
        expected: How many pairs between two nodes swaps that were ordered will make; for those who order them.
    """

    def __init__(self, view: View, pairs: Iterable[LivePair] | None = None) -> None:
        self.view = view
        self.between: dict[tuple[int, int], list[LivePair]] = {}
        self.neighbours: dict[int, set[int]] = {}
        self.expected: dict[tuple[int, int], int] = {}
        for pair in sorted(view.live if pairs is None else pairs, key=_choice):
            self.between.setdefault(_key(pair.first, pair.second), []).append(pair)
            self.neighbours.setdefault(pair.first, set()).add(pair.second)
            self.neighbours.setdefault(pair.second, set()).add(pair.first)

    def at(self, node: int) -> list[int]:
        """Nodes that share a pair with this one, by index."""
        return sorted(self.neighbours.get(node, ()))

    def count(self, a: int, b: int) -> int:
        """Pairs between two nodes."""
        return len(self.between.get(_key(a, b), ()))

    def all_between(self, a: int, b: int) -> list[LivePair]:
        """The pairs between two nodes, the first choice first."""
        return list(self.between.get(_key(a, b), ()))

    def best(self, a: int, b: int) -> LivePair | None:
        """The first choice among the pairs between two nodes."""
        found = self.between.get(_key(a, b))
        return found[0] if found else None

    def take(self, a: int, b: int) -> LivePair:
        """The best pair between two nodes, which is gone from the graph then."""
        key = _key(a, b)
        pair = self.between[key].pop(0)
        if not self.between[key]:
            self.neighbours[a].discard(b)
            self.neighbours[b].discard(a)
        return pair

    def take_pair(self, pair: LivePair) -> None:
        """This very pair, which is gone from the graph then."""
        key = _key(pair.first, pair.second)
        self.between[key].remove(pair)
        self.between[key].insert(0, pair)
        self.take(*key)

    def taken(self, nodes: tuple[int, ...]) -> Chain:
        """The best pairs along a path of nodes, gone from the graph then."""
        return Chain(nodes, tuple(self.take(a, b) for a, b in pairwise(nodes)))

    def seen(self, nodes: tuple[int, ...]) -> Chain | None:
        """The best pairs along a path of nodes, left where they are; None where one is missing."""
        found = [self.best(a, b) for a, b in pairwise(nodes)]
        pairs = tuple(pair for pair in found if pair is not None)
        return Chain(nodes, pairs) if len(pairs) == len(found) else None

    def path(self, ends: Ends, cost: Cost, closed: Collection[int] = frozenset()) -> tuple[int, ...] | None:
        """Dijkstra's path over the best pairs, ties to fewer hops and then to lower nodes.

        Args:
            ends: From where to where.
            cost: What a pair costs, not negative; infinite closes it.
            closed: Nodes that the path must not pass.
        """
        queue: list[tuple[float, int, tuple[int, ...]]] = [(0.0, 0, (ends.source,))]
        done: set[int] = set()
        while queue:
            so_far, hops, nodes = heappop(queue)
            node = nodes[-1]
            if node == ends.target:
                return nodes
            if node in done:
                continue
            done.add(node)
            for other in self.at(node):
                pair = self.best(node, other)
                if other in done or other in closed or pair is None:
                    continue
                price = cost(pair)
                if price < math.inf:
                    heappush(queue, (so_far + price, hops + 1, (*nodes, other)))
        return None


def _choice(pair: LivePair) -> tuple[float, int]:
    return -pair.fidelity if pair.cost is None else pair.cost, pair.ident


def _key(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)
