"""Paths that share memories and purify: against the kernel of single paths, by hand, and by the law of conservation."""

from typing import Any

import numpy as np
import pytest
from tests.entanglement.test_sharing import FAST, FLOWS, Planned, flows, replicas, shares, with_memory
from tests.entanglement.werner_formulas import better, swapped

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.chain import (
    CREATED,
    DECOHERED,
    DELIVERED,
    FAILED,
    JOINED,
    PURIFIED,
    SPOILED,
    SWAPPED,
    TRIMMED,
    WASTED,
)
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import physics_of
from qoslab.domains.entanglement.peer import chain_scenario
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Purification, Segment
from qoslab.domains.entanglement.purification import NOTHING
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.sharing import purifying
from qoslab.domains.entanglement.sharing.loop import simulate_shared
from qoslab.domains.entanglement.sharing.mesh import CLASHED
from qoslab.domains.entanglement.sharing.paths import groups_of, mesh_of, rule_of
from qoslab.domains.entanglement.world import make_world
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import streams

TAU = 1e-4
F0 = 0.9


@pytest.mark.parametrize("state", ["werner", "bell_diagonal"])
@pytest.mark.parametrize(
    ("selection", "changes"),
    [
        ("waiting", {"rounds": 1, "wait_s": 0.004}),
        (
            "random",
            {"order": "balanced", "rounds": 2, "schedule": "pumping", "scheme": "dejmps", "cutoff_s": 0.008},
        ),
        ("oldest", {"order": "left_to_right", "end_rounds": 1, "scheme": "dejmps"}),
        (
            "best",
            {
                "order": "right_to_left",
                "rounds": 1,
                "end_rounds": 1,
                "schedule": "pumping",
                "enough": 0.992,
            },
        ),
    ],
)
def test_a_path_alone_purifies_as_it_does_with_memories_of_its_own(
    selection: str, changes: dict[str, Any], state: Any
) -> None:
    """Two programmes, one trajectory: the same rounds with the same luck, deliveries at the same times and as good.

    A question and the memory that it frees, or a question and word of a swap, come at the same time; which goes first
    hangs on the last digit of a sum, and the two programmes sum in another order. It decides whether a word is passed
    on once more, so messages may differ by a few, and which memory is taken first, so `first` is left out.
    """
    scenario = chain_scenario(
        [12.3, 7.1, 9.7, 5.9],
        pairs=4,
        horizon_s=0.5,
        state=state,
        compat="none",
        swap_success=0.9,
        selection=selection,
    )
    method = ShortestPath(**changes)
    own = replicas(scenario, 1, method)[0]
    assert own.counters["purifications_succeeded"] > 50
    assert own.counters["pairs_delivered"] > 5
    for multiplexing in ("statistical", "dynamic"):
        found = replicas(with_memory(scenario, multiplexing=multiplexing), 1, method)[0]
        messages = found.counters["messages"]
        assert messages == pytest.approx(own.counters["messages"], rel=1e-3)
        assert found.counters == dict(own.counters) | {"pairs_clashed": 0, "messages": messages}
        per_pair = {"messages_per_pair": messages / own.counters["pairs_created"]}
        assert found.metrics == pytest.approx(dict(own.metrics) | per_pair, rel=1e-9)
        for name, column in own.series["deliveries"].items():
            assert found.series["deliveries"][name] == pytest.approx(column, rel=1e-9), name


def test_a_path_alone_purifies_in_phases_as_it_does_with_memories_of_its_own() -> None:
    scenario = chain_scenario(
        [12, 8, 15], pairs=4, horizon_s=0.5, compat="none", swap_success=0.8, selection="waiting"
    )
    phases = {"planned": "synchronous", "external_s": 0.003, "internal_s": 0.001, "clear": False}
    scenario = EntanglementScenario.model_validate(
        scenario.model_dump(exclude_unset=True) | {"phases": phases}
    )
    method = ShortestPath(rounds=1, end_rounds=1)
    own = replicas(scenario, 1, method)[0]
    assert own.counters["pairs_delivered"] > 5
    found = replicas(with_memory(scenario, multiplexing="statistical"), 1, method)[0]
    assert found.counters == dict(own.counters) | {"pairs_clashed": 0}
    assert found.metrics == pytest.approx(own.metrics, rel=1e-9)


def one_link(multiplexing: str, *requests: tuple[str, str], horizon_s: float = 0.05) -> EntanglementScenario:
    """20 km whose attempts always succeed: a pair is made 2 delays after memories are free, known one delay later."""
    raw = {
        "network": {"links": ({"source": "n0", "target": "n1", "length_km": 20.0},)},
        "requests": [{"source": a, "target": b} for a, b in requests],
        "links": FAST | {"pairs": 2, "initial_fidelity": F0},
        "nodes": {"detector_efficiency": 1.0, "coherence_s": 0.01},
        "memory": {"noise": "perfect", "multiplexing": multiplexing, "turn_s": 0.001},
        "horizon_s": horizon_s,
    }
    return EntanglementScenario.model_validate(raw)


