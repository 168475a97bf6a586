"""Purification in runs of slots: by the formulas of circuits, its law, and orders that cannot be."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.entanglement.werner_formulas import better, swapped

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.protocol import Fusion, PathPlan, Plan, Purify, Segment, Swap
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.states import (
    compose,
    fidelity_of_werner,
    purify,
    werner_of_fidelity,
)

F0 = 0.93


def scenario_of(**changes: Any) -> EntanglementScenario:
    """S-R-D, 5 km each, in slots; memories and swaps are perfect."""
    raw = {
        "network": {
            "links": [
                {"source": "S", "target": "R", "length_km": 5.0},
                {"source": "R", "target": "D", "length_km": 5.0},
            ]
        },
        "requests": [{"source": "S", "target": "D"}],
        "links": {"pairs": 4, "initial_fidelity": F0},
        "nodes": {"coherence_s": 10.0, "swap_success": 1.0} | changes.pop("nodes", {}),
        "memory": {"noise": "perfect"} | changes.pop("memory", {}),
        "phases": {"for_all": True, "external_s": 0.002} | changes.pop("phases", {}),
        "horizon_s": 1.0,
    }
    return EntanglementScenario.model_validate(raw | changes)


def outcome(scenario: EntanglementScenario, method: Any) -> Outcome:
    return next(iter(run(scenario, method, [Seed()], Context(keep_series=True))))


@pytest.mark.parametrize(
    ("rounds", "schedule", "link"),
    [
        (0, "nested", F0),
        (1, "nested", better(F0, F0)),
        (2, "nested", better(better(F0, F0), better(F0, F0))),
        (2, "pumping", better(better(F0, F0), F0)),
    ],
)
def test_planned_rounds_in_slots(rounds: int, schedule: Any, link: float) -> None:
    """Every delivery is two purified links' pairs, swapped; the law of conservation is held by the run itself."""
    found = outcome(scenario_of(), ShortestPath(rounds=rounds, schedule=schedule))
    assert len(found.series["deliveries"]["fidelity"]) > 20
    assert found.series["deliveries"]["fidelity"] == pytest.approx(swapped(link), abs=1e-12)
    assert (found.counters["purifications_succeeded"] > 0) == (rounds > 0)


def test_dejmps_and_noisy_hardware_by_hand() -> None:
    """A CNOT is good with the geometric mean of two gates; both nodes read out alike; the swap's gate counts after.

    Each of a swap's two bits is misread by itself: a bit flip, a phase flip (errors 1 and 2), or both (error 3).
    """
    scenario = scenario_of(
        nodes={"gate_fidelity": 0.98, "readout_fidelity": 0.96}, memory={"state": "bell_diagonal"}
    )
    link, out, pair = np.array([F0, *[(1 - F0) / 3] * 3]), np.zeros(4), np.zeros(4)
    readout = (1 + np.sqrt(1 - 4 * 0.96 * 0.04)) / 2
    purify(link, link, 1, 0.98, readout, out)
    compose(out, out, pair)
    misread, told = np.array([0.96**2, 0.96 * 0.04, 0.96 * 0.04, 0.04**2]), np.zeros(4)
    compose(pair, misread, told)
    found = outcome(scenario, ShortestPath(rounds=1, scheme="dejmps"))
    assert found.metrics["fidelity"] == pytest.approx(0.98 * told[0] + 0.02 / 4, abs=1e-12)


def test_share_of_rounds_that_succeed() -> None:
    """p = F^2 + 2 F (1 - F) / 3 + 5 (1 - F)^2 / 9; 4.42 standard errors."""
    counters = outcome(scenario_of(horizon_s=3.0), ShortestPath(rounds=1)).counters
    done = counters["purifications_succeeded"] + counters["purifications_failed"]
    p = F0**2 + 2 * F0 * (1 - F0) / 3 + 5 * (1 - F0) ** 2 / 9
    assert done > 1000
    assert abs(counters["purifications_succeeded"] / done - p) < 4.42 * np.sqrt(p * (1 - p) / done)


@dataclass(frozen=True)
class Scripted:
    """Orders what a function says."""

    orders: Any

    def plan(self, view: Any, rng: Any, context: Any) -> Plan:
        return Plan(())

    def decide(self, view: Any, rng: Any, context: Any) -> Any:
        return self.orders(view)


def by_ends(view: Any) -> dict[tuple[int, int], list[int]]:
    found: dict[tuple[int, int], list[int]] = {}
    for pair in view.live:
        found.setdefault((pair.first, pair.second), []).append(pair.ident)
    return found


def test_a_pair_may_be_swapped_before_its_round_is_known() -> None:
    """Rounds and the swap in one slot: what is delivered had its round; a failure costs the other link's pair."""

    def blind(view: Any) -> list[Any]:
        held = [own for own in by_ends(view).values() if len(own) > 1]
        if len(held) < 2:
            return []
        rounds = [Purify(own[0], own[1]) for own in held]
        return [*rounds, Swap(view.network.index("R"), held[0][0], held[1][0], 0)]

    found = outcome(scenario_of(), Scripted(blind))
    assert len(found.series["deliveries"]["fidelity"]) > 20
    assert found.series["deliveries"]["fidelity"] == pytest.approx(swapped(better(F0, F0)), abs=1e-12)
    assert 0 < found.counters["pairs_wasted"] <= found.counters["purifications_failed"]


