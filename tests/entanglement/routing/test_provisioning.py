"""Which links get memories: the programme against enumerations, its rounding against the best, and runs."""

from dataclasses import dataclass
from itertools import combinations, product
from math import comb

import networkx as nx
import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.reps import Reps
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.protocol import PathPlan, Plan
from qoslab.domains.entanglement.routing.provisioning import Stock, flow_value, provisioned
from qoslab.domains.entanglement.routing.view import most_memories
from qoslab.domains.entanglement.scenario import EntanglementScenario, example
from qoslab.domains.entanglement.world import make_world

DIAMOND = ((0, 1), (1, 3), (0, 2), (2, 3), (1, 2))
WAYS = ((0, 1), (2, 3), (0, 4, 3), (2, 4, 1))


def stock_of(links, ways, success, link, node, values=None):
    nodes = 1 + max(max(ends) for ends in links)
    loads, at = np.zeros((len(links), len(ways)), np.int64), np.zeros((nodes, len(links)), np.int64)
    for column, way in enumerate(ways):
        loads[list(way), column] = 1
    for place, ends in enumerate(links):
        at[list(ends), place] = 1
    worth = np.ones(len(ways)) if values is None else np.array(values, float)
    return Stock(loads, worth, np.array(success), np.array(link), at, np.array(node))


def drawn(rng, most=3):
    success = rng.uniform(0.1, 0.95, 5)
    return stock_of(
        DIAMOND, WAYS, success, rng.integers(1, most + 1, 5), rng.integers(2, 5, 4), rng.uniform(0.2, 1, 4)
    )


def best_corner(stock):
    """The largest value over all corners of { y >= 0, memories within links and nodes }, one by one."""
    needs = stock.loads / stock.success[:, None]
    rows = np.vstack([needs, stock.at @ needs, -np.eye(len(stock.values))])
    limits = np.concatenate([stock.link, stock.node, np.zeros(len(stock.values))])
    best = 0.0
    for tight in combinations(range(len(rows)), len(stock.values)):
        part = rows[list(tight)]
        if abs(np.linalg.det(part)) > 1e-9:
            corner = np.linalg.solve(part, limits[list(tight)])
            if (rows @ corner <= limits + 1e-9).all():
                best = max(best, float(stock.values @ corner))
    return best


def allowed(stock):
    """All whole memories within the stock."""
    for memories in product(*(range(most + 1) for most in stock.link)):
        if (stock.at @ memories <= stock.node).all():
            yield np.array(memories)


