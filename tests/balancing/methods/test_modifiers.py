"""Ejection and slow start around policies that know nothing of them."""

import math

import numpy as np
import pytest
from desk import POLICIES, Desk, make
from hypothesis import given, settings
from hypothesis import strategies as st
from test_twins import SMALL, happen, happenings

from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.modifiers import UNTIL, Ejection, SlowStart
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.view import MEMBER, UP


def fail(desk, server, times):
    for _ in range(times):
        desk.active[server] += 1
        desk.board.queue[server] += 1
        desk.open[0][server].append(desk.now)
        desk.lose(server)


def succeed(desk, server):
    desk.active[server] += 1
    desk.open[0][server].append(desk.now)
    desk.finish(server)


def turns(desk, count=12):
    return set(desk.routes(count))


@pytest.fixture
def desk():
    rule = Ejection(failures=3, base_s=10.0, most_s=25.0, most_share=0.5, forgive_s=100.0)
    return Desk("round_robin", [1, 1, 1, 1], ejection=rule)


def test_failures_in_a_row_eject_for_a_while(desk):
    fail(desk, 2, 2)
    assert turns(desk) == {0, 1, 2, 3}
    fail(desk, 2, 1)
    assert turns(desk) == {0, 1, 3}
    desk.wait(9.9)
    assert turns(desk) == {0, 1, 3}
    desk.wait(0.1)
    assert turns(desk) == {0, 1, 2, 3}


def test_a_success_in_between_forgives(desk):
    fail(desk, 2, 2)
    succeed(desk, 2)
    fail(desk, 2, 2)
    assert turns(desk) == {0, 1, 2, 3}


def test_ejections_grow_longer_up_to_a_limit(desk):
    for length in (10.0, 20.0, 25.0, 25.0):
        fail(desk, 1, 3)
        desk.wait(length - 0.1)
        assert turns(desk) == {0, 2, 3}
        desk.wait(0.1)
        assert turns(desk) == {0, 1, 2, 3}


def test_time_in_the_pool_takes_ejections_back(desk):
    for _ in range(2):
        fail(desk, 1, 3)
        desk.wait(20.0)
    desk.wait(100.0)  # one taken back: the next is the second again
    fail(desk, 1, 3)
    desk.wait(19.9)
    assert 1 not in turns(desk)
    desk.wait(0.1)
    assert 1 in turns(desk)


def test_no_more_than_a_share_is_ejected(desk):
    for server in range(4):
        fail(desk, server, 5)
    assert turns(desk) == {2, 3}


def test_all_members_where_none_would_be_left():
    desk = Desk("round_robin", [1, 1], ejection=Ejection(failures=1, most_share=1.0))
    for server in range(2):
        fail(desk, server, 1)
    assert turns(desk) == {0, 1}
    desk.board.counts[0, MEMBER, 0] = 0
    assert turns(desk) == {1}


@pytest.mark.parametrize(
    ("aggression", "age", "chance"), [(1.0, 3.0, 0.3), (1.0, 0.5, 0.2), (2.0, 4.0, math.sqrt(0.4))]
)
def test_a_server_that_came_back_gets_its_share_little_by_little(aggression, age, chance):
    """It is open to a request with the stated chance: counted in `up`, within 4.5 standard deviations (error 7e-6)."""
    desk = Desk("random", [1, 1], slow_start=SlowStart(window_s=10.0, aggression=aggression, least=0.2))
    desk.route(keep=False)
    assert desk.up.tolist() == [1, 1]
    desk.board.counts[0, MEMBER, 1] = 0
    desk.route(keep=False)
    desk.board.counts[0, MEMBER, 1] = 1
    desk.route(keep=False)
    desk.wait(age)
    open_ = 0
    for _ in range(4000):
        desk.route(keep=False)
        open_ += desk.up[1]
    assert abs(open_ - 4000 * chance) < 4.5 * math.sqrt(4000 * chance * (1 - chance))
    desk.wait(10.0)
    assert all(desk.route(keep=False) >= 0 and desk.up[1] for _ in range(50))


def test_a_readmitted_server_starts_slowly():
    rules = {"ejection": Ejection(failures=1, base_s=5.0), "slow_start": SlowStart(window_s=1e9, least=1e-9)}
    desk = Desk("round_robin", [1, 1, 1], **rules)
    fail(desk, 1, 1)
    assert turns(desk) == {0, 2}
    desk.wait(5.0)
    assert turns(desk) == {0, 2}  # open with probability 1e-9 a request


