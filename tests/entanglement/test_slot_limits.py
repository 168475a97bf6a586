"""Turns of a fibre, cut-offs and longest waits in runs of slots, against closed forms."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.world import make_world

EXTERNAL_S = 0.0008
"""One attempt of 20 km: question and answer 0.2 ms, notice 0.4 ms, and no room for another 0.5 ms."""
SLOT_S = EXTERNAL_S + 0.0004
"""With the delay of 40 km there and back."""


def scenario_of(
    nodes: str, *, pairs: int = 1, external_s: float = EXTERNAL_S, **links: Any
) -> EntanglementScenario:
    """A line of links of 20 km in slots, with perfect swaps and memories."""
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 20.0} for a, b in pairwise(nodes)]},
        "requests": [{"source": nodes[0], "target": nodes[-1]}],
        "links": {"pairs": pairs} | links,
        "nodes": {"coherence_s": 10.0, "swap_success": 1.0},
        "memory": {"noise": "perfect"},
        "phases": {"for_all": True, "external_s": external_s},
        "horizon_s": 3.0,
    }
    return EntanglementScenario.model_validate(raw)


def outcomes(scenario: EntanglementScenario, method: Any, count: int = 1) -> list[Any]:
    return list(run(scenario, method, [Seed(replication=k) for k in range(count)], Context()))


def success(scenario: EntanglementScenario) -> float:
    return make_world(scenario, Seed(), Context()).view.timings[0].success


@pytest.mark.parametrize("method", [ShortestPath(), ReactiveCentral()])
def test_one_turn_shares_its_attempts_among_all_memories(method: Any) -> None:
    # 13 attempts in a row: as many pairs as succeed, three at most, since a memory tries no more when it has one.
    scenario = scenario_of("SD", pairs=3, external_s=0.0006 + 12 * 0.0005 + 1e-6, at_once=1)
    share = binom.pmf(range(14), 13, success(scenario))
    pairs = np.minimum(range(14), 3)
    mean, square = share @ pairs, share @ pairs**2
    slots = int(3.0 / (scenario.phases.external_s + 0.0002))
    (found,) = outcomes(scenario, method)
    error = math.sqrt(slots * (square - mean**2))
    # Four standard errors: passed by chance in 6 of 10^5.
    assert abs(found.metrics["rate_per_s"] * 3.0 - slots * mean) < 4 * error
    (free,) = outcomes(scenario_of("SD", pairs=3, external_s=scenario.phases.external_s), method)
    assert free.metrics["rate_per_s"] > 1.3 * found.metrics["rate_per_s"]


def test_as_many_turns_as_memories_are_no_limit() -> None:
    limited, free = (scenario_of("SRD", pairs=3, external_s=0.003, **links) for links in ({"at_once": 3}, {}))
    assert outcomes(limited, ShortestPath())[0].metrics == outcomes(free, ShortestPath())[0].metrics


def slots_until_delivery(p: float, most: int, *, blocked: bool) -> float:
    """Mean slots until two links of one attempt each hold pairs of at most so many slots' difference.

    From two free links T = 1 + 2 p (1 - p) W + (1 - p)^2 T, and with one pair that waits
    W = sum_j j p (1 - p)^(j - 1) + (1 - p)^most (most + rest). When its time is over, rest = T, or, where its memory is
    not free in time for the next slot, in which the other link alone tries, rest = 1 + p W + (1 - p) T.
    """
    missed = (1 - p) ** most
    joined = sum(j * p * (1 - p) ** (j - 1) for j in range(1, most + 1))
    again = [missed * p, missed * (1 - p)] if blocked else [0.0, missed]
    equations = [[-2 * p * (1 - p), 1 - (1 - p) ** 2], [1 - again[0], -again[1]]]
    return float(np.linalg.solve(equations, [1.0, joined + missed * (most + blocked)])[1])


@pytest.mark.parametrize("most", [1, 4])
@pytest.mark.parametrize("blocked", [False, True])
def test_cut_offs_and_waits_against_the_closed_form(most: int, *, blocked: bool) -> None:
    # A wait is over after the swaps of `most` later slots, before the next begins; a pair must be young enough until
    # its users have heard of it, which is when the next slot begins.
    method = (
        ShortestPath(cutoff_s=most * SLOT_S + 0.0011)
        if blocked
        else ShortestPath(wait_s=most * SLOT_S + 0.0001)
    )
    scenario = scenario_of("SRD")
    expected = 1.0 / (SLOT_S * slots_until_delivery(success(scenario), most, blocked=blocked))
    found = outcomes(scenario, method, 12)
    rates = np.array([each.metrics["rate_per_s"] for each in found])
    # 4.5 standard errors of 12 runs, Student's law: passed by chance in about 9 of 10^4.
    assert abs(rates.mean() - expected) < 4.5 * rates.std(ddof=1) / math.sqrt(12)
    shares = [found[0].metrics[name] for name in ("decohered_share", "cut_share")]
    assert shares[blocked is False] > 0.05 > shares[blocked]


def test_a_wait_begins_when_a_pair_has_had_its_rounds() -> None:
    # Two memories: a pair alone waits for a second one to be purified with for as long as that takes.
    scenario = scenario_of("SRD", pairs=2)
    (found,) = outcomes(scenario, ShortestPath(rounds=1, wait_s=2 * SLOT_S + 0.0001))
    pure = found.counters["purifications_succeeded"]
    assert 0 < found.counters["pairs_cut"] <= pure


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (ShortestPath(order="ranks", ranks=(1, 0, 0, 1)), "ranks"),
        (ShortestPath(cutoff_s=0.0001), "dropped at an age of 0.0001"),
        (ShortestPath(rounds=2), "need 4 memories"),
    ],
)
def test_plans_that_no_path_can_keep(method: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        outcomes(scenario_of("SRD"), method)
