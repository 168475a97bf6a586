"""Paths that share memories: against the kernel of single paths, renewal theory, a recursion and cases by hand."""

from typing import Any

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement import model
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import physics_of, run
from qoslab.domains.entanglement.peer import chain_scenario
from qoslab.domains.entanglement.protocol import PathPlan, Plan
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.sharing.loop import simulate_shared
from qoslab.domains.entanglement.sharing.paths import groups_of, mesh_of, rule_of
from qoslab.domains.entanglement.timeline.run import timelines
from qoslab.domains.entanglement.world import make_world
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import streams

SHARED = ("statistical", "dynamic", "dynamic_weighted", "time")
FLOWS = ("AEFJK", "BEFJL", "CEFI", "DEFH", "GFJM")
"""Five flows over the fibres E-F-J."""


class Planned:
    """A method that gives a plan as it stands."""

    def __init__(self, *paths: PathPlan) -> None:
        self.paths = paths

    def plan(self, view: Any, rng: Any, context: Any) -> Plan:
        return Plan(self.paths)


def flows(paths: tuple[str, ...] = FLOWS, km: float = 15.0, **changes: Any) -> EntanglementScenario:
    """A network of what the paths, spelt by their nodes, go over, and a request for each."""
    hops = sorted({"".join(sorted(path[at : at + 2])) for path in paths for at in range(len(path) - 1)})
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": km} for a, b in map(tuple, hops)]},
        "requests": [{"source": path[0], "target": path[-1]} for path in paths],
        "links": {"pairs": 4},
        "nodes": {"coherence_s": 0.02},
        "memory": {"multiplexing": "statistical"},
        "horizon_s": 0.2,
    }
    return EntanglementScenario.model_validate(raw | changes)


def replicas(scenario: EntanglementScenario, count: int = 1, method: Any = None) -> list[Outcome]:
    seeds = [Seed(replication=place) for place in range(count)]
    return list(run(scenario, method or ShortestPath(), seeds, Context(keep_series=True)))


def with_memory(scenario: EntanglementScenario, **memory: Any) -> EntanglementScenario:
    return scenario.model_copy(update={"memory": scenario.memory.model_copy(update=memory)})


@pytest.mark.parametrize("state", ["werner", "bell_diagonal"])
@pytest.mark.parametrize(
    ("order", "selection", "wait_s"),
    [
        ("asap", "waiting", 0.0),
        ("asap", "random", 0.004),
        ("left_to_right", "best", 0.004),
        ("right_to_left", "oldest", 0.0),
        ("balanced", "freshest", 0.002),
        ("balanced_mirrored", "first", 0.0),
    ],
)
def test_a_path_alone_runs_as_it_does_with_memories_of_its_own(
    order: Any, selection: str, wait_s: float, state: str
) -> None:
    """Two programmes, one trajectory: the same draws, every delivery at the same time and as good."""
    scenario = chain_scenario(
        [32, 18, 35, 16, 24], pairs=3, horizon_s=0.5, state=state, compat="none", selection=selection
    )
    method = ShortestPath(order, wait_s=wait_s, cutoff_s=0.008)
    own = replicas(scenario, 1, method)[0]
    assert own.counters["pairs_delivered"] > 2
    for multiplexing in SHARED:
        found = replicas(with_memory(scenario, multiplexing=multiplexing), 1, method)[0]
        assert found.counters == dict(own.counters) | {"pairs_clashed": 0}
        assert found.metrics == pytest.approx(own.metrics, rel=1e-9)
        for name, column in own.series["deliveries"].items():
            assert found.series["deliveries"][name] == pytest.approx(column, rel=1e-9), name


