"""The simulator against closed forms.

Ten independent runs each; the exact value must lie within 6.594 standard errors of their mean, the two-sided 1e-4
quantile of Student's t with 9 degrees of freedom. Seeds are fixed, so a test either always passes or shows a
fault; over all cases of this file the chance to have had to look at a false alarm was below 0.4 %.
"""

from __future__ import annotations

import numpy as np
import pytest
from worlds import outcome, world

from qoslab.domains.balancing import theory
from qoslab.domains.balancing.methods.jsq import Jsq
from qoslab.domains.balancing.methods.lsq import Lsq
from qoslab.domains.balancing.methods.random import Random
from qoslab.domains.balancing.methods.round_robin import RoundRobin

QUANTILE = 6.594
RUNS = 10
REQUESTS = 30_000


def check(exact, method=None, metric="response_time_mean_s", requests=REQUESTS, **fields):
    """The exact value lies in the interval of ten runs, and the interval says something."""
    scenario = world(requests=requests, **fields)
    got = [outcome(scenario, method or Random(), k).metrics[metric] for k in range(RUNS)]
    error = np.std(got, ddof=1) / np.sqrt(RUNS)
    assert abs(np.mean(got) - exact) < QUANTILE * error
    assert error < 0.05 * exact


def one(**more):
    return {"count": 1, **more}


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_mm1(load):
    check(theory.mm1(load), servers=one(), load=load)


@pytest.mark.parametrize("cores", [2, 8])
def test_mmc(cores):
    check(theory.mmc(cores, 0.8 * cores), servers=one(cores=[cores]), load=0.8)


def test_mmc_through_the_general_loop():
    check(theory.mmc(8, 6.4), servers=one(cores=[8]), load=0.8, timeout_s=1e9)


def test_speed_scales_time():
    check(theory.mm1(0.7) / 4.0, servers=one(speeds=[4.0]), load=0.7)


def test_a_rate_is_a_rate():
    check(theory.mm1(0.6), servers=one(), rate_per_s=0.6)


LAWS = [
    ({"law": "deterministic"}, 0.0),
    ({"law": "uniform", "low_s": 0.5, "high_s": 1.5}, 1.0 / 12.0),
    ({"law": "erlang", "stages": 4}, 0.25),
    ({"law": "lognormal", "scv": 2.0}, 2.0),
    ({"law": "hyperexponential", "scv": 4.0}, 4.0),
]


@pytest.mark.parametrize(("law", "scv"), LAWS, ids=[law["law"] for law, _ in LAWS])
def test_mg1(law, scv):
    check(theory.mg1(0.6, 1.0, scv), servers=one(), load=0.6, sizes=law)


@pytest.mark.parametrize(("law", "scv"), LAWS, ids=[law["law"] for law, _ in LAWS])
def test_processor_sharing_is_insensitive(law, scv):
    check(theory.mg1_ps(0.6), servers=one(discipline={"kind": "ps"}), load=0.6, sizes=law)


def test_limited_sharing_with_one_slot_per_core_is_fifo():
    fields = {"discipline": {"kind": "limited_ps", "slots_per_core": 1}, "cores": [3]}
    check(theory.mmc(3, 2.4), servers=one(**fields), load=0.8)


def test_slowdown_of_processor_sharing_is_the_same_for_all_sizes():
    sharing = one(discipline={"kind": "ps"})
    check(1.0 / (1.0 - 0.6), servers=sharing, load=0.6, metric="slowdown_mean")


def test_percentiles_of_mm1():
    """The response time of M/M/1 is exponential; the histogram adds at most 0.4 %."""
    check(np.log(100.0) * theory.mm1(0.6), servers=one(), load=0.6, metric="response_time_p99_s")


def test_random_split():
    check(theory.mm1(0.8), servers={"count": 8}, load=0.8)


