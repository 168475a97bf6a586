"""Compiled and plain runs are the same to the bit, over everything the model knows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policies import UsesAll
from worlds import finished, scenarios, world

from qoslab.domains.balancing.methods.jsq import Jsq
from qoslab.domains.balancing.methods.lsq import Lsq
from qoslab.domains.balancing.methods.random import Random
from qoslab.domains.balancing.methods.sed import Sed

METHODS = st.sampled_from(
    [Random(), Lsq(), Sed(), Jsq(), Jsq(d=2), UsesAll(), UsesAll(0.0, 0.0), UsesAll(delay_s=(0.1, 0.4))]
)
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def differences(one, other, name="world"):
    """Names of the arrays in which two worlds differ."""
    if isinstance(one, tuple):
        fields = getattr(one, "_fields", range(len(one)))
        for field, a, b in zip(fields, one, other, strict=True):
            yield from differences(a, b, f"{name}.{field}")
    elif not np.array_equal(one, other, equal_nan=True):
        yield name


@settings(QUIET, max_examples=500)
@given(scenarios(requests=30), METHODS, st.integers(0, 3))
def test_compiled_and_plain_runs_are_the_same(scenario, method, seed):
    compiled = finished(scenario, method, seed=seed).world
    plain = finished(scenario, method, seed=seed, plain=True).world
    assert list(differences(compiled, plain)) == []


@pytest.mark.full
@settings(QUIET, max_examples=1000)
@given(scenarios(), METHODS, st.integers(0, 3))
def test_compiled_and_plain_runs_are_the_same_often(scenario, method, seed):
    compiled = finished(scenario, method, seed=seed).world
    plain = finished(scenario, method, seed=seed, plain=True).world
    assert list(differences(compiled, plain)) == []


@settings(QUIET, max_examples=60)
@given(scenarios(), METHODS)
def test_every_request_is_accounted_for(scenario, method):
    """Offered = finished + lost + in the system, the identity behind Little's law; and every run ends."""
    simulation = finished(scenario, method)
    w = simulation.world
    assert simulation.now < np.inf
    events = w.tally.events.sum(axis=0)
    assert events[0] == events[1] + events[5] + w.counts[5]


@pytest.mark.parametrize("method", [Lsq(), Jsq(d=2), UsesAll()], ids=["lsq", "jsq2", "all"])
def test_fast_and_general_kernels_agree(method):
    """The same world through both event loops: a timeout that never comes makes it general."""
    fields = {"servers": {"count": 4, "speeds": [1.0, 2.0], "cores": [1, 2], "limit": 9}, "load": 0.8}
    fields |= {"requests": 3000, "balancers": 2, "retry": {"delay_s": 3.0, "attempts": 4}}
    fast = finished(world(**fields), method)
    general = finished(world(**fields, timeout_s=1e9), method)
    assert np.array_equal(fast.world.tally.events, general.world.tally.events)
    np.testing.assert_allclose(fast.world.tally.total, general.world.tally.total, rtol=1e-9)
    np.testing.assert_allclose(fast.world.tally.served, general.world.tally.served, rtol=1e-9)
    np.testing.assert_allclose(fast.world.tally.fairness, general.world.tally.fairness, rtol=1e-6)


def test_a_run_in_pieces_is_the_same():
    scenario = world(servers={"count": 4, "discipline": {"kind": "ps"}}, load=0.8, requests=2000)
    whole = finished(scenario, Lsq()).world
    from qoslab.core.context import Context
    from qoslab.core.seeds import Seed
    from qoslab.domains.balancing import state
    from qoslab.domains.balancing.model import Simulation

    parts = Simulation(scenario, Lsq(), Seed(0, "tests"), Context(keep_series=True))
    until = 0.0
    while parts.advance(until) != state.DONE:
        assert parts.now == until
        until += 7.3
    assert list(differences(whole, parts.world)) == []
