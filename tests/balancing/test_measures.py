"""Utilisation, throughput and shares where servers change, against cases worked out by hand.

Request k arrives at second k, k = 1, 2, ..., with the same work for all, and nothing is drawn that matters.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import finished, outcome, scenarios, world

from qoslab.core.seeds import Seed
from qoslab.domains.balancing.methods.jsq import Jsq
from qoslab.domains.balancing.methods.random import Random
from qoslab.domains.balancing.methods.round_robin import RoundRobin

TICKS = {"kind": "renewal", "gap": {"law": "deterministic"}}


def metrics(work_s, duration_s, *, count=1, changes=(), method=None, warmup_s=0.0, **more):
    """Metrics of a run in which a request of that work arrives at each second."""
    scenario = world(
        servers={"count": count},
        arrivals=TICKS,
        rate_per_s=1.0,
        sizes={"law": "deterministic", "mean_s": work_s},
        duration_s=duration_s,
        warmup={"rule": "time", "seconds": warmup_s},
        changes=[{"servers": [count - 1], **change} for change in changes],
        **more,
    )
    return outcome(scenario, method or Random()).metrics


def test_a_constant_server():
    found = metrics(0.5, 100.75)
    assert found["utilisation"] == found["utilisation_max"] == pytest.approx(50.0 / 100.75, rel=1e-12)
    assert found["throughput_per_s"] == pytest.approx(100 / 100.75, rel=1e-12)


def test_a_server_that_fails_has_no_capacity_until_it_is_repaired():
    """20 s of 100.75 are lost; what had to wait is made up for afterwards, so that all 100 are served in time."""
    changes = [{"at_s": 40.25, "action": "fail"}, {"at_s": 60.25, "action": "repair"}]
    found = metrics(0.5, 100.75, changes=changes)
    assert found["utilisation"] == pytest.approx(50.0 / 80.75, rel=1e-12)
    assert found["throughput_per_s"] == pytest.approx(100 / 100.75, rel=1e-12)


def test_a_server_at_half_speed_has_half_the_capacity():
    changes = [{"at_s": 50.5, "action": "speed", "speed": 0.5}]
    found = metrics(0.4, 100.9, changes=changes)
    assert found["utilisation"] == pytest.approx(40.0 / (50.5 + 0.5 * 50.4), rel=1e-12)


def test_a_drained_server_takes_part_while_it_holds_requests():
    """The only server is drained, so requests come to it all the same; it is idle in between, and then is not there."""
    found = metrics(0.6, 100.9, changes=[{"at_s": 50.75, "action": "drain"}])
    assert found["utilisation"] == pytest.approx(60.0 / (50.75 + 50 * 0.6), rel=1e-12)


@pytest.mark.parametrize(
    ("action", "capacity"), [("remove", 100.9 + 50.75), ("drain", 100.9 + 50.75), ("add", 100.9 + 50.15)]
)
def test_a_server_outside_the_pool_has_no_capacity(action, capacity):
    """Of two servers one leaves, idle, or comes."""
    found = metrics(0.6, 100.9, count=2, changes=[{"at_s": 50.75, "action": action}], method=Jsq())
    assert found["utilisation"] == pytest.approx(60.0 / capacity, rel=1e-12)


def test_to_drain_a_server_that_is_gone_changes_nothing():
    """Both at once, while it holds requests: they were handed to it again and again."""
    gone = [{"at_s": 50.75, "action": "remove"}]
    twice = [*gone, {"at_s": 50.75, "action": "drain"}]
    assert metrics(3.0, 100.9, count=2, changes=twice) == metrics(3.0, 100.9, count=2, changes=gone)


def test_overload_has_the_throughput_of_the_servers():
    """Each takes 2 s: one ends at 3, 5, ..., 99, and what ends after the measured time is not counted in it."""
    found = metrics(2.0, 100.5, drain=True)
    assert found["throughput_per_s"] == pytest.approx(49 / 100.5, rel=1e-12)
    assert found["utilisation"] == pytest.approx(99.5 / 100.5, rel=1e-12)


def test_what_ended_in_the_warm_up_is_not_in_the_throughput():
    """Measuring begins with the first arrival after 10.5 s, at 11, when one has just ended; 44 end by 99."""
    found = metrics(2.0, 100.5, warmup_s=10.5)
    assert found["throughput_per_s"] == pytest.approx(44 / 89.5, rel=1e-12)
    assert found["utilisation"] == pytest.approx(1.0, rel=1e-12)


def test_shares_are_compared_with_capacity_over_time():
    """The second of two servers is there for 50.4 s of 100.9, and takes every other of the 50 requests then."""
    changes = [{"at_s": 50.5, "action": "add"}]
    found = metrics(0.4, 100.9, count=2, changes=changes, method=RoundRobin())
    assert found["share_spread"] == pytest.approx(0.75 - 100.9 / (100.9 + 50.4), rel=1e-12)
    assert found["utilisation_max"] == pytest.approx(75 * 0.4 / 100.9, rel=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(scenarios(), st.sampled_from([Random(), Jsq()]))
def test_no_server_does_more_work_than_it_has_capacity_for(scenario, method):
    tally = finished(scenario, method).world.tally
    work, room = np.diff(tally.served, axis=0), np.diff(tally.available, axis=0)
    assert (work <= room + 1e-9).all()
    whole = scenario.servers.count * max(scenario.servers.speeds) * max(scenario.servers.cores)
    if scenario.drift is None and not any(change.speed for change in scenario.changes):
        assert (room.sum(axis=1) <= whole * np.diff(tally.begin) + 1e-9).all()


def jain_of_equal_gaps(servers, gap):
    """Jain's index of residual work in D/D/n with sizes of 1 s and no waiting, mean over the phase of arrivals."""
    phases = (np.arange(4000) + 0.5) / 4000 * gap
    left = phases[:, None] + gap * np.arange(servers)
    left = np.where(left < 1.0, left, 0.0)
    return np.mean(left.sum(axis=1) ** 2 / (servers * np.square(left).sum(axis=1)))


