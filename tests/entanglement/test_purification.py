"""Purification and waits in runs: against the formulas of circuits, by hand where nothing is left to chance."""

from typing import Any

import numpy as np
import pytest
from tests.entanglement.werner_formulas import better

from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.kernels import simulate
from qoslab.domains.entanglement.model import physics_of, run
from qoslab.domains.entanglement.peer import chain_scenario
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Purification
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.world import chain_of, make_world
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import streams

TAU = 1e-4
F0 = 0.9


class Planned:
    """A method that gives one path as it stands."""

    def __init__(self, **path: Any) -> None:
        self.path = PathPlan(0, **path)

    def plan(self, view: Any, rng: Any, context: Any) -> Plan:
        return Plan((self.path,))


def one_link(**changes: Any) -> EntanglementScenario:
    """20 km whose attempts always succeed: a pair is made 2 delays after memories are free, known one delay later."""
    raw = {
        "network": {"links": ({"source": "n0", "target": "n1", "length_km": 20.0},)},
        "requests": ({"source": "n0", "target": "n1"},),
        "links": {
            "architecture": "source_in_midpoint",
            "attenuation_db_per_km": 0.0,
            "pairs": changes.pop("pairs", 2),
            "initial_fidelity": F0,
        },
        "nodes": {"detector_efficiency": 1.0, "coherence_s": 0.01} | changes.pop("nodes", {}),
        "memory": {"noise": "perfect"} | changes.pop("memory", {}),
        "horizon_s": changes.pop("horizon_s", 0.2),
    }
    return EntanglementScenario.model_validate(raw | changes)


def outcome(scenario: EntanglementScenario, **path: Any) -> Outcome:
    return next(iter(run(scenario, Planned(**path), [Seed()], Context(keep_series=True))))


@pytest.mark.parametrize(
    ("rounds", "schedule", "expected"),
    [
        (1, "nested", better(F0, F0)),
        (2, "nested", better(better(F0, F0), better(F0, F0))),
        (2, "pumping", better(better(F0, F0), F0)),
        (3, "pumping", better(better(better(F0, F0), F0), F0)),
    ],
)
def test_rounds_of_bbpssw(rounds: int, schedule: Any, expected: float) -> None:
    found = outcome(
        one_link(pairs=4), nodes=(0, 1), rounds=(rounds,), purification=Purification(schedule=schedule)
    )
    assert found.series["deliveries"]["fidelity"] == pytest.approx(expected, abs=1e-12)
    assert len(found.series["deliveries"]["fidelity"]) > 20


def dejmps(p: list[float], q: list[float]) -> list[float]:
    """DEJMPS in the order I, Z, X, Y, written out."""
    total = (p[0] + p[3]) * (q[0] + q[3]) + (p[2] + p[1]) * (q[2] + q[1])
    after = [
        p[0] * q[0] + p[3] * q[3],
        p[0] * q[3] + p[3] * q[0],
        p[2] * q[2] + p[1] * q[1],
        p[2] * q[1] + p[1] * q[2],
    ]
    return [each / total for each in after]


def test_two_rounds_of_dejmps() -> None:
    once = dejmps([F0, *[(1 - F0) / 3] * 3], [F0, *[(1 - F0) / 3] * 3])
    found = outcome(
        one_link(pairs=4, memory={"state": "bell_diagonal"}),
        nodes=(0, 1),
        rounds=(2,),
        purification=Purification("dejmps"),
    )
    assert found.series["deliveries"]["fidelity"] == pytest.approx(dejmps(once, once)[0], abs=1e-12)


def test_gates_and_read_outs_are_noisy() -> None:
    """The two ends differ: a CNOT is good with the geometric mean, a comparison wrong if one of two read-outs is."""
    override = ({"node": "n1", "hardware": {"detector_efficiency": 1.0, "gate_fidelity": 0.9}},)
    nodes = {"gate_fidelity": 0.98, "readout_fidelity": 0.95}
    found = outcome(one_link(nodes=nodes, node_overrides=override), nodes=(0, 1), rounds=(1,))
    wrong = 0.05
    readout = (1 + np.sqrt(1 - 2 * wrong)) / 2
    expected = better(F0, F0, float(np.sqrt(0.98 * 0.9)), float(readout))
    assert found.metrics["fidelity"] == pytest.approx(expected, abs=1e-12)