@pytest.mark.parametrize("seed", range(10))
def test_the_programme_finds_the_best_corner(seed):
    stock = drawn(np.random.default_rng(seed))
    assert flow_value(stock) == pytest.approx(best_corner(stock), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_given_memories_carry_their_largest_flow(seed):
    rng = np.random.default_rng(seed)
    stock = drawn(rng)._replace(values=np.ones(4), node=np.full(4, 99))
    memories = rng.integers(0, 4, 5)
    graph = nx.Graph()
    graph.add_nodes_from(range(4))
    for (a, b), capacity in zip(DIAMOND, stock.success * memories, strict=True):
        graph.add_edge(a, b, capacity=float(capacity))
    assert flow_value(stock, memories) == pytest.approx(nx.maximum_flow_value(graph, 0, 3), abs=1e-9)


def share_of_the_best(seed):
    """What the rounded memories of a random diamond carry over what the best whole numbers do."""
    stock = drawn(np.random.default_rng(100 + seed))
    memories = provisioned(stock)
    assert (memories <= stock.link).all()
    assert (stock.at @ memories <= stock.node).all()
    # Nothing is left that a link could still use.
    spare = (stock.node - stock.at @ memories) > 0
    assert not any(
        memories[link] < stock.link[link] and spare[list(ends)].all() for link, ends in enumerate(DIAMOND)
    )
    best = max(flow_value(stock, each) for each in allowed(stock))
    assert best <= flow_value(stock) + 1e-9
    return flow_value(stock, memories) / best


def test_rounding_is_near_the_best_whole_numbers():
    shares = [share_of_the_best(seed) for seed in range(12)]
    assert max(shares) <= 1 + 1e-9
    assert np.mean(shares) > 0.97
    assert min(shares) > 0.85


@pytest.mark.full
def test_rounding_of_sixty_diamonds_is_as_near_the_best_as_the_page_says():
    shares = np.array([share_of_the_best(seed) for seed in range(60)])
    assert max(shares) <= 1 + 1e-9
    assert np.mean(shares > 1 - 1e-9) == pytest.approx(0.95)
    assert np.mean(shares) == pytest.approx(0.994, abs=5e-4)
    assert min(shares) == pytest.approx(0.85, abs=5e-3)


def test_a_poor_link_gets_the_memories():
    # Six memories of one repeater, .2 and .6: the programme wants 4.5 and 1.5, whole numbers 4 and 2 carry .8.
    stock = stock_of(((0, 1), (1, 2)), ((0, 1),), (0.2, 0.6), (6, 6), (6, 6, 6))
    assert flow_value(stock) == pytest.approx(0.9)
    assert provisioned(stock).tolist() == [4, 2]
    assert flow_value(stock, np.array([4, 2])) == pytest.approx(0.8)
    assert max(flow_value(stock, each) for each in allowed(stock)) == pytest.approx(0.8)


def test_without_a_limit_of_nodes_all_memories_of_useful_links_try():
    stock = stock_of((*DIAMOND, (3, 4)), WAYS, (0.3,) * 6, (2, 1, 3, 1, 2, 4), (9, 9, 9, 9, 9))
    assert provisioned(stock).tolist() == [2, 1, 3, 1, 2, 0]


def test_two_requests_share_a_repeater_by_what_they_are_worth():
    # Both pass node 1, whose four memories are enough for one pair each of two ways, or two of the worthier one.
    links = ((0, 1), (1, 2), (3, 1), (1, 4))
    both = stock_of(links, ((0, 1), (2, 3)), (1.0,) * 4, (1,) * 4, (4,) * 5, (0.9, 0.4))
    assert provisioned(both).tolist() == [1, 1, 1, 1]
    wide = stock_of(links, ((0, 1), (2, 3)), (1.0,) * 4, (2,) * 4, (4,) * 5, (0.9, 0.4))
    assert provisioned(wide).tolist() == [2, 2, 0, 0]


def repeater(links, memories=None):
    """30 and 5 km of fibre; a slot has one attempt of the long link and seven of the short one."""
    raw = {
        "network": {
            "links": (
                {"source": "S", "target": "R", "length_km": 30.0},
                {"source": "R", "target": "D", "length_km": 5.0},
            )
        },
        "links": {"pairs": links},
        "nodes": {"swap_success": 1.0} | ({"memories": memories} if memories else {}),
        "requests": ({"source": "S", "target": "D"},),
        "phases": {"external_s": 0.001, "clear": True},
        "horizon_s": 3.0,
    }
    return EntanglementScenario.model_validate(raw)


def lone_total(pairs):
    """The same, where the repeater alone has a total, of six, and links declare memories at the users' ends."""
    raw = repeater(pairs).model_dump()
    own = raw["nodes"] | {"memories": 6}
    return EntanglementScenario.model_validate(raw | {"node_overrides": [{"node": "R", "hardware": own}]})


def mean_of_lesser(left, right, first, second):
    def tail(n, p, least):
        return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(least, n + 1))

    return sum(tail(left, first, k) * tail(right, second, k) for k in range(1, min(left, right) + 1))


def test_provisioned_links_give_what_binomials_say_and_more_than_equal_ones():
    poor = 0.5 * 0.95**4 * 10 ** (-0.02 * 30)
    good = 1 - (1 - 0.5 * 0.95**4 * 10 ** (-0.02 * 5)) ** 7
    # A slot is the attempts and the longest delay twice.
    slots = int(3.0 / (0.001 + 2 * 35.0 / 200_000.0))
    rates = []
    for scenario, method, memories in (
        (repeater(1, memories=6), Reps(slot_s=0.001), (5, 1)),
        (repeater(3), Reps(slot_s=0.001), (3, 3)),
    ):
        view = make_world(scenario, Seed(), Context()).view
        assert method.plan(view, np.random.default_rng(0), Context()).memories == memories
        (outcome,) = run(scenario, method, [Seed(1)], Context())
        found = outcome.metrics["rate_per_s"] * 3.0 / slots
        # Pairs of a slot are at most 3, of a variance below 1; four standard errors, one run in 15,000 is off.
        assert found == pytest.approx(mean_of_lesser(*memories, poor, good), abs=4 * np.sqrt(1 / slots))
        rates.append(found)
    assert rates[0] > 1.1 * rates[1]


