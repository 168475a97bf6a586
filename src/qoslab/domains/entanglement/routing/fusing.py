"""Where to fuse: success of a network whose nodes fuse all they have, and networks chosen for several requests.

Users are joined when links with a pair and nodes whose fusion works connect them: two-terminal reliability with links
and nodes that fail. After Zeng et al. (arXiv 2306.16671); our reference instance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import Search

__all__ = ["FusionFlow", "Most", "flow_success", "fusion_flows", "joined_probability"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_NOTHING = 1e-12


class FusionFlow(NamedTuple):
    """The links that a request's nodes fuse over.

    Attributes:
        request: Place of the request.
        width: Memories that it has on each of its links, by link.
        success: Probability per slot that its users are joined.
    """

    request: int
    width: dict[int, int]
    success: float


class Most(NamedTuple):
    """Bounds of a flow.

    Attributes:
        paths: Most paths without common links.
        detours: Most detours.
        reach: Most links of a detour.
    """

    paths: int = 3
    detours: int = 4
    reach: int = 3


def joined_probability(links: Sequence[tuple[int, int, float]], works: FloatArray, ends: Ends) -> float:
    """Probability that live links and working nodes join two users, who always work, exactly.

    A repeater of two links is one link, two links between the same nodes are one, a repeater of one link is none. What
    is left is taken link by link, from the source on. What is known so far is kept for the nodes that have links to
    come: which of them work and which hang together, with its probability.

    Args:
        links: Two nodes and the probability that there is a pair between them, each.
        works: Probability that a node's fusion works, shape (n,).
        ends: The users.
    """
    links = _reduced(links, works, ends)
    last = {node: place for place, link in enumerate(links) for node in link[:2]}
    if not set(ends) <= set(last):
        return 0.0
    # A state gives each open node a group, -1 where it does not work; users are always open.
    states: dict[tuple[tuple[int, int], ...], float] = {_state({ends.source: 0, ends.target: 1}): 1.0}
    total = 0.0
    for place, (a, b, p) in enumerate(links):
        for node in (a, b):
            states = _opened(states, node, float(works[node]))
        after: dict[tuple[tuple[int, int], ...], float] = {}
        for state, chance in states.items():
            group = dict(state)
            joins = group[a] >= 0 and group[b] >= 0 and group[a] != group[b]
            for lives, share in ((True, p), (False, 1.0 - p)) if joins else ((False, 1.0),):
                merged = _merged(group, group[a], group[b]) if lives else dict(group)
                if merged[ends.source] == merged[ends.target]:
                    total += chance * share
                    continue
                for node in {a, b} - set(ends):
                    if last[node] == place:
                        del merged[node]
                if any(last[user] <= place and _alone(merged, user) for user in ends):
                    continue
                key = _state(merged)
                after[key] = after.get(key, 0.0) + chance * share
        states = after
    return total


def _alone(group: dict[int, int], user: int) -> bool:
    """Whether no other open node hangs together with a user."""
    return list(group.values()).count(group[user]) == 1


def _reduced(
    links: Sequence[tuple[int, int, float]], works: FloatArray, ends: Ends
) -> list[tuple[int, int, float]]:
    """Links of the same probability that leave repeaters of three links or more alone, from the source on."""
    beside: dict[int, dict[int, float]] = {}
    for link in links:
        _laid(beside, *link)
    todo = [node for node in beside if node not in ends]
    while todo:
        node = todo.pop()
        if len(beside.get(node, range(3))) > 2:
            continue
        around = list(beside.pop(node).items())
        for other, _ in around:
            del beside[other][node]
        if len(around) == 2:
            (a, p), (b, r) = around
            _laid(beside, a, b, p * r * float(works[node]))
        todo += [other for other, _ in around if other not in ends]
    far, row = {ends.source: 0}, [ends.source]
    for node in row:
        for other in sorted(beside.get(node, ())):
            if other not in far:
                far[other] = far[node] + 1
                row.append(other)
    found = [(a, b, p) for a in beside for b, p in beside[a].items() if a < b and a in far]
    return sorted(found, key=lambda link: (far[link[0]] + far[link[1]], link))


def _laid(beside: dict[int, dict[int, float]], a: int, b: int, p: float) -> None:
    """Lay one more link between two nodes."""
    if a != b:
        both = 1.0 - (1.0 - beside.setdefault(a, {}).get(b, 0.0)) * (1.0 - p)
        beside[a][b] = beside.setdefault(b, {})[a] = both


def _opened(
    states: dict[tuple[tuple[int, int], ...], float], node: int, works: float
) -> dict[tuple[tuple[int, int], ...], float]:
    """States in which a node is open, with both of its fates where it was not."""
    after: dict[tuple[tuple[int, int], ...], float] = {}
    for state, chance in states.items():
        group = dict(state)
        if node in group:
            return states
        for label, share in ((max(group.values()) + 1, works), (-1, 1.0 - works)):
            if share > 0.0:
                after[_state(group | {node: label})] = chance * share
    return after


def _merged(group: dict[int, int], a: int, b: int) -> dict[int, int]:
    return {node: a if label == b else label for node, label in group.items()}


def _state(group: dict[int, int]) -> tuple[tuple[int, int], ...]:
    """Groups by node, numbered in the order of the nodes, so that equal states are equal."""
    names: dict[int, int] = {-1: -1}
    for node in sorted(group):
        names.setdefault(group[node], len(names) - 1)
    return tuple((node, names[group[node]]) for node in sorted(group))


def flow_success(
    network: Network, width: dict[int, int], success: FloatArray, works: FloatArray, ends: Ends
) -> float:
    """Probability per slot that links of such widths join two users: a link lives if one of its memories has a pair.

    Args:
        network: Undirected.
        width: Memories on each link.
        success: Probability that one memory of each link has a pair after a slot, shape (m,).
        works: Probability that a node's fusion works, shape (n,).
        ends: The users.
    """
    tail, head = network.tail, network.head
    links = [
        (int(tail[link]), int(head[link]), 1.0 - (1.0 - float(success[link])) ** width[link])
        for link in sorted(width)
    ]
    return joined_probability(links, works, ends)


def fusion_flows(
    network: Network,
    requests: Sequence[Ends],
    success: FloatArray,
    works: FloatArray,
    memories: IntArray,
    most: Most,
    check: Callable[[], None],
) -> list[FusionFlow]:
    """Paths that are merged into one flow for each request, then detours, then memories, always by the largest gain.

    First, again and again the request to which its most reliable path over free links not its own adds most success per
    link gets it, with one memory on each. Then so do detours, ways over free links between two nodes of a flow. Then
    memories that are left go one by one to the link and flow that gain most, as far as is known (see `widen`).

    Args:
        network: Undirected.
        requests: Who wants pairs.
        success: Probability that one memory of each link has a pair after a slot, shape (m,).
        works: Probability that a node's fusion works, shape (n,).
        memories: Memories of each link, shape (m,).
        most: Bounds of a flow.
        check: Called between steps; raises where time is over.

    Returns:
        The flows of those who got a path, by request.
    """
    planner = _Planner(network, requests, success, works, memories.copy())
    planner.grow(lambda place: [links] if (links := planner.path(place)) else [], most.paths, check)
    planner.grow(lambda place: planner.detours(place, most.reach), most.detours, check)
    planner.widen(check)
    return [
        FusionFlow(place, width, planner.now[place]) for place, width in enumerate(planner.width) if width
    ]


class _Planner:
    """Flows so far, and what more memories would gain."""

    def __init__(
        self,
        network: Network,
        requests: Sequence[Ends],
        success: FloatArray,
        works: FloatArray,
        free: IntArray,
    ) -> None:
        self.network, self.requests, self.success, self.works = network, requests, success, works
        self.free = free
        self.width: list[dict[int, int]] = [{} for _ in requests]
        self.now = [0.0] * len(requests)
        arcs = network.arcs
        with np.errstate(divide="ignore"):
            loss = np.where(works > 0.0, -np.log(works) / 2.0, 0.0)
            self.search = Search(network, -np.log(success[arcs.link]) + loss[arcs.tails] + loss[arcs.heads])

    def grow(
        self,
        options_of: Callable[[int], list[tuple[int, ...]]],
        most: int,
        check: Callable[[], None],
    ) -> None:
        """Again and again give the request that gains most per link one more way, each so many at most."""
        taken = [0] * len(self.requests)
        gains: list[dict[tuple[int, ...], float]] = [{} for _ in self.requests]
        stale = set(range(len(self.requests)))
        while True:
            for place in stale:
                check()
                options = options_of(place) if taken[place] < most else []
                gains[place] = {links: self.gain(place, links) / len(links) for links in options}
            ranked = [(gain, -place, links) for place, own in enumerate(gains) for links, gain in own.items()]
            gain, negative, links = max(ranked, default=(0.0, 0, ()))
            if gain <= _NOTHING:
                return
            self.take(-negative, links)
            taken[-negative] += 1
            full = {link for link in links if self.free[link] < 1}
            stale = {-negative} | {
                place for place, own in enumerate(gains) if any(full & set(each) for each in own)
            }

    def detours(self, place: int, reach: int) -> list[tuple[int, ...]]:
        """Ways over free links that join two nodes of a request's flow, for each such link the most reliable."""
        own, tail, head = self.width[place], self.network.tail, self.network.head
        nodes = {int(node) for link in own for node in (tail[link], head[link])}
        open_links = [
            link
            for link in np.flatnonzero(self.free > 0).tolist()
            if link not in own and self.success[link] > 0.0
        ]
        reached = self._reached(nodes, open_links)
        found = []
        for link in open_links:
            sides = [reached.get(int(node)) for node in (tail[link], head[link])]
            if sides[0] is None or sides[1] is None or sides[0][0] == sides[1][0]:
                continue
            way = (*sides[0][1], link, *sides[1][1])
            if len(way) == len(set(way)) <= reach:
                found.append(tuple(sorted(way)))
        return sorted(set(found))

    def _reached(self, nodes: set[int], open_links: list[int]) -> dict[int, tuple[int, tuple[int, ...]]]:
        """For each node the node of a flow from which it is reached most reliably, and over which links."""
        beside: dict[int, list[tuple[int, int]]] = {}
        for link in open_links:
            a, b = int(self.network.tail[link]), int(self.network.head[link])
            beside.setdefault(a, []).append((b, link))
            beside.setdefault(b, []).append((a, link))
        queue: list[tuple[float, int, int, tuple[int, ...]]] = [(0.0, node, node, ()) for node in nodes]
        heapify(queue)
        done: dict[int, tuple[int, tuple[int, ...]]] = {}
        while queue:
            cost, node, origin, way = heappop(queue)
            if node in done or (way and not self.works[node] > 0.0):
                continue
            done[node] = origin, way
            for other, link in beside.get(node, ()):
                if other not in done and other not in nodes:
                    price = -log(self.success[link] * max(float(self.works[other]), 1e-300))
                    heappush(queue, (cost + price, other, origin, (*way, link)))
        return done

    def path(self, place: int) -> tuple[int, ...]:
        """The links of a request's most reliable path over free links that are not its own; empty where none is."""
        arcs = self.network.arcs
        shut = (self.free[arcs.link] < 1) | np.isin(arcs.link, list(self.width[place]))
        shut |= ~(self.success[arcs.link] > 0.0)
        users = set(self.requests[place])
        dead = [node for node in np.flatnonzero(~(self.works > 0.0)).tolist() if node not in users]
        shut |= np.isin(arcs.heads, dead)
        found = self.search.path(
            *self.requests[place], closed_arcs={int(arc) for arc in np.flatnonzero(shut)}
        )
        return tuple(int(link) for link in found.links(self.network)) if found is not None else ()

    def gain(self, place: int, links: Sequence[int]) -> float:
        """What one more memory on each of some links adds to a request's success."""
        return self._success(place, self._wider(place, links)) - self.now[place]

    def take(self, place: int, links: Sequence[int]) -> None:
        """Give a request one more memory on each of some links."""
        self.width[place] = self._wider(place, links)
        self.now[place] = self._success(place, self.width[place])
        self.free[list(links)] -= 1

    def widen(self, check: Callable[[], None]) -> None:
        """Give memories that are left one by one to the link and request that gain most.

        A gain is worked out anew when the old one is the largest, so one that grew since may be seen late.
        """
        queue = [
            (-self.gain(place, [link]), place, link)
            for place, width in enumerate(self.width)
            for link in width
            if self.free[link] > 0
        ]
        heapify(queue)
        while queue:
            check()
            _, place, link = heappop(queue)
            if self.free[link] < 1:
                continue
            gain = self.gain(place, [link])
            if gain <= _NOTHING:
                continue
            if not queue or gain >= -queue[0][0]:
                self.take(place, [link])
                gain = self.gain(place, [link])
            heappush(queue, (-gain, place, link))

    def _wider(self, place: int, links: Sequence[int]) -> dict[int, int]:
        return self.width[place] | {link: self.width[place].get(link, 0) + 1 for link in links}

    def _success(self, place: int, width: dict[int, int]) -> float:
        return flow_success(self.network, width, self.success, self.works, self.requests[place])