@pytest.mark.parametrize("requests", [700, 2000, 5000, 20_000])
@pytest.mark.parametrize("load", [0.5, 0.8])
def test_equal_gaps_are_sampled_at_all_phases(load, requests):
    """In D/D/8 nobody waits: a server holds load / 2 of work in the mean. At one phase that is .340 for .400."""
    scenario = world(
        servers={"count": 8},
        load=load,
        arrivals=TICKS,
        sizes={"law": "deterministic", "mean_s": 1.0},
        requests=requests,
        warmup={"rule": "time", "seconds": 2.0},
    )
    got = outcome(scenario, Jsq()).metrics
    assert got["response_time_mean_s"] == pytest.approx(1.0, rel=1e-9)
    assert got["residual_work_mean_s"] == pytest.approx(load / 2.0, rel=5e-3)
    assert got["fairness_jain"] == pytest.approx(jain_of_equal_gaps(8, 1.0 / (8 * load)), rel=5e-3)


@pytest.mark.parametrize("requests", [10, 700, 2000, 20_000, 1_000_000])
def test_a_grid_has_about_two_thousand_points(requests):
    """Between half and twice as many; of other arrivals exactly, unless the step is given."""
    from qoslab.domains.balancing import state
    from qoslab.domains.balancing.model import Simulation

    def points(**fields):
        scenario = world(servers={"count": 8}, load=0.8, requests=requests, **fields)
        step = Simulation(scenario, Jsq(), Seed(0, "tests"), plain=True).world.clock[state.SAMPLE_STEP]
        return requests / 6.4 / step

    assert points() == pytest.approx(2000.0, rel=1e-12)
    assert 1000.0 < points(arrivals=TICKS) < 4000.0
    assert points(arrivals=TICKS, sample_step_s=0.25) == pytest.approx(requests / 1.6, rel=1e-12)
