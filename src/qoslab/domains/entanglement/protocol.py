"""Observe, then decide: what a routing method sees of the network and what it may ask for.

A method is a frozen dataclass with `plan`. Proactive methods need no more. One that also has `decide` (see
`Deciding`) is asked again at every routing phase, with the pairs that live then: reactive methods choose paths among
them, opportunistic ones advance a request, virtual ones use stocks made before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from qoslab.core.context import Context
from qoslab.domains.entanglement.links import LinkTiming
from qoslab.domains.entanglement.scenario import LinkHardware, NodeHardware, Request
from qoslab.graphs.network import Network

__all__ = [
    "Deciding",
    "Fusion",
    "LivePair",
    "PathPlan",
    "Plan",
    "Purification",
    "Purify",
    "Routing",
    "Segment",
    "Swap",
    "View",
]


@dataclass(frozen=True)
class LivePair:
    """A pair that the controller knows of.

    Attributes:
        ident: Its number, unique in a run.
        first: Node index of one end.
        second: Node index of the other.
        fidelity: Fidelity that is expected now.
        age_s: Time since the older of its parts was created, s.
        rounds: Rounds of purification that it has had since it was created or joined.
        cost: Which of several pairs is swapped first by the scenario's rule of selection, the least; None where it has
            none.
    """

    ident: int
    first: int
    second: int
    fidelity: float
    age_s: float
    rounds: int = 0
    cost: float | None = None


@dataclass(frozen=True)
class View:
    """What the controller knows.

    Attributes:
        network: The graph.
        timings: Success and timing of each link, in the order of the network's links.
        pairs: Memories at each end of each link.
        hardware: What each node has, in the order of the network's nodes.
        requests: Who wants pairs; a `PathPlan` names a request by its place here.
        live: Pairs that exist; empty in `plan`.
        now_s: Simulated time, s.
        links: What each link has, in the order of the network's links.
        installed: The paths that `plan` asked for; empty in `plan`.
        delivered: Pairs that each request has got so far; empty in `plan`.
        waiting: Pairs that the jobs that wait now still want, by request; None for a request without jobs. Empty in
            `plan`.
        declared: Memories of each link by the scenario's `links.pairs`, before nodes with totals assigned theirs to
            links; empty where that is `pairs`.
    """

    network: Network
    timings: tuple[LinkTiming, ...]
    pairs: tuple[int, ...]
    hardware: tuple[NodeHardware, ...]
    requests: tuple[Request, ...]
    live: tuple[LivePair, ...] = ()
    now_s: float = 0.0
    links: tuple[LinkHardware, ...] = ()
    installed: tuple[PathPlan, ...] = ()
    delivered: tuple[int, ...] = ()
    waiting: tuple[int | None, ...] = ()
    declared: tuple[int, ...] = ()

    def wanted(self, request: int) -> int | None:
        """Pairs that a request's waiting jobs still want; None where it has no jobs, or nothing is known of them."""
        return self.waiting[request] if self.waiting else None


@dataclass(frozen=True)
class Purification:
    """How pairs of a link are made better.

    Attributes:
        scheme: Which circuit; `bbpssw` makes Werner pairs of whatever it is given.
        schedule: `nested` takes two pairs of equal rounds, `pumping` one pair again and again with fresh ones.
        enough: Fidelity after creation or a round from which a pair is purified no more.
    """

    scheme: Literal["bbpssw", "dejmps"] = "bbpssw"
    schedule: Literal["nested", "pumping"] = "nested"
    enough: float = 1.0


@dataclass(frozen=True)
class Segment:
    """Joined pairs of a path that are purified before they are swapped on or used.

    All nodes between the two must have lower ranks than both, or no pair would ever be a piece of the path that ends
    there.

    Attributes:
        first: Place on the path of its left node.
        last: Place on the path of its right node, at least two more.
        rounds: Rounds of purification.
    """

    first: int
    last: int
    rounds: int


