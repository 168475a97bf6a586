"""From chosen paths to a plan: memories that are free, and requests that take turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.context import Context
from qoslab.domains.entanglement.protocol import PathPlan, Plan, View
from qoslab.domains.entanglement.routing.fidelity import PurePath, Step, link_steps, wanted_werner
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.routing.view import ends_of, swap_werners
from qoslab.graphs.network import Network

__all__ = ["FidelityPaths", "merged", "take_turns"]

IntArray = NDArray[np.int64]


class _Find(Protocol):
    """A search for one path that keeps a Werner parameter, as `fidelity.cheapest_path`."""

    def __call__(
        self,
        network: Network,
        ends: Ends,
        steps: Sequence[Sequence[Step]],
        gates: Sequence[float],
        free: IntArray,
        least: float,
    ) -> PurePath | None: ...


@dataclass(frozen=True)
class FidelityPaths:
    """What methods that keep each request's fidelity share: their parameters, and requests that take turns.

    Attributes:
        most_rounds: Most rounds of purification of a link.
        margin: Fidelity that is asked for above what the request wants.
        paths: Most paths of a request.
    """

    most_rounds: Annotated[int, Field(ge=0, le=8)] = 3
    margin: Annotated[float, Field(ge=0, le=0.75)] = 0.0
    paths: Annotated[int, Field(ge=1, le=1000)] = 100

    def found(self, view: View, context: Context, find: _Find) -> Plan:
        """The paths, each as wide as often as it was chosen.

        Args:
            view: What the method sees.
            context: Its time limit.
            find: How one path is found.
        """
        ends, steps = ends_of(view), link_steps(view, self.most_rounds)
        gates = swap_werners(view)

        def path(request: int, free: IntArray) -> PurePath | None:
            context.check_time()
            least = wanted_werner(view.requests[request].fidelity, self.margin)
            return find(view.network, ends[request], steps, gates, free, least)

        return take_turns(len(ends), view.pairs, path, self.paths)


def take_turns(
    requests: int, pairs: Sequence[int], find: Callable[[int, IntArray], PurePath | None], most: int
) -> Plan:
    """In turn every request gets one more path out of the free memories, until nobody finds one.

    Args:
        requests: How many there are.
        pairs: Memories of each link.
        find: The path of a request, given free memories; it is not asked again after its first None.
        most: Most turns.
    """
    free = np.array(pairs, np.int64)
    chosen: list[tuple[int, PurePath]] = []
    waiting = list(range(requests))
    for _ in range(most):
        served = []
        for request in waiting:
            path = find(request, free)
            if path is not None:
                free[list(path.links)] -= [1 << rounds for rounds in path.rounds]
                chosen.append((request, path))
                served.append(request)
        waiting = served
    return merged(chosen)


def merged(chosen: Sequence[tuple[int, PurePath]]) -> Plan:
    """One `PathPlan` for all choices of the same request, nodes and rounds, with their memories added up."""
    counts: dict[tuple[int, tuple[int, ...], tuple[int, ...]], int] = {}
    for request, path in chosen:
        key = (request, path.nodes, path.rounds)
        counts[key] = counts.get(key, 0) + 1
    return Plan(
        tuple(
            PathPlan(
                request,
                nodes,
                width=tuple(count << each for each in rounds),
                rounds=rounds if any(rounds) else (),
            )
            for (request, nodes, rounds), count in counts.items()
        )
    )
