"""What a timeline holds: qubits in memory, swaps, word of them, deliveries. Rows are nodes, by place in `names`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Delivered", "Herald", "Slot", "Stay", "Swapped", "Timeline"]


class Stay(NamedTuple):
    """One qubit of a link's pair in its memory.

    Attributes:
        node: Row of the qubit's node.
        other: Row of the node at the other end of its link.
        memory: Which of the link's memories at the node.
        since_s: When the pair was created, s.
        until_s: When the qubit was measured, given up or used, or the horizon, s.
        fate: `swapped`, `failed` (a swap that failed), `used`, `spent` (to purify another), `dropped`
            or `held`.
    """

    node: int
    other: int
    memory: int
    since_s: float
    until_s: float
    fate: str


class Swapped(NamedTuple):
    """A swap, or a fusion of several pairs: its row, when it is done, s, whether it succeeded, and how many pairs."""

    node: int
    time_s: float
    good: bool
    pairs: int = 2


class Herald(NamedTuple):
    """Word of a swap under way: from where to where, when it sets out and arrives, s, and what it says."""

    origin: int
    target: int
    start_s: float
    end_s: float
    good: bool


class Delivered(NamedTuple):
    """A pair that two users got: their rows, when, s, and how good."""

    first: int
    last: int
    time_s: float
    fidelity: float


class Slot(NamedTuple):
    """A common slot: when it begins, attempts end, the state is known, orders are carried out, word is round, s."""

    start_s: float
    tried_s: float
    known_s: float
    ordered_s: float
    end_s: float


@dataclass(frozen=True)
class Timeline:
    """Everything that happened to one path, to paths that share memories, or in a whole network.

    Attributes:
        title: What it shows.
        names: Nodes, one per row.
        horizon_s: End of the run, s.
        stays: Qubits in memories, by end of their stay.
        swaps: In the order of time.
        heralds: Word of swaps; none in slots, where word goes round in common.
        deliveries: In the order of time.
        slots: The run's slots, where it has any.
        place_s: Delay from the first node of a path to each, s; empty for all else.
    """

    title: str
    names: tuple[str, ...]
    horizon_s: float
    stays: tuple[Stay, ...]
    swaps: tuple[Swapped, ...]
    heralds: tuple[Herald, ...]
    deliveries: tuple[Delivered, ...]
    slots: tuple[Slot, ...] = ()
    place_s: tuple[float, ...] = ()
