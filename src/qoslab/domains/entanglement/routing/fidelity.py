"""Paths that keep a wanted fidelity, with purification of single links: what it costs, and the cheapest of them.

A link's pair is purified by r rounds of BBPSSW, each on two pairs of equal history, so 2^r memories of the link hold
what becomes one pair. Decay in memory is not counted. After Li et al. (fidelity-guaranteed routing); our reference
instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.protocol import View
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.routing.view import link_werners
from qoslab.domains.entanglement.states import bbpssw_werner, joint_readout, werner_of_fidelity
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import Search

__all__ = [
    "PurePath",
    "Step",
    "cheapest_path",
    "greedy_rounds",
    "leap_path",
    "link_steps",
    "purification_steps",
    "wanted_werner",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_SLACK = 1e-12


class Step(NamedTuple):
    """A link after some rounds of purification.

    Attributes:
        memories: Memories that hold what becomes one pair, 2^rounds.
        werner: Werner parameter of that pair.
        pairs: Link pairs that one such pair takes on average, with those that failed.
    """

    memories: int
    werner: float
    pairs: float


class PurePath(NamedTuple):
    """A path with its purification.

    Attributes:
        nodes: From source to target.
        links: Its links.
        rounds: Rounds of purification of each.
        werner: Werner parameter from end to end.
        memories: Memories that the path holds on all of its links together.
    """

    nodes: tuple[int, ...]
    links: tuple[int, ...]
    rounds: tuple[int, ...]
    werner: float
    memories: int


def wanted_werner(fidelity: float, margin: float = 0.0) -> float:
    """The Werner parameter that a fidelity and a margin above it ask for, not above 1."""
    return min(1.0, float(werner_of_fidelity(fidelity + margin)))


def purification_steps(
    werner: float, gate: float, most_memories: int, most_rounds: int, readout: float = 1.0
) -> tuple[Step, ...]:
    """A link after 0, 1, ... rounds, as long as each round makes it better and the memories allow it.

    Args:
        werner: Werner parameter of a new pair.
        gate: Geometric mean of the two ends' gate fidelities.
        most_memories: Memories of the link.
        most_rounds: Most rounds.
        readout: Probability that a read-out is right, of both ends together; see `joint_readout`.
    """
    steps = [Step(1, werner, 1.0)]
    while len(steps) <= most_rounds and 2 * steps[-1].memories <= most_memories:
        success, after = bbpssw_werner(steps[-1].werner, steps[-1].werner, gate, readout)
        if after <= steps[-1].werner + _SLACK:
            break
        steps.append(Step(2 * steps[-1].memories, float(after), steps[-1].pairs * 2.0 / float(success)))
    return tuple(steps)


def link_steps(view: View, most_rounds: int) -> list[tuple[Step, ...]]:
    """The steps of each link, by what its memories allow."""
    tails, heads = view.network.tail, view.network.head
    found = []
    for werner, memories, a, b in zip(link_werners(view).tolist(), view.pairs, tails, heads, strict=True):
        first, second = view.hardware[a], view.hardware[b]
        gate = (first.gate_fidelity * second.gate_fidelity) ** 0.5
        readout = float(joint_readout(first.readout_fidelity, second.readout_fidelity))
        found.append(purification_steps(werner, gate, memories, most_rounds, readout))
    return found


class _Label(NamedTuple):
    werner: float
    nodes: tuple[int, ...]
    links: tuple[int, ...]
    rounds: tuple[int, ...]


def cheapest_path(
    network: Network,
    ends: Ends,
    steps: Sequence[Sequence[Step]],
    gates: Sequence[float],
    free: IntArray,
    least: float,
) -> PurePath | None:
    """The path and rounds of least memories in all that keep the Werner parameter, by dynamic programming.

    best(c, v) is the largest Werner parameter from the source to v with c memories; the least c with best(c, target)
    >= least is the answer. A walk that comes back to a node is worse and dearer there, so walks are paths.

    Args:
        network: Undirected.
        ends: The two users.
        steps: What each link can be purified to.
        gates: Factor of the Werner parameter per swap at each node.
        free: Free memories of each link, shape (m,).
        least: Werner parameter that is wanted.
    """
    best = [0.0] * network.n
    levels: list[dict[int, _Label]] = [{ends.source: _Label(1.0, (ends.source,), (), ())}]
    best[ends.source] = 1.0
    widest = max((step[-1].memories for step in steps), default=0)
    while any(levels[-widest:]):
        level: dict[int, _Label] = {}
        cost = len(levels)
        for back in range(1, min(widest, cost) + 1):
            for label in levels[cost - back].values():
                _extend(level, label, back, network, ends, steps, gates, free)
        levels.append({v: label for v, label in level.items() if label.werner > best[v]})
        for v, label in levels[-1].items():
            best[v] = label.werner
        if best[ends.target] >= least - _SLACK and best[ends.target] > 0:
            found = levels[-1][ends.target]
            return PurePath(found.nodes, found.links, found.rounds, found.werner, cost)
    return None


def _extend(
    level: dict[int, _Label],
    label: _Label,
    memories: int,
    network: Network,
    ends: Ends,
    steps: Sequence[Sequence[Step]],
    gates: Sequence[float],
    free: IntArray,
) -> None:
    """All ways on from a label by one link that takes so many memories; the better label stays."""
    arcs, v, rounds = network.arcs, label.nodes[-1], memories.bit_length() - 1
    if memories != 1 << rounds or v == ends.target:
        return
    gate = 1.0 if v == ends.source else gates[v]
    for arc in range(int(arcs.indptr[v]), int(arcs.indptr[v + 1])):
        u, link = int(arcs.heads[arc]), int(arcs.link[arc])
        if u in label.nodes or free[link] < memories or rounds >= len(steps[link]):
            continue
        werner = label.werner * gate * steps[link][rounds].werner
        if u not in level or werner > level[u].werner:
            level[u] = _Label(werner, (*label.nodes, u), (*label.links, link), (*label.rounds, rounds))


def leap_path(
    network: Network,
    ends: Ends,
    steps: Sequence[Sequence[Step]],
    gates: Sequence[float],
    free: IntArray,
    least: float,
) -> PurePath | None:
    """The path of the largest Werner parameter without purification, its links raised to an equal share of the need.

    If the path falls short of `least`, each of its h links is purified until it has (least / gates)^(1 / h); a link
    that cannot be, or not within its free memories, is left out and the search begins again.

    Args: as in `cheapest_path`.
    """
    costs = np.array([-np.log(step[0].werner) if step[0].werner > 0 else np.inf for step in steps])
    arcs = network.arcs
    # Half of each end's gate loss goes to every arc; what the two users' halves add is the same for all paths.
    loss = -np.log(np.maximum(np.asarray(gates, np.float64), 1e-300))
    search = Search(network, costs[arcs.link] + (loss[arcs.tails] + loss[arcs.heads]) / 2.0)
    closed = {int(arc) for arc in np.flatnonzero(free[arcs.link] < 1)}
    while (path := search.path(*ends, closed_arcs=closed)) is not None:
        links = [int(link) for link in path.links(network)]
        gate = float(np.prod([gates[v] for v in path.nodes[1:-1]]))
        fresh = gate * float(np.prod([steps[link][0].werner for link in links]))
        share = 0.0
        if fresh < least - _SLACK:
            share = (least / gate) ** (1.0 / len(links)) if gate > 0 else np.inf
        rounds = [_rounds_for(steps[link], share, int(free[link])) for link in links]
        missing = {link for link, count in zip(links, rounds, strict=True) if count < 0}
        if not missing:
            werner = gate * float(
                np.prod([steps[link][r].werner for link, r in zip(links, rounds, strict=True)])
            )
            return PurePath(
                path.nodes, tuple(links), tuple(rounds), werner, sum(1 << count for count in rounds)
            )
        closed |= {int(arc) for arc in np.flatnonzero(np.isin(arcs.link, list(missing)))}
    return None


def _rounds_for(steps: Sequence[Step], least: float, memories: int) -> int:
    """Fewest rounds that reach a Werner parameter within so many memories, -1 where none do."""
    for rounds, step in enumerate(steps):
        if step.memories <= memories and step.werner >= least - _SLACK:
            return rounds
    return -1


def greedy_rounds(steps: Sequence[Sequence[Step]], gate: float, least: float) -> tuple[int, ...] | None:
    """Rounds for the links of one path: always the link whose next round gains most ln w per memory it adds.

    Args:
        steps: What each link of the path can be purified to.
        gate: Factor of the Werner parameter by all swaps of the path.
        least: Werner parameter that is wanted.

    Returns:
        Rounds of each link, or None where all that can be done falls short.
    """
    rounds = [0] * len(steps)
    while (
        gate * float(np.prod([step[r].werner for step, r in zip(steps, rounds, strict=True)]))
        < least - _SLACK
    ):
        gains = [
            (np.log(step[r + 1].werner / step[r].werner) / step[r].memories, -hop)
            for hop, (step, r) in enumerate(zip(steps, rounds, strict=True))
            if r + 1 < len(step)
        ]
        if not gains:
            return None
        rounds[-max(gains)[1]] += 1
    return tuple(rounds)
