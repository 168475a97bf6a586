"""Swaps that take time: timelines by hand, the law of conservation, and the same program uncompiled."""

import math
from typing import Any

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.kernels import simulate
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import physics_of, run
from qoslab.domains.entanglement.peer import chain_scenario
from qoslab.domains.entanglement.protocol import PathPlan
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.world import chain_of, make_world
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import streams

DELAY, COHERENCE = 1e-4, 0.05


def certain(swap_delay_s: float, **changes: Any) -> EntanglementScenario:
    """S-R-D, 20 km each: all attempts and swaps succeed, so every time is known; word takes 0.1 ms per link."""
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 20.0} for a, b in ("SR", "RD")]},
        "links": {"attenuation_db_per_km": 0.0, "architecture": "source_in_midpoint"},
        "nodes": {
            "detector_efficiency": 1.0, "swap_success": 1.0, "coherence_s": COHERENCE, "swap_delay_s": swap_delay_s,
        },
        "phases": {"external_s": 0.002},
        "requests": [{"source": "S", "target": "D"}],
        "horizon_s": 0.0402,
    }  # fmt: skip
    return EntanglementScenario.model_validate(raw | changes)


def deliveries(scenario: EntanglementScenario, method: Any) -> dict[str, np.ndarray]:
    (outcome,) = run(scenario, method, [Seed()], Context(keep_series=True))
    return outcome.series["deliveries"]


def fidelity(inner_s: float, outer_s: float) -> float:
    """Two pairs of 0.99 under dephasing; both repeater's qubits and both users' are stored for so long."""
    w = ((4 * 0.99 - 1) / 3) ** 2
    for stored in (inner_s, inner_s, outer_s, outer_s):
        w *= (1 + 2 * math.exp(-stored / COHERENCE)) / 3
    return (3 * w + 1) / 4


@pytest.mark.parametrize("multiplexing", ["buffer_space", "statistical"])
@pytest.mark.parametrize("swap_delay_s", [0.0, 7e-4])
def test_times_by_hand(multiplexing: str, swap_delay_s: float) -> None:
    """Pairs are made 2 delays after the question and known one later; then the swap, then word to the users.

    The repeater's memories are free when the swap is done and the users' one delay later; the left user asks then, and
    four delays after the last delivery less one the next swap begins: a cycle is 4 delays and a swap.
    """
    found = deliveries(certain(swap_delay_s, memory={"multiplexing": multiplexing}), ShortestPath())
    cycle = 4 * DELAY + swap_delay_s
    count = len(found["time_s"])
    assert found["time_s"] == pytest.approx(cycle * np.arange(1, count + 1))
    assert count == math.floor(0.0402 / cycle)
    assert found["fidelity"][0] == pytest.approx(fidelity(DELAY + swap_delay_s, 2 * DELAY + swap_delay_s))
    assert found["age_s"][0] == pytest.approx(2 * DELAY + swap_delay_s)


@pytest.mark.parametrize("state", ["werner", "bell_diagonal"])
def test_memories_of_the_peer_forget_nothing_while_they_swap(state: str) -> None:
    """The repeater's qubits count until the swap begins, the users' until word comes; errors are 1 - exp(-t / T)."""
    memory = {"compat": "mqns", "state": state}
    found = deliveries(certain(7e-4, memory=memory), ShortestPath())
    stored = (DELAY, DELAY, 2 * DELAY + 7e-4, 2 * DELAY + 7e-4)
    w = ((4 * 0.99 - 1) / 3) ** 2
    if state == "werner":
        expected = (3 * w * math.exp(-sum(stored) / COHERENCE) + 1) / 4
    else:
        turned = math.prod(2 * math.exp(-each / COHERENCE) - 1 for each in stored)
        expected = (1 + w + 2 * w * turned) / 4
    assert found["fidelity"][0] == pytest.approx(expected)


def test_slots_by_hand() -> None:
    """Attempts until 2 ms, news and word of two delays each, and the swap between them."""
    found = deliveries(certain(7e-4), ReactiveCentral())
    slot = 2e-3 + 4 * DELAY + 7e-4
    assert found["time_s"][:3] == pytest.approx([slot, 2 * slot, 3 * slot])
    swap_at, created = 2e-3 + 2 * DELAY, 2 * DELAY
    assert found["fidelity"][0] == pytest.approx(fidelity(swap_at + 7e-4 - created, slot - created))


@pytest.mark.parametrize("multiplexing", ["buffer_space", "statistical"])
def test_conservation_on_random_chains(multiplexing: str) -> None:
    """Ages run out while swaps are under way, and several of a node's swaps at once; every run counts what is left."""
    rng = np.random.default_rng(11)
    for _ in range(4):
        lengths = rng.uniform(1, 40, rng.integers(2, 7)).tolist()
        scenario = chain_scenario(
            lengths, pairs=int(rng.integers(1, 5)), coherence_s=8e-3, horizon_s=0.3, compat="none"
        )
        scenario = scenario.model_copy(
            update={
                "nodes": scenario.nodes.model_copy(update={"swap_delay_s": float(rng.uniform(1e-4, 2e-3))}),
                "memory": scenario.memory.model_copy(update={"multiplexing": multiplexing}),
            }
        )
        for outcome in run(scenario, ShortestPath(), [Seed(replication=k) for k in range(3)], Context()):
            assert outcome.counters["swaps_succeeded"] > 0
            assert 0 <= outcome.metrics["memory_use"] <= 1


def test_compiled_and_plain_runs_are_the_same() -> None:
    scenario = chain_scenario([32, 18, 35, 16, 24], pairs=3, horizon_s=0.1, compat="none")
    nodes = scenario.nodes.model_copy(update={"swap_delay_s": 5e-4})
    scenario = scenario.model_copy(update={"nodes": nodes})
    world = make_world(scenario, Seed(), Context())
    chain = chain_of(world, PathPlan(0, (0, 1, 2, 3, 4, 5)), range(5), [3] * 5)
    found = []
    for function in (simulate, compiled(simulate)):
        banks = streams(1, 5), streams(2, 6)
        span = np.array([0.0, 0.1])
        status, live, store = function(chain, *banks, span, physics_of(scenario), 256, 3)
        found.append((status, live, store.counts.tolist(), store.delivered.tolist(), store.held_s.tolist()))
    assert found[0] == found[1]
    assert found[0][2][1] > 20
