"""Opinions under two leaders against linear algebra, the dynamics, and all choices."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.influence.methods.greedy import Greedy
from qoslab.domains.influence.model import distance, make_opinions, run
from qoslab.domains.influence.scenario import InfluenceScenario
from qoslab.domains.influence.theory import (
    complete_graph_distance,
    greedy_share,
    settled_by_simulation,
    verify,
)


def world(nodes=15, followers=3, contacts=2, p=0.3, **competitor):
    return InfluenceScenario.model_validate(
        {
            "network": {
                "generate": {"model": "erdos_renyi", "nodes": nodes, "p": p, "directed": True},
                "connected": "strongly",
            },
            "followers": followers,
            "competitor": {"contacts": contacts} | competitor,
        }
    )


def opinions(replication=0, **keywords):
    return make_opinions(world(**keywords), Seed(replication=replication), Context())


def complete(nodes, contacts, **keywords):
    raw = {
        "network": {"generate": {"model": "complete", "nodes": nodes}},
        "competitor": {"contacts": contacts},
    }
    return make_opinions(InfluenceScenario.model_validate(raw | keywords), Seed(), Context())


@given(st.integers(3, 12), st.integers(1, 3), st.integers(0, 4), st.floats(0.1, 9), st.floats(0.1, 9))
def test_complete_graph_has_its_closed_form(n, contacts, followers, competitor, gain):
    contacts = min(contacts, n)
    followers = min(followers, n - contacts)
    raw = {
        "network": {"generate": {"model": "complete", "nodes": n}},
        "competitor": {"contacts": contacts, "weight": competitor},
        "weight": gain,
        "followers": 1,
    }
    made = make_opinions(InfluenceScenario.model_validate(raw), Seed(), Context())
    others = np.flatnonzero(made.competitor == 0)[:followers]
    expected = complete_graph_distance(n, contacts, followers, competitor, gain)
    assert distance(made, others) == pytest.approx(expected, abs=1e-10)


def test_without_followers_everybody_ends_with_the_competitor():
    assert distance(opinions(), []) == pytest.approx(1.0, abs=1e-12)


def test_two_agents_by_hand():
    """1 hears only the competitor's contact 0: A = [[2,-1],[-1,2]] with follower 1, g = (1,0), e = (2/3, 1/3)."""
    made = complete(2, 1, followers=1)
    contact = int(np.flatnonzero(made.competitor)[0])
    assert distance(made, [1 - contact]) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("replication", range(5))
def test_simulated_opinions_settle_where_the_equations_say(replication):
    made = opinions(replication)
    assert settled_by_simulation(made, [1, 4], steps=5000).mean() == pytest.approx(
        distance(made, [1, 4]), abs=1e-9
    )


@given(st.integers(0, 10_000), st.data())
@settings(max_examples=50)
def test_distance_is_supermodular_and_falls(replication, data):
    """f(S + i) - f(S) <= f(T + i) - f(T) <= 0 for S within T."""
    made = opinions(replication % 50, nodes=10, p=0.4)
    nodes = data.draw(st.permutations(range(10)))
    small, large, extra = list(nodes[:2]), list(nodes[:5]), nodes[9]
    first = distance(made, [*small, extra]) - distance(made, small)
    second = distance(made, [*large, extra]) - distance(made, large)
    assert first <= second + 1e-12
    assert second <= 1e-12


@pytest.mark.parametrize("replication", range(4))
def test_greedy_gains_equal_fresh_solves(replication):
    """Sherman-Morrison against solving again: the same choice, the same distances to 1e-10."""
    made = opinions(replication, nodes=20, followers=6)
    chosen: list[int] = []
    for _ in range(6):
        left = {i: distance(made, [*chosen, i]) for i in range(20) if i not in chosen}
        chosen.append(min(left, key=left.__getitem__))
    greedy = Greedy().select(made, np.random.default_rng(0))
    assert distance(made, greedy) == pytest.approx(distance(made, chosen), abs=1e-10)


@pytest.mark.parametrize("replication", range(3))
def test_greedy_keeps_its_bound_against_every_choice(replication):
    made = opinions(replication, nodes=10, p=0.4)
    best = min(distance(made, choice) for choice in combinations(range(10), 3))
    greedy = distance(made, Greedy().select(made, np.random.default_rng(0)))
    nothing = distance(made, [])
    assert greedy >= best - 1e-12
    assert (nothing - greedy) >= greedy_share(3) * (nothing - best)


def test_one_follower_chosen_greedily_is_the_best_one():
    made = opinions(7, followers=1)
    best = min(range(15), key=lambda i: distance(made, [i]))
    assert Greedy().select(made, np.random.default_rng(0)) == [best]


def test_the_run_keeps_the_order_of_choice_for_the_figure():
    (outcome,) = run(world(), Greedy(), [Seed()], Context(keep_series=True))
    choice = outcome.series["choice"]
    assert choice["distance"][0] == pytest.approx(1.0)
    assert choice["distance"][-1] == pytest.approx(outcome.metrics["distance"])
    assert (np.diff(choice["distance"]) <= 1e-12).all()
    assert outcome.metrics["distance_removed"] == pytest.approx(1 - outcome.metrics["distance"])


def test_more_followers_than_agents_is_refused():
    with pytest.raises(BadInput, match="99 followers are wanted of 15"):
        opinions(followers=99)


def test_more_contacts_than_agents_is_refused():
    with pytest.raises(BadInput, match="99 contacts"):
        opinions(contacts=99)


def test_an_agent_out_of_reach_is_named():
    """a and b hear each other; d hears nobody else, so no path leads from it to the contact."""
    links = [("a", "b"), ("b", "a"), ("c", "b"), ("d", "d2"), ("d2", "d")]
    raw = {
        "network": {"links": [{"source": s, "target": t} for s, t in links], "directed": True},
        "followers": 1,
        "competitor": {"contacts": 1, "placement": "degree"},
    }
    with pytest.raises(BadInput, match="agent 'd' hears the competitor through nobody"):
        make_opinions(InfluenceScenario.model_validate(raw), Seed(), Context())


def test_a_method_that_chooses_wrongly_is_stopped():
    class Twice:
        def select(self, opinions, rng):
            return [1, 1]

    with pytest.raises(BadInput, match="different agents"):
        list(run(world(), Twice(), [Seed()], Context()))


def test_every_check_passes():
    checks = list(verify(quick=True, context=Context()))
    assert len(checks) == 3
    assert [check.status for check in checks] == ["pass"] * 3
