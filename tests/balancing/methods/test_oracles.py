"""Policies on the true state."""

import numpy as np
import pytest
from desk import Desk, make

from qoslab.domains.balancing.view import CAPACITY


def test_jsq_memory_without_memory_is_the_shortest_of_d():
    """Queues 0, 1, 2 of 3, two drawn: 2/3 to the shortest, within 4.5 standard deviations (error 7e-6)."""
    desk = Desk(make("jsq_memory", d=2, memory=0), [1, 1, 1])
    desk.board.queue[:] = [0, 1, 2]
    counts = np.bincount(desk.routes(9000), minlength=3)
    assert abs(counts[0] - 6000) < 4.5 * np.sqrt(9000 * 2 / 9)
    assert counts[2] == 0


def test_jsq_memory_remembers_the_best():
    """One drawn and one remembered: the empty server, once met, serves until it is no longer the shortest."""
    desk = Desk("jsq_memory", [1] * 5)
    desk.board.queue[:] = [9, 9, 0, 9, 9]
    while desk.route(keep=False) != 2:
        pass
    assert desk.routes(50) == [2] * 50


def test_jsq_memory_counts_the_new_request():
    """After a request joins a queue of 1 beside one of 1, the other is the shorter and is remembered."""
    desk = Desk(make("jsq_memory", d=2, memory=1), [1, 1])
    desk.board.queue[:] = [1, 1]
    first = desk.route()
    assert desk.box[0] == 1
    assert desk.box[1] == 1 - first


def test_jsq_memory_forgets_a_server_that_went_down():
    desk = Desk(make("jsq_memory", d=1, memory=2), [1] * 4)
    desk.board.queue[:] = [0, 1, 5, 5]
    desk.routes(200)
    desk.up[:2] = 0
    assert set(desk.routes(50)) <= {2, 3}


def test_lwl_compares_work_time_and_finish():
    desks = {how: Desk(make("lwl", compare=how), [1, 4, 2]) for how in ("work", "time", "finish")}
    for desk in desks.values():
        desk.board.size[0] = 4.0
        desk.set_work([3.0, 4.0, 1.8])
    # work 3, 4, 1.8; time 3, 1, .9; finish 7, 2, 2.9
    assert {how: desk.route(keep=False) for how, desk in desks.items()} == {"work": 2, "time": 2, "finish": 1}


def test_lwl_lets_work_drain():
    desk = Desk("lwl", [1, 1])
    desk.set_work([5.0, 4.0], drain=[1.0, 0.0])
    assert desk.route(keep=False) == 1
    desk.wait(1.5)
    assert desk.route(keep=False) == 0


@pytest.mark.parametrize("name", ["sed_oracle", "gsed"])
def test_true_capacities_count_and_configured_weights_do_not(name):
    desk = Desk(name, [1, 1, 1])
    desk.board.truth[CAPACITY] = [1.0, 3.0, 0.0]
    desk.active[:] = [0, 1, 0]
    desk.board.queue[:] = [0, 1, 0]
    assert set(desk.routes(20)) == {1}  # 2/3 against 1; the failed one never


def test_gsed_sees_what_others_sent():
    own, all_ = Desk("sed_oracle", [1, 1]), Desk("gsed", [1, 1])
    for desk in (own, all_):
        desk.board.queue[:] = [5, 2]
        desk.active[:] = [0, 1]
    assert own.route(keep=False) == 0
    assert all_.route(keep=False) == 1
