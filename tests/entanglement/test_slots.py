"""Runs in slots against closed forms, the law of conservation, and orders that cannot be."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.chain import DECOHERED, DELIVERED
from qoslab.domains.entanglement.methods.continuous_distribution import ContinuousDistribution
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.reactive_local import ReactiveLocal
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.protocol import LivePair, PathPlan, Plan, Swap
from qoslab.domains.entanglement.routing.pairs import LiveGraph
from qoslab.domains.entanglement.routing.planned import PlannedInSlots
from qoslab.domains.entanglement.routing.view import swap_werners
from qoslab.domains.entanglement.scenario import EntanglementScenario, Phases
from qoslab.domains.entanglement.slots import run_slots
from qoslab.domains.entanglement.states import DEPHASING
from qoslab.domains.entanglement.talk import talk_of
from qoslab.domains.entanglement.world import make_world


def scenario_of(fibres, users, horizon_s=0.4, state="werner", **changes):
    nodes = {"coherence_s": 10.0, "swap_success": 1.0} | changes.pop("nodes", {})
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": km} for a, b, km in fibres]},
        "requests": [{"source": a, "target": b} for a, b in users],
        "nodes": nodes,
        "memory": {"state": state},
        "horizon_s": horizon_s,
        "phases": {"external_s": 0.002},
    }
    return EntanglementScenario.model_validate(raw | changes)


CHAIN = [("S", "R", 20.0), ("R", "D", 20.0)]


@dataclass(frozen=True)
class Scripted:
    """Orders what a function says."""

    orders: object

    def plan(self, view, rng, context):
        return Plan(())

    def decide(self, view, rng, context):
        return self.orders(view)


def slots_of(scenario, method, seed=None):
    seed = seed or Seed()
    view = make_world(scenario, seed, Context()).view
    span = np.array([scenario.warm_up_s, scenario.horizon_s])
    return run_slots(view, method, (DEPHASING, True), seed, span, scenario.phases, Context())


def slot_success(scenario):
    """Chance that one memory of the first link has a pair after a slot, and the slot's length."""
    view = make_world(scenario, Seed(), Context()).view
    timing = view.timings[0]
    room = 0.002 - 2 * timing.delay_s - max(timing.notify_first_s, timing.notify_second_s)
    attempts = math.floor(room / timing.interval_s + 1e-9) + 1
    delay = sum(each.delay_s for each in view.timings)
    return 1 - (1 - timing.success) ** attempts, 0.002 + 2 * delay


def test_one_link_delivers_in_each_slot_that_made_a_pair():
    scenario = scenario_of([("S", "D", 20.0)], [("S", "D")], horizon_s=3.0)
    p, length = slot_success(scenario)
    (outcome,) = run(scenario, ReactiveCentral(), [Seed()], Context())
    slots = int(3.0 / length)
    error = math.sqrt(slots * p * (1 - p))
    # Four standard errors: passed by chance in 6 of 10^5.
    assert abs(outcome.metrics["rate_per_s"] * 3.0 - slots * p) < 4 * error


def test_two_links_wait_for_each_other():
    # Both pairs are kept until the other comes: E[max(G1, G2)] = (3 - 2 p) / (p (2 - p)) slots per delivery.
    scenario = scenario_of(CHAIN, [("S", "D")], horizon_s=4.0)
    p, length = slot_success(scenario)
    (outcome,) = run(scenario, ReactiveCentral(), [Seed()], Context())
    mean = (3 - 2 * p) / (p * (2 - p))
    slots = int(4.0 / length)
    got = outcome.metrics["rate_per_s"] * 4.0
    # A cycle's variance is below that of one geometric time with this mean.
    error = math.sqrt(slots / mean) * math.sqrt(1 - p) / p / mean
    assert 0.3 < p < 0.95
    assert abs(got - slots / mean) < 4 * error


