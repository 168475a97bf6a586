"""Servers that failed or are removed tell nothing, and balancers probe those that they know to be there."""

from __future__ import annotations

import numpy as np
import pytest
from policies import UsesAll
from worlds import finished, outcome, world

from qoslab.domains.balancing.methods.jiq import Jiq
from qoslab.domains.balancing.methods.lsq_sample import LsqSample
from qoslab.domains.balancing.methods.prequal import Prequal
from qoslab.domains.balancing.view import STAMP

HALF = list(range(8))


@pytest.mark.parametrize("samples", [1.0, 2.5, 16.0])
@pytest.mark.parametrize("gone", [HALF, [8 + j for j in HALF]], ids=["first", "last"])
def test_what_is_left_of_a_pool_is_a_pool(gone, samples):
    """Eight of sixteen servers, the others removed at the start, are eight servers: the same run to the bit."""
    fields = {"rate_per_s": 6.4, "requests": 1500, "balancers": 2, "warmup": {"fraction": 0.0}}
    left = [j for j in range(16) if j not in gone]
    half = finished(
        world(servers={"count": 16}, changes=[{"at_s": 0.0, "servers": gone, "action": "remove"}], **fields),
        LsqSample(samples),
    ).world.tally
    nothing = [{"at_s": 0.0, "servers": [0], "action": "speed", "speed": 1.0}]
    alone = finished(
        world(servers={"count": 8}, changes=nothing, **fields), LsqSample(min(samples, 8.0))
    ).world.tally
    assert np.array_equal(half.handled[:, left], alone.handled)
    assert np.array_equal(half.response, alone.response)
    assert half.events.tolist() == alone.events.tolist()


@pytest.mark.parametrize("action", ["fail", "remove"])
@pytest.mark.parametrize("lose", [False, True], ids=["keeps", "loses"])
@pytest.mark.parametrize(
    "method",
    [UsesAll(), UsesAll(delay_s=(0.1, 0.4)), UsesAll(4.0, 0.0), UsesAll(0.0, 0.5), UsesAll(0.0, 0.0)],
)
def test_nothing_is_heard_of_a_server_that_is_gone(method, action, lose):
    """By probes, reports, news of idleness or notes on answers; balancers do not notice, so they go on asking."""
    at = 40.0
    scenario = world(
        servers={"count": 3},
        balancers=2,
        load=0.5,
        requests=200,
        timeout_s=4.0,
        cancel=True,
        failures={"lose": lose, "detection_s": 1e9},
        changes=[{"at_s": at, "servers": [1], "action": action}],
    )
    run = finished(scenario, method, plain=True)
    stamps = run.world.board.answers[:, STAMP]
    assert run.now > 100.0
    assert stamps[:, 1].max() <= at < stamps[:, [0, 2]].min()


def test_a_server_that_is_repaired_is_heard_again():
    changes = [
        {"at_s": 40.0, "servers": [1], "action": "fail"},
        {"at_s": 60.0, "servers": [1], "action": "repair"},
    ]
    scenario = world(
        servers={"count": 3}, load=0.5, requests=200, failures={"detection_s": 3.0}, changes=changes
    )
    run = finished(scenario, UsesAll(), plain=True)
    assert run.world.board.answers[0, STAMP].min() > 60.0
    assert run.world.counts[-1] == 0  # nobody is left out of the pool


@pytest.mark.parametrize(("method", "most"), [(Prequal(), 0.05), (LsqSample(), 0.01)], ids=["prequal", "lsq"])
def test_a_failed_server_draws_no_traffic(method, most):
    """It rejects at once, so it would look idle if it answered; nobody notices. Blind random loses an eighth."""
    scenario = world(
        servers={"count": 8},
        load=0.6,
        requests=4000,
        failures={"lose": True, "detection_s": 1e9},
        changes=[{"at_s": 20.0, "servers": [0], "action": "fail"}],
    )
    assert outcome(scenario, method).metrics["rejected_share"] < most


@pytest.mark.parametrize("method", [Prequal(), LsqSample(), Jiq(), UsesAll()])
def test_a_run_whose_servers_have_all_failed_ends(method):
    fields = {"servers": {"count": 4}, "load": 0.6, "requests": 300}
    gone = [{"at_s": 30.0, "servers": [0, 1, 2, 3], "action": "fail"}]
    for lose in (False, True):
        scenario = world(**fields, failures={"lose": lose, "detection_s": 2.0}, changes=gone)
        got = outcome(scenario, method).counters
        assert got["offered"] == 300
        assert got["finished"] + got["lost"] + got["in_system"] == 300
        assert (got["in_system"] == 0) == lose
