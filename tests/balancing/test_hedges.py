"""Hedged requests whose client is patient for so long and no longer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import finished, scenarios, world

from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.methods.jsq import Jsq
from qoslab.domains.balancing.methods.lsq import Lsq
from qoslab.domains.balancing.methods.round_robin import RoundRobin
from qoslab.domains.balancing.model import Simulation
from qoslab.engine.histogram import RELATIVE_ERROR, quantiles

FIXED = {"law": "deterministic", "mean_s": 4.0}


def timeline(changes, **fields):
    """One request at 10 s, to server 0 at full speed; its copy half a second later, to a server ten times slower."""
    return world(
        servers={"count": 2, "speeds": [1.0, 0.1]},
        rate_per_s=0.1,
        arrivals={"kind": "renewal", "gap": FIXED},
        sizes=FIXED,
        requests=1,
        hedge_s=0.5,
        warmup={"fraction": 0.0},
        changes=changes,
        **fields,
    )


def ended(scenario):
    """Counters of a run, and when its last event was."""
    plain = Simulation(scenario, RoundRobin(), Seed(0, "tests"), plain=True)
    plain.finish()
    return plain.world.tally.events.sum(axis=0), plain.now


@pytest.mark.parametrize("cancel", [False, True])
def test_the_copy_that_is_left_is_given_up_when_the_first_would_have_been(cancel):
    """Sent at 10, copied at 10.5; the first is refused at 11, and patience ends at 13, not at 13.5 or never."""
    gone = [{"at_s": 11.0, "servers": [0], "action": "remove"}]
    events, now = ended(timeline(gone, timeout_s=3.0, cancel=cancel, drain=True))
    assert (events[state.REJECTED], events[state.HEDGED]) == (1, 1)
    assert (events[state.TIMED_OUT], events[state.LOST], events[state.FINISHED]) == (1, 1, 0)
    assert now == 13.0


def test_a_refused_copy_leaves_the_first_its_own_patience():
    gone = [{"at_s": 11.0, "servers": [1], "action": "remove"}]
    events, now = ended(timeline(gone, timeout_s=3.0))
    assert (events[state.REJECTED], events[state.TIMED_OUT], now) == (1, 1, 13.0)


def test_a_copy_that_answers_in_time_is_not_given_up():
    gone = [
        {"at_s": 11.0, "servers": [0], "action": "remove"},
        {"at_s": 11.0, "servers": [1], "action": "speed"},
    ]
    gone[1]["speed"] = 10.0
    events, now = ended(timeline(gone, timeout_s=6.0))
    assert (events[state.FINISHED], events[state.TIMED_OUT], events[state.LOST]) == (1, 0, 0)
    assert now == pytest.approx(11.0 + 3.95, rel=1e-12)  # 0.05 of 4 s were done at a tenth of the speed


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    scenarios(requests=150), st.sampled_from([Lsq(), Jsq()]), st.booleans(), st.booleans(), st.integers(0, 3)
)
def test_no_client_waits_beyond_its_patience(scenario, method, cancel, delays, seed):
    """Without retries an answer comes at most one hop after patience has ended, whichever copy gives it."""
    count = max(scenario.servers.count, 2)
    raw = scenario.model_dump(exclude_none=True) | {
        "servers": {"count": count, "speeds": [1.0, 0.2], "limit": 3},
        "hedge_s": 0.5,
        "timeout_s": 2.0,
        "cancel": cancel,
        "failures": {"mean_up_s": 15.0, "mean_down_s": 5.0, "lose": True},
    }
    raw.pop("retry", None)
    raw.pop("network", None)
    most = 2.0
    if delays:
        raw["network"] = {"hop_s": (0.05, 0.2)}
        most += 0.2
    simulation = finished(type(scenario).model_validate(raw), method, seed=seed)
    answered = simulation.world.tally.response.sum(axis=0)
    if answered.sum():
        assert quantiles(answered, [1.0])[0] <= most * (1 + 2 * RELATIVE_ERROR)
    assert np.all(simulation.world.tally.events >= 0)
