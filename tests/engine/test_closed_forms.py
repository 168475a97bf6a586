"""Models from the engine's parts against exact results: the parts are put together rightly and mean what they say."""

import math

import numpy as np
import pytest
import queues
import sis
from queues import ROUTE, any_server, shorter_of_two

from qoslab.engine.histogram import RELATIVE_ERROR, add, histogram, quantiles
from qoslab.engine.kernel import compiled
from qoslab.engine.moments import summary

LOGGED = {"LOG": True}


def batches(values, number=50):
    """Mean and standard error from batch means, after a tenth as warm-up."""
    values = values[len(values) // 10 :]
    means = values[: len(values) // number * number].reshape(number, -1).mean(axis=1)
    return means.mean(), means.std(ddof=1) / math.sqrt(number)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (1, 0.8), (8, 0.8)])
def test_random_routing_is_independent_mm1_queues(servers, load):
    """M/M/1 sojourn times are exponential with rate 1 - load: mean and three quantiles.

    Three cases x four tests at |z| < 5 (two-sided 6e-7 for a normal z, 8e-6 for Student's t with 49 degrees):
    a right engine fails with probability below 1e-4.
    """
    q = queues.queues(servers, 1, room=4096, trace=1_000_000)
    compiled(queues.run, constants=LOGGED)(q, load, 1_000_000, ROUTE.pointer(any_server))
    mean, error = batches(q.trace)
    assert abs(mean - 1 / (1 - load)) < 5 * error
    assert error < 0.02 / (1 - load)
    for share in (0.5, 0.9, 0.99):
        exact = -math.log(1 - share) / (1 - load)
        below, error = batches(q.trace <= exact)
        assert abs(below - share) < 5 * error


def test_two_choices_approach_the_mean_field():
    """Mitzenmacher 1996: E[T] = sum over i >= 1 of load**(2**i - 2) for infinitely many queues.

    With 1000 queues the difference is about 1 %; the test allows 3 %.
    """
    q = queues.queues(1000, 2, trace=600_000)
    compiled(queues.run, constants=LOGGED)(q, 0.8, 600_000, ROUTE.pointer(shorter_of_two))
    mean, _ = batches(q.trace)
    exact = sum(0.8 ** (2**i - 2) for i in range(1, 12))
    assert mean == pytest.approx(exact, rel=0.03)


def test_statistics_of_a_run_agree_with_its_trace():
    q = queues.queues(4, 3, trace=50_000)
    compiled(queues.run, constants=LOGGED)(q, 0.9, 50_000, ROUTE.pointer(shorter_of_two))
    h, tally = histogram(), compiled(add)
    for value in q.trace:
        tally(h, value)
    shares = [0.5, 0.95, 0.99, 0.999]
    exact = np.quantile(q.trace, shares, method="inverted_cdf")
    assert np.allclose(quantiles(h, shares), exact, rtol=RELATIVE_ERROR)
    got = summary(q.sojourn)
    assert (got.size, got.least, got.greatest) == (50_000, q.trace.min(), q.trace.max())
    assert got.mean == pytest.approx(q.trace.mean(), rel=1e-12)
    assert got.variance == pytest.approx(q.trace.var(ddof=1), rel=1e-10)


NODES, BETA = 8, 0.3
COMPLETE = [(a, b) for a in range(NODES) for b in range(a)]


def complete_graph_law(start, time):
    """Law of the number infected at `time`: on a complete graph it is a birth-death chain with generator Q."""
    from scipy.linalg import expm

    infected = np.arange(NODES + 1)
    up, down = BETA * infected * (NODES - infected), infected.astype(float)
    generator = np.diag(up[:-1], 1) + np.diag(down[1:], -1)
    generator -= np.diag(generator.sum(axis=1))
    return expm(generator * time)[start]


@pytest.mark.parametrize("time", [0.3, 2.0])
def test_an_epidemic_on_a_complete_graph_has_its_exact_law(time):
    """Chi-square over the number infected in 2000 epidemics; two tests at 1e-6: error probability 2e-6."""
    from scipy.stats import chisquare

    advance, counts = compiled(sis.advance), np.zeros(NODES + 1)
    for seed in range(2000):
        w = sis.world(COMPLETE, NODES, BETA, [0, 1], seed)
        advance(w, np.array([-1]), time)
        counts[w.infected.sum()] += 1
        assert w.infected.sum() == w.prevalence[2]
    expected = complete_graph_law(2, time) * 2000
    small = expected < 5
    if small.any():
        counts, expected = (np.append(x[~small], x[small].sum()) for x in (counts, expected))
    assert chisquare(counts, expected).pvalue > 1e-6


def test_mean_time_to_extinction_on_a_complete_graph():
    """Exact from first-step equations of the birth-death chain; |z| < 5: error probability 6e-7."""
    infected = np.arange(1, NODES + 1)
    up, down = BETA * infected * (NODES - infected), infected.astype(float)
    equations = np.diag(up + down) - np.diag(up[:-1], 1) - np.diag(down[1:], -1)
    exact = np.linalg.solve(equations, np.ones(NODES))[0]
    advance, times = compiled(sis.advance), []
    for seed in range(2000):
        w = sis.world(COMPLETE, NODES, BETA, [0], 10_000 + seed)
        assert advance(w, np.array([-1]), math.inf) == sis.OVER
        times.append(w.clock[0])
    assert abs(np.mean(times) - exact) < 5 * np.std(times) / math.sqrt(len(times))
