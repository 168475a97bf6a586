"""Policies that ask the servers: rules by hand and by formula."""

import math

import numpy as np
import pytest
from desk import Desk, make

from qoslab.domains.balancing.methods.c3 import (
    ARRIVING,
    RATE,
    SCORE,
    TOKENS,
    cubic_rate,
    score,
    take_token,
)
from qoslab.domains.balancing.methods.grpc_wrr import WEIGHT, reported_weight, usable_weight
from qoslab.domains.balancing.methods.prequal import COUNT, ENTRIES, FIELDS, coldest, limit, reuses, worst
from qoslab.engine.streams import stream


def within(count, chance, draws):
    """Within 4.5 binomial standard deviations: error 7e-6."""
    return abs(count - draws * chance) <= 4.5 * np.sqrt(draws * chance * (1 - chance))


class TestJiq:
    def test_by_lot_while_nobody_has_reported(self):
        """One of four servers is missed with probability below 4 (3/4)^60 = 1e-7."""
        assert set(Desk("jiq", [1] * 4).routes(60)) == {0, 1, 2, 3}

    def test_idle_servers_first_come_first_served(self):
        desk = Desk("jiq", [1] * 4)
        desk.active[:] = 1
        desk.open[0] = [[0.0] for _ in range(4)]
        for j in (2, 0, 3):
            desk.finish(j)
            desk.reply(j)
        assert [desk.route() for _ in range(3)] == [2, 0, 3]

    def test_a_server_that_others_took_leaves_the_queue(self):
        desk = Desk("jiq", [1, 1])
        desk.reply(0, queue=0)
        desk.reply(0, queue=1)
        assert set(desk.routes(30)) == {0, 1}

    def test_fallback_of_two_compares_own_requests(self):
        desk = Desk(make("jiq", fallback="sq2"), [1, 1])
        desk.active[:] = [3, 2]
        assert set(desk.routes(20)) == {1}


class TestLsqSample:
    def test_remembers_and_counts_its_own(self):
        desk = Desk("lsq_sample", [1, 1, 1])
        desk.mem[0] = [0, 3, 2.5]
        assert [desk.route() for _ in range(3)] == [0, 0, 0]
        assert desk.mem[0].tolist() == [3, 3, 2.5]
        desk.reply(0, queue=1)
        assert desk.route() == 0

    def test_completions_do_not_count(self):
        desk = Desk("lsq_sample", [1, 1])
        j = desk.route()
        desk.finish(j)
        assert desk.mem[0, j] == 1


class TestC3:
    def test_score_by_formula(self):
        """R = 4, 1/mu = 2, q = 1 + 3 * 2 + 0.5 = 7.5: 4 - 2 + 7.5^3 * 2 = 845.75."""
        assert score(4.0, 2.0, 0.5, 3.0, 2.0) == 845.75

    def test_averages(self):
        desk = Desk(make("c3", smoothing=0.5, rate_control=False), [1, 1], balancers=3)
        desk.seen[:, 0] = 0
        for service, queue, duration in ((2.0, 4.0, 1.0), (4.0, 0.0, 3.0)):
            sent = desk.now
            desk.active[0] += 1
            desk.open[0][0].append(sent)
            desk.wait(duration)
            desk.seen[2, 0], desk.seen[0, 0] = service, queue
            desk.finish(0)
        assert desk.mem[1:4, 0].tolist() == [2.0, 3.0, 2.0]
        desk.active[:] = [1, 0]
        assert desk.route(keep=False) == 1
        np.testing.assert_allclose(desk.mem[SCORE, 0], 2 - 3 + (1 + 3 + 2) ** 3 * 3)

    def test_cubic_passes_through_its_anchor(self):
        """At elapsed 0 the curve is at (1 - beta) of the rate before, at the saddle it is back at it."""
        before, beta, saddle = 40.0, 0.2, 0.1
        gamma = beta * before / saddle**3
        np.testing.assert_allclose(cubic_rate(before, 0.0, beta, gamma), (1 - beta) * before, rtol=1e-12)
        np.testing.assert_allclose(cubic_rate(before, saddle, beta, gamma), before, rtol=1e-12)
        assert cubic_rate(before, 2 * saddle, beta, gamma) > before

    def test_tokens(self):
        desk = Desk(make("c3", initial_rate=2.0, window_s=1.0), [1, 1])
        view = desk.view()
        assert [bool(take_token(view, 0, 0.0)) for _ in range(3)] == [True, True, False]
        assert not take_token(view, 0, 0.4)
        assert take_token(view, 0, 0.5)
        assert take_token(view, 0, 10.0)
        assert desk.mem[TOKENS, 0] == 1.0  # no more than the rate is saved

    def test_limited_servers_are_passed_over(self):
        desk = Desk(make("c3", initial_rate=1.0), [1, 1])
        desk.mem[1, 1] = 1.0  # server 1 ranks second
        assert [desk.route(keep=False) for _ in range(3)] == [0, 1, 0]

    def test_rate_falls_and_rises(self):
        desk = Desk(make("c3", initial_rate=10.0, window_s=1.0, beta=0.5, step=2.0), [1, 1])
        for _ in range(3):
            desk.route()
        server = int(np.argmax(desk.active))
        desk.open[0][server] = [0.0] * 3
        desk.active[server] = 3
        desk.wait(5.0)
        desk.finish(server)  # 1 response in 5 windows: 0.2 a window, below the rate of 10
        assert desk.mem[ARRIVING, server] == 0.2
        assert desk.mem[RATE, server] == 5.0
        desk.mem[ARRIVING, server] = 50.0
        desk.wait(0.5)
        desk.finish(server)
        assert desk.mem[RATE, server] == 7.0  # up, by the step at most


