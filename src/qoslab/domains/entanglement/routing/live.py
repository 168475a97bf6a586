"""Paths on the pairs that live in a slot: with global knowledge, with local knowledge, and by the longest queues.

The two rules of knowledge are those of Pant et al. (npj Quantum Information 5, 2019), the choice by queues is the
max-weight rule of switches (Vardoyan et al.), carried over to paths. Our reference instances.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import Search, hop_counts, path_from_nodes
from qoslab.graphs.yen import k_shortest_paths

__all__ = ["Choice", "global_paths", "local_paths", "max_weight_paths", "slot_rate"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Choice = tuple[int, tuple[int, ...]]
"""Place of a request, and the nodes of one path that it gets."""


def global_paths(network: Network, live: IntArray, requests: Sequence[Ends]) -> list[Choice]:
    """In turn every request takes the shortest path over live pairs, whose pairs are gone, until nobody finds one.

    Args:
        network: Undirected.
        live: Live pairs of each link, shape (m,).
        requests: Who wants pairs; with one of them this is the global rule of Pant et al.
    """
    search, arcs = Search(network), network.arcs
    left = live.copy()
    closed = {int(arc) for arc in np.flatnonzero(left[arcs.link] < 1)}
    found: list[Choice] = []
    waiting = list(range(len(requests)))
    while waiting:
        served = []
        for request in waiting:
            path = search.path(*requests[request], closed_arcs=closed)
            if path is None:
                continue
            links = path.links(network)
            left[links] -= 1
            closed |= {int(arc) for arc in np.flatnonzero(left[arcs.link] < 1)}
            found.append((request, path.nodes))
            served.append(request)
        waiting = served
    return found


def local_paths(network: Network, live: IntArray, ends: Ends) -> list[tuple[int, ...]]:
    """Every repeater joins its own live pairs without knowing the others': the one nearest to each user.

    Of the live neighbours that are left, a for Alice and b for Bob, a is not b, with the least d(a, Alice) +
    d(b, Bob) are joined, d in hops of the whole graph, ties to the lower nodes; then of those that remain.

    Args:
        network: Undirected.
        live: Live pairs of each link, at most one is used, shape (m,).
        ends: Alice and Bob.

    Returns:
        The chains of joined pairs that lead from Alice to Bob.
    """
    far = hop_counts(network, ends.source), hop_counts(network, ends.target)
    neighbours = _live_neighbours(network, live)
    across: dict[tuple[int, int], int] = {}
    for v in range(network.n):
        if v not in ends:
            for a, b in _pairings(neighbours[v], *far):
                across[v, a], across[v, b] = b, a
    chains = [_follow(across, ends, first) for first in neighbours[ends.source]]
    return [chain for chain in chains if chain[-1] == ends.target]


def max_weight_paths(
    network: Network,
    live: IntArray,
    requests: Sequence[Ends],
    queues: Sequence[int],
    swap: FloatArray,
    paths: int = 3,
) -> list[Choice]:
    """The paths of the largest sum of queue x success that live pairs allow, exactly, by an integer programme.

    Args:
        network: Undirected.
        live: Live pairs of each link, shape (m,).
        requests: Who wants pairs.
        queues: How many pairs each request waits for.
        swap: Success of a swap at each node, shape (n,).
        paths: Shortest paths per request that are looked at.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    options = [
        (request, path)
        for request, ends in enumerate(requests)
        if queues[request] > 0
        for path in k_shortest_paths(network, *ends, paths)
    ]
    if not options:
        return []
    loads = np.zeros((network.m + len(requests), len(options)))
    weights = np.zeros(len(options))
    for column, (request, path) in enumerate(options):
        loads[path.links(network), column] = 1.0
        loads[network.m + request, column] = 1.0
        weights[column] = queues[request] * float(np.prod(swap[list(path.nodes[1:-1])]))
    limits = LinearConstraint(loads, ub=np.concatenate([live, queues]))
    done = milp(-weights, constraints=limits, integrality=np.ones(len(options)), bounds=Bounds(0, np.inf))
    counts = np.rint(done.x).astype(int)
    return [
        (request, path.nodes) for (request, path), n in zip(options, counts, strict=True) for _ in range(n)
    ]


def slot_rate(
    network: Network,
    success: FloatArray,
    swap: FloatArray,
    choose: Callable[[IntArray], Sequence[tuple[int, ...]]],
    slots: int,
    rng: np.random.Generator,
) -> float:
    """Mean pairs per slot of a rule that picks paths among live pairs, one channel per link.

    The links are drawn, the mean over swaps is exact: a path counts the product of its repeaters' successes.

    Raises:
        ValueError: The rule picked a pair that does not live, or one twice.
    """
    total = 0.0
    for _ in range(slots):
        live = (rng.random(network.m) < success).astype(np.int64)
        left = live.copy()
        for nodes in choose(live):
            left[path_from_nodes(network, nodes).links(network)] -= 1
            total += float(np.prod(swap[list(nodes[1:-1])]))
        if left.min(initial=0) < 0:
            message = "a path was laid over a pair that does not live"
            raise ValueError(message)
    return total / slots


def _live_neighbours(network: Network, live: IntArray) -> list[list[int]]:
    arcs = network.arcs
    return [
        [int(arcs.heads[arc]) for arc in range(int(a), int(b)) if live[arcs.link[arc]] > 0]
        for a, b in zip(arcs.indptr[:-1], arcs.indptr[1:], strict=True)
    ]


def _pairings(nodes: list[int], to_alice: IntArray, to_bob: IntArray) -> list[tuple[int, int]]:
    left, found = list(nodes), []
    while len(left) > 1:
        options = [(int(to_alice[a] + to_bob[b]), a, b) for a in left for b in left if a != b]
        _, a, b = min(options)
        left = [node for node in left if node not in (a, b)]
        found.append((a, b))
    return found


def _follow(across: dict[tuple[int, int], int], ends: Ends, first: int) -> tuple[int, ...]:
    """The chain from Alice over her neighbour; it ends at a user or where a repeater joined nothing."""
    chain = [ends.source, first]
    while chain[-1] not in ends:
        after = across.get((chain[-1], chain[-2]))
        if after is None:
            break
        chain.append(after)
    return tuple(chain)
