"""Purification of joined pairs: by formulas where nothing is left to chance, in truth and law where it is."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.entanglement.werner_formulas import better, swapped

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement import purification
from qoslab.domains.entanglement.chain import (
    CREATED,
    DECOHERED,
    DELIVERED,
    FAILED,
    JOINED,
    OPEN,
    PURIFIED,
    RIGHT,
    SPOILED,
    TRIMMED,
    WASTED,
)
from qoslab.domains.entanglement.kernels import simulate
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import physics_of, run
from qoslab.domains.entanglement.peer import chain_scenario
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Purification, Segment
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.states import (
    bbpssw_werner,
    compose,
    memory_errors,
    purify,
    werner_of_fidelity,
)
from qoslab.domains.entanglement.world import chain_of, make_world
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import streams

F0 = 0.95
TAU = 1e-4


class Planned:
    """A method that gives one path as it stands."""

    def __init__(self, **path: Any) -> None:
        self.path = PathPlan(0, **path)

    def plan(self, view: Any, rng: Any, context: Any) -> Plan:
        return Plan((self.path,))


def certain(hops: int, **changes: Any) -> EntanglementScenario:
    """Links of 20 km whose attempts always succeed, and swaps, too: each pair is known a delay after its creation."""
    names = [f"n{place}" for place in range(hops + 1)]
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 20.0} for a, b in pairwise(names)]},
        "requests": ({"source": names[0], "target": names[-1]},),
        "links": {
            "architecture": "source_in_midpoint",
            "attenuation_db_per_km": 0.0,
            "pairs": changes.pop("pairs", 4),
            "initial_fidelity": F0,
        },
        "nodes": {"detector_efficiency": 1.0, "swap_success": 1.0, "coherence_s": 0.01}
        | changes.pop("nodes", {}),
        "memory": {"noise": "perfect"} | changes.pop("memory", {}),
        "horizon_s": changes.pop("horizon_s", 0.1),
    }
    return EntanglementScenario.model_validate(raw | changes)


def outcome(scenario: EntanglementScenario, **path: Any) -> Outcome:
    return next(iter(run(scenario, Planned(**path), [Seed()], Context(keep_series=True))))


TWO = swapped(F0, F0)
FOUR = swapped(better(TWO, TWO), better(TWO, TWO))


@pytest.mark.parametrize(
    ("hops", "ranks", "segments", "schedule", "expected"),
    [
        (2, (), (Segment(0, 2, 1),), "nested", better(TWO, TWO)),
        (2, (), (Segment(0, 2, 2),), "nested", better(better(TWO, TWO), better(TWO, TWO))),
        (2, (), (Segment(0, 2, 2),), "pumping", better(better(TWO, TWO), TWO)),
        (4, (2, 0, 1, 0, 2), (Segment(0, 2, 1), Segment(2, 4, 1)), "nested", FOUR),
        (
            4,
            (2, 0, 1, 0, 2),
            (Segment(0, 2, 1), Segment(2, 4, 1), Segment(0, 4, 1)),
            "nested",
            better(FOUR, FOUR),
        ),
    ],
)
def test_rounds_on_joined_pairs(hops: int, ranks: Any, segments: Any, schedule: Any, expected: float) -> None:
    """Perfect memories: every delivery has the fidelity of swaps and rounds in the order of the plan, and no other."""
    found = outcome(
        certain(hops),
        nodes=tuple(range(hops + 1)),
        ranks=ranks,
        segments=segments,
        purification=Purification(schedule=schedule),
    )
    assert len(found.series["deliveries"]["fidelity"]) > 20
    assert found.series["deliveries"]["fidelity"] == pytest.approx(expected, abs=1e-12)


def test_rounds_on_links_then_on_what_they_join() -> None:
    link = better(F0, F0)
    pair = swapped(link, link)
    found = outcome(certain(2), nodes=(0, 1, 2), rounds=(1, 1), segments=(Segment(0, 2, 1),))
    assert found.series["deliveries"]["fidelity"] == pytest.approx(better(pair, pair), abs=1e-12)


@pytest.mark.parametrize("state", ["werner", "bell_diagonal"])
def test_noise_of_swaps_counts_once(state: str) -> None:
    """Gates and read-outs of the swap act before the round, those of the round in it, nothing after it."""
    nodes = {"gate_fidelity": 0.98, "readout_fidelity": 0.97}
    found = outcome(
        certain(2, nodes=nodes, memory={"state": state}), nodes=(0, 1, 2), segments=(Segment(0, 2, 1),)
    )
    pair = swapped(F0, F0, 0.98 * float(werner_of_fidelity(0.97**2)))
    if state == "werner":
        expected = better(pair, pair, 0.98, _readout(0.97))
    else:
        errors, out = np.array([0.97**2, 0.97 * 0.03, 0.97 * 0.03, 0.03**2]), np.zeros(4)
        clean = 0.98 * swapped(F0, F0) + 0.02 / 4
        compose(np.array([clean, *[(1 - clean) / 3] * 3]), errors, out)
        expected = better(out[0], out[0], 0.98, _readout(0.97))
    assert found.metrics["fidelity"] == pytest.approx(expected, abs=1e-12)


def _readout(right: float) -> float:
    """Two nodes' read-outs as one: a comparison is wrong where one of two is."""
    return float((1 + np.sqrt(1 - 4 * right * (1 - right))) / 2)