def test_a_swap_succeeds_with_its_probability():
    scenario = scenario_of(CHAIN, [("S", "D")], horizon_s=2.0, nodes={"swap_success": 0.4})
    counts = next(iter(run(scenario, ReactiveCentral(), [Seed()], Context()))).counters
    tries = counts["swaps_succeeded"] + counts["swaps_failed"]
    assert tries > 200
    assert abs(counts["swaps_succeeded"] - 0.4 * tries) < 4 * math.sqrt(tries * 0.24)


@pytest.mark.parametrize("state", ["werner", "bell_diagonal"])
def test_fidelity_is_that_of_its_history(state):
    # Both links made for certain at once; each qubit is stored from its creation to its measurement.
    scenario = scenario_of(
        CHAIN, [("S", "D")], state=state, nodes={"coherence_s": 0.05, "gate_fidelity": 0.98},
        links={"attenuation_db_per_km": 0.0, "architecture": "source_in_midpoint"},
    )  # fmt: skip
    perfect = {"detector_efficiency": 1.0, "source_efficiency": 1.0}
    scenario = scenario.model_copy(update={"nodes": scenario.nodes.model_copy(update=perfect)})
    found = next(iter(run(scenario, ReactiveCentral(), [Seed()], Context(keep_series=True))))
    delay = 20.0 / 200_000.0
    swap_at, created = 0.002 + 2 * delay, 2 * delay
    inner, outer = swap_at - created, swap_at + 2 * delay - created

    def kept(elapsed):
        return math.exp(-elapsed / 0.05)

    if state == "werner":
        w = ((4 * 0.99 - 1) / 3) ** 2 * 0.98
        for elapsed in (inner, inner, outer, outer):
            w *= (1 + 2 * kept(elapsed)) / 3
        expected = (3 * w + 1) / 4
    else:
        z = [1 - 4 * 0.01 / 3, 1 - 4 * 0.01 / 3]  # signs of the phase that survive: I + Z - X - Y and so on
        phase = z[0] ** 2 * 0.98 * kept(inner) ** 2 * kept(outer) ** 2
        bit = z[1] ** 2 * 0.98
        expected = (1 + 2 * phase + bit) / 4
    fidelity = found.series["deliveries"]["fidelity"]
    assert fidelity[0] == pytest.approx(expected)
    assert found.metrics["latency_s"] == pytest.approx(outer)


@pytest.mark.parametrize("state", ["werner", "bell_diagonal"])
def test_wrong_read_outs_of_swaps_cost_alike_as_events_come_and_in_slots(state):
    """Perfect memories: of the swap's two bits X and Z are right with 0.9 each; all pairs have the closed form."""
    nodes = {"gate_fidelity": 0.98, "readout_fidelity": 0.9}
    memory = {"state": state, "noise": "perfect"}
    scenario = scenario_of(CHAIN, [("S", "D")], nodes=nodes, memory=memory)
    slots = scenario.model_copy(update={"phases": scenario.phases.model_copy(update={"for_all": True})})
    w = (4 * 0.99 - 1) / 3
    if state == "werner":
        expected = (3 * w * w * 0.98 * (4 * 0.9**2 - 1) / 3 + 1) / 4
    else:  # Signs that survive: of the phase with 2 * 0.9 - 1, of the bit alike, of both with its square.
        expected = (1 + w * w * 0.98 * (0.8 + 0.8 + 0.8**2)) / 4
    for case, method in (
        (scenario, ShortestPath()), (slots, ShortestPath()), (scenario, ReactiveCentral()),
    ):  # fmt: skip
        found = next(iter(run(case, method, [Seed()], Context(keep_series=True)))).series["deliveries"]
        assert len(found["fidelity"]) > 10
        assert found["fidelity"] == pytest.approx(expected)
    view = make_world(scenario, Seed(), Context()).view
    assert swap_werners(view) == pytest.approx([0.98 * (4 * 0.9**2 - 1) / 3] * 3)


