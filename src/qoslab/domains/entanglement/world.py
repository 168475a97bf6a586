"""From a scenario and a plan to paths in arrays."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.assignment import allocated, assigned_links, demands
from qoslab.domains.entanglement.chain import NESTED, PUMPING, Chain, FloatArray, IntArray
from qoslab.domains.entanglement.links import link_timing
from qoslab.domains.entanglement.protocol import PathPlan, Plan, View
from qoslab.domains.entanglement.scenario import EntanglementScenario, LinkHardware, Memory, NodeHardware
from qoslab.domains.entanglement.states import BBPSSW, DEJMPS
from qoslab.graphs.network import Network
from qoslab.graphs.spec import build

__all__ = ["World", "chain_of", "links_of", "make_world", "widths", "world_of"]

_SCHEMES = {"bbpssw": BBPSSW, "dejmps": DEJMPS}
_SCHEDULES = {"nested": NESTED, "pumping": PUMPING}


@dataclass(frozen=True)
class World:
    """A scenario's network with the hardware of each link and node.

    Attributes:
        network: The graph, undirected.
        links: What each link has, in the order of the network's links.
        nodes: What each node has.
        index: Link between two nodes, by (lower, higher).
        view: What a method sees.
        memory: What happens to stored qubits, and whose they are.
    """

    network: Network
    links: tuple[LinkHardware, ...]
    nodes: tuple[NodeHardware, ...]
    index: dict[tuple[int, int], int]
    view: View
    memory: Memory


def _refuse(message: str, field: str, hint: str = "") -> BadInput:
    return BadInput(Problem(message=message, field=field, hint=hint))


def make_world(scenario: EntanglementScenario, seed: Seed, context: Context) -> World:
    """The network that a seed draws, and its hardware; links have the memories that their nodes assign to them.

    Raises:
        BadInput: A link without length, a directed network, an override or request that names what is not there, or
            a node of too few memories.
    """
    network = build(scenario.network, seed.generator("network"), dataset=context.dataset)
    if network.directed:
        msg = "pairs have no direction, but the network is directed"
        raise _refuse(msg, "scenario.network.directed")
    lengths = network.require("length_km")
    index = _index(network)
    places = {name: place for place, name in enumerate(network.nodes)}
    nodes = [scenario.nodes] * network.n
    for node in scenario.node_overrides:
        nodes[_place(places, node.node, "scenario.node_overrides")] = node.hardware
    links = [scenario.links] * network.m
    for each in scenario.link_overrides:
        pair = sorted(_place(places, name, "scenario.link_overrides") for name in (each.source, each.target))
        if (pair[0], pair[1]) not in index:
            message = f"there is no link between {each.source!r} and {each.target!r}"
            raise _refuse(message, "scenario.link_overrides")
        links[index[pair[0], pair[1]]] = each.hardware
    for request in scenario.requests:
        for name in (request.source, request.target):
            _place(places, name, "scenario.requests")
    ends = zip(network.tail, network.head, lengths, links, strict=True)
    timings = tuple(link_timing(float(km), link, nodes[tail], nodes[head]) for tail, head, km, link in ends)
    assigned = assigned_links(scenario, network, nodes, links, timings)
    widths = tuple(link.pairs for link in assigned)
    declared = tuple(link.pairs for link in links)
    view = View(network, timings, widths, tuple(nodes), scenario.requests, links=assigned, declared=declared)
    return World(network, assigned, tuple(nodes), index, view, scenario.memory)


def world_of(view: View) -> World:
    """The world that a view shows; of its memories' rules it has none."""
    return World(view.network, view.links, view.hardware, _index(view.network), view, Memory())


def _index(network: Network) -> dict[tuple[int, int], int]:
    pairs = zip(network.tail, network.head, strict=True)
    return {(int(tail), int(head)): link for link, (tail, head) in enumerate(pairs)}


def _place(places: dict[str, int], name: str, field: str) -> int:
    if name not in places:
        msg = f"the network has no node {name!r}"
        raise _refuse(msg, field)
    return places[name]


def links_of(world: World, path: PathPlan) -> list[int]:
    """Links of a path, in its order.

    Raises:
        BadInput: It does not join its request's users, or there is no such link.
    """
    request = world.view.requests[path.request]
    names = [world.network.nodes[node] for node in path.nodes]
    if len(names) < 2 or names[0] != request.source or names[-1] != request.target:
        message = (
            f"a path of request {path.request} is {names}, not from {request.source!r} to {request.target!r}"
        )
        raise _refuse(message, "plan.nodes")
    links = []
    for ends in zip(path.nodes, path.nodes[1:], strict=False):
        link = world.index.get((min(ends), max(ends)))
        if link is None:
            named = " and ".join(repr(world.network.nodes[node]) for node in ends)
            msg = f"a path uses a link between {named}, and there is none"
            raise _refuse(msg, "plan.nodes")
        links.append(link)
    return links


