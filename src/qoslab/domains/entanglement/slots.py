"""Runs of methods that decide: in common time slots links try, the state is told, swaps are ordered, word goes round.

A slot is `external_s` of attempts; then the time the state needs to reach whoever decides; then that of the orders;
then the swaps, all at once; then that of the results (see `talk`). Pairs that no swap used stay in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.chain import (
    CREATED,
    DECOHERED,
    DELIVERED,
    FAILED,
    JOINED,
    MESSAGES,
    PURIFIED,
    SPOILED,
    TRIMMED,
    WASTED,
)
from qoslab.domains.entanglement.demand import JobQueue, queues_of
from qoslab.domains.entanglement.fusion import Component, components, fused_state, misread, way_between
from qoslab.domains.entanglement.protocol import Fusion, LivePair, PathPlan, Plan, Purify, Swap, View
from qoslab.domains.entanglement.routing.pieces import Ends, Piece, key_of
from qoslab.domains.entanglement.routing.provisioning import refuse_memories
from qoslab.domains.entanglement.scenario import Phases
from qoslab.domains.entanglement.states import BBPSSW, DEJMPS, joint_readout, memory_errors, purify, twirled
from qoslab.domains.entanglement.storage import read_errors
from qoslab.domains.entanglement.talk import Talk, talk_of

__all__ = ["Decider", "Delivery", "SlotRun", "Slots", "run_slots"]

FloatArray = NDArray[np.float64]
_PLACES = 16
_XOR = np.arange(4)[:, None] ^ np.arange(4)[None, :]


class Decider(Protocol):
    """A method with both `plan` and `decide`; see `protocol`."""

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan: ...  # noqa: D102

    def decide(  # noqa: D102
        self, view: View, rng: np.random.Generator, context: Context
    ) -> Sequence[Swap | Fusion | Purify]: ...


@runtime_checkable
class _Keeping(Protocol):
    """A decider whose installed paths want something of pairs, which the memories see to; see `Piece`."""

    def pieces(self, paths: Sequence[PathPlan]) -> Mapping[Ends, Piece]: ...


class Delivery(NamedTuple):
    """A pair that two users got.

    Attributes:
        request: Place of their request.
        time_s: When, s.
        fidelity: How good.
        age_s: Time since its oldest part was created, s.
        links: The links whose pairs it was made of.
        errors: Probabilities of Z, X and Y.
    """

    request: int
    time_s: float
    fidelity: float
    age_s: float
    links: tuple[int, ...]
    errors: tuple[float, float, float]


@dataclass
class SlotRun:
    """What a run in slots gave.

    Attributes:
        counts: By place, see `chain`; longer than there are places.
        in_memory: Pairs that lived at the end.
        held_s: Memory time that held pairs after the warm-up, s.
        memories: Memories of the network.
        deliveries: In the order of time.
    """

    counts: NDArray[np.int64]
    in_memory: int = 0
    held_s: float = 0.0
    memories: int = 0
    deliveries: list[Delivery] = field(default_factory=list)


class _End(NamedTuple):
    """A stored qubit: its node, the link and side whose memory holds it, and when it was created.

    What it forgot until `known_s`, if that is later, is in its pair's state.
    """

    node: int
    link: int
    side: int
    born_s: float
    known_s: float = 0.0


@dataclass
class _Pair:
    """A pair: its two qubits, its state but for what they have forgotten since, and what it is made of."""

    ident: int
    ends: tuple[_End, _End]
    state: FloatArray
    until_s: float
    links: tuple[int, ...]
    rounds: int = 0
    cut_s: float = math.inf
    since_s: float = 0.0

    @property
    def over_s(self) -> float:
        """When it is given up, by its age or because a repeater has waited long enough."""
        return min(self.until_s, self.cut_s)

    @property
    def oldest_s(self) -> float:
        return min(end.born_s for end in self.ends)


class Slots:
    """The network's memories and pairs, slot by slot."""

    def __init__(
        self, view: View, noise: int, *, werner: bool, seed: Seed, span: FloatArray, external_s: float
    ) -> None:
        self.view, self.noise, self.werner, self.span, self.external_s = view, noise, werner, span, external_s
        network = view.network
        self.free = np.repeat(np.array(view.pairs, np.int64)[:, None], 2, axis=1)
        self.attempts = seed.generator("slots/links")
        # Memories that no other method has draw from a stream of their own.
        self.more, self.beyond = seed.generator("slots/links/more"), 0
        self.rounds = [seed.generator(f"slots/rounds/{node}") for node in range(network.n)]
        self.failed: set[int] = set()
        self.spent: set[int] = set()
        self.lots = [seed.generator(f"slots/swaps/{node}") for node in range(network.n)]
        self.users: dict[frozenset[int], list[int]] = {}
        for place, each in enumerate(view.requests):
            ends = frozenset((network.index(each.source), network.index(each.target)))
            self.users.setdefault(ends, []).append(place)
        self.got = [0] * len(view.requests)
        self.selection: str | None = None
        self.lot = seed.generator("slots/selection")
        self.jobs: list[JobQueue | None] = [None] * len(view.requests)
        self.pairs: dict[int, _Pair] = {}
        self.ends_of: dict[int, tuple[int, ...]] = {}
        self.made = 0
        self.pieces: Mapping[Ends, Piece] = {}
        self.run = SlotRun(np.zeros(_PLACES, np.int64), memories=2 * int(sum(view.pairs)))

    def provide(self, memories: Sequence[int]) -> None:
        """Only so many pairs of memories of each link try from now on.

        Raises:
            BadInput: As `refuse_memories`.
        """
        refuse_memories(self.view, memories)
        self.free = np.repeat(np.array(memories, np.int64)[:, None], 2, axis=1)
        self.beyond = max(0, max(memories) - max(self.view.pairs))
        self.run.memories = 2 * max(sum(self.view.pairs), sum(memories))

    def generate(self, now: float) -> None:
        """Every free memory pair tries until the external phase is over."""
        network, most = self.view.network, max(self.view.pairs)
        # One draw for each memory, used or not: what a link gives does not depend on what was decided elsewhere.
        draws = self.attempts.random((network.m, most))
        if self.beyond:
            draws = np.hstack([draws, self.more.random((network.m, self.beyond))])
        for link, timing in enumerate(self.view.timings):
            notice = max(timing.notify_first_s, timing.notify_second_s)
            free, begin = int(self.free[link].min()), now + 2.0 * timing.delay_s
            # When each turn of the link's fibre is next free; memories take turns where they may not all try at once.
            turns = [begin] * min(free, self.view.links[link].at_once or free)
            for memory in range(free):
                failed = 0.0
                if timing.success < 1.0:
                    failed = math.floor(math.log1p(-draws[link, memory]) / math.log1p(-timing.success))
                turn = turns.index(min(turns))
                created = turns[turn] + failed * timing.interval_s
                turns[turn] = created + timing.interval_s
                if created + notice <= now + self.external_s:
                    self._create(link, created)

    def _create(self, link: int, created: float) -> None:
        network, view = self.view.network, self.view
        nodes = int(network.tail[link]), int(network.head[link])
        ends = _End(nodes[0], link, 0, created), _End(nodes[1], link, 1, created)
        life = min(view.hardware[node].coherence_s for node in nodes)
        life = min(life, self.pieces.get(key_of(*nodes), Piece()).life_s)
        fidelity = view.timings[link].fidelity
        state = np.array([fidelity, *[(1.0 - fidelity) / 3.0] * 3])
        since = created + max(view.timings[link].notify_first_s, view.timings[link].notify_second_s)
        self.pairs[self.made] = _Pair(self.made, ends, state, created + life, (link,), since_s=since)
        self.made += 1
        self.free[link] -= 1
        self.run.counts[CREATED] += 1

    def expire(self, now: float) -> None:
        """Pairs beyond their age, or that a repeater has waited for long enough, are given up."""
        for pair in [each for each in self.pairs.values() if each.over_s <= now]:
            self.run.counts[TRIMMED if pair.cut_s < pair.until_s else DECOHERED] += 1
            self._end(pair, pair.over_s)

    def lose_patience(self, now: float) -> None:
        """Repeaters begin to wait for a swap of the pairs that could have been swapped now."""
        if all(piece.wait_s == math.inf for piece in self.pieces.values()):
            return
        for pair in self.pairs.values():
            piece = self._wanted(pair)
            if pair.cut_s == math.inf and piece.is_pure(pair.rounds, self.fidelity(pair, now)):
                pair.cut_s = now + piece.wait_s

    def _wanted(self, pair: _Pair) -> Piece:
        return self.pieces.get(key_of(pair.ends[0].node, pair.ends[1].node), Piece())

    def clear(self, now: float) -> None:
        """All memories are emptied."""
        for pair in list(self.pairs.values()):
            self.run.counts[DECOHERED] += 1
            self._end(pair, now)

    def live(self, now: float, until: float) -> tuple[LivePair, ...]:
        """What whoever decides is told now: pairs that live until a time, which orders can still reach."""
        return tuple(
            LivePair(
                pair.ident,
                pair.ends[0].node,
                pair.ends[1].node,
                self.fidelity(pair, now),
                now - pair.oldest_s,
                pair.rounds,
                self._cost(pair, now),
            )
            for pair in self.pairs.values()
            if pair.over_s > until
        )

    def _cost(self, pair: _Pair, now: float) -> float | None:
        """What the rule of selection wants least of; None without a rule."""
        if self.selection is None:
            return None
        if self.selection == "random":
            return float(self.lot.random())
        if self.selection == "best":
            return -self.fidelity(pair, now)
        if self.selection == "waiting":
            return pair.since_s
        return pair.oldest_s if self.selection == "oldest" else -pair.oldest_s

    def fidelity(self, pair: _Pair, now: float) -> float:
        """Fidelity of a pair if both qubits were used now."""
        return self._used(pair, now)[0]

    def _used(self, pair: _Pair, now: float) -> list[float]:
        """State of a pair whose two qubits are used now."""
        state = pair.state
        for end in pair.ends:
            state = self._stored(state, end, now)
        found: list[float] = state.tolist()
        return found

    def _stored(self, state: FloatArray, end: _End, now: float) -> FloatArray:
        errors = np.zeros(4)
        elapsed = now - max(end.born_s, end.known_s)
        memory_errors(self.noise, elapsed, self.view.hardware[end.node].coherence_s, errors)
        return self._composed(state, errors)

    def _composed(self, first: FloatArray, second: FloatArray) -> FloatArray:
        after: FloatArray = first[_XOR] @ second
        if self.werner:
            after = np.array([after[0], *[(1.0 - after[0]) / 3.0] * 3])
        return after

    def obey(self, orders: Sequence[Swap | Fusion | Purify], now: float) -> None:
        """Carry out orders: rounds of purification, then fusions, then swaps."""
        self.ends_of = {ident: tuple(end.node for end in pair.ends) for ident, pair in self.pairs.items()}
        self.failed, self.spent = set(), set()
        rounds = [order for order in orders if isinstance(order, Purify)]
        touched = {ident for order in rounds for ident in (order.kept, order.spent)}
        for order in orders:
            if isinstance(order, Fusion) and touched.intersection(order.pairs):
                raise self._refused(order, "names a pair that is purified in the same slot")
        self._purify(rounds, now)
        self._fuse([order for order in orders if isinstance(order, Fusion)], now)
        self._swap([order for order in orders if isinstance(order, Swap)], now)

    def _purify(self, orders: Sequence[Purify], now: float) -> None:
        """Rounds of two pairs each; of one that fails no pair is left.

        Raises:
            BadInput: A pair that does not live or was spent before, one alone, or two that do not join the same nodes.
        """
        for order in orders:
            idents = (order.kept, order.spent)
            for ident in idents:
                if ident not in self.ends_of or ident in self.spent:
                    raise self._refused(order, f"names pair {ident}, which does not live")
            if order.kept == order.spent or set(self.ends_of[order.kept]) != set(self.ends_of[order.spent]):
                raise self._refused(order, f"names pairs {idents}, which do not join the same two nodes")
            self.spent.add(order.spent)
            self.run.counts[MESSAGES] += 2
            whole = [ident for ident in idents if ident not in self.failed]
            if len(whole) < 2:
                self.run.counts[WASTED] += len(whole)
                self.failed |= set(idents)
                for ident in whole:
                    self._end(self.pairs[ident], now)
            elif not self._better(order, now):
                self.failed |= set(idents)

    def _better(self, order: Purify, now: float) -> bool:
        """Whether a round of two pairs succeeds; what is left of them."""
        kept, spent = self.pairs[order.kept], self.pairs[order.spent]
        states = [
            self._stored(self._stored(pair.state, pair.ends[0], now), pair.ends[1], now)
            for pair in (kept, spent)
        ]
        if order.scheme == "bbpssw":
            states = [twirled(state) for state in states]
        first, second = (self.view.hardware[end.node] for end in kept.ends)
        gate = math.sqrt(first.gate_fidelity * second.gate_fidelity)
        readout = joint_readout(first.readout_fidelity, second.readout_fidelity)
        scheme, out = BBPSSW if order.scheme == "bbpssw" else DEJMPS, np.zeros(4)
        success = purify(states[0], states[1], scheme, gate, readout, out)
        self._end(spent, now)
        if self.rounds[max(end.node for end in kept.ends)].random() >= success:
            self.run.counts[SPOILED] += 1
            self._end(kept, now)
            return False
        self.run.counts[PURIFIED] += 1
        kept.state = twirled(out) if self.werner or scheme == BBPSSW else out
        kept.ends = (kept.ends[0]._replace(known_s=now), kept.ends[1]._replace(known_s=now))
        kept.rounds += 1
        return True

    def _fuse(self, orders: Sequence[Fusion], now: float) -> None:
        """Fuse pairs; of those that then hang together two users keep one.

        Raises:
            BadInput: As for swaps, or an order has fewer than two pairs, or pairs of several requests.
        """
        used: set[tuple[int, int]] = set()
        part_of = {ident: ident for ident in self.pairs}
        for order in orders:
            if len(set(order.pairs)) < 2:
                raise self._refused(order, "fuses fewer than two pairs")
            for ident in order.pairs:
                self._named(order, part_of, ident, used)
        self.run.counts[MESSAGES] += 2 * len(orders)
        good = [
            bool(self.lots[order.node].random() < self.view.hardware[order.node].swap_success)
            for order in orders
        ]
        for order in (order for order, works in zip(orders, good, strict=True) if not works):
            lost = [ident for ident in order.pairs if ident in self.pairs]
            self.run.counts[FAILED] += len(lost) // 2
            self.run.counts[WASTED] += len(lost) % 2
            for ident in lost:
                self._end(self.pairs[ident], now)
        worked = [order for order, works in zip(orders, good, strict=True) if works]
        left = [tuple(ident for ident in order.pairs if ident in self.pairs) for order in worked]
        for component in components(left):
            self._keep_one(component, worked, left, now)

    def _keep_one(
        self, component: Component, orders: Sequence[Fusion], left: Sequence[tuple[int, ...]], now: float
    ) -> None:
        """Make one pair of two users of a component's pairs, or none where a user has no end of them."""
        fusions = {place: left[place] for place in component.fusions}
        requests = {orders[place].request for place in fusions}
        if len(requests) > 1:
            raise self._refused(
                orders[component.fusions[0]], "and others fuse one pair for different requests"
            )
        fused = {(orders[place].node, ident) for place, idents in fusions.items() for ident in idents}
        request = self.view.requests[requests.pop()]
        users = [self.view.network.index(name) for name in (request.source, request.target)]
        held = [
            [ident for ident in component.pairs if user in self.ends_of[ident] and (user, ident) not in fused]
            for user in users
        ]
        old = {ident: self.pairs[ident] for ident in component.pairs}
        # A fused qubit is stored until its fusion is done.
        done = {(node, ident): now + self.view.hardware[node].swap_delay_s for node, ident in fused}
        used = {(end, ident): done.get((end.node, ident), now) for ident in old for end in old[ident].ends}
        states = {
            ident: self._stored(
                self._stored(pair.state, pair.ends[0], used[pair.ends[0], ident]),
                pair.ends[1],
                used[pair.ends[1], ident],
            )
            for ident, pair in old.items()
        }
        way = way_between(held[0], held[1], fusions, states)
        for ident, pair in old.items():
            for end in pair.ends:
                self._free(end, used[end, ident])
            del self.pairs[ident]
        if way is None:
            self.run.counts[WASTED] += len(old)
            return
        kept = []
        for ident, user in zip((way.pairs[0], way.pairs[-1]), users, strict=True):
            one, other = sorted(old[ident].ends, key=lambda end: end.node != user)
            kept.append(one)
            # What the kept qubits forget is counted when they are used.
            states[ident] = self._stored(old[ident].state, other, used[other, ident])
        gates = {
            place: self.view.hardware[orders[place].node].gate_fidelity ** (len(idents) - 1)
            for place, idents in fusions.items()
        }
        state = fused_state(way, states, gates)
        readouts = {place: self.view.hardware[orders[place].node].readout_fidelity for place in fusions}
        leaves = [
            self.view.hardware[end.node].readout_fidelity
            for ident, pair in old.items()
            for end in pair.ends
            if end not in kept and (end.node, ident) not in fused
        ]
        self._hold(kept, old, misread(state, way, fusions, readouts, leaves), now)

    def _hold(self, kept: Sequence[_End], old: dict[int, _Pair], state: FloatArray, now: float) -> None:
        """Two users hold on to the ends that they keep of fused pairs."""
        if self.werner:
            state = np.array([state[0], *[(1.0 - state[0]) / 3.0] * 3])
        for end in kept:
            self.free[end.link, end.side] -= 1
            since, until = max(end.born_s, float(self.span[0])), min(now, float(self.span[1]))
            self.run.held_s -= max(0.0, until - since)
        self.run.counts[JOINED] += len(old) - 1
        links = tuple(link for pair in old.values() for link in pair.links)
        until_s = min(pair.until_s for pair in old.values())
        joined = _Pair(min(old), (kept[0], kept[1]), state, until_s, links, since_s=now)
        self.pairs[joined.ident] = joined

    def _swap(self, orders: Sequence[Swap], now: float) -> None:
        """Join pairs two by two; a pair that was joined before goes by the numbers of its parts.

        Raises:
            BadInput: An order names pairs that are not there, do not meet at its node, or whose end is used already.
        """
        dead = self.failed - self.spent
        part_of: dict[int, int] = {ident: ident for ident in (*self.pairs, *dead)}
        used: set[tuple[int, int]] = set()
        for order in orders:
            idents = [self._named(order, part_of, ident, used) for ident in (order.first, order.second)]
            self.run.counts[MESSAGES] += 2
            kept = self._swapped(order.node, idents, dead, now)
            if kept < 0:
                kept = idents[0]
                dead |= set(idents)
            for ident, now_in in part_of.items():
                if now_in in idents:
                    part_of[ident] = kept

    def _swapped(self, node: int, idents: Sequence[int], dead: set[int], now: float) -> int:
        """The number of the pair that a swap makes, -1 where it makes none."""
        good = bool(self.lots[node].random() < self.view.hardware[node].swap_success)
        whole = [ident for ident in dict.fromkeys(idents) if ident not in dead]
        if len(whole) == 2:
            return self._joined(node, whole[0], whole[1], now, good=good)
        # Its partner ended before, or both qubits are of one pair, whose swaps closed a ring.
        for ident in whole:
            self.run.counts[WASTED] += 1
            self._end(self.pairs[ident], now)
        return -1

    def _named(
        self, order: Swap | Fusion, part_of: dict[int, int], ident: int, used: set[tuple[int, int]]
    ) -> int:
        if ident not in part_of:
            raise self._refused(order, f"names pair {ident}, which does not live")
        if (order.node, ident) in used:
            raise self._refused(order, f"uses an end of pair {ident} that was used before")
        original = self.ends_of[ident]
        if order.node not in original:
            raise self._refused(order, f"names pair {ident}, which has no end there")
        used.add((order.node, ident))
        return part_of[ident]

    def _refused(self, order: Swap | Fusion | Purify, why: str) -> BadInput:
        if isinstance(order, Purify):
            message = f"a round of purification {why}"
            return BadInput(Problem(message=message, field="method.decide"))
        what = "swap" if isinstance(order, Swap) else "fusion"
        message = f"a {what} at {self.view.network.nodes[order.node]!r} {why}"
        return BadInput(Problem(message=message, field="method.decide"))

    def _joined(self, node: int, first: int, second: int, now: float, *, good: bool) -> int:
        """The number of the joined pair, -1 after a failure."""
        left, right = self.pairs[first], self.pairs[second]
        inner = [next(end for end in pair.ends if end.node == node) for pair in (left, right)]
        outer = [
            next(end for end in pair.ends if end is not mine)
            for pair, mine in zip((left, right), inner, strict=True)
        ]
        done = now + self.view.hardware[node].swap_delay_s
        for end in inner:
            self._free(end, done)
        del self.pairs[first], self.pairs[second]
        if not good:
            self.run.counts[FAILED] += 1
            for end in outer:
                self._free(end, now)
            return -1
        self.run.counts[JOINED] += 1
        state = self._composed(
            self._stored(left.state, inner[0], done), self._stored(right.state, inner[1], done)
        )
        gate, readout = self.view.hardware[node].gate_fidelity, self.view.hardware[node].readout_fidelity
        state = gate * state + (1.0 - gate) / 4.0
        if readout < 1.0:
            errors = np.zeros(4)
            read_errors(readout, errors)
            state = self._composed(state, errors)
        until = min(left.until_s, right.until_s)
        links = left.links + right.links
        joined = _Pair(first, (outer[0], outer[1]), state, until, links, since_s=done)
        self.pairs[first] = joined
        if outer[0].node == outer[1].node:
            # A node that shares a pair with itself has nothing.
            self.run.counts[WASTED] += 1
            self._end(joined, now)
            return -1
        return first

    def wanted(self, request: int, now: float) -> int | None:
        """Pairs that a request's waiting jobs still want; None where it has no jobs."""
        queue = self.jobs[request]
        return None if queue is None else queue.wanted(now)

    def deliver(self, now: float) -> None:
        """Pairs that join two users are theirs; of several requests of theirs one that waits, that got least."""
        for pair in list(self.pairs.values()):
            places = self.users.get(frozenset(end.node for end in pair.ends))
            if places is None or not self._wanted(pair).is_pure(pair.rounds, 0.0):
                continue
            place = min(places, key=lambda each: (self.wanted(each, now) == 0, self.got[each]))
            self.got[place] += 1
            self.run.counts[DELIVERED] += 1
            fidelity, *errors = self._used(pair, now)
            found = Delivery(
                place, now, fidelity, now - pair.oldest_s, pair.links, (errors[0], errors[1], errors[2])
            )
            queue = self.jobs[place]
            if queue is not None and found.fidelity >= self.view.requests[place].fidelity:
                queue.take(now)
            self.run.deliveries.append(found)
            self._end(pair, now)

    def _end(self, pair: _Pair, now: float) -> None:
        for end in pair.ends:
            self._free(end, now)
        del self.pairs[pair.ident]

    def _free(self, end: _End, now: float) -> None:
        self.free[end.link, end.side] += 1
        since, until = max(end.born_s, float(self.span[0])), min(now, float(self.span[1]))
        self.run.held_s += max(0.0, until - since)