@pytest.mark.parametrize("rule", ["waiting", "oldest", "freshest", "best", "random", None])
def test_the_rule_of_selection_decides_which_pair_goes_first(rule):
    """Of a link's pairs those first in the rule's order are offered first, in all slots where several live."""
    seen = []

    def first_of(view):
        graph = LiveGraph(view)
        for a, b in ((0, 1), (1, 2)):
            pairs = graph.all_between(a, b)
            if len(pairs) > 1:
                seen.append([(pair.ident, pair.fidelity, pair.age_s, pair.cost) for pair in pairs])
        return []

    scenario = scenario_of(CHAIN, [("S", "D")], links={"pairs": 3}, nodes={"coherence_s": 0.03})
    view = make_world(scenario, Seed(), Context()).view
    span = np.array([0.0, scenario.horizon_s])
    run_slots(view, Scripted(first_of), (DEPHASING, True), Seed(), span, scenario.phases, Context(), (), rule)
    ages = [[age for _, _, age, _ in pairs] for pairs in seen]
    assert sum(len(set(each)) > 1 for each in ages) > 10
    if rule in ("waiting", "oldest"):
        assert all(each == sorted(each, reverse=True) for each in ages)
    elif rule in ("freshest", "best", None):
        assert all(each == sorted(each) for each in ages)
        assert all((cost is None) == (rule is None) for pairs in seen for *_, cost in pairs)
    else:
        assert 0 < sum(each == sorted(each) for each in ages) < len(ages)


def test_a_rule_changes_what_users_get_in_slots():
    """Four pairs on one link wait for those of the other: the freshest are better than the oldest."""
    nodes = {"coherence_s": 0.02, "swap_success": 0.3}
    found = {}
    for rule in ("oldest", "freshest"):
        scenario = scenario_of(
            CHAIN, [("S", "D")], 1.0, memory={"selection": rule}, links={"pairs": 4}, nodes=nodes,
            link_overrides=[{"source": "S", "target": "R", "hardware": {"pairs": 1}}],
        )  # fmt: skip
        found[rule] = next(iter(run(scenario, ReactiveCentral(), [Seed()], Context()))).metrics["fidelity"]
    assert found["freshest"] > found["oldest"] + 0.005
    first = scenario_of(CHAIN, [("S", "D")], memory={"selection": "first"})
    with pytest.raises(BadInput, match="no numbers"):
        list(run(first, ReactiveCentral(), [Seed()], Context()))


def test_what_links_give_does_not_depend_on_decisions():
    scenario = scenario_of([*CHAIN, ("D", "E", 20.0)], [("S", "D")])
    made = []
    for orders in (lambda view: [], lambda view: ReactiveCentral().decide(view, None, None)):
        seen = []
        slots_of(scenario, Scripted(lambda view, orders=orders, seen=seen: seen.append(view) or orders(view)))
        made.append([(pair.first, pair.second, pair.age_s) for pair in seen[0].live])
    assert made[0] == made[1]


def test_pairs_beyond_their_time_are_given_up():
    scenario = scenario_of(CHAIN, [("S", "D")], nodes={"coherence_s": 0.003})
    ages = []
    found = slots_of(scenario, Scripted(lambda view: ages.extend(pair.age_s for pair in view.live) or []))
    assert max(ages) < 0.003
    assert found.counts[4] > 0


RING = [("A", "B", 5.0), ("B", "C", 5.0), ("A", "C", 5.0), ("C", "D", 5.0), ("D", "A", 5.0)]


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_random_swaps_keep_the_law_of_conservation(probability):
    scenario = scenario_of(
        RING, [("A", "C"), ("B", "D")], links={"pairs": 3}, nodes={"swap_success": 0.7, "coherence_s": 0.02}
    )
    found = slots_of(scenario, ContinuousDistribution(probability))
    assert found.counts.min() >= 0
    assert found.counts[[0, 1, 2, 5]].min() > 0
    assert 0 < found.held_s <= found.memories * scenario.horizon_s