def widths(world: World, plan: Plan) -> list[tuple[list[int], list[int]]]:
    """Links and memories of each path: what it asks for, or its share of what the others leave on its links.

    Shares are those of `memory.allocation`. With MQNS's rules they are the same for all paths, and what is left idles.

    Raises:
        BadInput: A path that cannot be, or more memories than there are.
    """
    links = [links_of(world, path) for path in plan.paths]
    shares = _shares(world, plan, links)
    used = np.zeros(world.network.m, np.int64)
    found = []
    for place, (path, each) in enumerate(zip(plan.paths, links, strict=True)):
        share = list(path.width) or [shares[link][place] for link in each]
        if len(share) != len(each) or min(share) < 1:
            names = "-".join(world.network.nodes[node] for node in path.nodes)
            message = f"the path {names} of request {path.request} has memories {share}: each hop needs at least one"
            raise _refuse(message, "plan.width", "links.pairs is shared among the paths that use a link")
        np.add.at(used, each, share)
        found.append((each, share))
    over = np.flatnonzero(used > [link.pairs for link in world.links])
    if len(over):
        name = world.network.link_name(int(over[0]))
        message = f"paths use {used[over[0]]} memories of link {name}, which has {world.links[over[0]].pairs}"
        raise _refuse(message, "plan.width")
    return found


