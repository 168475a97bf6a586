"""Chains against renewal theory, another simulator's figures, and the same program uncompiled."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.kernels import simulate
from qoslab.domains.entanglement.links import link_timing, mean_of_later, two_link_rate
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath, swap_ranks
from qoslab.domains.entanglement.model import physics_of, run
from qoslab.domains.entanglement.peer import (
    RANDOM_SIXTEEN,
    SIX_NODES,
    THREE_NODES,
    chain_scenario,
    mean_and_error,
)
from qoslab.domains.entanglement.protocol import PathPlan, Plan
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.theory import verify
from qoslab.domains.entanglement.world import chain_of, make_world
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import streams

SELECTIONS = ("first", "oldest", "freshest", "best", "random", "waiting")
ORDERS = ("asap", "left_to_right", "right_to_left", "balanced", "balanced_mirrored")


def replicas(scenario: EntanglementScenario, count: int, method: Any = None) -> list:
    return list(
        run(scenario, method or ShortestPath(), [Seed(replication=i) for i in range(count)], Context())
    )


def test_all_that_verify_checks_holds() -> None:
    """Closed forms, chains against MQNS, w^n; with other seeds chance would fail it once in 27."""
    checks = list(verify(quick=True, context=Context()))
    single = sum(map(len, RANDOM_SIXTEEN.values()))
    assert len(checks) == 6 + 20 + 2 * (len(THREE_NODES) + len(SIX_NODES) + single) + 1 + 1 + 1
    assert [check.name for check in checks if check.status != "pass"] == [
        "the ten random networks of 16 nodes themselves"
    ]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("state", ["werner", "bell_diagonal"])
def test_compiled_and_plain_runs_are_the_same(order: Any, state: str) -> None:
    rule: Any = SELECTIONS[ORDERS.index(order)]
    scenario = chain_scenario(
        [32, 18, 35, 16, 24], pairs=3, horizon_s=0.1, state=state, compat="none", selection=rule
    )
    world = make_world(scenario, Seed(), Context())
    path = PathPlan(0, (0, 1, 2, 3, 4, 5), swap_ranks(order, 4))
    chain = chain_of(world, path, range(5), [3] * 5)
    span = np.array([0.0, 0.1])
    found = []
    for function in (simulate, compiled(simulate)):
        banks = streams(1, 5), streams(2, 6)
        status, live, store = function(chain, *banks, span, physics_of(scenario), 256, 3)
        found.append((status, live, store.counts.tolist(), store.delivered.tolist(), store.held_s.tolist()))
    assert found[0] == found[1]
    assert found[0][2][0] > 50


@pytest.mark.parametrize("order", ORDERS)
def test_conservation_on_random_chains(order: Any) -> None:
    """Every run counts what is left afresh and raises where a pair was lost; here also within warm-up and cut-offs."""
    rng = np.random.default_rng(7)
    for _ in range(8):
        lengths = rng.uniform(1, 40, rng.integers(1, 8))
        scenario = chain_scenario(
            lengths.tolist(),
            pairs=int(rng.integers(1, 5)),
            coherence_s=float(rng.uniform(2.5e-3, 2e-2)),
            horizon_s=0.3,
        )
        for outcome in replicas(scenario, 3, ShortestPath(order, cutoff_s=0.004)):
            ended = outcome.counters["swaps_succeeded"] + 2 * outcome.counters["swaps_failed"]
            for name in ("pairs_wasted", "pairs_decohered", "pairs_delivered", "pairs_in_memory"):
                ended += outcome.counters[name]
            assert outcome.counters["pairs_created"] == ended
            assert 0 <= outcome.metrics["memory_use"] <= 1


@pytest.mark.parametrize("compat", ["none", "mqns"])
@pytest.mark.parametrize("order", ORDERS)
def test_every_swapped_pair_is_delivered_where_nothing_fails(order: Any, compat: str) -> None:
    """Memories never forget and swaps succeed: each delivery uses five link pairs, and only those on the way are left.

    Word that a node passes on arrives with the word it waited for; sums of delays round differently, and a user must
    not miss it. In no order and with several memories, pieces that begin at one user and pieces that begin at the
    other may lie across each other and fill all memories for good, hence one memory there.
    """
    pairs = 1 if order == "asap" else 3
    scenario = chain_scenario(
        [32, 18, 35, 16, 24], pairs=pairs, coherence_s=1e6, swap_success=1.0, horizon_s=1.0, compat=compat
    )
    counters = replicas(scenario, 1, ShortestPath(order))[0].counters
    assert counters["pairs_delivered"] > 40 * pairs
    assert 0 <= counters["pairs_created"] - 5 * counters["pairs_delivered"] <= 10 * pairs


@pytest.mark.parametrize("selection", SELECTIONS)
def test_which_pair_is_swapped(selection: str) -> None:
    """Users far away on one side, near on the other: the far link is scarce, the near one's memories are full of
    pairs of all ages. The rate is the far link's in all cases; the freshest and best partners give most fidelity.
    """
    base, fresh = (
        mean_and_error(
            replicas(
                chain_scenario(
                    [60, 5], pairs=8, coherence_s=0.05, horizon_s=2.0, selection=rule, compat="none"
                ),
                3,
            ),
            "fidelity",
        )[0]
        for rule in (selection, "freshest")
    )
    if selection in ("freshest", "best"):
        assert base == pytest.approx(fresh, abs=1e-12)
    else:
        assert base < fresh - 0.01


def test_two_links_that_never_forget() -> None:
    """Swaps that succeed, equal links. From a swap at the repeater: the left link's outer memory is free a delay later
    and asks with 2 delays, 3 in all; the right one asks at once, but its far memory is free after 1, then 2 in all.
    So the left link's attempts start after 3 delays, the right's after 2, an interval being 5 delays: by enumeration.
    """
    tau, p = 20.0 / 200_000.0, 0.5 * 0.95**4 * 10**-0.4
    k = np.arange(400)
    weights = p * (1 - p) ** k
    left, right = 3 * tau + 5 * tau * k, 2 * tau + 5 * tau * k
    mean = float((np.maximum.outer(left, right) * np.outer(weights, weights)).sum()) + 4 * tau
    scenario = chain_scenario([20.0, 20.0], coherence_s=1e6, swap_success=1.0)
    rate, error = mean_and_error(replicas(scenario, 40), "rate_per_s")
    assert abs(rate - 1 / mean) < 4.42 * error + 0.4
    timing = link_timing(20.0, scenario.links, scenario.nodes, scenario.nodes)
    assert two_link_rate(timing, timing, 1.0) == pytest.approx(1 / mean, rel=1e-12)


@pytest.mark.parametrize("architecture", ["dim_bk", "sender_receiver", "source_in_midpoint"])
@pytest.mark.parametrize("lengths", [(25.0, 5.0), (5.0, 25.0)])
def test_two_unequal_links_that_never_forget(lengths: tuple[float, float], architecture: Any) -> None:
    """Attempts of the two take unequal times; half of the swaps fail. 4.42 standard errors of 20 runs."""
    scenario = chain_scenario(lengths, coherence_s=1e6, compat="none", architecture=architecture)
    left, right = (link_timing(km, scenario.links, scenario.nodes, scenario.nodes) for km in lengths)
    rate, error = mean_and_error(replicas(scenario, 20), "rate_per_s")
    assert abs(rate - two_link_rate(left, right, 0.5)) < 4.42 * error + 0.2


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=6),
)
def test_the_later_of_two_times(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    """Against all pairs of values, ties among them."""
    sides = []
    for each in (first, second):
        values, weights = np.array(sorted(each), np.float64).T
        sides += [values, weights / weights.sum()]
    every = np.maximum.outer(sides[0], sides[2]) * np.outer(sides[1], sides[3])
    assert mean_of_later(*sides) == pytest.approx(float(every.sum()), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("turns", [1, 3])
def test_a_fibre_that_memories_share_in_turns_is_always_busy(turns: int) -> None:
    """Twenty pairs of memories and few turns: attempts follow each other in every turn, each succeeding with p.

    The number of successes of n attempts is binomial; 4.42 standard errors, and what is on its way at the end.
    """
    raw = chain_scenario([20.0], pairs=20, coherence_s=1.0, horizon_s=10.0).model_dump(exclude_unset=True)
    raw["links"] |= {"at_once": turns}
    counters = replicas(EntanglementScenario.model_validate(raw), 1)[0].counters
    attempts, p = turns * 10.0 / 5e-4, 0.5 * 0.95**4 * 10**-0.4
    assert abs(counters["pairs_created"] - attempts * p) < 4.42 * np.sqrt(attempts * p * (1 - p)) + turns


def test_turns_for_all_memories_change_nothing() -> None:
    raw = chain_scenario([32, 18], pairs=2).model_dump(exclude_unset=True)
    plain = replicas(EntanglementScenario.model_validate(raw), 1)[0]
    raw["links"] |= {"at_once": 2}
    assert replicas(EntanglementScenario.model_validate(raw), 1)[0].metrics == plain.metrics


def test_dark_counts_in_a_run() -> None:
    """Perfect memories: every delivery of one link has the mixed fidelity."""
    raw = chain_scenario([20.0]).model_dump(exclude_unset=True)
    raw["links"] |= {"false_herald": 0.02}
    raw["memory"] = {"noise": "perfect"}
    p = 0.5 * 0.95**4 * 10**-0.4
    expected = (0.99 * p + (1 - p) * 0.02 / 4) / (p + (1 - p) * 0.02)
    found = replicas(EntanglementScenario.model_validate(raw), 1)[0]
    assert found.metrics["fidelity"] == pytest.approx(expected, abs=1e-12)


def test_ends_hear_no_sooner_than_light() -> None:
    """The oldest part of a delivery is at least as old as its notice and the way from the repeater."""
    outcome = next(iter(run(chain_scenario([32, 18]), ShortestPath(), [Seed()], Context(keep_series=True))))
    assert outcome.series["deliveries"]["age_s"].min() >= 4 * 9e-5 + 16e-5 - 1e-12


def test_same_seed_same_outcome_and_another_differs() -> None:
    first, second = replicas(chain_scenario([32, 18]), 1)[0], replicas(chain_scenario([32, 18]), 2)
    assert first.metrics == second[0].metrics
    assert first.metrics != second[1].metrics


def test_bell_diagonal_dephasing_by_hand() -> None:
    """A link's pair is held 4 delays at each end: F = F0 of I and Z exchanged with the probability of one error."""
    scenario = chain_scenario([32.0], state="bell_diagonal", compat="none")
    s = np.exp(-4 * 1.6e-4 / 0.01)
    odd = (1 - s * s) / 2
    expected = 0.99 * (1 - odd) + 0.01 / 3 * odd
    assert replicas(scenario, 1)[0].metrics["fidelity"] == pytest.approx(expected, abs=1e-12)