def test_every_order_at_once_closes_rings_and_still_conserves():
    # Every node joins whatever it has, two by two: rings, partners that ended, and pairs of a node with itself occur.
    def all_swaps(view):
        held = {}
        for pair in view.live:
            held.setdefault(pair.first, []).append(pair.ident)
            held.setdefault(pair.second, []).append(pair.ident)
        return [
            Swap(node, a, b, -1)
            for node, own in sorted(held.items())
            for a, b in zip(own[::2], own[1::2], strict=False)
        ]

    scenario = scenario_of(RING, [("A", "C")], links={"pairs": 4}, nodes={"swap_success": 0.8})
    found = slots_of(scenario, Scripted(all_swaps))
    assert found.counts[3] > 0


def test_a_chain_is_joined_by_the_numbers_of_its_parts():
    links = [("S", "R", 5.0), ("R", "T", 5.0), ("T", "D", 5.0)]
    for order in (1, -1):

        def swaps(view, order=order):
            by_ends = {frozenset((pair.first, pair.second)): pair.ident for pair in view.live}
            index = view.network.index
            parts = [by_ends.get(frozenset((index(a), index(b)))) for a, b, _ in links]
            if None in parts:
                return []
            chosen = [Swap(index("R"), parts[0], parts[1], 0), Swap(index("T"), parts[1], parts[2], 0)]
            return chosen[::order]

        found = slots_of(scenario_of(links, [("S", "D")]), Scripted(swaps))
        assert found.counts[1] == 2 * found.counts[5] > 0


def test_requests_of_the_same_users_share():
    scenario = scenario_of(CHAIN, [("S", "D"), ("D", "S")])
    found = slots_of(scenario, ReactiveCentral())
    got = [sum(each.request == place for each in found.deliveries) for place in (0, 1)]
    assert abs(got[0] - got[1]) <= 1
    assert got[0] > 10


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        (lambda view: [Swap(view.network.index("R"), 998, 999, 0)], "does not live"),
        (lambda view: [Swap(view.network.index("S"), p.ident, p.ident, 0) for p in view.live], "used|no end"),
        (
            lambda view: [Swap(view.network.index("R"), a.ident, b.ident, 0)
                          for a, b in zip(view.live, view.live[1:], strict=False)] * 2,
            "used before",
        ),
    ],
)  # fmt: skip
def test_orders_that_cannot_be_are_refused(orders, words):
    with pytest.raises(BadInput, match=words):
        slots_of(scenario_of(CHAIN, [("S", "D")]), Scripted(orders))


def test_a_run_shorter_than_a_slot_says_so():
    with pytest.raises(BadInput, match="one slot takes"):
        slots_of(scenario_of(CHAIN, [("S", "D")], horizon_s=0.001), ReactiveCentral())


LINE = [("S", "R", 20.0), ("R", "T", 20.0), ("T", "D", 60.0)]
"""Delays of 0.1, 0.1 and 0.3 ms: T is the centre, 0.3 ms from all; 0.5 ms lie between the users."""


@pytest.mark.parametrize(
    ("phases", "hops", "expected"),
    [
        ({}, None, (0.5e-3, 0.0, 0.5e-3)),
        ({}, 0, (0.5e-3, 0.0, 0.5e-3)),
        ({"control": "own"}, None, (0.3e-3, 0.3e-3, 0.5e-3)),
        ({"control": "own", "centre": "S"}, None, (0.5e-3, 0.5e-3, 0.5e-3)),
        ({"control": "own"}, 0, (0.0, 0.0, 0.5e-3)),
        ({"control": "own"}, 2, (0.6e-3, 0.0, 0.5e-3)),
    ],
)
def test_messages_by_hand(phases, hops, expected):
    class Knowing(Scripted):
        knows_hops = hops

    view = make_world(scenario_of(LINE, [("S", "D")]), Seed(), Context()).view
    found = talk_of(view, Phases.model_validate(phases), Knowing(None))
    assert found == pytest.approx(expected)