def test_times_by_hand() -> None:
    """Both pairs made at 2 delays; the left end asks at 3, the right compares at 4 and uses its pair; the left at 5.

    Dephasing at both ends of both pairs, 1 + 2 delays in all, then BBPSSW, then 2 delays at the left end.
    """
    found = outcome(
        one_link(memory={"noise": "dephasing", "state": "bell_diagonal"}, horizon_s=5.5 * TAU),
        nodes=(0, 1),
        rounds=(1,),
    )

    def dephased(f: float, delays: float) -> float:
        z = (1 - np.exp(-delays * TAU / 0.01)) / 2
        return f * (1 - z) + (1 - f) / 3 * z

    if not len(found.series["deliveries"]["time_s"]):
        pytest.fail("the first round of this seed should succeed; take another seed")
    after = dephased(F0, 3)
    assert found.series["deliveries"]["time_s"][0] == pytest.approx(5 * TAU)
    assert found.series["deliveries"]["age_s"][0] == pytest.approx(3 * TAU)
    assert found.metrics["fidelity"] == pytest.approx(dephased(better(after, after), 2), abs=1e-12)


def test_share_of_rounds_that_succeed() -> None:
    """p = F^2 + 2 F (1 - F) / 3 + 5 (1 - F)^2 / 9; 4.42 standard errors."""
    counters = outcome(one_link(pairs=8, horizon_s=1.0), nodes=(0, 1), rounds=(1,)).counters
    done = counters["purifications_succeeded"] + counters["purifications_failed"]
    p = F0**2 + 2 * F0 * (1 - F0) / 3 + 5 * (1 - F0) ** 2 / 9
    assert done > 5000
    assert abs(counters["purifications_succeeded"] / done - p) < 4.42 * np.sqrt(p * (1 - p) / done)


@pytest.mark.parametrize(("enough", "rounds"), [(0.9, 0), (0.92, 1), (0.94, 2), (1.0, 3)])
def test_good_enough_pairs_are_left_alone(enough: float, rounds: int) -> None:
    """BBPSSW from 0.9: 0.9264, then 0.9479, then 0.9642, by its formula."""
    expected = F0
    for _ in range(rounds):
        expected = better(expected, expected)
    found = outcome(one_link(pairs=8), nodes=(0, 1), rounds=(3,), purification=Purification(enough=enough))
    assert found.metrics["fidelity"] == pytest.approx(expected, abs=1e-12)
    assert (found.counters["purifications_succeeded"] == 0) == (rounds == 0)


def test_a_pair_too_old_for_its_question_is_not_used() -> None:
    """Coherence of 2.5 delays: pairs are known at age 1, a question takes 1, an answer 1 more: none comes in time."""
    scenario = one_link(nodes={"coherence_s": 2.5 * TAU})
    counters = outcome(scenario, nodes=(0, 1), rounds=(1,)).counters
    assert counters["purifications_succeeded"] >= 1
    assert counters["pairs_delivered"] == 0
    counters = outcome(one_link(nodes={"coherence_s": 1.5 * TAU}), nodes=(0, 1), rounds=(1,)).counters
    assert counters["purifications_succeeded"] + counters["purifications_failed"] == 0
    assert counters["pairs_decohered"] > 10


