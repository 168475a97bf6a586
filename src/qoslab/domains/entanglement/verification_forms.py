"""Closed forms that runs are held against: waiting, cut-offs, memories, purification, keys, bounds, conservation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise, product
from typing import Any, get_args

import numpy as np

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.links import LinkTiming, link_timing
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.methods.yen_multipath import YenMultipath
from qoslab.domains.entanglement.metrics import hashing_yield, key_fraction
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.routing.throughput import expected_throughput
from qoslab.domains.entanglement.scenario import (
    Architecture,
    EntanglementScenario,
    LinkHardware,
    NodeHardware,
)
from qoslab.domains.entanglement.world import make_world

__all__ = ["closed_forms", "least_cut"]

_Z = 4.42
"""Standard errors that chance exceeds once in 10^5."""
_EXTERNAL_S = 0.0008
"""One attempt of 20 km: question and answer 0.2 ms, notice 0.4 ms, and no room for another 0.5 ms."""
_TAU = 1e-4
"""Delay of 20 km, s."""
_RESET_S = 0.0004
"""Makes an attempt of 20 km as long as question, answer, notice and word of a pair: 0.8 ms."""
_ROUNDED = 0.005
"""What the doubling's form is too long by is in whole per cent."""


def closed_forms(count: int, context: Context) -> Iterator[Check]:
    """All of them.

    Args:
        count: Runs of each row that chance has a part in.
        context: Tells when time is over.
    """
    yield from _waiting(count, context)
    yield _chain(4 * count, context)
    yield from _doubling(count, context)
    yield _cut_off(count, context)
    yield _wide_path(count, context)
    yield from _memories(context)
    yield from _purified(context)
    yield from _keys()
    yield _bound()
    yield _network_bound(context)
    yield from _conservation(context)


def _runs(scenario: EntanglementScenario, method: Any, count: int, context: Context) -> list[Outcome]:
    seeds = [Seed(0, "forms", "", replication) for replication in range(count)]
    return list(run(scenario, method, seeds, replace(context, keep_series=True)))


def _near(name: str, source: str, expected: float, values: list[float]) -> Check:
    got, slack = float(np.mean(values)), _Z * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Check.within(name, source, expected=expected, got=got, low=expected - slack, high=expected + slack)


def _exact(name: str, source: str, expected: float, got: float, slack: float = 1e-12) -> Check:
    return Check.within(name, source, expected=expected, got=got, low=expected - slack, high=expected + slack)


def _slotted(
    nodes: str, *, swap: float = 1.0, pairs: int = 1, clear: bool = False, horizon_s: float = 0.5
) -> EntanglementScenario:
    """A line of links of 20 km in slots of one attempt each, with memories that never forget."""
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 20.0} for a, b in pairwise(nodes)]},
        "requests": [{"source": nodes[0], "target": nodes[-1]}],
        "links": {"pairs": pairs},
        "nodes": {"coherence_s": 10.0, "swap_success": swap},
        "memory": {"noise": "perfect"},
        "phases": {"for_all": True, "external_s": _EXTERNAL_S, "clear": clear},
        "horizon_s": horizon_s,
    }
    return EntanglementScenario.model_validate(raw)


def _slot(scenario: EntanglementScenario) -> tuple[float, float]:
    """Success of a slot's attempt, and the slot's length, s: word goes all along the line and back."""
    timings = make_world(scenario, Seed(), Context()).view.timings
    return timings[0].success, _EXTERNAL_S + 2.0 * sum(each.delay_s for each in timings)


def _longest(p: float, links: int) -> float:
    """Mean of the largest of several geometric numbers of attempts."""
    terms = range(1, links + 1)
    return math.fsum(math.comb(links, j) * (-1.0) ** (j + 1) / (1.0 - (1.0 - p) ** j) for j in terms)


def _waiting(count: int, context: Context) -> Iterator[Check]:
    """Until the first delivery all links must have succeeded, however long the line."""
    for nodes in ("SRD", "SABCD"):
        scenario = _slotted(nodes, horizon_s=0.25)
        p, length = _slot(scenario)
        found = _runs(scenario, ShortestPath(), 4 * count, context)
        slots = [math.ceil(each.series["deliveries"]["time_s"][0] / length - 1e-6) for each in found]
        name = f"slots until the first delivery over {len(nodes) - 1} links"
        yield _near(name, "sum_j C(n, j) (-1)^(j + 1) / (1 - (1 - p)^j)", _longest(p, len(nodes) - 1), slots)