def run_slots(
    view: View,
    method: Decider,
    physics: tuple[int, bool],
    seed: Seed,
    span: FloatArray,
    phases: Phases,
    context: Context,
    arrivals: Sequence[FloatArray] = (),
    selection: str | None = None,
    make: Callable[..., Slots] = Slots,
) -> SlotRun:
    """Run a method that decides, and hold the run to the law of conservation.

    What links give and which swaps succeed are drawn from streams of their own, so methods meet the same links.

    Args:
        view: The network before the run.
        method: The method.
        physics: Noise of memories (see `states`), and whether states are Werner states.
        seed: The trial's seed.
        span: End of the warm-up and horizon, s.
        phases: How long links try in each slot, and who talks to whom.
        context: Services of the laboratory.
        arrivals: When the jobs of each request come, s; empty for a run without jobs.
        selection: The rule by which one of several pairs is swapped; see `LivePair.cost`.
        make: What makes the memories and pairs; one that watches them, perhaps.

    Raises:
        BadInput: A slot is longer than the run, or the method orders what cannot be.
        RuntimeError: Pairs were lost or made from nothing; an error of this program.
    """
    rng = seed.generator("method")
    plan = method.plan(view, rng, context)
    installed = plan.paths
    noise, werner = physics
    talk = talk_of(view, phases, method)
    # Swaps of a slot begin together, and its word is that of the slowest.
    slowest = max(node.swap_delay_s for node in view.hardware)
    talk = _stretched(talk._replace(word_s=talk.word_s + slowest), phases)
    slots = make(view, noise, werner=werner, seed=seed, span=span, external_s=phases.external_s)
    slots.selection = selection
    if plan.memories:
        slots.provide(plan.memories)
    if arrivals:
        slots.jobs = queues_of(view.requests, arrivals)
    if isinstance(method, _Keeping):
        slots.pieces = method.pieces(installed)
    length = phases.external_s + talk.total_s
    if length > span[1]:
        message = f"one slot takes {length:g} s, more than the run"
        hint = "phases.external_s, and the messages of phases.control"
        raise BadInput(Problem(message=message, field="scenario.horizon_s", hint=hint))
    for slot in range(int(span[1] / length)):
        context.check_time()
        now = slot * length
        slots.expire(now)
        slots.generate(now)
        now += phases.external_s
        waiting = tuple(slots.wanted(place, now) for place in range(len(view.requests)))
        now += talk.news_s
        slots.expire(now)
        live = slots.live(now, now + talk.orders_s)
        got = tuple(slots.got)
        told = replace(view, live=live, now_s=now, installed=installed, delivered=got, waiting=waiting)
        orders = method.decide(told, rng, context)
        now += talk.orders_s
        slots.expire(now)
        slots.obey(orders, now)
        slots.lose_patience(now)
        now += talk.word_s
        slots.expire(now)
        slots.deliver(now)
        if phases.clear:
            slots.clear(now)
    return _finished(slots)


