"""Success of fusing networks against all states of small ones, choices of links, and rates of runs."""

import math
from itertools import product

import networkx as nx
import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.n_fusion import NFusion
from qoslab.domains.entanglement.methods.q_cast import QCast
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.routing.fusing import Most, flow_success, fusion_flows, joined_probability
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.routing.view import slot_successes
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.world import make_world
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import erdos_renyi


def by_all_states(links, works, ends):
    """Sum over all states of links and nodes."""
    nodes = sorted({node for link in links for node in link[:2]} - set(ends))
    total = 0.0
    for up in product((True, False), repeat=len(nodes)):
        alive = {*ends, *(node for node, good in zip(nodes, up, strict=True) if good)}
        weight = math.prod(works[node] if node in alive else 1 - works[node] for node in nodes)
        for lives in product((True, False), repeat=len(links)):
            graph = nx.Graph()
            graph.add_nodes_from(alive)
            chance = weight
            for (a, b, p), good in zip(links, lives, strict=True):
                chance *= p if good else 1 - p
                if good and a in alive and b in alive:
                    graph.add_edge(a, b)
            if nx.has_path(graph, *ends):
                total += chance
    return total


@pytest.mark.parametrize("seed", range(15))
def test_success_is_that_of_all_states(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 7))
    ends = [(a, b) for a in range(n) for b in range(a)]
    chosen = rng.choice(len(ends), min(len(ends), int(rng.integers(2, 9))), replace=False)
    links = [(*ends[k], float(rng.uniform(0, 1))) for k in chosen]
    works = rng.uniform(0.2, 1.0, n)
    users = Ends(0, n - 1)
    expected = by_all_states([*links, (0, 0, 1.0), (n - 1, n - 1, 1.0)], works, users)
    assert joined_probability(links, works, users) == pytest.approx(expected, abs=1e-12)


def test_closed_forms():
    line = Network.from_links(4, range(3), range(1, 4))
    success, works = np.array([0.5, 0.4, 0.9]), np.array([1.0, 0.8, 0.7, 1.0])
    width = {0: 2, 1: 3, 2: 1}
    expected = (1 - 0.5**2) * (1 - 0.6**3) * 0.9 * 0.8 * 0.7
    assert flow_success(line, width, success, works, Ends(0, 3)) == pytest.approx(expected)
    # Two ways of two links: 1 - (1 - p p q)^2.
    square = Network.from_links(4, [0, 1, 0, 2], [1, 3, 2, 3])
    found = flow_success(square, dict.fromkeys(range(4), 1), np.full(4, 0.6), np.full(4, 0.9), Ends(0, 3))
    assert found == pytest.approx(1 - (1 - 0.6 * 0.6 * 0.9) ** 2)


def test_a_wide_ladder_is_worked_out_soon():
    # 3 x 12 nodes: 2^57 states of its links.
    names = {(r, c): 3 * c + r for c in range(12) for r in range(3)}
    pairs = [(names[r, c], names[r, c + 1]) for c in range(11) for r in range(3)]
    pairs += [(names[r, c], names[r + 1, c]) for c in range(12) for r in range(2)]
    network = Network.from_links(36, *zip(*sorted(pairs), strict=True))
    found = flow_success(
        network, dict.fromkeys(range(network.m), 1), np.full(network.m, 0.9), np.full(36, 0.95), Ends(0, 35)
    )
    rng, joined, draws = np.random.default_rng(0), 0, 1500
    for _ in range(draws):
        up = rng.random(36) < 0.95
        up[[0, 35]] = True
        lives = (rng.random(network.m) < 0.9) & up[network.tail] & up[network.head]
        graph = nx.Graph(zip(network.tail[lives].tolist(), network.head[lives].tolist(), strict=True))
        joined += graph.has_node(0) and graph.has_node(35) and nx.has_path(graph, 0, 35)
    # Four standard errors: passed by chance in 6 of 10^5.
    assert abs(joined / draws - found) < 4 * math.sqrt(found * (1 - found) / draws)


def free(network, memories):
    return np.full(network.m, memories)


def test_paths_are_merged_and_memories_go_where_they_gain():
    square = Network.from_links(4, [0, 1, 0, 2], [1, 3, 2, 3])
    success, works = np.array([0.6, 0.3, 0.6, 0.6]), np.full(4, 0.9)
    one = fusion_flows(square, [Ends(0, 3)], success, works, free(square, 1), Most(1, 0), lambda: None)
    assert [(flow.request, flow.width) for flow in one] == [(0, {0: 1, 2: 1})]
    assert one[0].success == pytest.approx(0.6 * 0.6 * 0.9)
    both = fusion_flows(square, [Ends(0, 3)], success, works, free(square, 1), Most(2, 0), lambda: None)
    assert set(both[0].width) == {0, 1, 2, 3}
    wide = fusion_flows(square, [Ends(0, 3)], success, works, free(square, 4), Most(2, 0), lambda: None)
    assert wide[0].width == dict.fromkeys(range(4), 4)


