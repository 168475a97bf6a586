"""The ledger against lines whose counters are known, and against any bytes."""

import time
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.domains.balancing.deploy.ledger import Ledger

NOW = 1_790_000_000.0


def line(server, end_s, length_ms, status=200, backend="work", zone_s=0.0, queue_ms=0):
    began = datetime.fromtimestamp(NOW + end_s - (length_ms + queue_ms) / 1e3 + zone_s, UTC)
    stamp = began.strftime("%d/%b/%Y:%H:%M:%S.") + f"{began.microsecond // 1000:03d}"
    timers = f"0/{queue_ms}/0/{length_ms}/{length_ms + queue_ms}"
    head = f"127.0.0.1:999 [{stamp}] front {backend}/{server} {timers} {status} 90 - - ----"
    return f'{head} 1/1/1/1/0 0/0 "GET / HTTP/1.1"'.encode()


def counters(ledger, active=(0.0, 0.0), at_s=0.0):
    return ledger.observe(NOW + at_s, at_s, np.array(active), np.ones(2, bool), complete=True)


@pytest.mark.parametrize("zone_s", [0.0, 7200.0, -12600.0])
def test_busy_time_is_the_union_of_intervals_and_area_their_sum(zone_s):
    ledger = Ledger("work", ["a", "b"])
    # a: [-3, -2] and [-2.5, -1.5] overlap, [-1, -0.5] stands alone, [-3.5, -0.25] covers them all; b: [-1, 0].
    for server, end, length in (("a", -2, 1000), ("a", -1.5, 1000), ("a", -0.5, 500), ("b", 0, 1000)):
        assert ledger.take(line(server, end, length, zone_s=zone_s), NOW)
    seen = counters(ledger)
    assert seen.done.tolist() == [3.0, 1.0]
    assert seen.busy_s == pytest.approx([2.0, 1.0], abs=0.003)
    assert seen.area_s == pytest.approx([2.5, 1.0], abs=0.003)
    assert ledger.take(line("a", -0.25, 3250, zone_s=zone_s), NOW)
    assert counters(ledger).busy_s == pytest.approx([3.25, 1.0], abs=0.003)


def test_time_in_the_proxys_queue_is_not_the_servers():
    ledger = Ledger("work", ["a", "b"])
    ledger.take(line("a", 0, 100, queue_ms=900), NOW)
    assert counters(ledger).busy_s == pytest.approx([0.1, 0.0], abs=0.003)


@pytest.mark.parametrize("status", [500, 503, -1, 408, 429])
def test_a_failure_counts_as_time_and_not_as_work(status):
    ledger = Ledger("work", ["a", "b"])
    for _ in range(400):
        ledger.take(line("a", 0, 200), NOW)
    ledger.take(line("b", 0, 1, status=status), NOW)
    seen = counters(ledger)
    assert seen.done.tolist() == [400.0, 0.0]
    assert seen.busy_s[1] == pytest.approx(0.2, rel=0.01)
    assert ledger.failures.tolist() == [0.0, 1.0]


def test_failures_that_were_read_stay_as_they_are():
    ledger = Ledger("work", ["a", "b"])
    before = ledger.failures
    ledger.take(line("b", 0, 1, status=500), NOW)
    counters(ledger)
    assert before.tolist() == [0.0, 0.0]
    assert ledger.failures.tolist() == [0.0, 1.0]


def test_a_server_that_holds_requests_and_answers_none_is_busy():
    ledger = Ledger("work", ["a", "b"])
    assert counters(ledger, (2, 0), 1.0).busy_s.tolist() == [0.0, 0.0]
    later = counters(ledger, (2, 0), 4.0)
    assert later.busy_s == pytest.approx([3.0, 0.0])
    assert later.area_s == pytest.approx([6.0, 0.0])


