"""No paths: repeaters level out the stocks of pairs, and users take what they come to share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph, fidelity_of
from qoslab.domains.entanglement.routing.view import swap_werners

__all__ = ["CITATION", "StockBalancing"]

CITATION = """@misc{mutolo2025path,
  author = {Mutolo, Vincent and Parekh, Rhea and Rubenstein, Dan},
  title = {Path-Oblivious Entanglement Swapping for the Quantum Internet},
  eprint = {2509.13993},
  archivePrefix = {arXiv},
  year = {2025}
}"""


@method(
    "entanglement",
    "stock_balancing",
    summary="repeaters raise the poorest stocks of pairs out of richer ones, without any path",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class StockBalancing:
    """Again and again the swap with the largest min(N_av, N_vb) - N_ab is done, while it is large enough.

    Stocks of users do not grow: they use up what they share, so a pair between them always gains.

    Attributes:
        margin: Least gain of a swap, in pairs.
        least_fidelity: Expected fidelity below which no pair is made.
    """

    margin: Annotated[int, Field(ge=1, le=1000)] = 1
    least_fidelity: Annotated[float, Field(ge=0.25, le=1)] = 0.5

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """Nothing is installed."""
        return Plan(())

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """The swaps that level stocks out; what they make can be used in the next slot."""
        graph, swaps = LiveGraph(view), []
        gates = swap_werners(view)
        while (best := self._best(graph, gates)) is not None:
            _, v, a, b = best
            first, second = graph.take(a, v), graph.take(v, b)
            swaps.append(Swap(v, first.ident, second.ident, -1))
            graph.expected[min(a, b), max(a, b)] = graph.expected.get((min(a, b), max(a, b)), 0) + 1
        return swaps

    def _best(self, graph: LiveGraph, gates: list[float]) -> tuple[int, int, int, int] | None:
        """The largest gain with its node and the two others; ties to lower nodes."""
        best: tuple[int, int, int, int] | None = None
        for v in sorted(graph.neighbours):
            around = graph.at(v)
            for place, a in enumerate(around):
                for b in around[place + 1 :]:
                    shared = graph.count(a, b) + graph.expected.get((a, b), 0)
                    gain = min(graph.count(a, v), graph.count(v, b)) - shared
                    if gain < self.margin or (best is not None and gain <= best[0]):
                        continue
                    chain = graph.seen((a, v, b))
                    if chain is not None and fidelity_of(chain, gates) >= self.least_fidelity:
                        best = gain, v, a, b
        return best