@pytest.mark.parametrize("seed", range(6))
def test_flows_keep_to_the_memories_and_their_success_is_right(seed):
    rng = np.random.default_rng(seed)
    network = erdos_renyi(9, 0.35, rng)
    success, works = rng.uniform(0.1, 0.9, network.m), rng.uniform(0.5, 1.0, 9)
    memories = rng.integers(0, 4, network.m)
    requests = [Ends(0, 8), Ends(1, 7)]
    flows = fusion_flows(network, requests, success, works, memories, Most(), lambda: None)
    used = np.zeros(network.m, int)
    for flow in flows:
        for link, width in flow.width.items():
            used[link] += width
        again = flow_success(network, flow.width, success, works, requests[flow.request])
        assert flow.success == pytest.approx(again)
        assert again > 0
    assert (used <= memories).all()


def test_detours_join_nodes_of_a_flow():
    # 0-1-2 and the detour 1-3-2, whose node 3 is not on the path; 4 hangs on 3 and joins nothing.
    network = Network.from_links(5, [0, 1, 1, 2, 3], [1, 2, 3, 3, 4])
    success, works = np.full(5, 0.5), np.full(5, 0.9)

    def links_of(most):
        (flow,) = fusion_flows(network, [Ends(0, 2)], success, works, free(network, 1), most, lambda: None)
        return set(flow.width), flow.success

    assert links_of(Most(3, 0)) == ({0, 1}, pytest.approx(0.5 * 0.9 * 0.5))
    assert links_of(Most(3, 6, 1))[0] == {0, 1}
    assert links_of(Most(3, 6, 2)) == ({0, 1, 2, 3}, pytest.approx(0.45 * (1 - 0.5 * (1 - 0.5 * 0.9 * 0.5))))


def test_dead_repeaters_are_left_out():
    square = Network.from_links(4, [0, 1, 0, 2], [1, 3, 2, 3])
    works = np.array([0.0, 0.0, 0.5, 0.0])  # users need not work
    flows = fusion_flows(square, [Ends(0, 3)], np.full(4, 0.5), works, free(square, 1), Most(), lambda: None)
    assert [set(flow.width) for flow in flows] == [{1, 3}]
    assert (
        fusion_flows(square, [Ends(0, 3)], np.zeros(4), np.ones(4), free(square, 1), Most(), lambda: None)
        == []
    )


def scenario(links, users, **changes):
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 20.0} for a, b in links]},
        "requests": [{"source": a, "target": b} for a, b in users],
        "links": {"pairs": 1},
        "nodes": {"swap_success": 0.8, "coherence_s": 10.0},
        "phases": {"external_s": 0.003, "clear": True, "control": "own"},
        "horizon_s": 6.0,
    }
    return EntanglementScenario.model_validate(raw | changes)


LADDER = [("S", "A"), ("S", "B"), ("A", "B"), ("A", "C"), ("B", "E"), ("C", "E"), ("C", "D"), ("E", "D")]


def test_a_run_delivers_with_the_exact_success():
    # Slots are independent, as memories are emptied.
    world = scenario(LADDER, [("S", "D")])
    view = make_world(world, Seed(), Context()).view
    delay = view.timings[0].delay_s
    tried = 0.003 - 2 * delay - view.timings[0].notify_first_s
    attempts = math.floor(tried / view.timings[0].interval_s + 1e-9) + 1
    success = np.full(view.network.m, 1 - (1 - view.timings[0].success) ** attempts)
    index = view.network.index
    plan = NFusion(slot_s=0.003).plan(view, np.random.default_rng(0), Context())
    chosen = {frozenset(path.nodes) for path in plan.paths}
    flow = {
        link: 1
        for link in range(8)
        if frozenset((int(view.network.tail[link]), int(view.network.head[link]))) in chosen
    }
    p = flow_success(view.network, flow, success, np.full(6, 0.8), Ends(index("S"), index("D")))
    (outcome,) = run(world, NFusion(slot_s=0.003), [Seed()], Context())
    slots = int(6.0 / (0.003 + 3 * delay))
    assert 0.1 < p < 0.9
    # Four standard errors: passed by chance in 6 of 10^5.
    assert abs(outcome.metrics["rate_per_s"] * 6.0 - slots * p) < 4 * math.sqrt(slots * p * (1 - p))


def test_fusing_beats_swapping_where_links_fail_often():
    grid = [(f"{r}{c}", f"{r}{c + 1}") for r in range(4) for c in range(3)]
    grid += [(f"{r}{c}", f"{r + 1}{c}") for r in range(3) for c in range(4)]
    world = scenario(
        grid, [("00", "33")], nodes={"swap_success": 0.9, "coherence_s": 10.0},
        phases={"external_s": 0.004, "clear": True}, horizon_s=3.0,
    )  # fmt: skip
    rates = [
        next(iter(run(world, method, [Seed()], Context()))).metrics["rate_per_s"]
        for method in (
            NFusion(slot_s=0.004, detours=6),
            QCast(slot_s=0.004),
            NFusion(slot_s=0.004, detours=0),
        )
    ]
    # About 250, 110 and 80 pairs: differences of more than seven standard errors.
    assert rates[0] > 1.7 * rates[1]
    assert rates[0] > 2.0 * rates[2]


def test_slot_successes_are_those_of_the_plan():
    view = make_world(scenario(LADDER, [("S", "D")]), Seed(), Context()).view
    assert slot_successes(view, 0.003)[0] == pytest.approx(1 - (1 - view.timings[0].success) ** 6)