def probes(desk, *entries):
    """Put probes (server, rif, latency) into the pool."""
    desk.box[COUNT] = len(entries)
    for k, (server, rif, latency) in enumerate(entries):
        desk.box[ENTRIES + FIELDS * k : ENTRIES + FIELDS * (k + 1)] = [server, rif, latency, 0.0, 1e9]


class TestPrequal:
    @pytest.mark.parametrize(
        ("entries", "theta", "chosen", "removed"),
        [
            ([(0, 1, 0.9), (1, 2, 0.2), (2, 3, 0.1)], 2, 1, 2),  # cold of least latency; hot one is worst
            (
                [(0, 5, 0.1), (1, 4, 0.9), (2, 6, 0.2)],
                2,
                1,
                2,
            ),  # all hot: fewest in flight; most in flight is worst
            (
                [(0, 1, 0.3), (1, 2, 0.5), (2, 2, 0.4)],
                2,
                0,
                1,
            ),  # all cold: least latency; largest latency is worst
            ([(0, 9, 0.0), (1, 1, 9.9)], 2, 1, 0),  # one cold, however slow
            ([(0, 2, 0.5), (1, 2, 0.5)], 2, 0, 0),  # equal: the older
        ],
    )
    def test_rule_table(self, entries, theta, chosen, removed):
        desk = Desk("prequal", [1, 1, 1])
        probes(desk, *entries)
        assert coldest(desk.view(), float(theta)) == chosen
        assert worst(desk.view(), float(theta)) == removed

    def test_theta_is_a_quantile_of_the_last_answers(self):
        desk = Desk(make("prequal", quantile=0.5, window=5), [1, 1])
        loads = [7, 1, 4, 4, 9, 2, 8, 3]
        for k, load in enumerate(loads):
            desk.reply(k % 2, queue=load)
            recent = sorted(loads[max(0, k - 4) : k + 1])
            assert limit(desk.view()) == recent[math.ceil(0.5 * len(recent)) - 1]

    @pytest.mark.parametrize(("quantile", "theta"), [(0.0, -1.0), (1.0, math.inf)])
    def test_ends_of_the_quantile(self, quantile, theta):
        desk = Desk(make("prequal", quantile=quantile), [1, 1])
        desk.reply(0, queue=3)
        assert limit(desk.view()) == theta

    def test_reuse_by_formula(self):
        """n = 64, m = 16: (1 - 1/4) 3 - 1 = 1.25 net probes, 2 / 1.25 = 1.6; never below 1; no limit for m >= n."""
        assert reuses(3.0, 1.0, 1.0, 16, 64) == 1.6
        assert reuses(9.0, 1.0, 1.0, 16, 64) == 1.0
        assert reuses(3.0, 1.0, 1.0, 16, 16) == 1e9

    def test_a_used_probe_counts_the_request(self):
        desk = Desk(make("prequal", remove=0.0, quantile=0.0), [1, 1])
        probes(desk, (0, 1, 0.0), (1, 2.5, 0.0))
        assert [desk.route(keep=False) for _ in range(3)] == [0, 0, 1]

    def test_a_probe_is_used_up(self):
        desk = Desk(make("prequal", remove=0.0, quantile=1.0), [1, 1, 1])
        probes(desk, (0, 0, 0.1), (1, 0, 0.2), (2, 0, 0.3))
        desk.box[ENTRIES + 4] = 2.0
        assert [desk.route(keep=False) for _ in range(3)] == [0, 0, 1]
        assert desk.box[COUNT] == 2

    def test_old_probes_are_dropped_and_the_oldest_makes_room(self):
        desk = Desk(make("prequal", pool=2, remove=0.0), [1, 1, 1])
        for j in range(3):
            desk.reply(j, queue=0, latency=1.0 - j / 10)
        assert desk.box[COUNT] == 2
        assert desk.route(keep=False) == 2
        desk.wait(1.01)
        desk.route(keep=False)
        assert desk.box[COUNT] == 0

    def test_removes_worst_and_oldest_in_turn(self):
        desk = Desk(make("prequal", quantile=1.0), [1] * 4)
        probes(desk, (0, 0, 0.2), (1, 0, 0.1), (2, 0, 0.9), (3, 0, 0.3))
        desk.route(keep=False)  # the worst: server 2
        desk.route(keep=False)  # the oldest: server 0
        assert [int(desk.box[ENTRIES + FIELDS * k]) for k in range(2)] == [1, 3]

    def test_by_lot_below_two_probes(self):
        desk = Desk("prequal", [1] * 4)
        probes(desk, (2, 0, 0.0))
        assert set(desk.routes(60)) == {0, 1, 2, 3}  # missed with probability 4 (3/4)^60 = 1e-7


