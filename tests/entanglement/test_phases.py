"""Planned paths in common phases: against closed forms, the runs in slots, and the law of conservation."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.kernels import simulate
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import physics_of, run
from qoslab.domains.entanglement.phases import creation, in_phases
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Purification
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.world import chain_of, make_world
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import streams

EXTERNAL_S = 0.002


def chain_in_phases(km, horizon_s=3.0, phases=None, **changes):
    names = [f"n{place}" for place in range(len(km) + 1)]
    fibres = [
        {"source": a, "target": b, "length_km": each}
        for a, b, each in zip(names, names[1:], km, strict=False)
    ]
    raw = {
        "network": {"links": fibres},
        "requests": [{"source": names[0], "target": names[-1]}],
        "nodes": {"coherence_s": 10.0, "swap_success": 0.5} | changes.pop("nodes", {}),
        "horizon_s": horizon_s,
        "phases": {"external_s": EXTERNAL_S, "planned": "synchronous"} | (phases or {}),
    }
    return EntanglementScenario.model_validate(raw | changes)


def hop_success(scenario):
    """Chance that one memory of each hop has a pair after an external phase, and the slot's length by default, s."""
    timings = make_world(scenario, Seed(), Context()).view.timings
    found = []
    for each in timings:
        room = EXTERNAL_S - 2 * each.delay_s - max(each.notify_first_s, each.notify_second_s)
        attempts = math.floor(room / each.interval_s + 1e-9) + 1
        found.append(1 - (1 - each.success) ** attempts)
    return found, EXTERNAL_S + 2 * sum(each.delay_s for each in timings)


def series_of(scenario, method=None, seed=None):
    (found,) = run(scenario, method or ShortestPath(), [seed or Seed()], Context(keep_series=True))
    return found


@pytest.mark.parametrize("km", [[20.0], [20.0, 12.0], [20.0, 12.0, 16.0]])
def test_emptied_memories_make_slots_independent(km):
    """A slot delivers if all hops made a pair and all swaps succeed, whatever happened before.

    Four standard errors: passed by chance in 6 of 10^5.
    """
    scenario = chain_in_phases(km, phases={"clear": True})
    each, length = hop_success(scenario)
    p = math.prod(each) * 0.5 ** (len(km) - 1)
    slots = int(3.0 / length)
    delivered = len(series_of(scenario).series["deliveries"]["time_s"])
    assert abs(delivered - slots * p) < 4 * math.sqrt(slots * p * (1 - p))


def test_kept_pairs_wait_for_the_slower_link():
    """With one memory each and sure swaps a delivery takes the larger of two geometric numbers of slots."""
    scenario = chain_in_phases([32.0, 18.0], nodes={"swap_success": 1.0})
    (p, q), length = hop_success(scenario)
    joint = p + q - p * q
    mean = 1 / p + 1 / q - 1 / joint
    second = (2 - p) / p**2 + (2 - q) / q**2 - (2 - joint) / joint**2
    slots = 3.0 / length
    delivered = len(series_of(scenario).series["deliveries"]["time_s"])
    # A renewal count: variance slots * var / mean^3; four standard errors.
    assert abs(delivered - slots / mean) < 4 * math.sqrt(slots * (second - mean**2) / mean**3) + 1


@pytest.mark.parametrize("clear", [False, True])
def test_the_kernel_gives_what_slots_give(clear):
    """Sure swaps on three hops: joined at once or in parts, the last pair brings the delivery. Welch at |t| < 4."""
    rates = []
    for for_all in (False, True):
        phases = {"clear": clear, "for_all": for_all}
        scenario = chain_in_phases([20.0, 12.0, 16.0], 1.0, phases, nodes={"swap_success": 1.0})
        outcomes = run(scenario, ShortestPath(), [Seed(replication=each) for each in range(12)], Context())
        rates.append(np.array([each.metrics["rate_per_s"] for each in outcomes]))
    error = math.sqrt(sum(each.var(ddof=1) / len(each) for each in rates))
    assert rates[0].mean() > 50
    assert abs(rates[0].mean() - rates[1].mean()) < 4 * error


def test_nodes_act_in_internal_phases_alone():
    """Both swaps are done when the phase begins; word of the farther one takes 32 km to n0, 0.16 ms, and comes last.

    Pairs are made in external phases.
    """
    phases = {"routing_s": 0.0003, "internal_s": 0.0007, "clear": True}
    scenario = chain_in_phases([20.0, 12.0, 16.0], phases=phases, nodes={"swap_success": 1.0})
    series = series_of(scenario).series["deliveries"]
    place = np.mod(series["time_s"], 0.003)
    assert len(place) > 100
    assert place == pytest.approx(0.0023 + 0.00016, abs=1e-9)
    made = place - series["age_s"]
    assert made.min() >= 2 * 0.00006 - 1e-9
    assert made.max() <= EXTERNAL_S