def test_round_robin_makes_erlang_arrivals():
    check(theory.erlang_arrivals_m1(4, 0.8), RoundRobin(), servers={"count": 4}, load=0.8)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_jsq_of_two(load):
    check(theory.jsq_two_exact(load), Jsq(), servers={"count": 2}, load=load)


def test_own_counters_of_one_balancer_are_the_queues():
    check(theory.jsq_two_exact(0.7), Lsq(), servers={"count": 2}, load=0.7)


def test_loss_of_a_short_queue():
    check(theory.mm1k_loss(0.9, 4), servers=one(limit=4), load=0.9, metric="rejected_share")


def test_utilisation_is_load():
    check(0.7, servers={"count": 3, "speeds": [1.0, 2.0]}, load=0.7, metric="utilisation")


def test_queue_length_of_mm1():
    check(0.6 / 0.4, servers=one(), load=0.6, metric="queue_mean")


def test_residual_work_of_mg1():
    """Work in the system is the waiting time of an arrival: rho (1 + scv) / (2 (1 - rho))."""
    check(0.6 / 0.4, servers=one(), load=0.6, metric="residual_work_mean_s", sample_step_s=1.0)


def test_closed_loop():
    """Machine repair: N clients, exponential think time of mean 1, one exponential server."""
    clients = 3
    weight = [1.0]
    for k in range(1, clients + 1):
        weight.append(weight[-1] * (clients - k + 1))
    busy = 1.0 - weight[0] / sum(weight)
    exact = clients / busy - 1.0
    arrivals = {"kind": "closed", "clients": clients, "think": {"law": "exponential"}}
    check(exact, servers=one(), arrivals=arrivals)


def test_balked_time_of_impatient_clients():
    """M/M/1 whose clients leave after exactly tau: response times of all lie below it."""
    scenario = world(servers=one(), load=0.9, timeout_s=2.0, cancel=True, requests=20_000)
    got = outcome(scenario, Random())
    assert got.counters["timed_out"] > 1000
    assert got.metrics["response_time_p999_s"] <= 2.0 * 1.004


def test_delays_add_up():
    """Three hops of mean 0.5 and three nodes of mean 0.1 before the answer is back, and one hop and node more."""
    network = {"hop_s": [0.4, 0.6], "node_s": [0.05, 0.15]}
    check(theory.mm1(0.5) + 4 * 0.6, servers=one(), load=0.5, network=network)


def test_input_output_in_stages_is_a_tandem_of_sharing():
    """Enough cores for all: a request needs its core time plus input/output shared with all others (M/G/1-PS)."""
    sharing = one(discipline={"kind": "ps"}, cores=[1000])
    fields = {"rate_per_s": 0.6, "stages": {"count": 2, "io": {"law": "exponential", "mean_s": 1.0}}}
    check(1.0 + theory.mg1_ps(0.6), servers=sharing, **fields)


def test_modulated_arrivals_have_the_mean_rate():
    arrivals = {"kind": "mmpp", "rates": [1.0, 0.0, 5.0], "sojourns_s": [2.0, 1.0, 0.5]}
    check(0.5, servers=one(), load=0.5, arrivals=arrivals, metric="utilisation")


def test_a_series_of_rates_has_the_mean_rate():
    arrivals = {"kind": "rates", "rates": [1.0, 0.0, 5.0], "step_s": 3.0}
    check(0.5, servers=one(), load=0.5, arrivals=arrivals, metric="utilisation")


def test_failures_take_their_share_of_capacity():
    """Up 80 % of the time: all work must be done in that time."""
    failures = {"mean_up_s": 4.0, "mean_down_s": 1.0}
    check(0.5 / 0.8, servers=one(), load=0.5, failures=failures, metric="utilisation")


def test_drift_keeps_the_mean_speed():
    drift = {"cv": 0.3, "correlation_s": 5.0, "step_s": 0.5}
    closed = {"kind": "closed", "clients": 2, "think": {"law": "deterministic", "mean_s": 1e-6}}
    check(1.0, servers=one(), drift=drift, arrivals=closed, metric="throughput_per_s", requests=20_000)
