"""What a policy is told adds up: answers, busy time and request-seconds, through the log and the controller."""

import random
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush

import numpy as np
import pytest

from qoslab.domains.balancing.deploy.controller import Controller
from qoslab.domains.balancing.deploy.ledger import Ledger

NOW = 1_790_000_000.0
SERVERS = ("a", "b", "c", "d")


class Adds:
    """An estimator that adds up what it is told."""

    def __init__(self):
        self.sums = np.zeros((3, len(SERVERS)))

    def update(self, window):
        self.sums += [window.done, window.busy_s, window.area_s]
        assert (window.busy_s >= 0.0).all()
        return np.ones(len(SERVERS))


def line(server, began, length_s, status=200):
    at, ms = datetime.fromtimestamp(NOW + began, UTC), round(1e3 * length_s)
    stamp = f"{at:%d/%b/%Y:%H:%M:%S}.{at.microsecond // 1000:03d}"
    return f"127.0.0.1:9 [{stamp}] front work/{server} 0/0/0/{ms}/{ms} {status} 90 - - ----".encode()


def requests(means_s, places, rate_per_s, for_s, seed=0):
    """Poisson arrivals to whoever has fewest in flight, waiting for a place: (end, begin, server)."""
    rng, found, now = random.Random(seed), [], 0.0
    free = [[0.0] * count for count in places]
    ends = [[] for _ in places]
    while (now := now + rng.expovariate(rate_per_s)) < for_s:
        for queue in ends:
            while queue and queue[0] <= now:
                heappop(queue)
        k = min(range(len(places)), key=lambda j: (len(ends[j]), rng.random()))
        end = max(heappop(free[k]), now) + rng.expovariate(1.0 / means_s[k])
        heappush(free[k], end)
        heappush(ends[k], end)
        found.append((end, now, k))
    return found


def told(found, for_s):
    """What the controller's estimator has been told in the end, and what was so."""
    adds, ledger = Adds(), Ledger("work", SERVERS)
    controller, lines = Controller(np.ones(len(SERVERS)), adds), list(found)
    heapify(lines)
    for tick in range(1, round(2 * for_s)):
        now = 0.5 * tick
        while lines and lines[0][0] <= now:
            end, began, k = heappop(lines)
            ledger.take(line(SERVERS[k], began, end - began), NOW + now)
        active = np.zeros(len(SERVERS))
        np.add.at(active, [k for end, began, k in found if began <= now < end], 1.0)
        up = np.ones(len(SERVERS), bool)
        controller.decide(ledger.observe(NOW + now, now, active, up, complete=True))
    true, covered = np.zeros_like(adds.sums), np.full(len(SERVERS), -np.inf)
    for end, began, k in sorted((one for one in found if one[1] < now), key=lambda one: one[1]):
        stop = min(end, now)
        true[:, k] += [end <= now, max(stop - max(began, covered[k]), 0.0), stop - began]
        covered[k] = max(covered[k], stop)
    return adds.sums, true


@pytest.mark.parametrize(
    ("means_s", "places", "rate_per_s", "for_s"),
    [
        ((0.08, 0.08, 0.02, 0.02), (2, 2, 2, 2), 87.0, 60.0),
        ((1.0, 1.0, 1.0, 1.0), (1, 1, 4, 4), 6.0, 600.0),
        ((2.0, 2.0, 0.5, 0.5), (2, 2, 2, 2), 6.0, 600.0),
        ((5.0, 5.0, 5.0, 5.0), (2, 2, 8, 8), 2.8, 1200.0),
    ],
)
def test_windows_add_up_however_long_a_service_takes(means_s, places, rate_per_s, for_s):
    sums, true = told(requests(means_s, places, rate_per_s, for_s), for_s)
    assert sums / true == pytest.approx(np.ones_like(true), rel=0.02)


def windows(seen):
    """What an estimator is told of one server by (time, requests in flight, lines that came) in turn."""

    kept = []

    class Keeps:
        def update(self, window):
            kept.append((window.done[0], window.busy_s[0], window.area_s[0]))
            return np.ones(1)

    ledger, controller = Ledger("work", ["a"]), Controller(np.ones(1), Keeps())
    for now, active, lines in seen:
        for came in lines:
            assert ledger.take(came, NOW + now)
        one = np.array([float(active)])
        controller.decide(ledger.observe(NOW + now, now, one, np.ones(1, bool), complete=True))
    return np.array(kept)


def test_a_server_that_failed_for_long_has_no_busy_time_to_its_credit():
    """Ten failures a second of 90 ms, then ten good answers a second of the same length."""
    seen = [(0.5, 1, [])]
    for tick in range(2, 240):
        now = 0.5 * tick
        ends = [now - 0.4 + 0.1 * k for k in range(5)]
        status = 503 if now <= 60.0 else 200
        seen.append((now, 1, [line("a", end - 0.09, 0.09, status) for end in ends]))
    told = windows(seen)
    failed, good = told[:110], told[130:]
    for some in (failed, good):
        assert some[:, 1].mean() == pytest.approx(0.45, rel=0.12)
        assert some[:, 2].mean() == pytest.approx(0.45, rel=0.12)
    assert (good[:5, 1] > 0.3).all()


def test_what_a_server_gave_up_without_a_line_stays_counted():
    """Each 4 s it holds two requests for 2 s, which are then sent on to another server."""
    told = windows([(0.5 * tick, 2 * (tick % 8 < 4), []) for tick in range(160)])
    assert told[:, 0].sum() == 0.0
    # An observation each half second sees 1.5 of each 2 s.
    assert told[:, 1].sum() == pytest.approx(20 * 1.5, abs=1.5)
    assert told[:, 2].sum() == pytest.approx(2 * 20 * 1.5, abs=3.0)


def test_a_request_that_comes_late_in_a_silence_has_not_been_held_for_all_of_it():
    told = windows([(0.5 * tick, 1 if tick < 60 else 50, []) for tick in range(62)])
    assert told[:, 1].sum() == pytest.approx(30.5)
    assert told[:, 2].sum() == pytest.approx(30.0 + 25.0, abs=0.6)


@pytest.mark.parametrize("late_s", [0.5, 1.0, 2.0])
def test_a_line_that_comes_late_adds_only_what_it_takes_longer(late_s):
    """Each 6 s a request of 1 s on the server, whose client reads on for a while; the line tells all of it."""
    seen = []
    for tick in range(240):
        phase, start = 0.5 * (tick % 12), 0.5 * (tick - tick % 12)
        came = [line("a", start, 1.0 + late_s)] if phase == 1.0 + late_s else []
        seen.append((0.5 * tick, int(phase < 1.0), came))
    told = windows(seen)
    assert told[:, 0].sum() == 20.0
    assert told[:, 1].sum() == pytest.approx(20 * (1.0 + late_s), abs=0.6)
    assert told[:, 2].sum() == pytest.approx(20 * (1.0 + late_s), abs=0.6)