def _stretched(talk: Talk, phases: Phases) -> Talk:
    """The same with the wanted routing and internal phase, in which messages must find time."""
    wanted = (
        ("routing_s", phases.routing_s, talk.news_s),
        ("internal_s", phases.internal_s, talk.orders_s + talk.word_s),
    )
    for name, length_s, least_s in wanted:
        if length_s is not None and length_s < least_s:
            message = f"messages take {least_s:g} s, longer than the phase of {length_s:g} s"
            raise BadInput(Problem(message=message, field=f"scenario.phases.{name}"))
    news_s = talk.news_s if phases.routing_s is None else phases.routing_s
    word_s = talk.word_s if phases.internal_s is None else phases.internal_s - talk.orders_s
    return Talk(news_s, talk.orders_s, word_s)


def _finished(slots: Slots) -> SlotRun:
    run, counts = slots.run, slots.run.counts
    run.in_memory = len(slots.pairs)
    for pair in list(slots.pairs.values()):
        slots._end(pair, float(slots.span[1]))
    ended = counts[JOINED] + 2 * counts[FAILED] + counts[WASTED] + counts[DECOHERED] + counts[DELIVERED]
    ended += counts[PURIFIED] + 2 * counts[SPOILED] + counts[TRIMMED]
    if counts[CREATED] != ended + run.in_memory:
        message = f"{counts[CREATED]} pairs were created, {ended} ended and {run.in_memory} are left"
        raise RuntimeError(message)
    return run