@pytest.mark.parametrize("second", [("n0", "n1"), ("n1", "n0")])
def test_pairs_of_two_paths_get_the_rounds_of_both(second: tuple[str, str]) -> None:
    """Path 0 wants one round, path 1 none, and any pair may serve either: all have one.

    By hand, as on a path alone: pairs made at 2 delays, n0 asks at 3, n1 compares at 4, n0 hears at 5. The path that
    got least is served, so they take turns.
    """
    scenario = one_link("statistical", ("n0", "n1"), second)
    paths = PathPlan(0, (0, 1), rounds=(1,)), PathPlan(1, (0, 1) if second == ("n0", "n1") else (1, 0))
    found = replicas(scenario, 1, Planned(*paths))[0]
    deliveries = found.series["deliveries"]
    assert len(deliveries["time_s"]) > 20
    assert deliveries["fidelity"] == pytest.approx(better(F0, F0), abs=1e-12)
    got = shares(found, 2)
    assert abs(int(got[0]) - int(got[1])) <= 1
    done = found.counters["purifications_succeeded"] + found.counters["purifications_failed"]
    assert done == pytest.approx(found.counters["pairs_created"] / 2, abs=2)
    cycles = (deliveries["time_s"] / TAU) % 1
    assert np.minimum(cycles, 1 - cycles) == pytest.approx(0, abs=1e-6)
    assert deliveries["age_s"] == pytest.approx(3 * TAU)


def test_pairs_bound_to_a_path_are_purified_among_themselves() -> None:
    """In turns of 1 ms: path 0's pairs have a round, path 1's are used as they are."""
    scenario = one_link("time", ("n0", "n1"), ("n0", "n1"))
    paths = PathPlan(0, (0, 1), rounds=(1,)), PathPlan(1, (0, 1))
    deliveries = replicas(scenario, 1, Planned(*paths))[0].series["deliveries"]
    for request, expected in ((0, better(F0, F0)), (1, F0)):
        mine = deliveries["fidelity"][deliveries["request"] == request]
        assert len(mine) > 20
        assert mine == pytest.approx(expected, abs=1e-12)


def test_pairs_joined_for_one_of_two_paths_are_purified() -> None:
    """A-R-D purifies its users' pairs, B-R-D does not; R-D is shared by lot. Memories are perfect, links certain."""
    scenario = flows(("ARD", "BRD"), km=20.0, horizon_s=0.1)
    raw = scenario.model_dump(exclude_unset=True)
    raw["links"] = FAST | {"initial_fidelity": 0.95}
    raw["nodes"] = {"detector_efficiency": 1.0, "swap_success": 1.0, "coherence_s": 1.0}
    raw["memory"] = {"noise": "perfect", "multiplexing": "dynamic"}
    scenario = EntanglementScenario.model_validate(raw)
    world = make_world(scenario, Seed(), Context())
    at = {name: place for place, name in enumerate(world.network.nodes)}
    paths = (
        PathPlan(0, (at["A"], at["R"], at["D"]), segments=(Segment(0, 2, 1),)),
        PathPlan(1, (at["B"], at["R"], at["D"])),
    )
    deliveries = replicas(scenario, 1, Planned(*paths))[0].series["deliveries"]
    two = swapped(0.95, 0.95)
    for request, expected in ((0, better(two, two)), (1, two)):
        mine = deliveries["fidelity"][deliveries["request"] == request]
        assert len(mine) > 20
        assert mine == pytest.approx(expected, abs=1e-12)


def ring(rng: np.random.Generator, multiplexing: str) -> EntanglementScenario:
    """A ring with chords, whose paths meet in either direction, and begin where others pass."""
    n = int(rng.integers(4, 8))
    ends = {tuple(sorted((at, (at + 1) % n))) for at in range(n)}
    ends |= {tuple(sorted(int(at) for at in rng.choice(n, 2, replace=False))) for _ in range(2)}
    raw = {
        "network": {
            "links": [
                {"source": f"n{a}", "target": f"n{b}", "length_km": float(rng.uniform(1, 15))}
                for a, b in sorted(ends)
            ]
        },
        "requests": [
            {"source": f"n{a}", "target": f"n{b}"}
            for a, b in (rng.choice(n, 2, replace=False) for _ in range(int(rng.integers(2, 7))))
        ],
        "links": {"pairs": int(rng.integers(4, 7))},
        "nodes": {"coherence_s": float(rng.uniform(2e-3, 1e-2)), "swap_success": 0.8},
        "memory": {"multiplexing": multiplexing, "selection": "best" if n % 2 else "waiting"},
        "horizon_s": 0.1,
        "warm_up_s": 0.02,
    }
    return EntanglementScenario.model_validate(raw)