def test_ranks_of_four_repeaters() -> None:
    assert swap_ranks("asap", 4) == (1, 0, 0, 0, 0, 1)
    assert swap_ranks("left_to_right", 4) == (4, 0, 1, 2, 3, 4)
    assert swap_ranks("balanced", 4) == (3, 0, 1, 0, 2, 3)
    assert swap_ranks("balanced_mirrored", 4) == (3, 2, 0, 1, 0, 3)


def test_demand_met_is_the_share_of_the_rate() -> None:
    raw = chain_scenario([32, 18]).model_dump(exclude_unset=True)
    raw["requests"] = ({"source": "n0", "target": "n2", "rate_per_s": 1000.0, "fidelity": 0.6},)
    metrics = replicas(EntanglementScenario.model_validate(raw), 1)[0].metrics
    assert metrics["demand_met"] == pytest.approx(metrics["useful_rate_per_s"] / 1000)
    assert 0 < metrics["useful_rate_per_s"] < metrics["rate_per_s"]


APART = {
    "links": (
        {"source": "n0", "target": "n1", "length_km": 1.0},
        {"source": "n2", "target": "n3", "length_km": 1.0},
    )
}
"""Two pieces of network."""


class Planned:
    """A method that gives a plan as it stands."""

    def __init__(self, **path: Any) -> None:
        self.path = PathPlan(0, path.pop("nodes", (0, 1, 2)), **path)

    def plan(self, view: Any, rng: Any, context: Any) -> Plan:
        return Plan((self.path,))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ({"rounds": (1,)}, "rounds of purification"),
        ({"rounds": (1, -1)}, "rounds of purification"),
        ({"rounds": (1, 0)}, "need 2 memories, not 1"),
        ({"wait_s": (0.1,)}, "longest waits"),
        ({"wait_s": (0.1, 0.0)}, "longest waits"),
        ({"ranks": (1, 0)}, "ranks"),
        ({"ranks": (0, 1, 0)}, "both ends highest"),
        ({"width": (2, 1)}, "uses? 2 memories"),
        ({"width": (0, 1)}, "at least one"),
        ({"nodes": (0, 2)}, "there is none"),
        ({"nodes": (0, 1)}, "not from"),
        ({"cutoff_s": 0.0}, "leaves no pair"),
        ({"cutoff_s": 0.0005}, "nothing can be delivered"),
    ],
)
def test_plans_that_cannot_be(path: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        replicas(chain_scenario([32, 18]), 1, Planned(**path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"nodes": {"coherence_s": 0.0006}},
            "n0' and 'n1' is dropped at an age of 0.0006 s, but .* before 0.0008 s",
        ),
        ({"nodes": {"swap_success": 0.0}}, "a swap at 'n1' never succeeds"),
        ({"links": {"attenuation_db_per_km": 300.0}}, "between 'n0' and 'n1' never succeeds"),
        ({"network": {"links": ({"source": "n0", "target": "n1", "length_km": 1.0},)}}, "no node 'n2'"),
        ({"requests": ({"source": "n0", "target": "n3"},), "network": APART}, "no path from 'n0' to 'n3'"),
        ({"requests": ({"source": "n0", "target": "x"},)}, "no node 'x'"),
        ({"node_overrides": ({"node": "x", "hardware": {}},)}, "no node 'x'"),
        ({"link_overrides": ({"source": "n0", "target": "n2", "hardware": {}},)}, "no link between"),
        ({"network": {"links": ({"source": "n0", "target": "n2"},)}}, "length_km is unknown"),
    ],
)
def test_worlds_that_cannot_be(change: dict[str, Any], words: str) -> None:
    raw = chain_scenario([32, 18]).model_dump(exclude_unset=True) | change
    with pytest.raises(BadInput, match=words):
        replicas(EntanglementScenario.model_validate(raw), 1)


def test_a_topology_file_with_an_unknown_node_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    file.write_text(
        '{"nodes": [{"id": "S"}, {"id": "D"}],\n"edges": [\n'
        '{"source": "S", "target": "D", "length_km": 10},\n'
        '{"source": "S", "target": "X", "length_km": 10}\n]}'
    )
    raw = {"network": {"file": str(file)}, "requests": [{"source": "S", "target": "D"}]}
    with pytest.raises(BadInput, match="no node 'X'") as refused:
        replicas(EntanglementScenario.model_validate(raw), 1)
    problem = refused.value.problems[0]
    assert (problem.field, problem.line) == ("links[1].target", 4)