class TestGrpcWrr:
    def test_weight_by_formula(self):
        assert reported_weight(100.0, 0.5, 0.0, 1.0) == 200.0
        assert reported_weight(100.0, 0.5, 0.1, 2.0) == 100.0 / 0.7
        assert reported_weight(0.0, 0.5, 0.0, 1.0) == 0.0
        assert reported_weight(100.0, 0.0, 0.0, 1.0) == 0.0

    def test_blackout_and_expiry(self):
        desk = Desk(make("grpc_wrr", blackout_s=10.0, expiry_s=180.0), [1, 1])
        assert usable_weight(desk.view(), 0, 0.0) == 0.0  # never reported
        desk.wait(5.0)
        desk.reply(0, usage=0.5, rate=10.0)
        assert usable_weight(desk.view(), 0, 14.9) == 0.0
        assert usable_weight(desk.view(), 0, 15.0) == 20.0
        assert usable_weight(desk.view(), 0, 184.9) == 20.0
        assert usable_weight(desk.view(), 0, 185.0) == 0.0
        desk.now = 190.0
        desk.reply(0, usage=0.5, rate=20.0)  # a new blackout begins
        assert usable_weight(desk.view(), 0, 199.9) == 0.0
        assert usable_weight(desk.view(), 0, 200.0) == 40.0

    def test_an_empty_report_changes_nothing(self):
        desk = Desk(make("grpc_wrr", blackout_s=0.0), [1, 1])
        desk.reply(0, usage=0.5, rate=10.0)
        desk.reply(0, usage=0.0, rate=0.0)
        assert desk.mem[WEIGHT, 0] == 20.0

    def test_in_turn_until_two_weights_are_usable(self):
        desk = Desk(make("grpc_wrr", blackout_s=0.0), [1, 1, 1])
        desk.reply(0, usage=0.5, rate=10.0)
        desk.tick()
        turns = desk.routes(6)
        assert turns[:3] == turns[3:]
        assert sorted(turns[:3]) == [0, 1, 2]

    def test_a_server_without_weight_gets_the_mean(self):
        desk = Desk(make("grpc_wrr", blackout_s=0.0), [1, 1, 1])
        desk.reply(0, usage=0.5, rate=10.0)
        desk.reply(1, usage=0.5, rate=30.0)
        desk.tick()
        assert desk.weight.tolist() == [20.0, 60.0, 40.0]
        counts = np.bincount(desk.routes(600), minlength=3)
        np.testing.assert_allclose(counts, [100, 300, 200], atol=2)

    def test_own_errors_lower_the_weight(self):
        desk = Desk(make("grpc_wrr", blackout_s=0.0, penalty=2.0), [1, 1])
        for _ in range(20):
            desk.route()
        for k in range(10):
            (desk.lose if k < 1 else desk.finish)(0)
        desk.reply(0, usage=0.5, rate=10.0)
        assert desk.mem[WEIGHT, 0] == 10.0 / (0.5 + 0.1 * 2.0)


