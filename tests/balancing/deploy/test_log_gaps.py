"""Lost log lines, at rates at which one observation counts few answers: noticed, waited out, and never imagined."""

import heapq
import random
from datetime import UTC, datetime

import numpy as np
import pytest

from qoslab.domains.balancing.deploy.completeness import Completeness
from qoslab.domains.balancing.deploy.keepsake import Keepsake
from qoslab.domains.balancing.deploy.runtime import Server
from qoslab.domains.balancing.deploy.steering import Steering

NOW = 1_790_000_000.0
LINE = '127.0.0.1:9 [{}.{:03d}] front work/{} 0/0/0/{}/{} 200 90 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1"'


class Played:
    """A proxy that routes Poisson arrivals by weighted least connections to two servers of two places each."""

    def __init__(self, rate_per_s, seed=0):
        self.means_s = {"a": 0.08, "b": 0.02}
        self.weights = dict.fromkeys(self.means_s, 8)
        self.heard = 1.0  # share of log lines that arrive
        self.ledger = None
        self._random, self._rate = random.Random(seed), rate_per_s
        self._free = {name: [0.0, 0.0] for name in self.means_s}
        self._active, self._total = dict.fromkeys(self.means_s, 0), dict.fromkeys(self.means_s, 0)
        self._next, self._ends = 0.0, []

    def servers(self, backend):
        names = self.means_s
        return "1", [Server(k, self._active[k], self._total[k], self.weights[k], True, False) for k in names]

    def configured(self, backend):
        return dict.fromkeys(self.means_s, 8)

    def set_weights(self, backend, weights):
        self.weights |= weights

    def go_on(self, until_s):
        while self._next <= until_s:
            self._end(self._next)
            self._route(self._next)
            self._next += self._random.expovariate(self._rate)
        self._end(until_s)

    def _route(self, at_s):
        name = min(self.weights, key=lambda k: (self._active[k] + 1) / self.weights[k])
        free = self._free[name]
        end = max(heapq.heappop(free), at_s) + self._random.expovariate(1.0 / self.means_s[name])
        heapq.heappush(free, end)
        heapq.heappush(self._ends, (end, at_s, name))
        self._active[name] += 1
        self._total[name] += 1

    def _end(self, until_s):
        while self._ends and self._ends[0][0] <= until_s:
            end, began, name = heapq.heappop(self._ends)
            self._active[name] -= 1
            if self._random.random() < self.heard:
                at, ms = datetime.fromtimestamp(NOW + began, UTC), round(1e3 * (end - began))
                stamp = at.strftime("%d/%b/%Y:%H:%M:%S")
                text = LINE.format(stamp, at.microsecond // 1000, name, ms, ms)
                self.ledger.take(text.encode(), NOW + end)


class Time:
    """A steered proxy whose clock the test moves."""

    def __init__(self, rate_per_s, folder, policy, seed=0):
        self.proxy = Played(rate_per_s, seed)
        keepsake = Keepsake(folder / "s", "work", folder)
        self.notes = []
        self.steering = Steering(self.proxy, "work", keepsake, policy, tell=self.notes.append)
        self.proxy.ledger, self._now = self.steering.ledger, 0.0

    def passes(self, seconds):
        for _ in range(round(2 * seconds)):
            self._now += 0.5
            self.proxy.go_on(self._now)
            self.steering.tick(NOW + self._now, self._now)
        return self

    @property
    def ratio(self):
        return self.proxy.weights["b"] / self.proxy.weights["a"]


@pytest.mark.parametrize("heard", [0.0, 0.1])
@pytest.mark.parametrize("rate_per_s", [10.0, 30.0, 60.0])
def test_lost_lines_lead_to_equal_weights_at_any_rate_and_back(rate_per_s, heard, tmp_path):
    """The faster server becomes as slow as the other while the log is away, so its old weight is wrong, too."""
    time = Time(rate_per_s, tmp_path, "two_memories").passes(60)
    assert time.ratio > 2.0
    time.proxy.heard, time.proxy.means_s["b"] = heard, 0.08
    time.passes(45)
    assert time.steering.controller.uncertain
    assert time.ratio == pytest.approx(1.0, abs=0.1)
    time.passes(30)
    assert time.ratio == pytest.approx(1.0, abs=0.1)
    time.proxy.heard, time.proxy.means_s["b"] = 1.0, 0.02
    time.passes(90)
    assert not time.steering.controller.uncertain
    assert time.ratio > 2.0
    assert any("come again" in note for note in time.notes)


def test_the_learned_policy_becomes_uncertain_at_a_low_rate(tmp_path):
    time = Time(10.0, tmp_path, "ours").passes(60)
    assert time.ratio > 1.2
    time.proxy.heard = 0.0
    time.passes(60)
    assert time.steering.controller.uncertain
    assert time.ratio == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("rate_per_s", [0.2, 1.0, 10.0, 60.0])
def test_a_whole_log_is_never_held_to_be_cut(rate_per_s, tmp_path):
    time = Time(rate_per_s, tmp_path, "littles_law", seed=1).passes(600)
    assert not time.notes


def test_a_log_that_never_came_is_named_once(tmp_path):
    time = Time(60.0, tmp_path, "littles_law")
    time.proxy.heard = 0.0
    time.passes(60)
    assert len(time.notes) == 1
    assert "log settings" in time.notes[0]


def test_a_proxy_that_is_slow_to_tell_its_counters_cuts_no_log(tmp_path):
    """The counters come up to a second late, and the lines of that second wait to be read."""
    time, late, waiting = Time(60.0, tmp_path, "littles_law"), random.Random(2), []
    ledger = time.steering.ledger
    time.proxy.ledger = type("Waiting", (), {"take": lambda _, *line: waiting.append(line)})()
    ask, now = time.proxy.servers, 0.0

    def slow(backend):
        nonlocal now
        now += late.choice([0.0, 0.0, 1.0])
        time.proxy.go_on(now)
        return ask(backend)

    def hear():
        while waiting:
            ledger.take(*waiting.pop(0))

    time.proxy.servers = slow
    for _ in range(200):
        now += 0.2
        time.proxy.go_on(now)
        hear()
        time.steering.tick(NOW + now, now, hear)
    assert not time.notes
    assert time.ratio > 2.0


def kept(share, seed, stretches=2000):
    """How often a gap is open when each line is kept with the same probability; ten answers per observation."""
    rng, told, missing = np.random.default_rng(seed), 0, 0
    log = Completeness(0, 0)
    for k in range(1, 2 * stretches + 1):
        told += rng.binomial(10, share)
        missing += not log.look(10 * k, told, 0.5 * k)
    return missing / (2 * stretches)


def test_what_is_kept_decides_and_not_chance():
    """With 95 % of lines a stretch of 20 tells of fewer than ten with probability 2e-10; with 30 % it tells of fourteen
    or more with probability 4e-5, so that of 2,000 stretches at most one does, but with probability 3e-3."""
    assert kept(0.95, 1) == 0.0
    assert kept(0.30, 2) > 0.99


def test_one_good_observation_does_not_end_a_gap():
    log = Completeness(0, 0)
    log.look(0, 0, 0.0)
    assert not log.look(30, 0, 0.5)
    assert not log.look(36, 6, 1.0)  # six of six, and too few to tell
    assert not log.look(42, 12, 1.5)
    assert not log.look(48, 18, 2.0)
    assert log.look(54, 24, 2.5)


def test_few_answers_are_held_against_the_log_after_five_seconds():
    log = Completeness(0, 0)
    assert [log.look(k // 2, 0, 0.5 * k) for k in range(11)] == [True] * 10 + [False]


def test_counters_that_begin_anew_are_no_gap():
    log = Completeness(0, 0)
    log.look(0, 0, 0.0)
    assert log.look(100, 100, 0.5)
    assert log.look(3, 103, 1.0)
    assert log.look(33, 133, 1.5)
    log.begin_anew(0, 133, 1.6)
    assert not log.look(30, 133, 2.0)