class Mixed:
    """Shortest paths of which each purifies in its own way, or not at all."""

    def __init__(self, order: Any, schedule: Any) -> None:
        self.order, self.schedule = order, schedule

    def plan(self, view: Any, rng: Any, context: Any) -> Any:
        ways = {"cost": "length_km", "schedule": self.schedule, "wait_s": 0.003}
        plans = [
            ShortestPath(self.order, rounds=rounds, end_rounds=end_rounds, **ways).plan(view, rng, context)
            for rounds, end_rounds in ((0, 0), (1, 0), (0, 1), (1, 1))
        ]
        paths = [plans[place % 4].paths[place] for place in range(len(plans[0].paths))]
        return type(plans[0])(tuple(paths))


@pytest.mark.parametrize("multiplexing", ["statistical", "dynamic", "time"])
def test_conservation_on_random_networks(multiplexing: Any) -> None:
    """Every run counts what is left afresh and raises where a pair was lost."""
    rng = np.random.default_rng(9)
    done = delivered = 0
    for trial in range(16):
        order: Any = ("asap", "balanced", "left_to_right", "right_to_left")[trial % 4]
        method = Mixed(order, ("nested", "pumping")[trial // 8])
        found = replicas(ring(rng, multiplexing), 1, method)[0]
        done += found.counters["purifications_succeeded"]
        delivered += found.counters["pairs_delivered"]
        assert 0 <= found.metrics["memory_use"] <= 1
        assert 0.25 <= found.metrics.get("fidelity", 1.0) <= 1.0
    assert done > 500
    assert delivered > 200


def test_a_pair_that_was_swapped_on_before_the_question_came_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Either of two paths may be served over A-R-S; the first wants rounds between A and S, the second swaps there.

    So S swaps ends that A asks about, and R's word reaches A first: no round, the kept pair lives, the spent one is
    counted once. The law is checked here, as the kernel runs plain.
    """
    scenario = with_memory(flows(("ARSD", "ARSE"), km=8.0, horizon_s=0.2), selection="oldest")
    world = make_world(scenario, Seed(), Context())
    at = {name: place for place, name in enumerate(world.network.nodes)}
    first = PathPlan(0, tuple(at[name] for name in "ARSD"), ranks=(2, 0, 1, 2), segments=(Segment(0, 2, 1),))
    second = PathPlan(1, tuple(at[name] for name in "ARSE"))
    (group,) = groups_of(world, Plan((first, second)))
    mesh = mesh_of(world, group, weighted=False)
    swapped_on, lost = [], purifying._lost

    def watched(r: Any, kept: int, kept_end: int, spent_end: int, now: float) -> None:
        state = int(r.s.state[kept_end])
        lost(r, kept, kept_end, spent_end, now)
        if state == SWAPPED:
            swapped_on.append(int(r.s.spent[kept]))

    monkeypatch.setattr(purifying, "_lost", watched)
    banks = streams(1, len(mesh.ends)), streams(2, len(mesh.ends)), streams(3, len(mesh.swap))
    span = np.array([0.0, 0.2])
    _, live, s = simulate_shared(
        mesh, *banks, span, physics_of(scenario), rule_of(scenario.memory), (512, 4, 24)
    )
    counts = s.counts
    ended = counts[JOINED] + 2 * counts[FAILED] + counts[WASTED] + counts[DECOHERED] + counts[DELIVERED]
    ended += counts[TRIMMED] + counts[CLASHED] + counts[PURIFIED] + 2 * counts[SPOILED]
    assert counts[CREATED] == ended + live
    assert len(swapped_on) > 3
    assert set(swapped_on) == {NOTHING}


def test_compiled_and_plain_runs_are_the_same() -> None:
    scenario = with_memory(flows(FLOWS, km=8.0), state="bell_diagonal", selection="random")
    world = make_world(scenario, Seed(), Context())
    plan = ShortestPath("balanced", rounds=1, end_rounds=1, scheme="dejmps").plan(
        world.view, np.random.default_rng(0), Context()
    )
    (group,) = groups_of(world, plan)
    mesh = mesh_of(world, group, weighted=False)
    found = []
    for function in (simulate_shared, compiled(simulate_shared)):
        status, live, store = function(
            mesh,
            streams(1, len(mesh.ends)),
            streams(2, len(mesh.ends)),
            streams(3, len(mesh.swap)),
            np.array([0.0, 0.04]),
            physics_of(scenario),
            rule_of(scenario.memory),
            (512, 4, 24),
        )
        found.append((status, live, store.counts.tolist(), store.delivered.tolist(), store.held_s.tolist()))
    assert found[0] == found[1]
    assert found[0][2][7] > 10


def test_paths_that_purify_in_two_ways_are_refused() -> None:
    scenario = one_link("statistical", ("n0", "n1"), ("n0", "n1"))
    paths = (
        PathPlan(0, (0, 1), rounds=(1,)),
        PathPlan(1, (0, 1), rounds=(1,), purification=Purification("dejmps")),
    )
    with pytest.raises(BadInput, match="purified alike"):
        replicas(scenario, 1, Planned(*paths))
