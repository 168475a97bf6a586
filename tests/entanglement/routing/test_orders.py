"""The optimiser's order in a plan: the best of all trees in the batch model, and the better one in the simulator."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.routing.orders import optimised_ranks, swap_path
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.swaporder.exact import evaluate
from qoslab.domains.entanglement.swaporder.plan import from_ranks
from qoslab.domains.entanglement.swaporder.tree import all_trees
from qoslab.domains.entanglement.world import make_world
from qoslab.graphs.shortest import shortest_path


def scenario_of(lengths, swap_success=0.5, **nodes):
    names = [f"n{k}" for k in range(len(lengths) + 1)]
    links = [
        {"source": a, "target": b, "length_km": km}
        for a, b, km in zip(names, names[1:], lengths, strict=False)
    ]
    raw = {
        "network": {"links": links},
        "links": {"pairs": 3},
        "nodes": {"swap_success": swap_success, "coherence_s": 0.01} | nodes,
        "requests": [{"source": names[0], "target": names[-1]}],
        "horizon_s": 2.0,
    }
    return EntanglementScenario.model_validate(raw)


def path_of(scenario):
    view = make_world(scenario, Seed(), Context()).view
    ends = view.network.index(view.requests[0].source), view.network.index(view.requests[0].target)
    return view, shortest_path(view.network, *ends)


OTHERS = ("left_to_right", "right_to_left", "balanced", "balanced_mirrored")


@pytest.mark.parametrize("lengths", [(32, 18, 35, 16, 24), (10, 20, 30, 40), (25, 5, 25)])
def test_no_tree_is_better_in_the_batch_model(lengths):
    view, path = path_of(scenario_of(lengths))
    ranks = optimised_ranks(view, path)
    found = evaluate(swap_path(view, path), from_ranks(list(ranks)).tree, {}).mean
    best = max(evaluate(swap_path(view, path), tree, {}).mean for tree in all_trees(0, len(lengths)))
    assert found == pytest.approx(best)
    assert ranks[0] == ranks[-1] == max(ranks)


def test_attempts_fill_the_time_that_memories_remember():
    view, path = path_of(scenario_of((32, 18)))
    slot = 0.01 - 2 * (32 + 18) / 200_000
    expected = [round(slot / timing.interval_s * 3) for timing in view.timings]
    assert [link.attempts for link in swap_path(view, path).links] == expected


def test_the_plan_has_the_order_and_the_simulator_likes_it():
    scenario = scenario_of((32, 18, 35, 16, 24))
    seeds = [Seed(replication=k) for k in range(4)]
    rates = {}
    for order in ("optimised", "asap", *OTHERS):
        outcomes = run(scenario, ShortestPath(order=order), seeds, Context())
        rates[order] = np.array([each.metrics["rate_per_s"] for each in outcomes])
    gain = rates["optimised"] - rates["asap"]
    assert abs(gain.mean()) < 3 * gain.std(ddof=1) / 2
    # Paired over four seeds the gain over fixed orders is three standard errors or more.
    for other in OTHERS:
        gain = rates["optimised"] - rates[other]
        assert gain.mean() > 3 * gain.std(ddof=1) / 2


@pytest.mark.parametrize(("lengths", "nodes"), [((20,), {}), ((20, 20, 20), {"swap_success": 0.0})])
def test_where_all_orders_are_alike_swaps_are_as_soon_as_possible(lengths, nodes):
    view, path = path_of(scenario_of(lengths, **nodes))
    assert optimised_ranks(view, path) == (1, *[0] * (len(lengths) - 1), 1)


def test_memories_that_forget_before_word_comes_still_have_an_order():
    view, path = path_of(scenario_of((32, 18, 35), coherence_s=1e-6))
    assert [link.attempts for link in swap_path(view, path).links] == [1, 1, 1]
    assert len(optimised_ranks(view, path)) == 4