@dataclass(frozen=True)
class PathPlan:
    """One path of one request.

    Attributes:
        request: Place of the request in `View.requests`.
        nodes: Node indices from source to target.
        ranks: Order of swapping, one per node; lower ranks first, both ends highest. Empty: as soon as possible.
        width: Memories of each link that the path may use, one per hop. Empty: its share of those that no other path
            asks for, by the scenario's `memory.allocation`.
        rounds: Rounds of purification of each link's pairs, one per hop. Empty: none.
        cutoff_s: Age at which a link's waiting pair is dropped, s, for all hops or one per hop; infinite for the
            coherence time alone.
        purification: How the rounds are done.
        wait_s: Longest wait for a swap of each repeater's pair to the left, then to the right, two per repeater, s.
            The clock starts when the pair could be swapped. Empty: no limit.
        segments: Rounds of purification of joined pairs, by the plan's `purification`; `enough` is for links alone.
    """

    request: int
    nodes: tuple[int, ...]
    ranks: tuple[int, ...] = ()
    width: tuple[int, ...] = ()
    rounds: tuple[int, ...] = ()
    cutoff_s: float | tuple[float, ...] = float("inf")
    purification: Purification = Purification()
    wait_s: tuple[float, ...] = ()
    segments: tuple[Segment, ...] = ()

    def cutoffs_s(self) -> tuple[float, ...]:
        """The age at which each hop's pairs are dropped, s."""
        if isinstance(self.cutoff_s, tuple):
            return self.cutoff_s
        return (self.cutoff_s,) * (len(self.nodes) - 1)


@dataclass(frozen=True)
class Plan:
    """What a method asks the network to do.

    Attributes:
        paths: Its paths, several per request where it likes.
        memories: Pairs of memories of each link that may try, in the order of the network's links, for runs in slots;
            as many as the link has, or between nodes with totals as these have. Empty: all that links have.
    """

    paths: tuple[PathPlan, ...]
    memories: tuple[int, ...] = ()


@dataclass(frozen=True)
class Swap:
    """A swap of two live pairs at the node they share; a request's pair is made of such swaps.

    A pair that was joined by an earlier swap of the same list is named by the number of any of its parts.

    Attributes:
        node: Node index.
        first: `LivePair.ident` of one pair.
        second: `LivePair.ident` of the other.
        request: Place of the request that the result is for, -1 for a stock.
    """

    node: int
    first: int
    second: int
    request: int


@dataclass(frozen=True)
class Fusion:
    """A joint measurement of several qubits of a node in the GHZ basis, which makes what is left of their pairs one.

    All fusions that are ordered in a slot are done before its swaps. A fusion succeeds like a swap, whatever its number
    of pairs; one that fails takes its pairs out. Of pairs that were fused the two users of the request share one
    afterwards, if both hold an end of them; all others are used up. See `fusion`.

    Attributes:
        node: Node index.
        pairs: `LivePair.ident` of its pairs, at least two.
        request: Place of the request that the result is for.
    """

    node: int
    pairs: tuple[int, ...]
    request: int


@dataclass(frozen=True)
class Purify:
    """One round of purification of two live pairs between the same two nodes.

    Rounds are done before the fusions and swaps of their slot, in their order, and what came of them is known at the
    end of the slot. A kept pair may be swapped in the same slot, before that is known: in vain after a failure.

    Attributes:
        kept: `LivePair.ident` of the pair that stays.
        spent: `LivePair.ident` of the pair that is measured.
        scheme: Which circuit; see `Purification`.
    """

    kept: int
    spent: int
    scheme: Literal["bbpssw", "dejmps"] = "bbpssw"


class Routing(Protocol):
    """What every method of this domain offers."""

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:
        """The paths to install before the run; may be empty for methods that decide later."""
        ...


@runtime_checkable
class Deciding(Protocol):
    """What reactive, opportunistic and virtual methods offer beside `plan`.

    One whose nodes decide for themselves says `knows_hops: ClassVar[int]`: how many links away the pairs are that a
    node must have heard of; 0 where its own are enough. All others are decided by the centre (see `talk`).
    """

    def decide(
        self, view: View, rng: np.random.Generator, context: Context
    ) -> Sequence[Swap | Fusion | Purify]:
        """The rounds, fusions and swaps to order now, in this order, each end of a pair used once at most.

        A pair that joins the two users of a request is theirs without an order.
        """
        ...