def _rare(
    links: int, *, swap: float, horizon_s: float, last: float | None = None
) -> tuple[EntanglementScenario, LinkTiming]:
    """A line of links of 20 km that seldom succeed, one memory at each end, and what attempts are like.

    Args:
        links: How many.
        swap: Success probability of swaps.
        horizon_s: Simulated time, s.
        last: The same at the node in the middle, if it differs.
    """
    names = [f"n{i}" for i in range(links + 1)]
    node = {"coherence_s": 1e6, "swap_success": swap, "source_efficiency": 0.3, "reset_s": _RESET_S}
    other = {"node": names[links // 2], "hardware": node | {"swap_success": swap if last is None else last}}
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 20.0} for a, b in pairwise(names)]},
        "requests": [{"source": names[0], "target": names[-1]}],
        "nodes": node,
        "node_overrides": [other],
        "memory": {"noise": "perfect"},
        "horizon_s": horizon_s,
    }
    scenario = EntanglementScenario.model_validate(raw)
    return scenario, make_world(scenario, Seed(), Context()).view.timings[0]


def _firsts(found: list[Outcome]) -> list[float]:
    """When each run made its first delivery, s; the horizons leave chance less than 10^-5 of none."""
    return [float(each.series["deliveries"]["time_s"][0]) for each in found]


def _chain(count: int, context: Context) -> Check:
    """Swaps at once that never fail, attempts of 1.6 %: the number of attempts that the slowest of 8 links needs.

    For 2 to 16 links the form is within 0.01 % of the exact sum up to p = 0.3, and within 0.1 % up to 0.5.
    """
    links = 8
    scenario, timing = _rare(links, swap=1.0, horizon_s=1.0)
    p = timing.success
    # Attempts begin two delays after the start; word of the last swap takes 4 to 7, an attempt 8.
    known_s = 2.0 * timing.delay_s + timing.notify_second_s
    word_s = links / 2.0 * timing.delay_s
    attempts = [
        1.0 + math.floor((time_s - known_s - word_s) / timing.interval_s + 1e-6)
        for time_s in _firsts(_runs(scenario, ShortestPath(), count, context))
    ]
    expected = math.fsum(1.0 / j for j in range(1, links + 1)) / -math.log1p(-p) + 0.5
    name = f"attempts until the first delivery over {links} links, p = {p:.3f}"
    return _near(name, "H_n / (-ln(1 - p)) + 1/2", expected, attempts)


def _doubling(count: int, context: Context) -> Iterator[Check]:
    """Swaps of 1/2 level by level; the form is 4 % too long for 4 links and 9 % for 8, by the whole distributions.

    That is for rare pairs and swaps of 1/2; with swaps that never fail it is 8 and 24 % too long.
    Over 8 links the last swap always succeeds and only first deliveries count: later, links in the middle would have
    made pairs ahead, which the form knows nothing of.
    """
    swap, method = 0.5, ShortestPath(order="balanced")
    for level, excess, runs in ((2, 0.04, count), (3, 0.09, 5 * count)):
        whole = level == 2
        scenario, timing = _rare(
            2**level, swap=swap, horizon_s=40.0 if whole else 8.0, last=None if whole else 1.0
        )
        found = _runs(scenario, method, runs, context)
        form = 1.5**level / (timing.success * swap ** (level if whole else level - 1))
        if whole:
            rates = [each.metrics["rate_per_s"] for each in found]
            got, spread = 1.0 / float(np.mean(rates)), float(np.std(rates, ddof=1) / np.mean(rates))
        else:
            times = _firsts(found)
            got, spread = float(np.mean(times)), float(np.std(times, ddof=1) / np.mean(times))
        got /= timing.interval_s
        expected = form / (1.0 + excess)
        slack = expected * (_Z * spread / math.sqrt(runs) + _ROUNDED)
        yield Check.within(
            f"attempts per pair of {2**level} links swapped by doubling, {form:.1f} less the form's excess",
            f"(3/2)^k / (p q^k), small p, {excess:.0%} too long at k = {level}, q = 1/2",
            expected=expected,
            got=got,
            low=expected - slack,
            high=expected + slack,
        )


def _cut_off(count: int, context: Context) -> Check:
    """Two links whose older pair is given up after four attempts of the other."""
    most = 4
    scenario = _slotted("SRD")
    p, length = _slot(scenario)
    miss, share = (1.0 - p) ** most, (2.0 - 2.0 * p) / (2.0 - p)
    slots = (1.0 / (p * (2.0 - p)) + share * (1.0 - miss) / p) / (1.0 - share * miss)
    found = _runs(scenario, ShortestPath(wait_s=most * length + 1e-4), count, context)
    rates = [each.metrics["rate_per_s"] for each in found]
    source = "T = 1 / (p (2 - p)) + (2 - 2 p) / (2 - p) (E min(G, m) + (1 - p)^m T)"
    return _near("pairs per second of two links, waits of 4 attempts", source, 1.0 / (slots * length), rates)