def test_dejmps_on_joined_pairs_with_times_by_hand() -> None:
    """Dephasing. Pairs of both links, made at 2 delays, are swapped at 3; the user on the left hears at 4 and asks, the
    one on the right compares at 6 and uses its pair, the answer is back at 8. The first round of this seed succeeds.
    """
    found = outcome(
        certain(2, pairs=2, memory={"noise": "dephasing", "state": "bell_diagonal"}, horizon_s=8.5 * TAU),
        nodes=(0, 1, 2),
        segments=(Segment(0, 2, 1),),
        purification=Purification("dejmps"),
    )
    link = np.array([F0, *[(1 - F0) / 3] * 3])
    pair, spare, after = np.zeros(4), np.zeros(4), np.zeros(4)
    compose(link, link, pair)
    pair = aged(pair, 2 + 1 + 1 + 4)  # the left end, both inner ends, the right end
    purify(pair, pair, 1, 1.0, 1.0, after)
    spare = aged(after, 4)
    assert found.series["deliveries"]["time_s"].tolist() == pytest.approx([8 * TAU])
    assert found.series["deliveries"]["age_s"].tolist() == pytest.approx([6 * TAU])
    assert found.metrics["fidelity"] == pytest.approx(spare[0], abs=1e-12)


def aged(pair: np.ndarray, delays: float) -> np.ndarray:
    errors, out = np.zeros(4), np.zeros(4)
    memory_errors(1, delays * TAU, 0.01, errors)
    compose(pair, errors, out)
    return out


def test_share_of_rounds_that_succeed() -> None:
    """Users' pairs of two links: p of BBPSSW at their fidelity; 4.42 standard errors."""
    counters = outcome(
        certain(2, pairs=8, horizon_s=1.0), nodes=(0, 1, 2), segments=(Segment(0, 2, 1),)
    ).counters
    done = counters["purifications_succeeded"] + counters["purifications_failed"]
    p = bbpssw_werner(float(werner_of_fidelity(TWO)), float(werner_of_fidelity(TWO)), 1.0, 1.0)[0]
    assert done > 2000
    assert abs(counters["purifications_succeeded"] / done - p) < 4.42 * np.sqrt(p * (1 - p) / done)


