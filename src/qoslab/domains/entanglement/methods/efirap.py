"""Purification first, then a programme over the paths that keep the fidelity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import Plan, View
from qoslab.domains.entanglement.routing.fidelity import (
    PurePath,
    Step,
    greedy_rounds,
    link_steps,
    wanted_werner,
)
from qoslab.domains.entanglement.routing.install import merged
from qoslab.domains.entanglement.routing.programme import rounded_packing
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.routing.view import (
    Metric,
    ends_of,
    link_rates,
    path_cost,
    swap_successes,
    swap_werners,
)
from qoslab.graphs.yen import k_shortest_paths

__all__ = ["CITATION", "Efirap"]

CITATION = """@inproceedings{zhao2022e2e,
  author = {Zhao, Yangming and Zhao, Gongming and Qiao, Chunming},
  title = {{E2E} Fidelity Aware Routing and Purification for Throughput Maximization in Quantum Networks},
  booktitle = {IEEE INFOCOM},
  year = {2022}
}"""


@method(
    "entanglement",
    "efirap",
    summary="paths made good by greedy purification, then chosen by a linear programme and rounding",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Efirap:
    """The k shortest paths of each request, purified greedily, then as many units of each as are worth most together.

    One unit of a path holds 2^rounds memories of each hop and is worth the rate of its poorest hop after purification
    times the success of its swaps. What memories forget is not counted: `margin` is for it.

    Attributes:
        candidates: Paths per request that are looked at.
        metric: What makes a path a candidate.
        most_rounds: Most rounds of purification of a link.
        margin: Fidelity that is asked for above what the request wants.
    """

    candidates: Annotated[int, Field(ge=1, le=100)] = 10
    metric: Metric = "hops"
    most_rounds: Annotated[int, Field(ge=0, le=8)] = 3
    margin: Annotated[float, Field(ge=0, le=0.75)] = 0.0

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """The paths, each as wide as the programme says."""
        steps = link_steps(view, self.most_rounds)
        found: list[tuple[int, PurePath]] = []
        for request, ends in enumerate(ends_of(view)):
            context.check_time()
            least = wanted_werner(view.requests[request].fidelity, self.margin)
            found += [(request, path) for path in self._pure_paths(view, ends, steps, least)]
        loads = np.zeros((view.network.m, len(found)), np.int64)
        for column, (_, path) in enumerate(found):
            loads[list(path.links), column] = [1 << rounds for rounds in path.rounds]
        values = np.array([_rate(view, path, steps) for _, path in found])
        counts = rounded_packing(loads, np.array(view.pairs, np.int64), values)
        return merged([each for each, count in zip(found, counts, strict=True) for _ in range(count)])

    def _pure_paths(
        self, view: View, ends: Ends, steps: list[tuple[Step, ...]], least: float
    ) -> list[PurePath]:
        found = []
        cost, gates = path_cost(view, self.metric), swap_werners(view)
        for path in k_shortest_paths(view.network, ends.source, ends.target, self.candidates, cost):
            links = [int(link) for link in path.links(view.network)]
            gate = float(np.prod([gates[v] for v in path.nodes[1:-1]]))
            rounds = greedy_rounds([steps[link] for link in links], gate, least)
            if rounds is not None:
                chosen = [steps[link][each] for link, each in zip(links, rounds, strict=True)]
                werner = gate * float(np.prod([step.werner for step in chosen]))
                memories = sum(step.memories for step in chosen)
                found.append(PurePath(path.nodes, tuple(links), rounds, werner, memories))
        return found


def _rate(view: View, path: PurePath, steps: list[tuple[Step, ...]]) -> float:
    """Pairs per second of one unit: that of its poorest hop, times the success of its swaps."""
    chosen = [steps[link][rounds] for link, rounds in zip(path.links, path.rounds, strict=True)]
    rates = link_rates(view)[list(path.links)] * [step.memories / step.pairs for step in chosen]
    return float(rates.min() * np.prod(swap_successes(view)[list(path.nodes[1:-1])]))
