"""A user's own policy: one decorated function in a file."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from worlds import outcome, world

from qoslab.core.context import Context
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.model import run
from qoslab.study.userfile import entry_in

MINE = '''
from qoslab.domains.balancing import policy


@policy("mine", parameters={"weight": 1.0}, memory=1)
def mine(view, stream, now):
    """The server with fewest requests in flight, the first of them."""
    best = 0
    for j in range(view.active.shape[0]):
        if view.par[0] * view.active[j] < view.par[0] * view.active[best]:
            best = j
    view.mem[0, best] += 1.0
    return best
'''


@pytest.fixture
def entry(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return entry_in(path, "balancing", "mine")


def test_one_function_is_a_method(entry):
    assert entry.information == "blind"
    assert entry.summary == "The server with fewest requests in flight, the first of them"
    assert entry.cls().weight == 1.0
    assert entry.cls(weight=2.0) == entry.cls(weight=2.0)


def test_it_runs_and_is_good(entry):
    scenario = world(servers={"count": 4}, load=0.8, requests=5000)
    random = registry.method("balancing", "random").cls()
    got = outcome(scenario, entry.cls()).metrics["response_time_mean_s"]
    assert got < outcome(scenario, random).metrics["response_time_mean_s"]


def test_it_reaches_worker_processes(entry):
    assert pickle.loads(pickle.dumps(entry.cls(weight=3.0))) == entry.cls(weight=3.0)


def test_policies_of_a_scenario_meet_the_same_requests():
    """Common random numbers: the work that arrives does not depend on the policy."""
    scenario = world(servers={"count": 4}, load=0.8, requests=2000, warmup={"fraction": 0.0}, flows=5)
    from worlds import finished

    seen = set()
    for name in ("random", "lsq", "jsq", "sed"):
        w = finished(scenario, registry.method("balancing", name).cls()).world
        left = w.servers.served.sum()
        seen.add((round(float(left), 6), float(w.clock[1]), int(w.counts[8])))
    assert len(seen) == 1


@pytest.mark.parametrize(
    "fields", [{}, {"network": {}, "timeout_s": 2.0, "hedge_s": 1.0}], ids=["fast", "general"]
)
def test_outcomes_do_not_depend_on_their_neighbours(fields):
    scenario = world(servers={"count": 3}, load=0.7, requests=200, **fields)
    method = registry.method("balancing", "lsq").cls()
    seeds = [Seed(0, "tests", "", k) for k in range(64)]
    many = list(run(scenario, method, seeds, Context()))
    assert list(run(scenario, method, seeds[:2], Context())) == many[:2]
    assert list(run(scenario, method, [seeds[63]], Context())) == [many[63]]


def test_memory_does_not_grow_with_requests():
    """Slots for requests and events stay as many as were in the system at once, not as many as arrived."""
    from worlds import finished

    method = registry.method("balancing", "jsq").cls()
    fields = {"servers": {"count": 8}, "load": 0.7, "balancers": 2, "timeout_s": 1e9}
    sizes = []
    for requests in (2_000, 200_000):
        w = finished(world(requests=requests, **fields), method).world
        sizes.append(
            sum(array.nbytes for part in w for array in (part if isinstance(part, tuple) else [part]))
        )
    assert sizes[1] <= 1.5 * sizes[0]


def test_shares_add_up():
    got = outcome(
        world(servers={"count": 4}, load=0.7, requests=5000), registry.method("balancing", "lsq").cls()
    )
    again = outcome(
        world(servers={"count": 4}, load=0.7, requests=5000),
        registry.method("balancing", "lsq").cls(),
        keep_series=True,
    )
    assert got.metrics == again.metrics
    servers = again.series["servers"]
    assert np.isclose(servers["share"].sum(), 1.0)
    assert set(again.series) == {"fairness", "queue", "servers", "response_time"}
    assert (np.diff(again.series["response_time"]["response_time_s"]) >= 0).all()