def test_what_memories_forgot_before_a_round_is_not_forgotten_again() -> None:
    """Dephasing: what is told of a pair is the state after its round, aged from then on, (1 + 2 s) / 3 per qubit."""
    known: dict[int, tuple[float, float]] = {}
    checked = []

    def once(view: Any) -> list[Any]:
        for pair in view.live:
            if pair.rounds == 1:
                since, fidelity = known[pair.ident]
                s = np.exp(-(view.now_s - since) / 0.2)
                w = float(werner_of_fidelity(fidelity)) * ((1 + 2 * s) / 3) ** 2
                checked.append((pair.fidelity, float(fidelity_of_werner(w))))
        told = {pair.ident: pair for pair in view.live if pair.rounds == 0}
        held = [[ident for ident in own if ident in told][:2] for own in by_ends(view).values()]
        for kept, spent in (own for own in held if len(own) == 2):
            known[kept] = view.now_s, better(told[kept].fidelity, told[spent].fidelity)
        return [Purify(own[0], own[1]) for own in held if len(own) == 2]

    outcome(scenario_of(nodes={"coherence_s": 0.2}, memory={"noise": "dephasing"}), Scripted(once))
    assert len(checked) > 20
    assert [each[0] for each in checked] == pytest.approx([each[1] for each in checked], abs=1e-12)


def a_round_each(view: Any) -> list[Any]:
    return [Purify(own[0], own[1]) for own in by_ends(view).values()]


def firsts(view: Any, place: int) -> list[int]:
    return [own[place] for own in by_ends(view).values()]


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        (lambda view: [Purify(998, 999)], "does not live"),
        (lambda view: [Purify(view.live[0].ident, view.live[0].ident)], "same two nodes"),
        (lambda view: [Purify(firsts(view, 0)[0], firsts(view, 0)[1])], "same two nodes"),
        (
            lambda view: [*a_round_each(view), Swap(1, firsts(view, 1)[0], firsts(view, 1)[1], 0)],
            "does not live",
        ),
        (
            lambda view: [*a_round_each(view), Fusion(1, tuple(firsts(view, 0)), 0)],
            "purified in the same slot",
        ),
    ],
)
def test_orders_that_cannot_be(orders: Any, words: str) -> None:
    def when_ready(view: Any) -> Any:
        held = by_ends(view)
        return orders(view) if len(held) == 2 and min(map(len, held.values())) > 1 else []

    with pytest.raises(BadInput, match=words):
        outcome(scenario_of(), Scripted(when_ready))


def test_plans_that_slots_cannot_keep() -> None:
    with pytest.raises(BadInput, match="memories are emptied"):
        outcome(scenario_of(phases={"clear": True}), ShortestPath(rounds=1))
    with pytest.raises(BadInput, match="users take theirs"):
        outcome(
            scenario_of(requests=[{"source": "S", "target": "D"}, {"source": "R", "target": "D"}]),
            ShortestPath(rounds=1),
        )
    with pytest.raises(BadInput, match="needs 8 memories on each hop"):
        outcome(scenario_of(), ShortestPath(end_rounds=3))
    links = [{"source": a, "target": b, "length_km": 5.0} for a, b in (("S", "R"), ("R", "D"), ("S", "D"))]
    path = PathPlan(0, (0, 1, 2), segments=(Segment(0, 2, 1),))
    with pytest.raises(BadInput, match="do not tell them from their link's"):
        outcome(scenario_of(network={"links": links}), Fixed(path))


@dataclass(frozen=True)
class Fixed:
    """Installs one path."""

    path: PathPlan

    def plan(self, view: Any, rng: Any, context: Any) -> Plan:
        return Plan((self.path,))


@pytest.mark.parametrize("rounds", [1, 2])
def test_users_wait_for_the_rounds_of_their_joined_pairs(rounds: int) -> None:
    expected = swapped(F0)
    for _ in range(rounds):
        expected = better(expected, expected)
    found = outcome(scenario_of(), ShortestPath(end_rounds=rounds))
    assert found.metrics["rate_per_s"] > 0
    assert found.series["deliveries"]["fidelity"] == pytest.approx(expected)
    assert found.counters["purifications_succeeded"] >= (2**rounds - 1) * len(
        found.series["deliveries"]["fidelity"]
    )


def test_segments_are_purified_before_they_are_joined() -> None:
    names = ("S", "A", "R", "B", "D")
    links = [{"source": a, "target": b, "length_km": 5.0} for a, b in pairwise(names)]
    path = PathPlan(
        0,
        (0, 1, 2, 3, 4),
        ranks=(2, 0, 1, 0, 2),
        rounds=(1, 1, 0, 0),
        segments=(Segment(0, 2, 1), Segment(2, 4, 1)),
    )
    found = outcome(scenario_of(network={"links": links}, horizon_s=3.0), Fixed(path))
    link = better(F0, F0)
    left, right = better(swapped(link), swapped(link)), better(swapped(F0), swapped(F0))
    expected = swapped(left, right)
    assert len(found.series["deliveries"]["fidelity"]) > 5
    assert found.series["deliveries"]["fidelity"] == pytest.approx(expected)