@pytest.mark.parametrize(
    ("datagram", "odd"),
    [
        (line("a", 0, 10, backend="other"), 0),
        (line("c", 0, 10), 0),
        (line("<NOSRV>", 0, 10, status=503), 0),
        (line("a", -200, 10), 1),
        (line("a", 0, 10)[:60], 1),
        (line("a", 0, 10).replace(b"/Sep/20", b"/Sep/00"), 1),
        (b"", 1),
    ],
)
def test_what_is_no_answer_of_ours_counts_nothing(datagram, odd):
    ledger = Ledger("work", ["a", "b"])
    assert not ledger.take(datagram, NOW)
    assert ledger.odd == odd
    assert counters(ledger).busy_s.tolist() == [0.0, 0.0]


GOOD = line("a", 0, 40)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.builds(
                lambda at, junk, cut: GOOD[:at] + junk + GOOD[at + cut :],
                st.integers(0, len(GOOD)),
                st.binary(max_size=6),
                st.integers(0, 6),
            ),
        ),
        max_size=20,
    )
)
def test_any_bytes_leave_counters_finite_and_growing(datagrams):
    ledger, before = Ledger("work", ["a", "b"]), np.zeros((3, 2))
    for datagram in datagrams:
        ledger.take(datagram, NOW)
        seen = counters(ledger)
        after = np.array([seen.done, seen.busy_s, seen.area_s])
        assert np.isfinite(after).all()
        assert (after >= before - 1e-9).all()
        before = after


@given(st.lists(st.tuples(st.integers(-900, 0), st.integers(0, 400)), min_size=1, max_size=40))
def test_the_union_agrees_with_brute_force_in_any_order(intervals):
    ledger, cells = Ledger("work", ["a", "b"]), np.zeros(2000, bool)
    for end, length in intervals:
        ledger.take(line("a", end / 100, 10 * length), NOW)
        cells[1500 + end - length : 1500 + end] = True
    assert counters(ledger).busy_s[0] == pytest.approx(cells.sum() / 100, abs=0.05)


@pytest.mark.parametrize("step_s", [-3600.0, -60.0, -5.0, 0.0, 0.9, 5.0, 60.0, 3600.0])
def test_rates_are_right_while_the_wall_clock_is_set(step_s):
    """a: 20 places, an answer each 0.1 s after 2 s; b: one place, 40 answers a second. Each always busy."""

    def wall(t):
        return t + (step_s if t > 29.8 else 0.0)

    ends = sorted([(k / 10, "a", 2000) for k in range(20, 900)] + [(k / 40, "b", 25) for k in range(1, 3600)])
    ledger, before, done, busy, passed_over = Ledger("work", ["a", "b"]), None, 0.0, 0.0, []
    for tick in range(1, 180):
        now = tick / 2
        while ends and ends[0][0] <= now:
            end, server, length_ms = ends.pop(0)
            ledger.take(
                line(server, wall(end - length_ms / 1e3) + length_ms / 1e3, length_ms), NOW + wall(end)
            )
        seen = ledger.observe(
            NOW + wall(now), 7.0 + now, np.array([20.0, 1.0]), np.ones(2, bool), complete=True
        )
        if not seen.complete:
            passed_over.append(now)
        elif now > 30.0:
            done, busy = done + seen.done - before.done, busy + np.maximum(seen.busy_s - before.busy_s, 0.0)
        before = seen
    assert passed_over == ([30.0] if abs(step_s) > 1.0 else [])
    # Up to 20 answers of a, one time in 30, come with a time that cannot be told from nonsense.
    assert done / busy == pytest.approx([10.0, 40.0], rel=0.04)


def test_a_thousand_lines_cost_less_than_a_fiftieth_of_a_second():
    ledger, some = Ledger("work", ["a", "b"]), [line("a", k / 1e4, 30) for k in range(-1000, 0)]
    costs = []
    for _ in range(9):
        began = time.process_time()
        for one in some:
            ledger.take(one, NOW)
        costs.append(time.process_time() - began)
    assert min(costs) < 0.02