@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize(("order", "at_once"), [("asap", None), ("balanced", 2)])
def test_a_path_alone_keeps_to_phases_as_it_does_with_memories_of_its_own(
    order: Any, at_once: int | None, *, clear: bool
) -> None:
    scenario = chain_scenario([12, 8, 15], pairs=3, horizon_s=0.5, compat="none", swap_success=0.8)
    phases = {"planned": "synchronous", "external_s": 0.003, "internal_s": 0.0005, "clear": clear}
    raw = scenario.model_dump(exclude_unset=True) | {"phases": phases}
    raw["links"] |= {"at_once": at_once}
    scenario = EntanglementScenario.model_validate(raw)
    method = ShortestPath(order, wait_s=0.006, cutoff_s=0.009)
    own = replicas(scenario, 1, method)[0]
    assert own.counters["pairs_delivered"] > 20
    for multiplexing in ("statistical", "time"):
        found = replicas(with_memory(scenario, multiplexing=multiplexing), 1, method)[0]
        assert found.counters == dict(own.counters) | {"pairs_clashed": 0}
        assert found.metrics == pytest.approx(own.metrics, rel=1e-9)
        for name, column in own.series["deliveries"].items():
            assert found.series["deliveries"][name] == pytest.approx(column, rel=1e-9), name


def test_phases_that_are_too_short_for_a_shared_path_are_refused() -> None:
    phases = {"planned": "synchronous", "external_s": 1e-4}
    with pytest.raises(BadInput, match="external phase is shorter"):
        replicas(flows(phases=phases))


def test_paths_that_share_memories_conserve_pairs_in_phases() -> None:
    """Every run counts what is left and raises where a pair was lost; emptied memories hold none beyond a slot."""
    for multiplexing in SHARED:
        for clear in (False, True):
            phases = {"planned": "synchronous", "external_s": 0.004, "clear": clear}
            scenario = with_memory(flows(phases=phases, warm_up_s=0.05), multiplexing=multiplexing)
            found = replicas(scenario, 1, ShortestPath("asap", wait_s=0.003))[0]
            assert found.counters["pairs_delivered"] > 5
            if clear:
                assert found.series["deliveries"]["age_s"].max() < 0.006


@pytest.mark.parametrize("multiplexing", SHARED)
def test_compiled_and_plain_runs_are_the_same(multiplexing: Any) -> None:
    state = "bell_diagonal" if multiplexing == "time" else "werner"
    selection = "best" if multiplexing == "statistical" else "random"
    scenario = with_memory(flows(), multiplexing=multiplexing, state=state, selection=selection)
    world = make_world(scenario, Seed(), Context())
    plan = ShortestPath("balanced", wait_s=0.004).plan(world.view, np.random.default_rng(0), Context())
    (group,) = groups_of(world, plan)
    mesh = mesh_of(world, group, weighted=multiplexing == "dynamic_weighted")
    span, sizes = np.array([0.0, 0.03]), (512, 4, 24)
    found = []
    for function in (simulate_shared, compiled(simulate_shared)):
        banks = [streams(place, len(mesh.ends)) for place in (1, 2)]
        status, live, store = function(
            mesh,
            banks[0],
            banks[1],
            streams(3, len(mesh.swap)),
            span,
            physics_of(scenario),
            rule_of(scenario.memory),
            sizes,
        )
        found.append((status, live, store.counts.tolist(), store.delivered.tolist(), store.held_s.tolist()))
    assert found[0] == found[1]
    assert found[0][2][0] > 100


@pytest.mark.parametrize("multiplexing", SHARED)
def test_conservation_on_random_networks(multiplexing: Any) -> None:
    """Every run counts what is left afresh and raises where a pair was lost.

    Rings with chords, where paths meet in either direction, lie across each other, and begin where others pass.
    """
    rng = np.random.default_rng(5)
    clashed = delivered = 0
    for trial in range(20):
        n = int(rng.integers(4, 9))
        ring = {tuple(sorted((at, (at + 1) % n))) for at in range(n)}
        chords = {tuple(sorted(int(at) for at in rng.choice(n, 2, replace=False))) for _ in range(2)}
        raw = {
            "network": {
                "links": [
                    {"source": f"n{a}", "target": f"n{b}", "length_km": float(rng.uniform(1, 30))}
                    for a, b in sorted(ring | chords)
                ]
            },
            "requests": [
                {"source": f"n{a}", "target": f"n{b}"}
                for a, b in (rng.choice(n, 2, replace=False) for _ in range(int(rng.integers(2, 9))))
            ],
            "links": {"pairs": int(rng.integers(1, 5))},
            "nodes": {"coherence_s": float(rng.uniform(3e-3, 2e-2)), "swap_success": 0.8},
            "memory": {"multiplexing": multiplexing, "selection": "random" if trial % 2 else "waiting"},
            "horizon_s": 0.2,
            "warm_up_s": 0.05,
        }
        order: Any = ("asap", "balanced", "left_to_right")[trial % 3]
        scenario = EntanglementScenario.model_validate(raw)
        found = replicas(scenario, 1, ShortestPath(order, cost="length_km", wait_s=0.003 * (trial % 2)))[0]
        clashed += found.counters["pairs_clashed"]
        delivered += found.counters["pairs_delivered"]
        assert 0 <= found.metrics["memory_use"] <= 1
    assert delivered > 1000
    # A pair that is bound to one path from the start is of use to it to the end.
    assert (clashed > 50) == (multiplexing == "statistical")


