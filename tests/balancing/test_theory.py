"""Closed forms against known values, brute force and each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.domains.balancing import delayed, published, theory
from qoslab.domains.balancing.verification_forms import HEAVY_LOADS, HEAVY_WEIGHTS


@pytest.mark.parametrize(("rho", "value"), [(0.8, 1.2860), (0.9, 1.8769)])
def test_eight_cores(rho, value):
    assert theory.mmc(8, 8 * rho) == pytest.approx(value, abs=5e-5)


def test_one_core_is_the_single_server():
    assert theory.mmc(1, 0.7) == pytest.approx(theory.mm1(0.7))


def test_pollaczek_khinchine():
    assert theory.mg1(0.9, 1.0, 4.0) == pytest.approx(23.5)
    assert theory.mg1(0.6, 1.0, 1.0) == pytest.approx(theory.mm1(0.6))
    assert theory.md1(0.5) == pytest.approx(1.5)


@given(st.floats(0.05, 0.95), st.floats(0.0, 20.0))
def test_work_is_the_wait_of_first_come_first_served(rho, scv):
    """What an arrival finds is what it waits for; in heavy traffic (1 - rho) times it tends to its limit."""
    assert theory.mg1_work(rho, 1.0, scv) == pytest.approx(theory.mg1(rho, 1.0, scv) - 1.0)
    near = 1e-7 * theory.mg1_work(1.0 - 1e-7, 1.0, scv)
    assert near == pytest.approx(theory.heavy_traffic_work(1.0, scv), rel=1e-6)


def test_conditional_times_of_sharing_average_to_the_mean():
    sizes, shares = np.array([0.2, 1.0, 4.0]), np.array([0.5, 0.4, 0.1])
    conditional = [theory.mg1_ps_conditional(size, 0.6) for size in sizes]
    assert shares @ conditional == pytest.approx(theory.mg1_ps(0.6 / (shares @ sizes), shares @ sizes))


def test_the_extrapolation_to_heavy_traffic_is_right_for_the_exact_chain():
    """Two servers, exponential sizes: total work is the number present, 2 rho T, and T is known at every load."""
    scaled = [(1 - rho) * 2 * rho * theory.jsq_two_exact(rho, limit=300) for rho in HEAVY_LOADS]
    assert abs(scaled[0] - 1.0) > 0.003
    assert np.dot(HEAVY_WEIGHTS, scaled) == pytest.approx(theory.heavy_traffic_work(1.0, 1.0), rel=1e-3)


@pytest.mark.parametrize(
    ("rho", "value"), [(0.7, 1.6145), (0.8, 1.9474), (0.9, 2.6141), (0.95, 3.3830), (0.99, 5.4320)]
)
def test_two_choices_mean_field(rho, value):
    assert theory.jsq_d_mean_field(2, rho) == pytest.approx(value, abs=5e-5)


def test_more_choices_mean_field():
    assert theory.jsq_d_mean_field(3, 0.9) == pytest.approx(2.0279, abs=5e-5)
    assert theory.jsq_d_mean_field(1, 0.8) == pytest.approx(theory.mm1(0.8))


@pytest.mark.parametrize(("rho", "value"), [(0.5, 1.4263), (0.7, 2.1082), (0.8, 2.9557), (0.9, 5.4749)])
def test_shortest_of_two_exactly(rho, value):
    got = theory.jsq_two_exact(rho, limit=200)
    assert got == pytest.approx(value, abs=5e-5)
    assert got > theory.mmc(2, 2 * rho)


@pytest.mark.parametrize(("ratio", "rho", "value"), [(10, 0.9, 1.7654), (40, 0.9, 1.2029), (10, 0.7, 1.1793)])
def test_idle_queues(ratio, rho, value):
    assert theory.jiq_random(ratio, rho) == pytest.approx(value, abs=5e-5)


def test_round_robin_over_one_server_is_the_single_server():
    assert theory.erlang_arrivals_m1(1, 0.8) == pytest.approx(theory.mm1(0.8))
    assert theory.erlang_arrivals_m1(1000, 0.8) == pytest.approx(_deterministic_arrivals(0.8), rel=1e-3)


def _deterministic_arrivals(rho):
    """D/M/1 by fixed-point iteration on sigma = exp(-(1 - sigma) / rho)."""
    sigma = 0.5
    for _ in range(1000):
        sigma = np.exp(-(1 - sigma) / rho)
    return 1 / (1 - sigma)


@given(st.floats(0.1, 3.0), st.integers(1, 20))
def test_blocking_by_the_chain(rho, places):
    weights = rho ** np.arange(places + 1.0)
    assert theory.mm1k_loss(rho, places) == pytest.approx(weights[-1] / weights.sum(), rel=1e-9)


@given(st.integers(1, 30), st.floats(0.1, 20.0))
def test_finite_source_by_the_chain(clients, think):
    """The birth-death chain of the machine-repairman model."""
    weights = np.ones(clients + 1)
    for k in range(1, clients + 1):
        weights[k] = weights[k - 1] * (clients - k + 1) / think
    law = weights / weights.sum()
    throughput = 1.0 - law[0]
    mean = law @ np.arange(clients + 1)
    assert theory.finite_source(clients, think) == pytest.approx(mean / throughput, rel=1e-9)


@given(st.lists(st.floats(0.1, 10.0), min_size=2, max_size=5), st.floats(0.05, 0.95))
def test_no_other_split_is_better(rates, load):
    """The square-root rule against splits moved a little between any two servers."""
    total = load * sum(rates)
    split = theory.heterogeneous_split(total, rates)
    assert split.sum() == pytest.approx(total)
    assert (split >= 0).all()
    assert (split < np.asarray(rates)).all()
    best = theory.split_response_time(split, rates)
    step = 1e-4 * total
    for i in range(len(rates)):
        for j in range(len(rates)):
            moved = split.copy()
            moved[i] += step
            moved[j] -= step
            if i != j and moved[j] >= 0 and moved[i] < rates[i]:
                assert theory.split_response_time(moved, rates) >= best - 1e-9


def test_delayed_information_without_information_is_one_chain():
    """RND: every queue is an M/M/1/5 chain, whose drops over a long constant epoch follow its loss probability."""
    world = delayed.Epochs(50.0, horizon=5000.0)
    rates = np.full(world.count, 0.9)
    lost = delayed.drops(world, delayed.random_choice, rates)
    assert lost == pytest.approx(5000 * 0.9 * theory.mm1k_loss(0.9, 5), rel=5e-3)


def test_an_epoch_keeps_probability_and_counts_drops():
    """Against a matrix exponential computed by SciPy."""
    from scipy.linalg import expm

    chain = np.zeros((7, 7))
    for z in range(6):
        chain[z + 1, z] += 1.3
        chain[z, z] -= 1.3 if z < 5 else 0.0
        if z:
            chain[z - 1, z] += 1.0
            chain[z, z] -= 1.0
    expected = expm(3.0 * chain)
    got = delayed._grown(np.stack([chain] * 6), 3.0)
    assert got == pytest.approx(expected[:, :6].T, abs=1e-12)
    assert got[:, :6].sum(axis=1) == pytest.approx(np.ones(6), abs=1e-12)


@pytest.mark.parametrize("beta", [0.0, 50.0])
def test_softmin_reaches_both_ends(beta):
    lengths = np.arange(6.0)
    other = delayed.random_choice if beta == 0 else delayed.shortest
    assert delayed.softmin(beta)(lengths) == pytest.approx(other(lengths), abs=1e-9)


def test_the_table_of_delayed_information_has_its_shape():
    """JSQ(2) wins with fresh information and loses to chance with old; a tempered choice beats both."""
    drops = {(row.dt, row.policy): row.drops for row in published.DELAYED}
    assert drops[1, "jsq2"] < drops[1, "softmin"] < drops[1, "rnd"]
    assert drops[10, "softmin"] < drops[10, "rnd"] < drops[10, "jsq2"]
