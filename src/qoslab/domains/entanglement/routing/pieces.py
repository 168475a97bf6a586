"""What planned paths want of the pairs they are made of, where they run in common time slots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qoslab.domains.entanglement.protocol import PathPlan, Purification

__all__ = ["Ends", "Piece", "joins_of", "key_of", "pieces_of"]

Ends = tuple[int, int]
"""The two nodes of a pair, the lower first."""


_NONE = Purification()


@dataclass(frozen=True)
class Piece:
    """What is wanted of all pairs between two nodes.

    Attributes:
        rounds: Rounds of purification before a pair may be swapped or used.
        purification: How they are done.
        enough: Fidelity from which a pair is purified no more.
        life_s: Age at which a link's pair is given up, s.
        wait_s: Longest wait for a swap from when a pair could be swapped, s.
    """

    rounds: int = 0
    purification: Purification = _NONE
    enough: float = math.inf
    life_s: float = math.inf
    wait_s: float = math.inf

    def is_pure(self, rounds: int, fidelity: float) -> bool:
        """Whether a pair of that many rounds and that fidelity needs no more of them."""
        return rounds >= self.rounds or fidelity >= self.enough


def key_of(a: int, b: int) -> Ends:
    """Two nodes, the lower first."""
    return (a, b) if a < b else (b, a)


def pieces_of(paths: Sequence[PathPlan]) -> dict[Ends, Piece]:
    """What is wanted of each link's and each segment's pairs.

    Where paths want different things of the same pairs: most rounds, the oldest age and the longest wait.
    """
    found: dict[Ends, Piece] = {}
    for path in paths:
        cutoffs = path.cutoffs_s()
        for (first, last), rounds, enough in _spans(path):
            key = key_of(path.nodes[first], path.nodes[last])
            life = cutoffs[first] if last == first + 1 else math.inf
            new = Piece(rounds, path.purification, enough, life, _wait_s(path, first, last))
            old = found.get(key, new)
            most = new if new.rounds > old.rounds else old
            found[key] = Piece(
                most.rounds,
                most.purification,
                most.enough,
                max(old.life_s, new.life_s),
                max(old.wait_s, new.wait_s),
            )
    return found


def _spans(path: PathPlan) -> Iterator[tuple[Ends, int, float]]:
    """Places of the first and last node, rounds and fidelity that is enough of a path's links and segments."""
    hops = len(path.nodes) - 1
    for hop, rounds in enumerate(path.rounds or (0,) * hops):
        yield (hop, hop + 1), rounds, path.purification.enough
    for each in path.segments:
        yield (each.first, each.last), each.rounds, math.inf


def _wait_s(path: PathPlan, first: int, last: int) -> float:
    """The longest wait of a pair between two places of a path: that of its less patient end, s."""
    if not path.wait_s:
        return math.inf
    here = path.wait_s[2 * first - 1] if first > 0 else math.inf
    there = path.wait_s[2 * last - 2] if last < len(path.nodes) - 1 else math.inf
    return min(here, there)


def joins_of(path: PathPlan) -> list[tuple[int, ...]]:
    """The joins that make a path's pair: that of the whole path, and that of each segment, each by its pieces' nodes.

    A piece of a join is a segment that lies in no other within the join, or a link.
    """
    hops = len(path.nodes) - 1
    spans = {(each.first, each.last) for each in path.segments}
    found = []
    for first, last in sorted({(0, hops), *spans}, key=lambda span: span[0] - span[1]):
        nodes, place = [path.nodes[first]], first
        while place < last:
            ends = [b for a, b in spans if a == place and b <= last and (a, b) != (first, last)]
            place = max(ends, default=place + 1)
            nodes.append(path.nodes[place])
        found.append(tuple(nodes))
    return found