def test_attempts_that_end_with_their_phase_count():
    """Attempts of 0.1 from 0.2 on, known 0.3 later, in external phases of 1.0 and slots of 1.5: six in each."""
    physics = physics_of(chain_in_phases([20.0]))._replace(sync=1, external_s=1.0, act_s=1.2, length_s=1.5)
    times = [creation(physics, 0.2, float(failed), 0.1, 0.1, 0.3) for failed in range(14)]
    slot = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert times == pytest.approx([*slot, *(1.5 + t for t in slot), 3.2, 3.3])
    late = [creation(physics, 0.95, float(failed), 0.1, 0.1, 0.3) for failed in range(2)]
    assert late == pytest.approx([1.7, 1.8])


@dataclass(frozen=True)
class Planned:
    """A method that gives one path as it stands."""

    path: PathPlan

    def plan(self, view, rng, context):
        return Plan((self.path,))


def test_conservation_and_equal_runs_compiled_and_plain():
    """Every run counts what is left afresh and raises where a pair was lost."""
    rng = np.random.default_rng(12)
    delivered = 0
    for trial in range(16):
        hops = int(rng.integers(1, 5))
        scenario = chain_in_phases(
            rng.uniform(1, 20, hops).tolist(),
            0.2,
            {"clear": bool(trial % 2), "internal_s": 0.0005},
            nodes={"coherence_s": float(rng.uniform(4e-3, 2e-2))},
            links={"pairs": 3, "at_once": 2 if trial % 3 == 0 else None},
        )
        path = PathPlan(
            0,
            tuple(range(hops + 1)),
            ranks=(hops, *rng.permutation(hops - 1).tolist(), hops) if hops > 1 else (),
            rounds=tuple(rng.integers(0, 2, hops).tolist()),
            purification=Purification(schedule="pumping"),
            wait_s=tuple(rng.uniform(5e-4, 5e-3, 2 * (hops - 1)).tolist()),
        )
        delivered += len(series_of(scenario, Planned(path)).series["deliveries"]["time_s"])
        if trial < 4:
            world = make_world(scenario, Seed(), Context())
            chain = chain_of(world, path, range(hops), [3] * hops)
            physics = in_phases(physics_of(scenario), scenario.phases, world.view)
            found = []
            for function in (simulate, compiled(simulate)):
                banks = streams(1, hops), streams(2, hops + 1)
                status, live, store = function(chain, *banks, np.array([0.0, 0.1]), physics, 256, 3)
                found.append((status, live, store.counts.tolist(), store.delivered.tolist()))
            assert found[0] == found[1]
    assert delivered > 100


@pytest.mark.parametrize(
    ("phases", "horizon_s", "field"),
    [
        ({}, 0.002, "scenario.horizon_s"),
        ({"external_s": 0.0004}, 1.0, "scenario.phases.external_s"),
        ({"internal_s": 0.00005, "clear": True}, 1.0, "scenario.phases.internal_s"),
    ],
)
def test_phases_that_can_deliver_nothing(phases, horizon_s, field):
    with pytest.raises(BadInput) as caught:
        series_of(chain_in_phases([20.0, 20.0], horizon_s, phases))
    assert caught.value.problems[0].field == field


@pytest.mark.parametrize(("internal_s", "delivers"), [(0.0002, False), (0.00025, True)])
def test_an_answer_of_purification_must_come_before_memories_are_emptied(internal_s, delivers):
    """20 km: question and answer take 0.2 ms."""
    phases = {"internal_s": internal_s, "clear": True}
    scenario = chain_in_phases([20.0], 1.0, phases, links={"pairs": 2})
    method = Planned(PathPlan(0, (0, 1), rounds=(1,)))
    if delivers:
        assert series_of(scenario, method).counters["pairs_delivered"] > 10
    else:
        with pytest.raises(BadInput) as caught:
            series_of(scenario, method)
        assert caught.value.problems[0].field == "scenario.phases.internal_s"


def test_slots_refuse_phases_in_which_word_cannot_come_round():
    scenario = chain_in_phases([20.0, 20.0], 1.0, {"routing_s": 0.0001, "for_all": True})
    with pytest.raises(BadInput) as caught:
        series_of(scenario)
    assert caught.value.problems[0].field == "scenario.phases.routing_s"
