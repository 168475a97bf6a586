"""Compiled and plain runs of whole models end in the same state, to the last bit of every array."""

import numpy as np
import pytest
import queues
import sis
from bitwise import same
from hypothesis import given, settings
from hypothesis import strategies as st
from queues import ROUTE, any_server, shorter_of_two

from qoslab.engine.kernel import compiled, interpreted

LOGGED = {"LOG": True}


@settings(max_examples=300, deadline=None)
@given(
    servers=st.integers(1, 9),
    seed=st.integers(0, 2**32),
    load=st.floats(0.05, 1.5),
    customers=st.integers(0, 60),
    policy=st.sampled_from([any_server, shorter_of_two]),
    wraparound=st.booleans(),
)
def test_queues(servers, seed, load, customers, policy, wraparound):
    a, b = (queues.queues(servers, seed, trace=customers) for _ in range(2))
    run = compiled(queues.run, constants=LOGGED, wraparound=wraparound)
    events = run(a, load, customers, ROUTE.pointer(policy))
    assert events == 2 * customers
    assert interpreted(queues.run, constants=LOGGED)(b, load, customers, policy) == events
    assert same(a, b)


@pytest.mark.parametrize("servers", [1, 5])
def test_a_policy_compiled_in_decides_as_one_pointed_to(servers):
    a, b = (queues.queues(servers, 4) for _ in range(2))
    assert compiled(queues.run_at_random)(a, 0.8, 2_000) == 4_000
    compiled(queues.run)(b, 0.8, 2_000, ROUTE.pointer(any_server))
    assert same(a, b)


@settings(max_examples=300, deadline=None)
@given(
    nodes=st.integers(2, 8),
    links=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=15),
    beta=st.floats(0, 3),
    seed=st.integers(0, 2**32),
    until=st.floats(0, 4),
    cured=st.integers(-1, 1),
)
def test_epidemics(nodes, links, beta, seed, until, cured):
    edges = sorted({(a % nodes, b % nodes) for a, b in links if a % nodes < b % nodes} | {(0, 1)})
    a, b = (sis.world(edges, nodes, beta, [0, nodes - 1], seed, pause=0.7, room=20) for _ in range(2))
    for _ in range(4):
        status = compiled(sis.advance)(a, np.array([cured]), until)
        assert sis.advance(b, np.array([cured]), until) == status
        assert same(a, b)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(20))
def test_long_runs(seed):
    a, b = (queues.queues(seed + 1, seed, trace=20_000) for _ in range(2))
    compiled(queues.run, constants=LOGGED)(a, 0.9, 20_000, ROUTE.pointer(shorter_of_two))
    interpreted(queues.run, constants=LOGGED)(b, 0.9, 20_000, shorter_of_two)
    assert same(a, b)
