"""Swaps that take time: by hand, and against all trees."""

from dataclasses import replace

import numpy as np
import pytest

from qoslab.domains.entanglement.swaporder.exact import evaluate
from qoslab.domains.entanglement.swaporder.path import Goal, SwapLink, SwapPath
from qoslab.domains.entanglement.swaporder.plan import assess, plan
from qoslab.domains.entanglement.swaporder.timing import fastest, latest, ready_s
from qoslab.domains.entanglement.swaporder.tree import all_trees, left_to_right


def timed_path(rng, repeaters, *, alike=False, first=True):
    """A path whose swaps take up to a third of its slot."""
    links = tuple(
        SwapLink(int(rng.integers(20, 120)), float(rng.uniform(0.05, 0.6))) for _ in range(repeaters + 1)
    )
    delays = (0.2,) * repeaters if alike else tuple(float(each) for each in rng.uniform(0, 0.7, repeaters))
    return SwapPath(
        links,
        tuple(float(q) for q in rng.uniform(0.3, 1, repeaters)),
        swap_delays_s=delays,
        slot_s=2.0,
        first_s=tuple(2.0 / (each.attempts * each.success) for each in links) if first else (),
    )


def test_a_slot_by_hand():
    # Links have pairs at .1, .4 and .2 s. Node 1 first: .4 + .3, then .7 + .1; node 2 first: .4 + .1, then .5 + .3.
    # From the left the slow link comes last: .2 + .3 = .5, then .5 + .1.
    links = (SwapLink(100, 0.5),) * 3
    path = SwapPath(links, (0.5, 0.5), swap_delays_s=(0.3, 0.1), slot_s=1.0, first_s=(0.1, 0.4, 0.2))
    assert ready_s(path, ((None, 1, None), 2, None)) == pytest.approx(0.8)
    assert ready_s(path, (None, 1, (None, 2, None))) == pytest.approx(0.8)
    turned = replace(path, first_s=(0.1, 0.2, 0.4))
    order = left_to_right(3)
    assert ready_s(turned, order) == pytest.approx(0.6)
    # .6 - .4 of the slot is lost to swaps: 80 attempts of 100 are left.
    assert [link.attempts for link in turned.within(0.6).links] == [80] * 3
    fewer = SwapPath((SwapLink(80, 0.5),) * 3, (0.5, 0.5))
    found = plan(turned, "left_to_right")
    assert found.pairs == pytest.approx(evaluate(fewer, order).mean)
    assert plan(turned).value == pytest.approx(max(found.value, plan(turned, "right_to_left").value))


@pytest.mark.parametrize("seed", range(6))
def test_the_fastest_order_and_who_must_be_ready_when(seed):
    path = timed_path(np.random.default_rng(seed), 4)
    tree, soonest = fastest(path)
    times = {each: ready_s(path, each) for each in all_trees(0, 5)}
    assert ready_s(path, tree) == pytest.approx(min(times.values()))
    assert soonest[0, 5] == pytest.approx(min(times.values()))
    whole_s = float(np.median(list(times.values())))
    limits = latest(path, soonest, whole_s)

    def segments(node, i, j):
        """Each segment of an order, and when it is ready."""
        if node is None:
            return {(i, j): path.start_s[i]}
        parts = segments(node[0], i, node[1]) | segments(node[2], node[1], j)
        return parts | {(i, j): max(parts[i, node[1]], parts[node[1], j]) + path.swap_delays_s[node[1] - 1]}

    allowed = set()
    for each, time in times.items():
        if time <= whole_s:
            allowed |= {ends for ends, ready in segments(each, 0, 5).items() if ready <= limits[ends]}
            # No order that is in time is ruled out by any of its segments.
            assert all(ready <= limits[ends] for ends, ready in segments(each, 0, 5).items())
    assert {(int(i), int(j)) for i, j in np.argwhere(limits >= 0) if j > i} >= allowed


@pytest.mark.parametrize(("alike", "first"), [(True, False), (True, True), (False, False), (False, True)])
def test_the_programme_finds_the_optimum_of_all_trees(alike, first):
    rng = np.random.default_rng(9)
    shares = []
    for _ in range(12):
        path = timed_path(rng, int(rng.integers(2, 6)), alike=alike, first=first)
        best = plan(path, "exhaustive")
        assert plan(path).value == pytest.approx(best.value, rel=1e-9)
        for name in ("greedy", "balanced", "left_to_right"):
            assert plan(path, name).value <= best.value * (1 + 1e-9)
        unaware = plan(replace(path, slot_s=None, first_s=())).order
        shares.append(assess(path, unaware, Goal()).value / best.value)
    # An order that does not know that swaps take time is worth less.
    assert min(shares) < 0.97
    assert max(shares) <= 1 + 1e-9


def test_swaps_that_take_no_time_change_nothing():
    rng = np.random.default_rng(3)
    for _ in range(5):
        path = timed_path(rng, 4, first=False)
        instant = replace(path, swap_delays_s=(0.0,) * 4)
        plain = replace(path, swap_delays_s=(), slot_s=None)
        assert plan(instant).value == pytest.approx(plan(plain).value, rel=1e-12)
        assert plan(instant, "exhaustive").value == pytest.approx(plan(plain, "exhaustive").value, rel=1e-12)


def test_swaps_longer_than_the_slot_leave_nothing():
    path = replace(timed_path(np.random.default_rng(4), 3), swap_delays_s=(5.0,) * 3)
    assert plan(path).value == 0.0
    assert plan(path, "exhaustive").value == 0.0


def test_a_long_path_is_planned_with_delays():
    path = timed_path(np.random.default_rng(5), 16)
    path = replace(path, swap_delays_s=tuple(each / 5 for each in path.swap_delays_s))
    found = plan(path)
    assert found.value > max(plan(path, name).value for name in ("balanced", "left_to_right", "greedy"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"swap_delays_s": (0.1,)}, "3 repeaters have 1 delays"), ({"first_s": (0.1,)}, "4 links have 1 times")],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(timed_path(np.random.default_rng(4), 3), **changes)