def _wide_path(count: int, context: Context) -> Check:
    """Three links of three memories that are emptied after each slot, swaps of 0.8."""
    scenario = _slotted("SABD", swap=0.8, pairs=3, clear=True)
    p, length = _slot(scenario)
    expected = expected_throughput([p] * 3, 3, [0.8] * 2) / length
    rates = [each.metrics["rate_per_s"] for each in _runs(scenario, ShortestPath(), count, context)]
    return _near("pairs per second of a path of width 3 and 3 hops", "EXT of Q-CAST", expected, rates)


def _one_link(
    memory: dict[str, Any], coherence_s: float, fidelity: float, pairs: int
) -> EntanglementScenario:
    """20 km whose attempts always succeed, from a source in the middle: both ends know a delay after creation."""
    raw = {
        "network": {"links": [{"source": "n0", "target": "n1", "length_km": 20.0}]},
        "requests": [{"source": "n0", "target": "n1"}],
        "links": {
            "architecture": "source_in_midpoint",
            "attenuation_db_per_km": 0.0,
            "pairs": pairs,
            "initial_fidelity": fidelity,
        },
        "nodes": {"detector_efficiency": 1.0, "coherence_s": coherence_s},
        "memory": memory,
        "horizon_s": 0.2,
    }
    return EntanglementScenario.model_validate(raw)


def _memories(context: Context) -> Iterator[Check]:
    """Perfect pairs whose two qubits are stored for a quarter of the memories' time each."""
    left = math.exp(-0.25)
    lost = 1.0 - left
    for noise, source, expected in (
        ("dephasing", "(1 + l^2) / 2, l = exp(-t / T)", (1.0 + left * left) / 2.0),
        ("depolarising", "(1 + 3 w) / 4, w = exp(-2 t / T)", (1.0 + 3.0 * left * left) / 4.0),
        ("amplitude_damping", "1 - g + g^2 / 4, g = 1 - exp(-t / T)", 1.0 - lost + lost * lost / 4.0),
    ):
        scenario = _one_link({"noise": noise, "state": "bell_diagonal"}, 4.0 * _TAU, 1.0, 1)
        (found,) = _runs(scenario, ShortestPath(), 1, context)
        yield _exact(f"fidelity after {noise}", source, expected, found.metrics["fidelity"])


def _purified(context: Context) -> Iterator[Check]:
    """One round on pairs of 0.9: what is left where it succeeds, and how often it does."""
    f, rest = 0.9, 0.1 / 3.0
    pass_ = f * f + 2.0 * f * rest + 5.0 * rest * rest
    for scheme, source, state in (
        ("bbpssw", "(F^2 + ((1 - F) / 3)^2) / p", "werner"),
        ("dejmps", "(I^2 + Y^2) / p", "bell_diagonal"),
    ):
        scenario = _one_link({"noise": "perfect", "state": state}, 0.01, f, 8)
        method = ShortestPath(rounds=1, scheme="dejmps" if scheme == "dejmps" else "bbpssw")
        (found,) = _runs(scenario, method, 1, context)
        expected = (f * f + rest * rest) / pass_
        yield _exact(f"fidelity after one round of {scheme}", source, expected, found.metrics["fidelity"])
        done = found.counters["purifications_succeeded"] + found.counters["purifications_failed"]
        yield _exact(
            f"share of rounds of {scheme} that succeed",
            "p = F^2 + 2 F (1 - F) / 3 + 5 (1 - F)^2 / 9",
            pass_,
            found.counters["purifications_succeeded"] / done,
            _Z * math.sqrt(pass_ * (1.0 - pass_) / done),
        )


def _keys() -> Iterator[Check]:
    """Fidelity of Werner pairs from which on keys can be made, and pairs distilled."""
    for name, source, expected, of in (
        ("BB84", "1 = 2 h(2 (1 - F) / 3)", 0.83496, key_fraction),
        ("hashing", "1 = H(F, (1 - F) / 3 three times)", 0.81071, hashing_yield),
    ):
        low, high = 0.5, 1.0
        while high - low > 1e-9:
            middle = (low + high) / 2.0
            low, high = (low, middle) if of(middle) > 0.0 else (middle, high)
        yield _exact(f"least fidelity for {name}", source, expected, high, 1e-5)


