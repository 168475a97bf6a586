"""Virtual links over powers of two on a ring, with greedy routing over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import Chain, LiveGraph
from qoslab.domains.entanglement.routing.serving import served_in_turn
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.graphs.network import Network

__all__ = ["CITATION", "PowerOfTwo", "Ring", "greedy_chain", "ring_of"]

CITATION = """@misc{schoute2016shortcuts,
  author = {Schoute, Eddie and Mancinska, Laura and Islam, Tanvirul and Kerenidis, Iordanis and Wehner, Stephanie},
  title = {Shortcuts to Quantum Network Routing},
  eprint = {1610.05238},
  archivePrefix = {arXiv},
  year = {2016}
}"""


class Ring(NamedTuple):
    """Nodes in a row.

    Attributes:
        order: Node indices.
        closed: Whether the last is linked with the first.
    """

    order: tuple[int, ...]
    closed: bool

    def apart(self, a: int, b: int) -> int:
        """Links between two places in the order."""
        return min(abs(a - b), len(self.order) - abs(a - b)) if self.closed else abs(a - b)


def ring_of(network: Network) -> Ring:
    """The order of a ring's nodes, from node 0 towards its lower neighbour, or of a line's from its lower end.

    Raises:
        BadInput: The network is neither.
    """
    arcs = network.arcs
    spans = zip(arcs.indptr[:-1], arcs.indptr[1:], strict=True)
    beside = [arcs.heads[int(a) : int(b)].tolist() for a, b in spans]
    ends = [node for node, each in enumerate(beside) if len(each) == 1]
    order = [ends[0] if ends else 0]
    while ahead := [node for node in beside[order[-1]] if node not in order]:
        order.append(min(ahead))
    if len(order) < network.n or max(map(len, beside)) > 2:
        message = "virtual links over powers of two need a ring or a line of nodes"
        raise BadInput(Problem(message=message, field="scenario.network"))
    return Ring(tuple(order), not ends)


@method(
    "entanglement",
    "power_of_two",
    summary="on a ring or line, pairs over powers of two of hops are kept in stock; routing over them is greedy",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class PowerOfTwo:
    """Virtual links at distances 2, 4, 8, ... along a ring or a line, rebuilt out of those of half the length.

    A request goes, in links of the ring, to the neighbour of live pairs that is nearest to its target, which takes
    O(log n) pairs once stocks are full. Requests are served before stocks.

    Attributes:
        stock: Pairs that are kept of each virtual link.
        keep: Pairs of the shorter links that building a longer one leaves.
    """

    stock: Annotated[int, Field(ge=1, le=100)] = 1
    keep: Annotated[int, Field(ge=0, le=100)] = 1

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """Nothing is installed.

        Raises:
            BadInput: The network is neither a ring nor a line.
        """
        ring_of(view.network)
        return Plan(())

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """Swaps for requests, then those that rebuild virtual links."""
        ring, graph = ring_of(view.network), LiveGraph(view)

        def find(graph: LiveGraph, request: int, ends: Ends) -> Chain | None:  # noqa: ARG001
            return greedy_chain(graph, ends, ring)

        return served_in_turn(view, graph, find) + self._rebuilt(graph, ring)

    def _rebuilt(self, graph: LiveGraph, ring: Ring) -> list[Swap]:
        n, swaps, apart = len(ring.order), [], 2
        while apart <= (n // 2 if ring.closed else n - 1):
            for place in range(n if ring.closed else n - apart):
                a, m, b = (ring.order[(place + k) % n] for k in (0, apart // 2, apart))
                while (
                    graph.count(a, b) + graph.expected.get((a, b), 0) < self.stock
                    and min(graph.count(a, m), graph.count(m, b)) > self.keep
                ):
                    swaps.append(Swap(m, graph.take(a, m).ident, graph.take(m, b).ident, -1))
                    graph.expected[a, b] = graph.expected.get((a, b), 0) + 1
            apart *= 2
        return swaps


def greedy_chain(graph: LiveGraph, ends: Ends, ring: Ring) -> Chain | None:
    """The chain that always goes to the neighbour of live pairs nearest to the target; None where it gets stuck."""
    label = {node: place for place, node in enumerate(ring.order)}
    nodes = [ends.source]

    def left(node: int) -> int:
        return ring.apart(label[node], label[ends.target])

    while nodes[-1] != ends.target:
        nearer = [node for node in graph.at(nodes[-1]) if left(node) < left(nodes[-1])]
        if not nearer:
            return None
        nodes.append(min(nearer, key=lambda node: (left(node), label[node])))
    return graph.seen(tuple(nodes))
