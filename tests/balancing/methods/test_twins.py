"""Every policy, compiled and plain, makes the same decisions and leaves the same memory, whatever happens."""

import numpy as np
import pytest
from desk import POLICIES, Desk, make
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.domains.balancing.view import CAPACITY, UP


def happen(desk, lb, kind, number):
    """One thing that happens, the same for both desks."""
    n = desk.site.servers
    j = number % n
    desk.wait((number % 97) / 50.0)
    if kind < 5:
        return desk.route(flow=number, lb=lb)
    busy = [k for k in range(n) if desk.open[lb][k]]
    if kind < 8 and busy:
        server = busy[number % len(busy)]
        return desk.lose(server, lb=lb) if kind == 7 and number % 5 == 0 else desk.finish(server, lb=lb)
    if kind == 8:
        desk.board.counts[lb, UP, j] = 1 - desk.board.counts[lb, UP, j]
        desk.board.truth[CAPACITY, j] = number % 3
    elif kind == 9 and desk.wiring.on_tick:
        desk.tick(lb=lb)
    elif desk.wiring.on_reply:
        usage, rate = (number % 11) / 10.0, (number % 13) / 4.0
        desk.reply(j, lb=lb, latency=(number % 7) / 3.0, service=0.1 + (number % 5), usage=usage, rate=rate)
    return None


SMALL = {
    "maglev": {"table_size": 31},
    "lard": {"targets": 7, "low": 1.0, "high": 2.0},
    "prequal": {"pool": 3, "window": 4},
    "wcmp": {"buckets": 40},
    "grpc_wrr": {"blackout_s": 1.0, "expiry_s": 5.0},
}
"""Parameters that make rare things happen."""
OTHERS = [
    ("jsq", {"d": 3}),
    ("lwl", {"compare": "finish"}),
    ("hlb", {"d": 2}),
    ("jiq", {"fallback": "sq2"}),
    ("inverse_ewma", {"rule": "random"}),
    ("ring_hash", {"balance": float("inf"), "nodes": 5}),
    ("jsq_memory", {"d": 2, "memory": 2}),
    ("prequal", {"quantile": 1.0, "remove": 0.5}),
    ("c3", {"rate_control": False}),
    ("haproxy_first", {"connections": 3}),
]
LEAVE_IT_TO_THE_SIMULATOR = {"random", "jsq"}
"""Policies that may name a server that is down; the simulator then draws another."""
CASES = [(name, SMALL.get(name, {})) for name in POLICIES] + OTHERS

happenings = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10), st.integers(0, 10_000)), max_size=60)


@pytest.mark.parametrize(("name", "parameters"), CASES)
@settings(max_examples=25, deadline=None)
@given(
    weights=st.lists(st.sampled_from([1.0, 2.0, 0.3]), min_size=2, max_size=5),
    events=happenings,
    seed=st.integers(0, 9),
)
def test_compiled_and_plain_agree(name, parameters, weights, events, seed):
    policy = make(name, **parameters)
    plain = Desk(policy, weights, balancers=2, seed=seed)
    twin = Desk(policy, weights, balancers=2, seed=seed, compiled=True)
    for lb, kind, number in events:
        assert happen(plain, lb, kind, number) == happen(twin, lb, kind, number)
    for ours, theirs in zip((*plain.board, plain.streams), (*twin.board, twin.streams), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "parameters"), [case for case in CASES if case[0] not in LEAVE_IT_TO_THE_SIMULATOR]
)
@settings(max_examples=25, deadline=None)
@given(events=happenings, seed=st.integers(0, 9))
def test_choices_are_up(name, parameters, events, seed):
    """A policy chooses a server that is up, wherever there is one."""
    desk = Desk(make(name, **parameters), [1.0, 2.0, 1.0, 0.5], balancers=2, seed=seed)
    for lb, kind, number in events:
        chosen = happen(desk, lb, kind, number)
        if kind < 5 and desk.board.counts[lb, UP].any():
            assert desk.board.counts[lb, UP, chosen] == 1