def _shares(world: World, plan: Plan, links: Sequence[Sequence[int]]) -> dict[int, dict[int, int]]:
    """Memories of each link for each of its paths that do not say how many they want, by their places in the plan."""
    sharing, left = dict[int, list[int]](), dict[int, int]()
    for place, (path, each) in enumerate(zip(plan.paths, links, strict=True)):
        for hop, link in enumerate(each):
            left.setdefault(link, world.links[link].pairs)
            sharing.setdefault(link, [])
            if not path.width:
                sharing[link].append(place)
            elif hop < len(path.width):
                left[link] -= path.width[hop]
    if world.memory.compat == "mqns":
        return {
            link: dict.fromkeys(places, left[link] // len(places))
            for link, places in sharing.items()
            if places
        }
    weights = [1.0] * len(plan.paths)
    if world.memory.allocation == "demand":
        wanted = demands(world.view.requests, "scenario.memory.allocation")
        count = Counter(path.request for path in plan.paths)
        weights = [wanted[path.request] / count[path.request] for path in plan.paths]
    return {
        link: dict(zip(places, allocated(left[link], [weights[place] for place in places]), strict=True))
        for link, places in sharing.items()
        if places
    }


def chain_of(world: World, path: PathPlan, links: Sequence[int], share: Sequence[int]) -> Chain:
    """A path in arrays.

    Raises:
        BadInput: Ranks of a wrong number, or something asked for that the model does not have.
    """
    hops = len(links)
    rounds = path.rounds or (0,) * hops
    if len(rounds) != hops or min(rounds) < 0:
        message = f"a path of {hops} hops has rounds of purification {list(rounds)}: one number each"
        raise _refuse(message, "plan.rounds")
    nested = path.purification.schedule == "nested"
    for count, memories in zip(rounds, share, strict=True):
        least = 2 ** (count if nested else min(count, 1))
        if memories < least:
            what = f"{count} {path.purification.schedule} rounds of purification"
            message = f"{what} need {least} memories, not {memories}"
            raise _refuse(message, "plan.rounds", "links.pairs is shared among the paths that use a link")
    waits = path.wait_s or (math.inf,) * (2 * (hops - 1))
    if len(waits) != 2 * (hops - 1) or not all(wait > 0 for wait in waits):
        message = f"a path of {hops - 1} repeaters has longest waits {list(waits)}: two each, above 0"
        raise _refuse(message, "plan.wait_s")
    cutoffs = path.cutoffs_s()
    if len(cutoffs) != hops:
        message = f"a path of {hops} hops has cut-offs {list(cutoffs)}: one number for all, or one each"
        raise _refuse(message, "plan.cutoff_s")
    if not min(cutoffs) > 0:
        msg = f"a cut-off of {min(cutoffs):g} s leaves no pair"
        raise _refuse(msg, "plan.cutoff_s")
    ranks = path.ranks or (1, *[0] * (hops - 1), 1)
    if len(ranks) != hops + 1 or max(ranks) not in (ranks[0], ranks[-1]) or ranks[0] != ranks[-1]:
        message = f"ranks {list(ranks)} do not fit {hops + 1} nodes: one each, both ends highest"
        raise _refuse(message, "plan.ranks")
    nodes = [world.nodes[node] for node in path.nodes]
    hardware = [world.links[link] for link in links]
    lengths = world.network.length_km[list(links)]
    timing = [
        link_timing(float(km), link, nodes[hop], nodes[hop + 1])
        for hop, (km, link) in enumerate(zip(lengths, hardware, strict=True))
    ]
    coherence = np.array([node.coherence_s for node in nodes])
    chain = Chain(
        place_s=np.concatenate([[0.0], np.cumsum([each.delay_s for each in timing])]),
        rank=np.array(ranks, np.int64),
        swap=np.array([node.swap_success for node in nodes]),
        gate=np.array([node.gate_fidelity for node in nodes]),
        coherence_s=coherence,
        success=np.array([each.success for each in timing]),
        interval_s=np.array([each.interval_s for each in timing]),
        notify_s=np.array([(each.notify_first_s, each.notify_second_s) for each in timing]),
        life_s=np.minimum(np.minimum(coherence[:-1], coherence[1:]), cutoffs),
        width=np.array(share, np.int64),
        fidelity=np.array([each.fidelity for each in timing]),
        readout=np.array([node.readout_fidelity for node in nodes]),
        rounds=np.array(rounds, np.int64),
        enough=np.full(hops, path.purification.enough),
        purify=np.array([_SCHEMES[path.purification.scheme], _SCHEDULES[path.purification.schedule]]),
        wait_s=_waits(hops, waits),
        at_once=np.array([link.at_once or 0 for link in hardware], np.int64),
        segment=_segments(path, ranks, share),
        swap_s=np.array([node.swap_delay_s for node in nodes]),
    )
    _refuse_hopeless(world, path, chain)
    return chain


def _segments(path: PathPlan, ranks: Sequence[int], share: Sequence[int]) -> IntArray:
    """Rounds of joined pairs by left and right node, shape (hops + 1, hops + 1).

    Raises:
        BadInput: A segment that is none, whose pairs are never made, or whose rounds need more memories.
    """
    hops = len(share)
    found = np.zeros((hops + 1, hops + 1), np.int64)
    nested = path.purification.schedule == "nested"
    for each in path.segments:
        first, last, rounds = each.first, each.last, each.rounds
        what = f"the segment from place {first} to {last} of a path"
        if not 0 <= first < last - 1 < hops or not 1 <= rounds <= 8:
            message = f"{what} of {hops} hops: two hops or more, and 1 to 8 rounds, not {rounds}"
            raise _refuse(message, "plan.segments")
        if max(ranks[first + 1 : last]) >= min(ranks[first], ranks[last]):
            message = (
                f"{what} with ranks {list(ranks)} is never made: all nodes between must have lower ranks"
            )
            raise _refuse(message, "plan.segments")
        least = 2 ** (rounds if nested else 1)
        inner = path.rounds[first:last] or (0,)
        least *= 2 ** (max(inner) if nested else min(max(inner), 1))
        if min(share[first:last]) < least:
            message = f"{what} needs {least} memories on each hop, not {min(share[first:last])}"
            raise _refuse(message, "plan.segments", "links.pairs is shared among the paths that use a link")
        found[first, last] = rounds
    return found


def _refuse_hopeless(world: World, path: PathPlan, chain: Chain) -> None:
    """Refuse a path on which no pair can ever be delivered: links, swaps or memories that cannot, whatever chance does.

    Raises:
        BadInput: Attempts or swaps that never succeed, or pairs that are dropped before their users can know of them.
    """
    names = [world.network.nodes[node] for node in path.nodes]
    places = chain.place_s - chain.place_s[0]
    if not chain.success.min() > 0.0:
        hop = int(chain.success.argmin())
        message = f"an attempt between {names[hop]!r} and {names[hop + 1]!r} never succeeds: nothing can be delivered"
        raise _refuse(message, "scenario.links")
    if not chain.swap[1:-1].min(initial=1.0) > 0.0:
        node = 1 + int(chain.swap[1:-1].argmin())
        message = f"a swap at {names[node]!r} never succeeds: nothing can be delivered"
        raise _refuse(message, "scenario.nodes.swap_success")
    for hop, life in enumerate(chain.life_s):
        least = float(chain.notify_s[hop].max())
        for node in {hop, hop + 1} - {0, len(names) - 1}:
            word = max(float(places[node]), float(places[-1] - places[node]))
            least = max(least, float(chain.notify_s[hop, node - hop]) + float(chain.swap_s[node]) + word)
        if life <= least:
            message = (
                f"a pair between {names[hop]!r} and {names[hop + 1]!r} is dropped at an age of {life:g} s, but its "
                f"users cannot know of it before {least:g} s: nothing can be delivered"
            )
            raise _refuse(
                message, "scenario.nodes.coherence_s", "longer coherence, cutoff_s or shorter links"
            )


def _waits(hops: int, waits: Sequence[float]) -> FloatArray:
    """Longest waits by node and by which end of its pair the node holds, s, shape (hops + 1, 2).

    A repeater's pair to the left is one whose right end it holds.
    """
    found = np.full((hops + 1, 2), np.inf)
    found[1:-1] = np.reshape(waits, (hops - 1, 2))[:, ::-1]
    return found
