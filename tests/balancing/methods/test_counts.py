"""Policies on own counters: exact choices, ties, orders."""

import numpy as np
import pytest
from desk import Desk, make

DRAWS = 20_000


def within(count, chance, draws=DRAWS):
    """Within 4.5 binomial standard deviations: error 7e-6."""
    return abs(count - draws * chance) <= 4.5 * np.sqrt(draws * chance * (1 - chance))


def test_wlc_takes_the_least_per_weight_and_is_blind_to_weights_of_idle_servers():
    desk = Desk("wlc", [1, 4, 2])
    desk.active[:] = [1, 3, 2]
    assert desk.routes(5) == [1] * 5
    desk.active[:] = 0
    counts = np.bincount(desk.routes(DRAWS), minlength=3)
    assert all(within(count, 1 / 3) for count in counts)


def test_nq_takes_the_first_idle_server_before_a_better_score():
    desk = Desk("nq", [1, 1, 9])
    assert desk.route() == 0
    assert desk.route() == 1
    assert desk.route() == 2
    assert desk.route() == 2  # 2 / 9 of all scores is least
    desk.finish(1)
    assert desk.route() == 1


def test_nq_breaks_ties_by_order():
    desk = Desk("nq", [1, 1, 1])
    desk.active[:] = [2, 1, 1]
    assert desk.routes(20) == [1] * 20


@pytest.mark.parametrize("name", ["lsq_d", "sed_d"])
def test_best_of_two_without_replacement(name):
    """Loads 0, 1, 2 of 3 servers, two drawn: the worst never wins, the best in 2 of 3 draws."""
    desk = Desk(name, [1, 1, 1])
    desk.active[:] = [0, 1, 2]
    counts = np.bincount(desk.routes(DRAWS), minlength=3)
    assert within(counts[0], 2 / 3)
    assert counts[2] == 0


def test_sed_d_divides_by_weight():
    desk = Desk("sed_d", [1, 4])
    desk.active[:] = [0, 2]
    assert set(desk.routes(50)) == {1}  # 3/4 against 1
    desk.active[:] = [0, 4]
    assert set(desk.routes(50)) == {0}  # 5/4 against 1


def test_d_of_all_servers_is_the_minimum():
    desk = Desk(make("lsq_d", d=99), [1] * 6)
    desk.active[:] = [3, 2, 5, 1, 4, 2]
    assert set(desk.routes(50)) == {3}


def test_haproxy_leastconn_rotates_among_idle_servers():
    desk = Desk("haproxy_leastconn", [1, 1, 1])
    order = []
    for _ in range(7):
        j = desk.route()
        order.append(j)
        desk.finish(j)
    assert order == [0, 1, 2, 0, 1, 2, 0]


def test_haproxy_leastconn_key_counts_the_request_to_come_unless_idle():
    desk = Desk("haproxy_leastconn", [1, 8, 1])
    desk.active[:] = [1, 9, 0]
    assert desk.route(keep=False) == 2  # idle: key 0
    desk.active[:] = [1, 9, 1]
    assert desk.route(keep=False) == 1  # 10/8 against 2
    desk.active[:] = [0, 9, 1]
    assert desk.route(keep=False) == 0


def test_haproxy_leastconn_puts_a_server_behind_its_equals_after_a_loss():
    desk = Desk("haproxy_leastconn", [1, 1])
    assert desk.route() == 0
    desk.lose(0)
    assert desk.route(keep=False) == 1


def test_haproxy_first_fills_in_order():
    desk = Desk(make("haproxy_first", connections=2), [1, 2, 1])
    assert [desk.route() for _ in range(8)] == [0, 0, 1, 1, 1, 1, 2, 2]
    assert desk.route() in {0, 1, 2}
    desk.finish(1)
    assert desk.route() == 1


def test_haproxy_first_overflows_to_the_least_used():
    desk = Desk(make("haproxy_first", connections=1), [1, 2])
    desk.active[:] = [3, 5]
    assert desk.route(keep=False) == 1  # 5/2 against 3


def test_peak_ewma_by_formula():
    """Rises at once, decays by exp(-dt / tau), and reading it decays it too."""
    desk = Desk(make("peak_ewma", tau_s=2.0), [1, 1])
    for _ in range(2):
        desk.route()
    servers = {0, 1}
    assert {j for j in servers if desk.active[j]} <= servers
    desk = Desk(make("peak_ewma", tau_s=2.0), [1, 1])
    desk._touch(0, 0)
    desk.active[0], desk.open[0][0] = 2, [0.0, 0.0]
    desk.wait(3.0)
    desk.finish(0)
    assert desk.mem[0, 0] == 3.0
    desk.wait(1.0)
    desk.finish(0)  # took 4 s: a new peak
    assert desk.mem[0, 0] == 4.0
    desk.active[0], desk.open[0][0] = 1, [desk.now]
    desk.wait(2.0)
    desk.finish(0)  # took 2 s: below
    keep = np.exp(-1.0)
    np.testing.assert_allclose(desk.mem[0, 0], 4 * keep + 2 * (1 - keep), rtol=1e-14)
    cost = desk.mem[0, 0]
    desk.wait(4.0)
    desk.route(keep=False)
    np.testing.assert_allclose(desk.mem[0, 0], cost * np.exp(-2.0), rtol=1e-14)


def test_peak_ewma_penalises_a_server_never_heard_of_that_has_requests():
    desk = Desk("peak_ewma", [1, 1])
    desk.mem[0, 0] = 5.0
    desk.active[:] = [7, 1]
    assert set(desk.routes(20)) == {0}  # 40 s against the penalty
    desk.active[1] = 0
    assert set(desk.routes(20)) == {1}  # no cost at all