@pytest.mark.parametrize(("pairs", "planned"), [(6, (5, 1)), (9, (5, 1)), (4, (4, 2)), (3, (3, 3))])
def test_a_total_at_the_repeater_alone_is_assigned_up_to_what_links_declare(pairs, planned):
    world = make_world(lone_total(pairs), Seed(), Context())
    assert world.view.pairs == (3, 3)
    assert world.view.declared == (pairs, pairs)
    assert most_memories(world.view) == [min(pairs, 6)] * 2
    plan = Reps(slot_s=0.001).plan(world.view, np.random.default_rng(0), Context())
    assert plan.memories == planned


def test_a_total_at_the_repeater_alone_gives_the_pairs_of_totals_everywhere():
    method, rates = Reps(slot_s=0.001), []
    for scenario in (repeater(6, memories=6), lone_total(6), lone_total(3)):
        brief = scenario.model_copy(update={"horizon_s": 1.0})
        (outcome,) = run(brief, method, [Seed(1)], Context())
        rates.append(outcome.metrics["rate_per_s"])
    assert rates[0] == rates[1] > 1.1 * rates[2]


@pytest.mark.parametrize(
    ("memories", "words"),
    [((4, 2), None), ((5, 1), r"where links have \[4, 4\]"), ((4, 3), "'R' use 7 memories, and it has 6")],
)
def test_a_total_at_one_end_limits_a_plan_with_what_links_declare(memories, words):
    scenario = lone_total(4)
    if words is None:
        (outcome,) = run(scenario, Deciding(memories), [Seed()], Context())
        assert outcome.counters["pairs_created"] > 0
    else:
        with pytest.raises(BadInput, match=words):
            next(iter(run(scenario, Deciding(memories), [Seed()], Context())))


@dataclass(frozen=True)
class Told:
    memories: tuple[int, ...]

    def plan(self, view, rng, context):
        return Plan((PathPlan(0, (0, 1, 2)),), self.memories)


@dataclass(frozen=True)
class Deciding(Told):
    def decide(self, view, rng, context):
        return []


@pytest.mark.parametrize("memories", [(1,), (2, 1), (-1, 1)])
def test_memories_that_links_do_not_have_are_refused(memories):
    with pytest.raises(BadInput, match=r"where links have \[1, 1\]"):
        next(iter(run(example(), Deciding(memories), [Seed()], Context())))


def test_nodes_with_totals_assign_their_memories_as_the_plan_says():
    scenario = repeater(1, memories=6)
    world = make_world(scenario, Seed(), Context())
    assert world.view.pairs == (3, 3)
    for memories, words in (
        ((6, 0), None),
        ((5, 2), "links of 'R' use 7 memories, and it has 6"),
        ((7, 0), "have"),
    ):
        if words is None:
            (outcome,) = run(scenario, Deciding(memories), [Seed()], Context())
            assert 0 < outcome.metrics["memory_use"] <= 1
        else:
            with pytest.raises(BadInput, match=words):
                next(iter(run(scenario, Deciding(memories), [Seed()], Context())))


def test_links_without_memories_make_no_pairs():
    (all_try,) = run(example(), Deciding(()), [Seed()], Context())
    (one_tries,) = run(example(), Deciding((0, 1)), [Seed()], Context())
    (none_try,) = run(example(), Deciding((0, 0)), [Seed()], Context())
    assert all_try.counters["pairs_created"] > one_tries.counters["pairs_created"] > 0
    assert none_try.counters["pairs_created"] == 0


@pytest.mark.parametrize("rule", ["buffer_space", "statistical"])
def test_paths_without_slots_are_given_memories_by_their_widths(rule):
    memory = example().memory.model_copy(update={"multiplexing": rule})
    with pytest.raises(BadInput, match="width of each path"):
        next(iter(run(example().model_copy(update={"memory": memory}), Told((1, 1)), [Seed()], Context())))
