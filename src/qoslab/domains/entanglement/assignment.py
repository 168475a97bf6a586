"""Whose a node's memories are: assigned to its links, and each link's allocated to the paths over it.

Both are shares of whole memories by weights: everyone gets one, and each further one goes to whoever is furthest
behind, the largest weight over (memories so far + 1/2), ties to the first (the method of Webster and Sainte-Laguë).
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.entanglement.links import LinkTiming, single_pair_rate
from qoslab.domains.entanglement.scenario import EntanglementScenario, LinkHardware, NodeHardware, Request
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import Search

__all__ = ["allocated", "assigned_links", "demands"]


def _refuse(message: str, field: str, hint: str = "") -> BadInput:
    return BadInput(Problem(message=message, field=field, hint=hint))


def demands(requests: Sequence[Request], field: str) -> list[float]:
    """How much each request counts by demand: the pairs per second that it or its jobs want; 1 each where none says.

    Args:
        requests: The requests.
        field: The policy that asks, for the message.

    Raises:
        BadInput: Some say how much they want, and others do not.
    """
    wanted = [
        each.rate_per_s or (each.jobs.arrivals_per_s * each.jobs.pairs if each.jobs else None)
        for each in requests
    ]
    known = [rate for rate in wanted if rate is not None]
    if not known:
        return [1.0] * len(wanted)
    if len(known) < len(wanted):
        place = wanted.index(None)
        message = f"memories are shared by demand, and request {place} does not say how much it wants"
        raise _refuse(message, field, "rate_per_s or jobs for all requests, or for none")
    return known


def _urgency(weight: float, held: int, place: int) -> tuple[float, int, int]:
    """Whoever has the least of these gets the next memory; those of no weight alike, after all others."""
    return -weight / (held + 0.5), held, place


def allocated(total: int, weights: Sequence[float]) -> list[int]:
    """Memories of a link for each path over it, in proportion to weights; where there are too few, some get none.

    Args:
        total: Memories at each end of the link.
        weights: How much each path counts, not negative.
    """
    held = [1 if place < total else 0 for place in range(len(weights))]
    waiting = [_urgency(weight, 1, place) for place, weight in enumerate(weights)]
    heapify(waiting)
    for _ in range(total - len(weights)):
        place = heappop(waiting)[2]
        held[place] += 1
        heappush(waiting, _urgency(weights[place], held[place], place))
    return held


def assigned_links(
    scenario: EntanglementScenario,
    network: Network,
    nodes: Sequence[NodeHardware],
    links: Sequence[LinkHardware],
    timings: Sequence[LinkTiming],
) -> tuple[LinkHardware, ...]:
    """The links with the memories that their nodes assign to them.

    A pair takes a memory at both ends, so both ends of a link have as many for it. A node without a total has what the
    link says, for each link.

    Args:
        scenario: Has the policy and the requests.
        network: The network.
        nodes: What each node has.
        links: What each link has.
        timings: Success and timing of each link.

    Raises:
        BadInput: A node with fewer memories than links, or than its links together want.
    """
    ends = list(zip(network.tail.tolist(), network.head.tolist(), strict=True))
    total = {node: each.memories for node, each in enumerate(nodes) if each.memories is not None}
    shared = [link for link, pair in enumerate(ends) if pair[0] in total or pair[1] in total]
    if not shared:
        return tuple(links)
    fixed = scenario.memory.assignment == "links"
    held = {link: links[link].pairs if fixed else 1 for link in shared}
    free = dict(total)
    for link in shared:
        for node in ends[link]:
            if node in free:
                free[node] -= held[link]
    for node, left in free.items():
        if left < 0:
            _refuse_few(scenario, network, node, total[node], total[node] - left)
    if not fixed:
        weights = _weights(scenario, network, timings)
        waiting = [_urgency(weights[link], 1, link) for link in shared]
        heapify(waiting)
        while waiting:
            link = heappop(waiting)[2]
            own = [node for node in ends[link] if node in free]
            limit = None if len(own) == 2 else links[link].pairs
            if min(free[node] for node in own) < 1 or (limit is not None and held[link] >= limit):
                continue
            held[link] += 1
            for node in own:
                free[node] -= 1
            heappush(waiting, _urgency(weights[link], held[link], link))
    return tuple(
        each.model_copy(update={"pairs": held[link]}) if link in held else each
        for link, each in enumerate(links)
    )


def _refuse_few(scenario: EntanglementScenario, network: Network, node: int, has: int, wants: int) -> None:
    """Refuse a node of too few memories, at the field that says how many it has."""
    name = network.nodes[node]
    places = [place for place, each in enumerate(scenario.node_overrides) if each.node == name]
    field = f"scenario.node_overrides.{places[-1]}.hardware.memories" if places else "scenario.nodes.memories"
    if scenario.memory.assignment == "links":
        message = f"node {name!r} has {has} memories, and its links have {wants} together"
        raise _refuse(message, field, "more memories, fewer links.pairs, or another memory.assignment")
    message = f"node {name!r} has {has} memories for {wants} links: at least one each is needed"
    raise _refuse(message, field)


def _weights(
    scenario: EntanglementScenario, network: Network, timings: Sequence[LinkTiming]
) -> Sequence[float]:
    """How much each link counts under the scenario's policy."""
    policy = scenario.memory.assignment
    if policy == "length":
        return [float(km) for km in network.length_km]
    if policy == "time":
        return [1.0 / single_pair_rate(each) if each.success > 0.0 else 0.0 for each in timings]
    if policy == "equal":
        return [1.0] * network.m
    found, search = np.zeros(network.m), Search(network)
    for request, weight in zip(
        scenario.requests, demands(scenario.requests, "scenario.memory.assignment"), strict=True
    ):
        path = search.path(network.index(request.source), network.index(request.target))
        if path is not None:
            found[path.links(network)] += weight
    return [float(weight) for weight in found]