@pytest.mark.parametrize("name", ["random", "sed", "maglev", "jiq", "prequal", "hlb"])
@settings(max_examples=15, deadline=None)
@given(events=happenings, seed=st.integers(0, 9))
def test_compiled_and_plain_agree_around_policies(name, events, seed):
    rules = {"ejection": Ejection(failures=1, base_s=3.0), "slow_start": SlowStart(window_s=5.0)}
    policy = make(name, **SMALL.get(name, {}))
    plain = Desk(policy, [1.0, 2.0, 1.0], balancers=2, seed=seed, **rules)
    twin = Desk(policy, [1.0, 2.0, 1.0], balancers=2, seed=seed, compiled=True, **rules)
    for lb, kind, number in events:
        for desk in (plain, twin):
            desk.board.counts[lb, MEMBER] = desk.board.counts[lb, UP]
        assert happen(plain, lb, kind, number) == happen(twin, lb, kind, number)
    for ours, theirs in zip((*plain.board, plain.streams), (*twin.board, twin.streams), strict=True):
        np.testing.assert_array_equal(ours, theirs)


WORLD = {
    "servers": {"count": 4, "speeds": [1.0, 2.0], "limit": 6},
    "load": 0.7,
    "requests": 2000,
    "balancers": 2,
    "timeout_s": 20.0,
    "failures": {"mean_up_s": 100.0, "mean_down_s": 20.0, "lose": True, "detection_s": 5.0},
    "hedge_s": 4.0,
}
RULES = {
    "ejection": {"failures": 2, "base_s": 5.0, "most_share": 0.5},
    "slow_start": {"window_s": 20.0},
}


def outcome(name, world):
    run = registry.domain("balancing").run_function()
    from qoslab.core.context import Context

    policy = make(name, **registry.method("balancing", name).example)  # what learns is made small
    (got,) = run(BalancingScenario.model_validate(world), policy, [Seed(1, "modifiers")], Context())
    return dict(got.metrics), dict(got.counters)


QUICK = ["lsq", "c3"]


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(n, marks=pytest.mark.full) for n in POLICIES if n not in QUICK)]
)
def test_every_policy_runs_with_all_modifiers(name):
    metrics, counters = outcome(name, WORLD | RULES)
    assert counters["hedged"] > 0
    assert all(math.isfinite(value) for value in metrics.values())
    assert metrics["response_time_mean_s"] > 0


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_accounts_for_every_request_with_all_modifiers(name):
    """Uncompiled and short: what was offered is finished, lost or in the system, and servers were ejected."""
    rules = RULES | {"ejection": {"failures": 1, "base_s": 5.0, "most_share": 0.5}}
    scenario = BalancingScenario.model_validate(WORLD | rules | {"requests": 150})
    policy = make(name, **registry.method("balancing", name).example | SMALL.get(name, {}))
    simulation = Simulation(scenario, policy, Seed(1, "modifiers"), plain=True)
    simulation.finish()
    tally, books, board = simulation.world.tally, simulation.world.counts, simulation.world.board
    events = tally.events.sum(axis=0)
    assert events[state.OFFERED] == 150
    assert events[state.OFFERED] == events[state.FINISHED] + events[state.LOST] + books[state.LIVE]
    assert board.mem[:, UNTIL].max() > 0


def test_rules_that_never_apply_change_nothing():
    calm = {"servers": {"count": 4}, "load": 0.7, "requests": 1000}
    assert outcome("lsq", calm) == outcome("lsq", calm | RULES)


def test_ejection_helps_when_a_server_fails_unnoticed():
    """A server that loses every request is left out by those it failed, long before anybody else notices."""
    world = {
        "servers": {"count": 4},
        "load": 0.5,
        "requests": 4000,
        "changes": [{"at_s": 100.0, "servers": [0], "action": "fail"}],
        "failures": {"lose": True, "detection_s": 1e6},
    }
    _, without = outcome("lsq", world)
    _, with_ = outcome("lsq", world | {"ejection": {"failures": 3, "base_s": 100.0, "most_share": 0.25}})
    assert with_["lost"] < 0.2 * without["lost"]


def test_simulations_with_modifiers_are_the_same_plain():
    scenario = BalancingScenario.model_validate(WORLD | RULES | {"requests": 300})
    ends = []
    for plain in (False, True):
        simulation = Simulation(scenario, make("sed"), Seed(2, "modifiers"), plain=plain)
        simulation.finish()
        ends.append(
            (simulation.now, simulation.world.tally.total.tolist(), simulation.world.board.mem.tolist())
        )
    assert ends[0] == ends[1]