class TestRobinhood:
    def test_weights_by_formula(self):
        """Errors +.2 and -.2; delta = .5 e + .1 e * 2 s + 1 * e / 2 s = 1.2 e = +-.24; mean stays 1."""
        desk = Desk(make("robinhood", period_s=2.0, proportional=0.5, integral=0.1, derivative=1.0), [1, 1])
        desk.reply(0, usage=0.4)
        desk.reply(1, usage=0.8)
        desk.tick()
        np.testing.assert_allclose(desk.mem[3], [1.24, 0.76])
        desk.tick()  # integral doubles, slope is 0: .5 e + .1 e * 4 = .9 e
        np.testing.assert_allclose(desk.mem[3], [1.24 + 0.18, 0.76 - 0.18])

    def test_servers_never_heard_of_are_left_alone(self):
        desk = Desk("robinhood", [1, 1, 1])
        desk.tick()
        assert desk.mem[3].tolist() == [1, 1, 1]

    def test_round_robin_by_weight(self):
        desk = Desk("robinhood", [1, 1, 1])
        desk.mem[3] = [2.0, 0.5, 0.5]
        assert np.bincount(desk.routes(60)).tolist() == [40, 10, 10]


class TestActiveWcmp:
    def test_weights_move_when_the_round_is_complete(self):
        desk = Desk("active_wcmp", [1, 2, 1])
        desk.reply(0, queue=4)
        desk.reply(1, queue=1)
        assert desk.weight.tolist() == [1, 2, 1]
        desk.reply(2, queue=0)
        assert desk.weight.tolist() == [0.5, 1 + 1.5, 0.5 + 2]

    def test_lot_by_weight(self):
        desk = Desk("active_wcmp", [1, 3])
        assert within(desk.routes(10_000).count(1), 0.75, 10_000)


class TestOldInformation:
    @pytest.mark.parametrize("d", [2, 3])
    def test_softmin_by_formula(self, d):
        """Queues 0, 1, 3: chances by enumeration of the pairs (or of all three)."""
        beta, queues = 0.7, [0, 1, 3]
        desk = Desk(make("softmin", beta=beta, d=d), [1, 1, 1])
        for j, queue in enumerate(queues):
            desk.reply(j, queue=queue)
        factor = np.exp(-beta * np.array(queues))
        sets = [[0, 1], [0, 2], [1, 2]] if d == 2 else [[0, 1, 2]]
        chance = np.zeros(3)
        for members in sets:
            chance[members] += factor[members] / factor[members].sum() / len(sets)
        counts = np.bincount(desk.routes(20_000), minlength=3)
        assert all(within(count, each, 20_000) for count, each in zip(counts, chance, strict=True))

    def test_softmin_is_jsq_for_large_beta_and_the_lot_for_none(self):
        cold, hot = (Desk(make("softmin", beta=beta, d=3), [1, 1, 1]) for beta in (1e6, 0.0))
        for desk in (cold, hot):
            for j, queue in enumerate([5, 2, 9]):
                desk.reply(j, queue=queue)
        assert set(cold.routes(50)) == {1}
        counts = np.bincount(hot.routes(9000), minlength=3)
        assert all(within(count, 1 / 3, 9000) for count in counts)

    def test_boltzmann_by_formula(self):
        weights, queues, temperature = np.array([1.0, 3.0]), np.array([1, 4]), 0.8
        desk = Desk(make("boltzmann", temperature=temperature), weights)
        for j, queue in enumerate(queues):
            desk.reply(j, queue=queue)
        delays = (queues + 1) * 2.0 / weights
        chance = weights * np.exp(-delays / temperature)
        chance /= chance.sum()
        assert within(desk.routes(20_000).count(0), chance[0], 20_000)


def test_streams_of_balancers_differ():
    """A guard of this file: two balancers of a desk do not share a stream."""
    desk = Desk("random", [1] * 50, balancers=2)
    assert desk.routes(5) != [desk.route(lb=1, keep=False) for _ in range(5)]
    assert stream(1).shape == (4,)
