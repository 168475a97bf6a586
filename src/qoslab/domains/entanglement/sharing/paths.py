"""From a plan whose paths share memories to arrays, runs, and what each path got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.chain import (
    CREATED,
    DECOHERED,
    DELIVERED,
    FAILED,
    JOINED,
    PURIFIED,
    SPOILED,
    TRIMMED,
    WASTED,
    Chain,
    FloatArray,
    IntArray,
    Physics,
)
from qoslab.domains.entanglement.phases import refuse_short_phases
from qoslab.domains.entanglement.protocol import PathPlan, Plan
from qoslab.domains.entanglement.scenario import Memory
from qoslab.domains.entanglement.sharing.loop import simulate_shared
from qoslab.domains.entanglement.sharing.mesh import (
    CLASHED,
    DYNAMIC,
    IN_TURN,
    MOST_PATHS,
    STATISTICAL,
    Mesh,
    Rule,
)
from qoslab.domains.entanglement.world import World, chain_of, links_of
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import streams

__all__ = ["Group", "Shared", "banks_of", "groups_of", "mesh_of", "rule_of", "run_group"]

_RULES = {
    "statistical": STATISTICAL,
    "dynamic": DYNAMIC,
    "dynamic_weighted": DYNAMIC,
    "time": IN_TURN,
}
_MOST_ROOM = 1 << 20


class Group(NamedTuple):
    """Paths of a plan that share memories, directly or through others.

    Attributes:
        places: Where they stand in the plan, rising.
        paths: The paths.
        links: Links of each, in the order of the path.
        used: Links of all, rising; the mesh's links in this order.
        nodes: Nodes of all, rising; the mesh's nodes in this order.
    """

    places: tuple[int, ...]
    paths: tuple[PathPlan, ...]
    links: tuple[tuple[int, ...], ...]
    used: tuple[int, ...]
    nodes: tuple[int, ...]


class Shared(NamedTuple):
    """What a group gave.

    Attributes:
        counts: By place, see `chain` and `sharing.mesh`, shape (11,).
        in_memory: Pairs that lived at the horizon.
        held_s: Memory time that held pairs after the warm-up, s.
        memories: Memories of the group's links.
        delivered: When, fidelity, age of the oldest part, s, path within the group, and probabilities of Z, X and Y,
            shape (7, pairs).
    """

    counts: NDArray[np.int64]
    in_memory: int
    held_s: float
    memories: int
    delivered: FloatArray


def rule_of(memory: Memory) -> Rule:
    """How pairs are allotted, as numbers."""
    return Rule(_RULES[memory.multiplexing], memory.turn_s)


def groups_of(world: World, plan: Plan) -> list[Group]:
    """The paths of a plan in groups without a link in common, in the order of their first paths.

    Raises:
        BadInput: A path that cannot be, or a group of too many, or of paths that are not purified alike.
    """
    links = [tuple(links_of(world, path)) for path in plan.paths]
    merged: list[tuple[set[int], list[int]]] = []
    for place, each in enumerate(links):
        touched = [group for group in merged if group[0].intersection(each)]
        merged = [group for group in merged if not group[0].intersection(each)]
        used = set(each).union(*(group[0] for group in touched))
        merged.append((used, sorted([place, *(other for group in touched for other in group[1])])))
    found = []
    for used, places in sorted(merged, key=lambda group: group[1]):
        if len(places) > MOST_PATHS:
            message = (
                f"{len(places)} paths share memories, directly or through others; at most {MOST_PATHS} may"
            )
            raise BadInput(Problem(message=message, field="scenario.memory.multiplexing"))
        paths = tuple(plan.paths[place] for place in places)
        _refuse_two_ways(paths)
        nodes = sorted({node for path in paths for node in path.nodes})
        found.append(
            Group(
                tuple(places),
                paths,
                tuple(links[place] for place in places),
                tuple(sorted(used)),
                tuple(nodes),
            )
        )
    return found


def _purifying(paths: Sequence[PathPlan]) -> list[PathPlan]:
    return [path for path in paths if any(path.rounds) or path.segments]


def _refuse_two_ways(paths: Sequence[PathPlan]) -> None:
    """Refuse paths that share memories and want their pairs purified by different schemes or schedules."""
    ways = {(path.purification.scheme, path.purification.schedule) for path in _purifying(paths)}
    if len(ways) > 1:
        named = " and ".join(f"{scheme}, {schedule}" for scheme, schedule in sorted(ways))
        message = f"paths that share memories are purified alike, and the plan has {named}"
        raise BadInput(Problem(message=message, field="plan.purification"))


def mesh_of(world: World, group: Group, *, weighted: bool) -> Mesh:
    """A group's paths in arrays. Each link is asked from the end that its first path meets first.

    Args:
        world: The network.
        group: The paths; their widths say nothing, since all memories of a link serve all paths over it.
        weighted: Whether a path is drawn with weight 1 / (1 + its hops), and not all alike.

    Raises:
        BadInput: Something asked for that the model does not have, or a path that can deliver nothing.
    """
    chains = [
        chain_of(world, path, links, [world.links[link].pairs for link in links])
        for path, links in zip(group.paths, group.links, strict=True)
    ]
    first: dict[int, tuple[Chain, int, tuple[int, int]]] = {}
    for chain, path, links in zip(chains, group.paths, group.links, strict=True):
        for hop, link in enumerate(links):
            first.setdefault(link, (chain, hop, (path.nodes[hop], path.nodes[hop + 1])))
    picked = [first[link] for link in group.used]
    node_at = {node: at for at, node in enumerate(group.nodes)}
    link_at = {link: at for at, link in enumerate(group.used)}
    count, n, m = len(chains), len(group.nodes), len(group.used)
    over, users, inner = np.zeros(m, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    rank = np.full((count, n), -1, np.int64)
    life, wait = np.full((count, m), np.inf), np.full((count, m, 2), np.inf)
    for place, (chain, path, links) in enumerate(zip(chains, group.paths, group.links, strict=True)):
        at = [node_at[node] for node in path.nodes]
        rank[place, at] = chain.rank
        users[[at[0], at[-1]]] |= 1 << place
        inner[at[1:-1]] |= 1 << place
        for hop, link in enumerate(links):
            over[link_at[link]] |= 1 << place
            life[place, link_at[link]] = chain.life_s[hop]
            same = path.nodes[hop] == first[link][2][0]
            waits = chain.wait_s[hop, 0], chain.wait_s[hop + 1, 1]
            wait[place, link_at[link]] = waits if same else waits[::-1]
    hardware = [world.nodes[node] for node in group.nodes]
    rounds, segment, asks = _rounds_of(chains, group, node_at, link_at)
    purified = [chain for chain, path in zip(chains, group.paths, strict=True) if path in _purifying([path])]
    way = purified[0].purify if purified else chains[0].purify
    return Mesh(
        ends=np.array([[node_at[node] for node in ends] for _, _, ends in picked], np.int64),
        delay_s=np.array([chain.place_s[hop + 1] - chain.place_s[hop] for chain, hop, _ in picked]),
        success=np.array([chain.success[hop] for chain, hop, _ in picked]),
        interval_s=np.array([chain.interval_s[hop] for chain, hop, _ in picked]),
        notify_s=np.array([chain.notify_s[hop] for chain, hop, _ in picked]),
        fidelity=np.array([chain.fidelity[hop] for chain, hop, _ in picked]),
        width=np.array([world.links[link].pairs for link in group.used], np.int64),
        at_once=np.array([world.links[link].at_once or 0 for link in group.used], np.int64),
        over=over,
        swap=np.array([node.swap_success for node in hardware]),
        gate=np.array([node.gate_fidelity for node in hardware]),
        readout=np.array([node.readout_fidelity for node in hardware]),
        coherence_s=np.array([node.coherence_s for node in hardware]),
        swap_s=np.array([node.swap_delay_s for node in hardware]),
        users=users,
        inner=inner,
        rank=rank,
        life_s=life,
        wait_s=wait,
        weight=np.array([1.0 / (1.0 + len(links)) if weighted else 1.0 for links in group.links]),
        rounds=rounds,
        enough=np.array([path.purification.enough for path in group.paths]),
        purify=np.array([*way, int(bool(purified))]),
        segment=segment,
        asks=asks,
    )


def _rounds_of(
    chains: Sequence[Chain], group: Group, node_at: Mapping[int, int], link_at: Mapping[int, int]
) -> tuple[IntArray, IntArray, IntArray]:
    """Rounds of links and of joined pairs by path, and which of two nodes asks: see `Mesh`."""
    count, n = len(chains), len(group.nodes)
    rounds, segment = np.zeros((count, len(group.used)), np.int64), np.zeros((count, n, n), np.int64)
    asks = np.full((n, n), -1, np.int64)
    for place, (chain, path, links) in enumerate(zip(chains, group.paths, group.links, strict=True)):
        at = np.array([node_at[node] for node in path.nodes])
        rounds[place, [link_at[link] for link in links]] = chain.rounds
        between = np.ix_(at, at)
        segment[place][between] = chain.segment + chain.segment.T
        before = np.arange(len(at))[:, None] < np.arange(len(at))[None, :]
        asks[between] = np.where(asks[between] < 0, before, asks[between])
    return rounds, segment, np.maximum(asks, 0)


def banks_of(world: World, group: Group, seed: Seed) -> tuple[NDArray[np.uint64], ...]:
    """Streams of links, of their lots and of nodes: a link's pairs come alike under every rule and plan."""
    links = streams(seed.stream("links", 0), world.network.m)[list(group.used)]
    lots = streams(seed.stream("multiplexing", 0), world.network.m)[list(group.used)]
    nodes = streams(seed.stream("nodes", group.places[0]), world.network.n)[list(group.nodes)]
    return links, lots, nodes


