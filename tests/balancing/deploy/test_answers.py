"""Answers that are no good ones: given at once they make no server look fast, and clients' faults bend nothing."""

import random
from datetime import UTC, datetime

import numpy as np
import pytest

from qoslab.domains.balancing.deploy.controller import Controller
from qoslab.domains.balancing.deploy.ledger import Ledger

NOW = 1_790_000_000.0
POLICIES = ("ours", "two_memories", "ewma")


def line(server, end_s, length_s, status):
    began = datetime.fromtimestamp(NOW + end_s - length_s, UTC)
    stamp, ms = f"{began:%d/%b/%Y:%H:%M:%S}.{began.microsecond // 1000:03d}", round(1e3 * length_s)
    return f"127.0.0.1:9 [{stamp}] front work/{server} 0/0/0/{ms}/{ms} {status} 90 - - ----".encode()


def ratio(policy, means_s, refused, status, seed=0, periods=240):
    """The weight of the second server over that of the first in the last 40 s; `refused` of answers take 2 ms.

    Each server has one request in flight at all times for half of each half second, so that it is busy as long as its
    answers say.
    """
    logs = []
    rng, ledger, controller = random.Random(seed), Ledger("work", "ab"), Controller(np.ones(2), policy)
    for tick in range(1, periods):
        now = 0.5 * tick
        for k in (0, 1):
            at = now - 0.4
            while True:
                bad = tick > periods // 3 and rng.random() < refused[k]
                length = 0.002 if bad else rng.expovariate(1.0 / means_s[k])
                at += max(length, 0.01 if bad else 0.0)
                if at > now - 0.1:
                    break
                assert ledger.take(line("ab"[k], at, length, status if bad else 200), NOW + now)
        seen = ledger.observe(NOW + now, now, np.zeros(2), np.ones(2, bool), complete=True)
        weights = controller.decide(seen)
        logs.append(np.log(weights[1] / weights[0]))
    return np.exp(np.mean(logs[-80:]))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_server_that_refuses_at_once_draws_no_traffic(policy, status):
    assert ratio(policy, (0.05, 0.05), (0.0, 1.0), status) < 1.25


@pytest.mark.parametrize(("policy", "most"), [("ours", 0.3), ("two_memories", 0.3), ("ewma", 1.05)])
@pytest.mark.parametrize("status", [408, 429])
def test_a_server_that_is_overloaded_draws_no_traffic_and_loses_some(policy, most, status):
    assert ratio(policy, (0.05, 0.05), (0.0, 1.0), status) < most


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_not_there_on_any_server_bends_no_weights(policy):
    usual = ratio(policy, (0.08, 0.02), (0.0, 0.0), 404)
    assert usual > 3.0
    assert ratio(policy, (0.08, 0.02), (0.5, 0.5), 404) == pytest.approx(usual, rel=0.1)


@pytest.mark.parametrize("own", [0, 50])
def test_a_quick_refusal_counts_as_part_of_a_good_answer(own):
    """Of the server's own 40 ms, or of the others' 50 ms while it gave none."""
    ledger = Ledger("work", "ab")
    for k in range(50):
        ledger.take(line("a", 0.1 * k, 0.05, 200), NOW + 0.1 * k)
        if k < own:
            ledger.take(line("b", 0.1 * k, 0.04, 200), NOW + 0.1 * k)
    for k in range(100):
        ledger.take(line("b", 5.0 + 0.1 * k, 0.004, 404), NOW + 5.0 + 0.1 * k)
    ledger.take(line("b", 20.0, 0.2, 404), NOW + 20.0)
    seen = ledger.observe(NOW + 20, 20.0, np.zeros(2), np.ones(2, bool), complete=True)
    assert seen.done == pytest.approx([50.0, own + 100 * 0.004 / (0.04 if own else 0.05) + 1.0])
    assert seen.area_s == pytest.approx([2.5, 0.04 * own + 0.4 + 0.2], abs=0.002)
    assert seen.busy_s == pytest.approx([2.5, 0.04 * own + 0.4 + 0.2], abs=0.002)
    assert ledger.lines == 151 + own
    assert not ledger.failures.any()