def _bound() -> Check:
    """No link makes more pairs per attempt than its fibre may carry, whatever its hardware."""
    node, most = NodeHardware(source_efficiency=1.0, detector_efficiency=1.0), 0.0
    for architecture in get_args(Architecture):
        link = LinkHardware(architecture=architecture)
        for km in (0.1, 1.0, 10.0, 50.0, 100.0, 200.0):
            bound = -math.log2(1.0 - 10.0 ** (-link.attenuation_db_per_km * km / 10.0))
            most = max(most, link_timing(km, link, node, node).success / bound)
    name = "pairs per attempt over the repeaterless bound, most of five architectures, 0.1 to 200 km"
    return Check.within(name, "PLOB, -log2(1 - eta)", expected=1.0, got=most, low=0.0, high=1.0)


def least_cut(capacities: Mapping[tuple[str, str], float], source: str, target: str) -> float:
    """Least capacity of the links between a set of nodes with the source and the others with the target, by all sets.

    It is the most that can flow (Ford and Fulkerson 1956).

    Args:
        capacities: Capacity of each link in either direction, by its two ends.
        source: The one user.
        target: The other.
    """
    inner = sorted({name for ends in capacities for name in ends} - {source, target})
    cuts = []
    for chosen in product((False, True), repeat=len(inner)):
        near = {source} | {name for name, taken in zip(inner, chosen, strict=True) if taken}
        cuts.append(math.fsum(each for (a, b), each in capacities.items() if (a in near) != (b in near)))
    return min(cuts)


def _network_bound(context: Context) -> Check:
    """No routing makes more perfect pairs than the least cut of a network of perfect hardware may carry.

    Every memory's attempt is a use of its link's fibre, whether or not the memory is free for it.
    """
    pairs = 32
    lengths = {("S", "A"): 80.0, ("S", "B"): 90.0, ("A", "B"): 40.0, ("A", "D"): 90.0, ("B", "D"): 80.0}
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": km} for (a, b), km in lengths.items()]},
        "requests": [{"source": "S", "target": "D"}],
        "links": {"architecture": "sender_receiver", "pairs": pairs, "initial_fidelity": 1.0},
        "nodes": {
            "source_efficiency": 1.0,
            "detector_efficiency": 1.0,
            "coherence_s": 1e6,
            "swap_success": 1.0,
        },
        "memory": {"noise": "perfect"},
        "horizon_s": 1.0,
    }
    scenario = EntanglementScenario.model_validate(raw)
    capacities = {}
    for ends, km in lengths.items():
        timing = link_timing(km, scenario.links, scenario.nodes, scenario.nodes)
        eta = 10.0 ** (-scenario.links.attenuation_db_per_km * km / 10.0)
        capacities[ends] = pairs / timing.interval_s * -math.log2(1.0 - eta)
    most = 0.0
    for method in (ShortestPath(), YenMultipath(paths=4)):
        (found,) = _runs(scenario, method, 1, context)
        most = max(most, found.metrics["rate_per_s"] * hashing_yield(found.metrics["fidelity"]))
    bound = least_cut(capacities, "S", "D")
    return Check.within(
        "perfect pairs per second over the least cut of 4 nodes and 5 links, most of 1 and of 4 paths",
        "min-cut of -log2(1 - eta) per use",
        expected=1.0,
        got=most / bound,
        low=0.0,
        high=1.0,
    )


def _conservation(context: Context) -> Iterator[Check]:
    """Pairs created, less those that ended and those left, where swaps, rounds, waits and ages end them."""
    ends = {
        "swaps_succeeded": 1,
        "swaps_failed": 2,
        "purifications_succeeded": 1,
        "purifications_failed": 2,
        "pairs_wasted": 1,
        "pairs_decohered": 1,
        "pairs_cut": 1,
        "pairs_clashed": 1,
        "pairs_delivered": 1,
        "pairs_in_memory": 1,
    }
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 8.0} for a, b in pairwise("ABCDE")]},
        "requests": [{"source": "A", "target": "D"}, {"source": "E", "target": "B"}],
        "links": {"pairs": 4},
        "nodes": {"coherence_s": 0.008, "swap_success": 0.8},
        "horizon_s": 0.3,
    }
    for multiplexing in ("buffer_space", "statistical"):
        scenario = EntanglementScenario.model_validate(raw | {"memory": {"multiplexing": multiplexing}})
        (found,) = _runs(scenario, ShortestPath(rounds=1, wait_s=0.003), 1, context)
        counters = found.counters
        lost = counters["pairs_created"] - sum(counters.get(name, 0) * each for name, each in ends.items())
        name = f"pairs lost of {counters['pairs_created']}, two requests, {multiplexing}"
        yield _exact(name, "conservation", 0.0, float(lost))