FAST = {"architecture": "source_in_midpoint", "attenuation_db_per_km": 0.0, "pairs": 4}
LONG_TAU = 30.0 / 200_000.0
P_LONG = 0.5 * 0.95**2 * 10 ** (-0.2 * 30.0 / 10.0)


def star(*feeders: str, horizon_s: float = 40.0, pairs: int = 1, **memory: Any) -> EntanglementScenario:
    """Users whose links to R always succeed, then one link of 30 km from R to D that all share. Nothing fails."""
    raw = flows(tuple(f"{feeder}RD" for feeder in feeders), km=1.0).model_dump(exclude_unset=True)
    for each in raw["network"]["links"]:
        if {each["source"], each["target"]} == {"R", "D"}:
            each["length_km"] = 30.0
    raw["links"] = FAST
    raw["link_overrides"] = [{"source": "R", "target": "D", "hardware": {"pairs": pairs}}]
    raw["nodes"] = {"coherence_s": 1e6, "swap_success": 1.0, "detector_efficiency": 1.0}
    raw["memory"] = {"noise": "perfect", **memory}
    raw["horizon_s"] = horizon_s
    return EntanglementScenario.model_validate(raw)


def shares(found: Outcome, requests: int) -> np.ndarray:
    return np.bincount(found.series["deliveries"]["request"], minlength=requests)


@pytest.mark.parametrize("multiplexing", SHARED)
def test_two_paths_over_one_link_by_renewal_theory(multiplexing: Any) -> None:
    """Feeders are always ready, so the shared link sets the pace, whoever its pairs are for.

    From a swap at R: R's memory is free and asks at once, D's is free when word has come, a delay later; attempts begin
    2 delays after the swap, failures take 5 each, and both ends know after 4: a cycle of 6 + 5 (1 / p - 1) delays. The
    number of cycles has variance T var / mean^3; 4.42 standard errors. The rule only says who gets them.
    """
    scenario = star("A", "B", multiplexing=multiplexing, turn_s=0.02)
    p = P_LONG
    mean, deviation = LONG_TAU * (6 + 5 * (1 / p - 1)), 5 * LONG_TAU * np.sqrt(1 - p) / p
    got = shares(replicas(scenario)[0], 2)
    expected = scenario.horizon_s / mean
    assert abs(got.sum() - expected) < 4.42 * np.sqrt(scenario.horizon_s * deviation**2 / mean**3) + 1
    if multiplexing == "statistical":
        assert abs(got[0] - got[1]) <= 4
    else:
        assert abs(got[0] - got.sum() / 2) < 4.42 * np.sqrt(got.sum() / 4)


def test_a_path_is_drawn_by_its_hops() -> None:
    """Paths of 3 and 2 hops: weights 1/4 and 1/3, shares 3/7 and 4/7; 4.42 standard errors of a binomial."""
    got = shares(replicas(star("AX", "B", multiplexing="dynamic_weighted"))[0], 2)
    total = int(got.sum())
    assert total > 5_000
    assert abs(got[0] - total * 3 / 7) < 4.42 * np.sqrt(total * 3 / 7 * 4 / 7)