@pytest.mark.parametrize("schedule", ["nested", "pumping"])
@pytest.mark.parametrize("scheme", ["bbpssw", "dejmps"])
def test_compiled_and_plain_runs_are_the_same(scheme: Any, schedule: Any) -> None:
    """Also conserves pairs: run_path's law is checked in the next test."""
    scenario = chain_scenario(
        [12, 18, 15], pairs=4, horizon_s=0.1, state="bell_diagonal", compat="none", coherence_s=0.02
    )
    path = PathPlan(
        0,
        (0, 1, 2, 3),
        rounds=(2, 1, 2),
        purification=Purification(scheme, schedule),
        wait_s=(0.004, 0.01, 0.005, 0.003),
    )
    chain = chain_of(make_world(scenario, Seed(), Context()), path, range(3), [4] * 3)
    found = []
    for function in (simulate, compiled(simulate)):
        banks = streams(1, 3), streams(2, 4)
        status, live, store = function(chain, *banks, np.array([0.0, 0.1]), physics_of(scenario), 256, 4)
        found.append((status, live, store.counts.tolist(), store.delivered.tolist(), store.held_s.tolist()))
    assert found[0] == found[1]
    assert found[0][2][7] > 10


@pytest.mark.parametrize("compat", ["none", "mqns"])
def test_conservation_with_purification_and_waits(compat: str) -> None:
    """Every run counts what is left afresh and raises where a pair was lost."""
    rng = np.random.default_rng(11)
    cut = rounds = 0
    for trial in range(24):
        hops = int(rng.integers(1, 6))
        pairs = int(rng.integers(2, 6))
        scenario = chain_scenario(
            rng.uniform(1, 30, hops).tolist(),
            pairs=pairs,
            coherence_s=float(rng.uniform(2e-3, 2e-2)),
            horizon_s=0.2,
            compat=compat,
        )
        method = Planned(
            nodes=tuple(range(hops + 1)),
            rounds=tuple(int(each) for each in rng.integers(0, 3 if pairs > 3 else 2, hops)),
            purification=Purification(schedule="pumping" if trial % 2 else "nested"),
            wait_s=tuple(rng.uniform(2e-4, 5e-3, 2 * (hops - 1)).tolist()),
        )
        counters = next(iter(run(scenario, method, [Seed(replication=trial)], Context()))).counters
        cut += counters["pairs_cut"]
        rounds += counters["purifications_succeeded"]
    assert cut > 100
    assert rounds > 100


@pytest.mark.parametrize("wait", [0.001, 0.004])
def test_no_pair_waits_longer_than_it_may(wait: float) -> None:
    """A delivery's oldest part is told of after 4 delays of its link, waits, and word of the swap takes a delay."""
    scenario = chain_scenario([32, 18], coherence_s=0.1, horizon_s=3.0, compat="none")
    free, held = (outcome(scenario, nodes=(0, 1, 2), wait_s=each) for each in ((), (wait, wait)))
    most = 4 * 1.6e-4 + wait + 1.6e-4
    age = held.series["deliveries"]["age_s"]
    assert 0.7 * most < age.max() <= most * (1 + 1e-9)
    assert held.counters["pairs_cut"] > 50
    assert held.counters["pairs_decohered"] == 0
    assert held.metrics["rate_per_s"] < free.metrics["rate_per_s"]
    assert held.metrics["fidelity"] > free.metrics["fidelity"]


def test_word_of_a_cut_takes_a_delay() -> None:
    """The user's end of a pair that a repeater gave up is free a delay later, not before: nothing is left there.

    One side never makes a pair (0.01 km of fibre against 4,000 dB): all of the other's are cut.
    """
    raw = chain_scenario([20.0, 20.0], compat="none", coherence_s=0.1, horizon_s=1.0).model_dump(
        exclude_unset=True
    )
    raw["link_overrides"] = (
        {"source": "n1", "target": "n2", "hardware": {"attenuation_db_per_km": 20.0}},
        {
            "source": "n0",
            "target": "n1",
            "hardware": {"attenuation_db_per_km": 0.0, "architecture": "source_in_midpoint"},
        },
    )
    raw["nodes"] = {"detector_efficiency": 1.0, "coherence_s": 0.1}
    counters = outcome(
        EntanglementScenario.model_validate(raw), nodes=(0, 1, 2), wait_s=(0.001, 0.001)
    ).counters
    # asks, 1 delay; answer, 1; notice, 1; the wait, 10; word, 1
    assert counters["pairs_cut"] == int((1.0 / TAU - 13) / 14) + 1
