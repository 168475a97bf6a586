"""Closed forms that runs are held against: waiting, cut-offs, memories, purification, keys, bounds, conservation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, get_args

import numpy as np

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.links import link_timing
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
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

__all__ = ["closed_forms"]

_Z = 4.42
"""Standard errors that chance exceeds once in 10^5."""
_EXTERNAL_S = 0.0008
"""One attempt of 20 km: question and answer 0.2 ms, notice 0.4 ms, and no room for another 0.5 ms."""
_TAU = 1e-4
"""Delay of 20 km, s."""


def closed_forms(count: int, context: Context) -> Iterator[Check]:
    """All of them.

    Args:
        count: Runs of each row that chance has a part in.
        context: Tells when time is over.
    """
    yield from _waiting(count, context)
    yield _cut_off(count, context)
    yield _wide_path(count, context)
    yield from _memories(context)
    yield from _purified(context)
    yield from _keys()
    yield _bound()
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