def far_feeder(rng: np.random.Generator, share: float, until: float) -> np.ndarray:
    """Deliveries to a far and a near feeder where each pair of R-D is for the far one with probability `share`.

    From swap to swap: R-D's next pair is known 6 delays and failures after its last swap, the far feeder's 7 of its own
    delays and failures after its own (its user hears after 1, asks with 1, is answered with 1, and R knows after 4).
    """
    way = LONG_TAU
    ready = far = 0.0
    got = np.zeros(2)
    ready, far = (
        start * way + 5 * way * (rng.geometric(P_LONG) - 1) for start in (6, 6)
    )  # at first memories are free
    while True:
        place = 0 if rng.random() < share else 1
        swapped = max(ready, far) if place == 0 else ready
        if swapped + way > until:
            return got
        got[place] += 1
        ready = swapped + 6 * way + 5 * way * (rng.geometric(P_LONG) - 1)
        if place == 0:
            far = swapped + 7 * way + 5 * way * (rng.geometric(P_LONG) - 1)


def test_pairs_bound_to_a_path_wait_for_it() -> None:
    """The far feeder's link is as slow as the shared one. Bound by lot, R-D's memory waits for it: by recursion.

    20 runs of 4 s against 200 of the recursion, 4.42 standard errors of the difference of the means.
    """
    raw = star("A", "B", horizon_s=4.0).model_dump(exclude_unset=True)
    raw["network"]["links"][0]["length_km"] = 30.0
    raw["link_overrides"] = (*raw["link_overrides"], {"source": "A", "target": "R", "hardware": {}})
    found = {}
    for multiplexing in ("dynamic", "statistical"):
        raw["memory"]["multiplexing"] = multiplexing
        scenario = EntanglementScenario.model_validate(raw)
        found[multiplexing] = np.array([shares(each, 2) for each in replicas(scenario, 20)])
    rng = np.random.default_rng(1)
    expected = np.array([far_feeder(rng, 0.5, 4.0) for _ in range(200)])
    got = found["dynamic"]
    for place in range(2):
        error = np.sqrt(got[:, place].var() / 20 + expected[:, place].var() / 200)
        assert abs(got[:, place].mean() - expected[:, place].mean()) < 4.42 * error + 0.5
    # Until a swap decides, no pair waits: the shared link is always busy.
    mean = LONG_TAU * (6 + 5 * (1 / P_LONG - 1))
    assert found["statistical"].sum(axis=1).mean() == pytest.approx(4.0 / mean, rel=0.03)
    assert found["statistical"].sum() > 1.1 * got.sum()


def test_turns_are_kept() -> None:
    """Two requests of the same users over one link: a delivery belongs to whose turn it was when it was created."""
    scenario = chain_scenario([20.0], pairs=3, coherence_s=1.0, compat="none", horizon_s=0.5)
    raw = scenario.model_dump(exclude_unset=True)
    raw["requests"] = (*raw["requests"], {"source": "n1", "target": "n0"}, {"source": "n0", "target": "n1"})
    raw["memory"] |= {"multiplexing": "time", "turn_s": 0.003}
    found = replicas(EntanglementScenario.model_validate(raw))[0].series["deliveries"]
    created = found["time_s"] - found["age_s"]
    assert len(created) > 100
    assert found["request"].tolist() == (np.floor(created / 0.003) % 3).astype(int).tolist()


def test_two_nodes_that_swap_for_different_paths_lose_the_pair() -> None:
    """By hand. E hears first of A's pair, F of D's; E and F hear of theirs together and swap it at once, for AEFC and
    for BEFD. E-F's pair so ends up between A and D, whom no path joins: both give it up when word has come.
    """
    scenario = flows(("AEFC", "BEFD"))
    raw = scenario.model_dump(exclude_unset=True)
    km = {"AE": 1.0, "BE": 2.0, "CF": 2.0, "DF": 1.0, "EF": 10.0}
    for each in raw["network"]["links"]:
        each["length_km"] = km["".join(sorted(each["source"] + each["target"]))]
    raw["links"] = FAST | {"pairs": 1}
    raw["nodes"] = {"swap_success": 1.0, "detector_efficiency": 1.0}
    tau = 10.0 / 200_000.0
    raw["horizon_s"] = (
        4.2 * tau
    )  # E-F is known after 3 delays; word of F's swap is at A 1.1 later, of E's at D
    counters = replicas(EntanglementScenario.model_validate(raw))[0].counters
    assert counters["swaps_succeeded"] == 2
    assert counters["pairs_clashed"] == 1
    assert counters["pairs_delivered"] == 0
    raw["memory"] = {"multiplexing": "dynamic"}
    assert replicas(EntanglementScenario.model_validate(raw))[0].counters["pairs_clashed"] == 0