@pytest.mark.parametrize("compat", ["none", "mqns"])
def test_conservation_with_segments(compat: str) -> None:
    """Every run counts what is left afresh and raises where a pair was lost; also where partners decohere."""
    rng = np.random.default_rng(3)
    done = 0
    for trial in range(16):
        hops = int(rng.integers(2, 6))
        order: Any = ("asap", "balanced", "left_to_right", "right_to_left")[trial % 4]
        scenario = chain_scenario(
            rng.uniform(1, 12, hops).tolist(),
            pairs=8,
            coherence_s=float(rng.uniform(1e-3, 6e-3)),
            horizon_s=0.2,
            compat=compat,
            state="bell_diagonal" if trial % 2 else "werner",
        )
        method = ShortestPath(
            order,
            rounds=trial % 2,
            end_rounds=1 + trial % 2,
            wait_s=0.002,
            schedule=("nested", "pumping")[trial // 8],
        )
        found = next(iter(run(scenario, method, [Seed(replication=trial)], Context())))
        done += found.counters["purifications_succeeded"]
        assert 0.25 <= found.metrics.get("fidelity", 1.0) <= 1.0
    assert done > 1000


def test_a_partner_that_decohered_leaves_the_other_pair_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the other simulator's heralding the left user does not learn how old the far link's pair is: asks late.

    Then no round is done, the kept pair goes back to wait for another, and no pair is lost from the count.
    """
    scenario = chain_scenario(
        [3, 20, 6, 6], pairs=8, coherence_s=1.2e-3, horizon_s=0.1, compat="mqns", swap_success=0.9
    )
    path = PathPlan(0, (0, 1, 2, 3, 4), ranks=(2, 0, 1, 0, 2), segments=(Segment(0, 2, 1),))
    chain = chain_of(make_world(scenario, Seed(), Context()), path, range(4), [8] * 4)
    kept, lost = [], purification._lost

    def watched(r: Any, record: int, kept_end: int, spent_end: int, now: float) -> None:
        alive = r.s.state[RIGHT, kept_end] == OPEN
        lost(r, record, kept_end, spent_end, now)
        kept.append(r.s.spent[record] == (purification.NOTHING if alive else purification.BAD))

    monkeypatch.setattr(purification, "_lost", watched)
    banks = streams(1, 4), streams(2, 5)
    _, live, store = simulate(chain, *banks, np.array([0.0, 0.1]), physics_of(scenario), 512, 8)
    counts = store.counts
    ended = counts[JOINED] + 2 * counts[FAILED] + counts[WASTED] + counts[DECOHERED] + counts[DELIVERED]
    assert counts[CREATED] == ended + counts[PURIFIED] + 2 * counts[SPOILED] + counts[TRIMMED] + live
    assert len(kept) > 2
    assert all(kept)
    assert counts[DELIVERED] > 0


def test_compiled_and_plain_runs_are_the_same() -> None:
    scenario = chain_scenario(
        [12, 8, 10, 9], pairs=4, horizon_s=0.05, state="bell_diagonal", compat="none", coherence_s=0.02
    )
    path = PathPlan(
        0,
        (0, 1, 2, 3, 4),
        ranks=(2, 0, 1, 0, 2),
        rounds=(0, 1, 0, 0),
        purification=Purification("dejmps"),
        segments=(Segment(0, 2, 1), Segment(2, 4, 1), Segment(0, 4, 1)),
    )
    chain = chain_of(make_world(scenario, Seed(), Context()), path, range(4), [4] * 4)
    found = []
    for function in (simulate, compiled(simulate)):
        banks = streams(1, 4), streams(2, 5)
        status, live, store = function(chain, *banks, np.array([0.0, 0.05]), physics_of(scenario), 256, 4)
        found.append((status, live, store.counts.tolist(), store.delivered.tolist(), store.held_s.tolist()))
    assert found[0] == found[1]
    assert found[0][2][7] > 10


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ({"segments": (Segment(0, 1, 1),)}, "two hops or more"),
        ({"segments": (Segment(0, 5, 1),)}, "two hops or more"),
        ({"segments": (Segment(0, 2, 0),)}, "1 to 8 rounds"),
        ({"segments": (Segment(0, 2, 1),)}, "never made"),
        ({"segments": (Segment(0, 4, 3),)}, "needs 8 memories"),
        ({"segments": (Segment(0, 4, 2),), "rounds": (1, 0, 0, 0)}, "needs 8 memories"),
    ],
)
def test_segments_that_cannot_be(path: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        outcome(certain(4), nodes=(0, 1, 2, 3, 4), **path)
