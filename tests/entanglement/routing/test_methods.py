"""Plans of proactive methods: on worlds worked out by hand, and within each link's memories."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.domains.entanglement.links import link_timing, single_pair_rate
from qoslab.domains.entanglement.methods.efirap import Efirap
from qoslab.domains.entanglement.methods.multicommodity_flow import MulticommodityFlow
from qoslab.domains.entanglement.methods.q_leap import QLeap
from qoslab.domains.entanglement.methods.q_path import QPath
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.methods.swapping_trees import SwappingTrees
from qoslab.domains.entanglement.methods.wide_paths import WidePaths
from qoslab.domains.entanglement.methods.yen_multipath import YenMultipath
from qoslab.domains.entanglement.protocol import View
from qoslab.domains.entanglement.routing.view import slot_successes
from qoslab.domains.entanglement.scenario import LinkHardware, NodeHardware, Request
from qoslab.domains.entanglement.swaporder.value import purify
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import path_from_nodes
from qoslab.graphs.topologies import from_topohub


def view_of(network, requests, pairs=2, fidelity=0.25, initial=0.99, node=None):
    link, node = LinkHardware(pairs=pairs, initial_fidelity=initial), node or NodeHardware()
    timings = tuple(link_timing(float(km), link, node, node) for km in network.length_km)
    asked = tuple(Request(source=a, target=b, fidelity=fidelity) for a, b in requests)
    widths, nodes, links = (pairs,) * network.m, (node,) * network.n, (link,) * network.m
    return View(network, timings, widths, nodes, asked, links=links)


def diamond():
    """0-1-3 over 10 km links, 0-2-3 over 20 km links, 0-3 over one of 38 km."""
    lengths = {(0, 1): 10.0, (1, 3): 10.0, (0, 2): 20.0, (2, 3): 20.0, (0, 3): 38.0}
    tail, head = zip(*lengths, strict=True)
    return Network.from_links(4, tail, head, length_km=list(lengths.values()))


def planned(method, view):
    return method.plan(view, np.random.default_rng(0), Context()).paths


@pytest.mark.parametrize(
    ("metric", "order"),
    [
        ("hops", [(0, 3), (0, 1, 3), (0, 2, 3)]),
        ("length_km", [(0, 1, 3), (0, 3), (0, 2, 3)]),
        ("time", [(0, 1, 3), (0, 2, 3), (0, 3)]),
        ("success", [(0, 3), (0, 1, 3), (0, 2, 3)]),
        ("fidelity", [(0, 3), (0, 1, 3), (0, 2, 3)]),
    ],
)
def test_yen_by_each_metric(metric, order):
    # Per attempt 0.407 e^(-0.046 km): one hop of 38 km is likelier than two of 10 km, but its pairs come later.
    found = planned(YenMultipath(paths=3, metric=metric), view_of(diamond(), [("0", "3")]))
    assert [path.nodes for path in found] == order
    (first,) = planned(ShortestPath(cost=metric), view_of(diamond(), [("0", "3")]))
    assert first.nodes == order[0]


def test_fidelity_as_a_cost_multiplies():
    view = view_of(diamond(), [("0", "3")])
    fidelity = {(0, 1): 0.97, (1, 3): 0.99, (0, 2): 0.9, (2, 3): 0.9, (0, 3): 0.95}
    ends = zip(view.network.tail.tolist(), view.network.head.tolist(), strict=True)
    links = tuple(LinkHardware(initial_fidelity=fidelity[pair]) for pair in ends)
    werner = {pair: (4 * f - 1) / 3 for pair, f in fidelity.items()}
    assert werner[0, 1] * werner[1, 3] > werner[0, 3] > werner[0, 2] * werner[2, 3]
    found = planned(YenMultipath(metric="fidelity"), replace(view, links=links))
    assert [path.nodes for path in found] == [(0, 1, 3), (0, 3), (0, 2, 3)]
    with pytest.raises(BadInput, match="knows 0 of 5 links"):
        planned(YenMultipath(metric="fidelity"), replace(view, links=()))


@pytest.mark.parametrize("method", [QPath(), QLeap(), Efirap()], ids=["q_path", "q_leap", "efirap"])
class TestFidelity:
    """Methods that purify: one hop of 0.9 needs no round for 0.85, one for 0.92, and never reaches 0.999."""

    def test_without_need_nothing_is_purified(self, method):
        found = planned(method, view_of(diamond(), [("0", "3")], fidelity=0.85, initial=0.9))
        assert (found[0].nodes, found[0].width, found[0].rounds) == ((0, 3), (2,), ())
        assert all(any(path.rounds) for path in found[1:])  # two hops of 0.9 are 0.813

    def test_one_round_makes_it(self, method):
        found = planned(method, view_of(diamond(), [("0", "3")], fidelity=0.92, initial=0.9))
        assert ((0, 3), (2,), (1,)) in [(path.nodes, path.width, path.rounds) for path in found]

    def test_one_memory_cannot_purify(self, method):
        assert not planned(method, view_of(diamond(), [("0", "3")], pairs=1, fidelity=0.92, initial=0.9))

    def test_what_cannot_be_had_is_not_planned(self, method):
        assert not planned(method, view_of(diamond(), [("0", "3")], pairs=8, fidelity=0.999, initial=0.9))

    def test_a_margin_is_asked_for_on_top(self, method):
        view = view_of(diamond(), [("0", "3")], fidelity=0.85, initial=0.9)
        assert all(any(path.rounds) for path in planned(replace(method, margin=0.07), view))

    def test_gates_count(self, method):
        # Two hops of 0.99 without gates are 0.980; gates of 0.9 leave them at 0.882.
        line = Network.from_links(3, [0, 1], [1, 2], length_km=[10.0, 10.0])
        wanted = {"fidelity": 0.95, "pairs": 1}
        assert planned(method, view_of(line, [("0", "2")], **wanted))
        assert not planned(
            method, view_of(line, [("0", "2")], **wanted, node=NodeHardware(gate_fidelity=0.9))
        )

    def test_requests_share_and_memories_suffice(self, method):
        network = from_topohub("topozoo/Geant2012")
        ends = [(network.nodes[a], network.nodes[b]) for a, b in ((0, 20), (3, 30), (5, 12))]
        view = view_of(network, ends, pairs=4, fidelity=0.9, initial=0.97)
        used = np.zeros(network.m, np.int64)
        found = planned(method, view)
        for path in found:
            werner = 1.0
            links = path_from_nodes(network, path.nodes).links(network)
            used[links] += path.width
            for rounds in path.rounds or (0,) * len(links):
                w = (4 * 0.97 - 1) / 3
                for _ in range(rounds):
                    w = purify(w, w)[1]
                werner *= w
            assert (3 * werner + 1) / 4 >= 0.9 - 1e-9
        assert {path.request for path in found} == {0, 1, 2}
        assert (used <= 4).all()


def test_a_tree_for_each_request():
    view = view_of(diamond(), [("0", "3"), ("1", "2")])
    first, second = planned(SwappingTrees(), view)
    assert (first.nodes, first.ranks) == ((0, 1, 3), (1, 0, 1))
    # 1-0-2 and 1-3-2 are alike but for memories: one of each link is the first request's where they meet.
    assert second.nodes in {(1, 0, 2), (1, 3, 2)}
    assert not planned(SwappingTrees(height=0), view_of(diamond(), [("1", "2")]))


def test_a_tree_keeps_off_links_that_are_spoken_for():
    view = view_of(diamond(), [("0", "3"), ("0", "3"), ("0", "3"), ("0", "3")], pairs=1)
    assert [path.nodes for path in planned(SwappingTrees(), view)] == [(0, 1, 3), (0, 2, 3), (0, 3)]


def test_yen_leaves_out_paths_without_a_memory():
    view = view_of(diamond(), [("0", "3"), ("1", "2")], pairs=1)
    found = planned(YenMultipath(paths=3, metric="hops"), view)
    # The direct link first; then 1-0-2, whose links close both of the other ways of 0-3; 1-3-2 would still fit.
    assert [(path.request, path.nodes) for path in found] == [(0, (0, 3)), (1, (1, 0, 2)), (1, (1, 3, 2))]


def test_flow_uses_all_that_leads_from_source_to_target():
    found = planned(MulticommodityFlow(), view_of(diamond(), [("0", "3")], pairs=3))
    assert {path.nodes for path in found} == {(0, 3), (0, 1, 3), (0, 2, 3)}
    assert all(width == 3 for path in found for width in path.width)
    assert [
        path.nodes for path in planned(MulticommodityFlow(most_hops=1), view_of(diamond(), [("0", "3")]))
    ] == [(0, 3)]


@pytest.mark.parametrize(("slot_s", "nodes"), [(0.01, (0, 3)), (0.001, (0, 1, 3))])
def test_wide_paths_take_the_best_path_whole(slot_s, nodes):
    # A long slot fills the long link too, and spares a swap; in a short one it makes next to nothing.
    found = planned(WidePaths(slot_s=slot_s), view_of(diamond(), [("0", "3")], pairs=3))
    assert found[0].nodes == nodes
    assert set(found[0].width) == {3}


def test_success_in_a_slot():
    view = view_of(diamond(), [("0", "3")])
    timing = view.timings[0]
    attempts = int(0.01 / timing.interval_s)
    assert attempts > 1
    assert slot_successes(view, 0.01)[0] == pytest.approx(1 - (1 - timing.success) ** attempts)


@pytest.mark.parametrize("method", [MulticommodityFlow(), WidePaths()], ids=["flow", "wide"])
def test_plans_on_geant_keep_to_the_memories(method):
    network = from_topohub("topozoo/Geant2012")
    ends = [(network.nodes[a], network.nodes[b]) for a, b in ((0, 20), (3, 30), (5, 12))]
    view = view_of(network, ends, pairs=4)
    arcs, used = network.arcs, np.zeros(network.m, np.int64)
    place = {(int(t), int(h)): int(k) for t, h, k in zip(arcs.tails, arcs.heads, arcs.link, strict=True)}
    found = planned(method, view)
    for path in found:
        assert (path.nodes[0], path.nodes[-1]) == tuple(map(network.index, ends[path.request]))
        for hop, width in zip(pairwise(path.nodes), path.width, strict=True):
            used[place[hop]] += width
    assert found
    assert (used <= 4).all()


def test_rates_are_those_of_links():
    view = view_of(diamond(), [("0", "3")])
    assert single_pair_rate(view.timings[0]) > single_pair_rate(view.timings[2])


def test_an_unknown_user_is_named():
    with pytest.raises(BadInput, match="no node 'x'"):
        planned(YenMultipath(), view_of(diamond(), [("0", "x")]))