def test_paths_that_run_against_each_other_share_a_link() -> None:
    """ABCD and ECBF: both deliver, alike under all rules by symmetry of what is drawn; 4.42 standard errors."""
    for multiplexing in SHARED:
        scenario = flows(("ABCD", "ECBF"), memory={"multiplexing": multiplexing}, horizon_s=1.0)
        got = np.array([shares(each, 2) for each in replicas(scenario, 10)])
        difference = got[:, 0] - got[:, 1]
        assert got.min() > 20
        assert abs(difference.mean()) < 4.42 * difference.std() / np.sqrt(10) + 1


def test_paths_without_a_link_in_common_do_not_meet() -> None:
    """A second path elsewhere changes nothing of the first; the third joins the first two to one group."""
    apart = flows(("ABC", "DEF"))
    alone, both = (replicas(scenario)[0] for scenario in (flows(("ABC",)), apart))
    mine = both.series["deliveries"]["request"] == 0
    assert alone.series["deliveries"]["time_s"].tolist() == both.series["deliveries"]["time_s"][mine].tolist()
    world = make_world(flows(("ABC", "DEF", "BCDE")), Seed(), Context())
    plan = ShortestPath().plan(world.view, np.random.default_rng(0), Context())
    assert [group.places for group in groups_of(world, plan)] == [(0, 1, 2)]
    assert [group.places for group in groups_of(world, Plan(plan.paths[:2]))] == [(0,), (1,)]


def test_more_paths_than_memories_run_where_memories_are_shared() -> None:
    """Three paths over one memory: refused where each needs its own."""
    scenario = flows(("AEF", "BEF", "CEF"), links={"pairs": 1})
    assert shares(replicas(scenario)[0], 3).min() > 0
    with pytest.raises(BadInput, match="needs at least one"):
        replicas(with_memory(scenario, multiplexing="buffer_space"))


def test_methods_that_decide_choose_for_themselves() -> None:
    """Whose a pair is they say in each slot; the rule is for planned paths."""
    scenario = flows()
    found = [
        replicas(with_memory(scenario, multiplexing=rule), 1, ReactiveCentral())[0].metrics
        for rule in ("buffer_space", "statistical")
    ]
    assert found[0] == found[1]


def test_what_shared_memories_do_not_have_is_refused() -> None:
    scenario = flows()
    with pytest.raises(BadInput, match="compat = 'mqns'"):
        replicas(with_memory(scenario, compat="mqns"))
    with pytest.raises(BadInput, match="compat = 'mqns'"):
        timelines(with_memory(scenario, compat="mqns"), ShortestPath(), Seed(), 0.01)
    many = flows(tuple("AB" if place % 2 else "BA" for place in range(63)))
    with pytest.raises(BadInput, match="63 paths share memories"):
        replicas(many)
    assert shares(replicas(many.model_copy(update={"requests": many.requests[:62]}))[0], 62).min() > 0


def test_warming_runs_the_kernels_that_the_cases_need(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(scenario: Any, *rest: Any) -> list[Outcome]:
        asked.append(scenario.memory.multiplexing)
        return []

    monkeypatch.setattr(model, "run", noted)
    own, shared = with_memory(flows(), multiplexing="buffer_space"), with_memory(flows(), multiplexing="time")
    for cases, expected in (
        ([(own, ShortestPath())], ["buffer_space"]),
        ([(shared, ShortestPath()), (own, ShortestPath())], ["buffer_space", "statistical"]),
        ([(shared, ReactiveCentral())], []),
    ):
        asked.clear()
        model.warm(cases, Context())
        assert sorted(asked) == expected