def run_group(
    world: World, group: Group, memory: Memory, seed: Seed, span: FloatArray, physics: Physics
) -> Shared:
    """Simulate a group and hold it to the law of conservation.

    Raises:
        RuntimeError: Pairs were lost or made from nothing; an error of this program.
        BadInput: More pairs than 10**6 in flight, or phases too short for any.
    """
    if physics.sync:
        for path, links in zip(group.paths, group.links, strict=True):
            share = [world.links[link].pairs for link in links]
            refuse_short_phases(chain_of(world, path, links, share), physics, span)
    mesh = mesh_of(world, group, weighted=memory.multiplexing == "dynamic_weighted")
    rule = rule_of(memory)
    at_node = np.bincount(mesh.ends.ravel(), weights=np.repeat(mesh.width, 2))
    widest, most = int(mesh.width.max()), int(at_node.max())
    room = 8 * int(mesh.width.sum()) + 32
    while True:
        copies = [bank.copy() for bank in banks_of(world, group, seed)]
        status, live, store = compiled(simulate_shared)(
            mesh, copies[0], copies[1], copies[2], span, physics, rule, (room, widest, most)
        )
        if status == 0:
            break
        room *= 2
        if room > _MOST_ROOM:
            message = (
                f"more than {_MOST_ROOM // 2} pairs are in flight on paths that share memories, or delivered"
            )
            raise BadInput(Problem(message=message, field="scenario.horizon_s"))
    counts = store.counts
    ended = counts[JOINED] + 2 * counts[FAILED] + counts[WASTED] + counts[DECOHERED] + counts[DELIVERED]
    ended += counts[TRIMMED] + counts[CLASHED] + counts[PURIFIED] + 2 * counts[SPOILED]
    if counts[CREATED] != ended + live:
        message = f"{counts[CREATED]} pairs were created, {ended} ended and {live} are left"
        raise RuntimeError(message)
    done = int(store.head[1])
    memories = 2 * int(mesh.width.sum())
    return Shared(counts, live, float(store.held_s[0]), memories, store.delivered[:, :done].copy())
