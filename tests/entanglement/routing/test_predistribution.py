"""Super-links: by hand, against all choices on small networks, and in runs."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.super_links import SuperLinks
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.routing.predistribution import Times, super_links
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.world import make_world
from qoslab.graphs.network import Network


def line(n):
    return Network.from_links(n, range(n - 1), range(1, n))


def times_of(network, link_s, swap=0.5, height=5):
    times = np.full((network.n, network.n), np.inf)
    times[network.tail, network.head] = times[network.head, network.tail] = link_s
    return Times(
        times, np.zeros((network.n, network.n)), np.full(network.n, swap), np.zeros(network.n), height
    )


def chosen(network, requests, times, memories=1, most=1):
    room = np.full(network.m, memories)
    return super_links(network, requests, times, room, most, lambda: None)


def test_the_saving_by_hand():
    # Links of 1 s, sure swaps. Four links take 1.5 * 1.5 = 2.25 s. One pair of two hops leaves that as it is, for the
    # other half takes 1.5 s as before; one of three hops leaves 1.5 * max(0, 1). Three links take 2.25 s, too, and with
    # a pair of two hops 1.5.
    times = times_of(line(5), 1.0, swap=1.0)
    assert times.tree(Ends(0, 4)).time_s == pytest.approx(2.25)
    assert chosen(line(5), [Ends(0, 4)], times)[0].nodes == (0, 1, 2, 3)
    assert chosen(line(5), [Ends(0, 4)], times)[0].saved_s == pytest.approx(0.75)
    three = times_of(line(4), 1.0, swap=1.0)
    assert chosen(line(4), [Ends(0, 3)], three) == [((0, 1, 2), pytest.approx(0.75))]


def test_no_stock_for_the_users_own_pair_and_none_without_memories():
    assert chosen(line(3), [Ends(0, 2)], times_of(line(3), 1.0)) == []
    assert chosen(line(5), [Ends(0, 4)], times_of(line(5), 1.0), memories=0) == []


@pytest.mark.parametrize("seed", range(12))
def test_the_first_choice_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 8))
    network = line(n)
    times = times_of(network, rng.uniform(0.1, 2.0, n - 1), float(rng.uniform(0.3, 1.0)))
    requests = [Ends(0, n - 1), Ends(1, n - 1)]
    before = sum(times.tree(ends).time_s for ends in requests)
    gains = {}
    for a, b in combinations(range(n), 2):
        if b - a > 1 and (a, b) not in [tuple(ends) for ends in requests]:
            after = times.with_stock(a, b)
            gains[a, b] = (before - sum(after.tree(ends).time_s for ends in requests)) / (b - a)
    (found,) = chosen(network, requests, times)
    assert found.saved_s / (len(found.nodes) - 1) == pytest.approx(max(gains.values()))
    assert gains[found.nodes[0], found.nodes[-1]] == pytest.approx(max(gains.values()))


@pytest.mark.parametrize("seed", range(6))
def test_memories_bound_the_choice_and_every_step_saves(seed):
    rng = np.random.default_rng(seed)
    network = line(8)
    times = times_of(network, rng.uniform(0.1, 2.0, 7))
    found = chosen(network, [Ends(0, 7), Ends(2, 6)], times, memories=2, most=10)
    used = np.zeros(7, int)
    for each in found:
        used[each.nodes[0] : each.nodes[-1]] += 1
    assert 0 < used.max() <= 2
    assert all(each.saved_s > 0 for each in found)
    after = times
    for each in found:
        after = after.with_stock(each.nodes[0], each.nodes[-1])
    saved = sum(times.tree(ends).time_s - after.tree(ends).time_s for ends in (Ends(0, 7), Ends(2, 6)))
    assert saved == pytest.approx(sum(each.saved_s for each in found))


def scenario(arrivals_per_s):
    names = [f"n{k}" for k in range(6)]
    links = [{"source": a, "target": b, "length_km": 15.0} for a, b in pairwise(names)]
    raw = {
        "network": {"links": links},
        "requests": [{"source": "n0", "target": "n5", "jobs": {"arrivals_per_s": arrivals_per_s}}],
        "links": {"pairs": 3},
        "nodes": {"swap_success": 0.6, "coherence_s": 1.0},
        "phases": {"external_s": 0.001},
        "horizon_s": 1.0,
    }
    return EntanglementScenario.model_validate(raw)


def test_stocks_deliver_more_than_live_paths_alone_where_swaps_fail():
    # A failed swap costs the whole chain; stocked halves are tried again on their own. More is asked than either gives.
    rates = [
        np.mean(
            [
                o.metrics["rate_per_s"]
                for o in run(scenario(1000.0), method, [Seed(0, "t", "", k) for k in range(6)], Context())
            ]
        )
        for method in (SuperLinks(), ReactiveCentral())
    ]
    assert rates[0] > 1.1 * rates[1] > 0


def test_the_plan_holds_within_memories():
    view = make_world(scenario(1.0), Seed(), Context()).view
    plan = SuperLinks(most=10, keep=1).plan(view, np.random.default_rng(0), Context())
    used = np.zeros(view.network.m, int)
    for path in plan.paths:
        used[path.nodes[0] : path.nodes[-1]] += 1
    assert 0 < used.max() <= 2
    assert SuperLinks(keep=3).plan(view, np.random.default_rng(0), Context()).paths == ()