def test_local_control_acts_on_younger_pairs_than_the_centre():
    # The same links, swaps that always succeed: what differs is how long pairs wait for messages.
    def fidelity(method, **phases):
        scenario = scenario_of(
            CHAIN, [("S", "D")], phases={"external_s": 0.002} | phases, nodes={"coherence_s": 0.02}
        )
        found = slots_of(scenario, method)
        return np.mean([each.fidelity for each in found.deliveries]), len(found.deliveries)

    assert fidelity(ReactiveLocal()) == fidelity(ReactiveCentral())
    local, many = fidelity(ReactiveLocal(), control="own")
    central, fewer = fidelity(ReactiveCentral(), control="own", centre="S")
    assert local > central
    assert many > fewer


def test_orders_reach_living_pairs_only():
    # First attempts make pairs at 0.2 ms, which end at 2.15; the centre hears of them at 2.1 and is obeyed at 2.2.
    scenario = scenario_of(
        CHAIN, [("S", "D")], phases={"external_s": 0.002, "control": "own"}, nodes={"coherence_s": 0.00195}
    )
    counts = slots_of(scenario, ReactiveCentral()).counts
    assert min(counts[DECOHERED], counts[DELIVERED]) > 0


@pytest.mark.parametrize(
    ("fibres", "phases", "words"),
    [
        (CHAIN, {"centre": "X"}, "no node 'X'"),
        ([*CHAIN, ("A", "B", 5.0)], {}, "cannot reach all nodes"),
    ],
)
def test_a_centre_that_cannot_be_is_refused(fibres, phases, words):
    scenario = scenario_of(fibres, [("S", "D")], phases={"control": "own"} | phases)
    with pytest.raises(BadInput, match=words):
        slots_of(scenario, ReactiveCentral())


def test_the_peers_errors_are_not_offered():
    scenario = scenario_of(CHAIN, [("S", "D")])
    odd = scenario.model_copy(update={"memory": scenario.memory.model_copy(update={"compat": "mqns"})})
    with pytest.raises(BadInput, match="compat"):
        list(run(odd, ReactiveCentral(), [Seed()], Context()))


def test_the_view_tells_what_was_installed_and_delivered():
    scenario = scenario_of(CHAIN, [("S", "D")])
    seen = []

    def orders(view):
        seen.append(view)
        return ReactiveCentral().decide(view, None, None)

    found = slots_of(scenario, Scripted(orders))
    assert seen[0].delivered == (0,)
    assert seen[-1].delivered[0] in (len(found.deliveries), len(found.deliveries) - 1)
    times = [view.now_s for view in seen]
    assert np.allclose(np.diff(times), times[1] - times[0])
    assert replace(seen[0], live=()).now_s == pytest.approx(0.002 + 2 * 20.0 / 200_000.0)


def test_planned_paths_in_slots_are_joined_like_live_ones():
    # On one path there is one way of using pairs: the plan and central control give the same run.
    scenario = scenario_of(CHAIN, [("S", "D")], links={"pairs": 2})
    planned = scenario.model_copy(update={"phases": scenario.phases.model_copy(update={"for_all": True})})
    metrics = [
        next(iter(run(each, method, [Seed()], Context()))).metrics
        for each, method in ((planned, ShortestPath()), (scenario, ReactiveCentral()))
    ]
    assert metrics[0] == metrics[1]
    assert metrics[0]["rate_per_s"] > 100


def test_planned_paths_in_slots_keep_to_their_widths():
    view = make_world(scenario_of(CHAIN, [("S", "D"), ("D", "S")]), Seed(), Context()).view
    s, r, d = (view.network.index(name) for name in "SRD")
    ends = [(s, r)] * 3 + [(r, d)] * 3
    live = tuple(LivePair(ident, a, b, 0.9, 0.0) for ident, (a, b) in enumerate(ends))
    for widths, requests in (
        (((1, 2), (1, 1)), [0, 1]),
        (((), (1, 1)), [0, 1, 0]),
        (((2, 2), ()), [0, 1, 0]),
    ):
        paths = (PathPlan(0, (s, r, d), width=widths[0]), PathPlan(1, (d, r, s), width=widths[1]))
        told = replace(view, live=live, installed=paths)
        swaps = PlannedInSlots(ShortestPath()).decide(told, np.random.default_rng(0), Context())
        assert [swap.request for swap in swaps] == requests
