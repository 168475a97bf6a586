"""Which requests in flight a learner's reservoirs hold durations of."""

import numpy as np

from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned.reservoirs import OPEN, OPEN_COUNT, SLOTS, TRACKED
from qoslab.domains.balancing.learned.seeing import SERVER_FIELDS
from qoslab.domains.balancing.learned.session import Session
from qoslab.domains.balancing.scenario import BalancingScenario

OPENED = SERVER_FIELDS.index("open_duration_mean_s")
GAP_S = 0.099


def begun(servers, size_s):
    """An episode with a request each 0.099 s, all of one size, on servers where none waits."""
    words = {
        "servers": {"count": servers, "cores": [1000], "weights": "equal"},
        "rate_per_s": 1 / GAP_S,
        "arrivals": {"kind": "renewal", "gap": {"law": "deterministic"}},
        "sizes": {"law": "deterministic", "mean_s": size_s},
        "duration_s": 100.0,
    }
    session = Session(BalancingScenario.model_validate(words))
    session.reset(Seed(0, "test"))
    return session


def step(session, count, action):
    """Some half seconds with one action; what is seen then of each server, and the balancer's memory."""
    for _ in range(count):
        seen = session.step(np.array([action]))
    return seen.servers[0], session.simulation.world.board.mem[0]


def test_of_40_in_flight_those_sent_after_the_32nd_are_never_sampled():
    """Nothing ends, and the second server's weight is so low that all requests go to the first."""
    session = begun(2, 1e4)
    seen, mem = step(session, 8, [1.0, 0.01])
    assert seen[:, 0].tolist() == [40, 0]
    assert mem[TRACKED].tolist() == [SLOTS, 0]
    seen, mem = step(session, 10, [1.0, 0.01])
    assert seen[0, 0] == 90
    ages, taken = mem[OPEN : OPEN + SLOTS, 0], mem[OPEN + SLOTS : OPEN + 2 * SLOTS, 0]
    # Of the samples in the reservoir most were taken after the 32nd request had been sent, and all are of the first 32.
    assert np.mean(taken > GAP_S * (SLOTS + 1)) > 0.5
    assert (taken - ages < GAP_S * (SLOTS + 0.5)).all()
    # Were all requests in flight sampled alike, their mean duration would be half the time since the first.
    late = taken > 6.0
    assert (ages - taken / 2)[late].mean() > 0.5


def test_one_server_is_drawn_at_each_arrival():
    """60 arrivals, nothing ends: 15 samples a server; 5 to 26 in all but one of 300 seeds."""
    session = begun(4, 1e4)
    seen, mem = step(session, 12, np.ones(4))
    assert seen[:, 0].sum() == 60
    counts = mem[OPEN_COUNT]
    assert counts.min() >= 5
    assert counts.max() <= 26
    # None before the first request of the drawn server was sent.
    assert 50 <= counts.sum() < 60


def test_samples_stay_when_their_requests_have_ended():
    session = begun(4, 0.25)
    seen, _ = step(session, 40, np.ones(4))
    idle = seen[:, 0] == 0
    assert idle.any()
    assert (seen[idle, OPENED] > 0.05).all()


def test_with_one_server_nothing_is_routed_and_so_nothing_is_sampled():
    seen, mem = step(begun(1, 1e4), 8, np.ones(1))
    assert seen[0, 0] == 40
    assert mem[OPEN_COUNT, 0] == 0
    assert seen[0, OPENED] == 0.0
