"""Closed forms of queueing theory that the simulator must meet.

Times are in units of the mean service time unless a rate is given; lam is an arrival rate, mu a service rate, rho
the load of a core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "erlang_arrivals_m1",
    "erlang_c",
    "finite_source",
    "heavy_traffic_work",
    "heterogeneous_split",
    "jiq_random",
    "jsq_d_mean_field",
    "jsq_two_exact",
    "md1",
    "mg1",
    "mg1_ps",
    "mg1_ps_conditional",
    "mg1_work",
    "mm1",
    "mm1k_loss",
    "mmc",
    "split_response_time",
]

FloatArray = NDArray[np.float64]


def mm1(lam: float, mu: float = 1.0) -> float:
    """Mean response time of M/M/1, 1 / (mu - lam)."""
    return 1.0 / (mu - lam)


def erlang_c(c: int, a: float) -> float:
    """Probability that an arrival waits in M/M/c with offered work a = lam / mu < c (Erlang 1917)."""
    blocking = 1.0
    for k in range(1, c + 1):
        blocking = a * blocking / (k + a * blocking)
    return c * blocking / (c - a * (1.0 - blocking))


def mmc(c: int, lam: float, mu: float = 1.0) -> float:
    """Mean response time of M/M/c."""
    return 1.0 / mu + erlang_c(c, lam / mu) / (c * mu - lam)


def mg1(lam: float, mean: float, scv: float) -> float:
    """Mean response time of M/G/1 FIFO, Pollaczek and Khinchine; scv = variance / mean^2 of the service time."""
    rho = lam * mean
    return mean + lam * mean * mean * (1.0 + scv) / (2.0 * (1.0 - rho))


def md1(lam: float, mean: float = 1.0) -> float:
    """Mean response time of M/D/1."""
    return mg1(lam, mean, 0.0)


def mg1_ps(lam: float, mean: float = 1.0) -> float:
    """Mean response time of M/G/1 processor sharing: insensitive to the law of sizes beyond its mean."""
    return mean / (1.0 - lam * mean)


def mg1_ps_conditional(size: float, rho: float) -> float:
    """Mean response time of a request of this size in M/G/1 processor sharing, size / (1 - rho), for any law."""
    return size / (1.0 - rho)


def mg1_work(rho: float, mean: float, scv: float) -> float:
    """Mean work in an M/G/1 system under any discipline that never idles, in work, whatever the server's speed.

    The work in the system, in time to finish it, is the wait of M/G/1 FIFO: rho mean (1 + scv) / (2 (1 - rho)) at
    speed 1. With n times the speed and n times the arrivals the time is n times shorter and the work the same.
    """
    return rho * mean * (1.0 + scv) / (2.0 * (1.0 - rho))


def heavy_traffic_work(mean: float, scv: float) -> float:
    """Limit of (1 - rho) times the total work of servers that share the shortest queue, as rho -> 1.

    State-space collapse: the servers together behave as one pooled M/G/1 (Foschini and Salz 1978).
    """
    return mean * (1.0 + scv) / 2.0


def mm1k_loss(rho: float, places: int) -> float:
    """Share of arrivals refused by M/M/1 with `places` places, the one in service included."""
    if rho == 1.0:
        return 1.0 / (places + 1)
    return (1.0 - rho) * rho**places / (1.0 - rho ** (places + 1))


def finite_source(clients: int, think: float, service: float = 1.0) -> float:
    """Mean response time of one exponential server with a fixed number of clients that think in between.

    Mean-value analysis: T(k) = service (1 + L(k - 1)), X(k) = k / (think + T(k)), L(k) = X(k) T(k), exact for
    exponential service (Reiser and Lavenberg 1980).
    """
    queue, response = 0.0, service
    for k in range(1, clients + 1):
        response = service * (1.0 + queue)
        queue = k * response / (think + response)
    return response


def erlang_arrivals_m1(stages: int, rho: float) -> float:
    """Mean response time of one of n M/M/1 queues fed in turn by a Poisson stream: Erlang-n arrivals, GI/M/1.

    sigma solves sigma = A~(mu (1 - sigma)) with the transform of the interarrival time; T = 1 / (mu (1 - sigma)).
    """
    rate = stages * rho

    def excess(sigma: float) -> float:
        return (rate / (rate + 1.0 - sigma)) ** stages - sigma

    return 1.0 / (1.0 - _root(excess, 0.0, 1.0 - 1e-9))


def jsq_d_mean_field(d: int, rho: float) -> float:
    """Mean response time of JSQ(d) as the number of servers grows without bound.

    Mitzenmacher (IEEE TPDS 2001), Vvedenskaya, Dobrushin and Karpelevich (1996): the share of queues of length k
    or more is rho^((d^k - 1)/(d - 1)), so T = sum over k >= 1 of rho^((d^k - d)/(d - 1)).
    """
    total, k = 0.0, 1
    while True:
        term = rho ** ((d**k - d) / (d - 1)) if d > 1 else rho ** (k - 1)
        total += term
        if term < 1e-16:
            return total
        k += 1


def jsq_two_exact(rho: float, *, limit: int = 400) -> float:
    """Mean response time of join-the-shortest-queue over two M/M/1 servers, from the chain's balance equations.

    The chain on (shorter, longer) queue is truncated at `limit` customers; at the default the mass cut away is below
    1e-12 for rho <= 0.9 and about 1e-9 at 0.95.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import spsolve

    states = [(i, j) for total in range(limit + 1) for i in range(total // 2 + 1) for j in [total - i]]
    index = {state: k for k, state in enumerate(states)}
    rows: list[int] = []
    cols: list[int] = []
    rates: list[float] = []

    def flow(source: tuple[int, int], target: tuple[int, int], rate: float) -> None:
        low, high = min(target), max(target)
        if (low, high) in index:
            rows.extend((index[low, high], index[source]))
            cols.extend((index[source], index[source]))
            rates.extend((rate, -rate))

    for i, j in states:
        flow((i, j), (i + 1, j), 2.0 * rho)
        if i > 0:
            flow((i, j), (i - 1, j), 1.0)
        if j > 0:
            flow((i, j), (i, j - 1), 1.0)
    generator = coo_matrix((rates, (rows, cols)), shape=(len(states),) * 2).tolil()
    generator[0, :] = 1.0
    right = np.zeros(len(states))
    right[0] = 1.0
    probability = spsolve(generator.tocsc(), right)
    mean = float(sum(p * (i + j) for p, (i, j) in zip(probability, states, strict=True)))
    return mean / (2.0 * rho)


def jiq_random(ratio: float, rho: float) -> float:
    """Mean response time of join-the-idle-queue with random reports, many servers, `ratio` servers per balancer.

    Lu et al. (Performance Evaluation 2011). An idle server waits in one balancer's queue of idle servers and
    leaves it, too, when a random arrival finds it. With x0 the probability of an empty queue of idle servers and
    s = rho x0, that queue is a birth-death chain with birth rate a and death rate ratio rho + k s in state k >= 1;
    a is fixed by its mean length ratio (1 - rho), x0 by consistency; T = 1 / (1 - s).
    """

    def empty(x0: float) -> float:
        return _idle_queue(ratio, rho, x0)[0] - x0

    x0 = _root(empty, 1e-9, 1.0 - 1e-9)
    return 1.0 / (1.0 - rho * x0)


def _idle_queue(ratio: float, rho: float, x0: float) -> tuple[float, float]:
    """P(empty) of the queue of idle servers for an assumed x0, and its birth rate."""
    states = np.arange(1, int(20 * ratio) + 400)
    deaths = ratio * rho + states * rho * x0

    def law(log_birth: float) -> FloatArray:
        logs = np.concatenate([[0.0], np.cumsum(log_birth - np.log(deaths))])
        weights = np.exp(logs - logs.max())
        return np.asarray(weights / weights.sum())

    def length(log_birth: float) -> float:
        return float(law(log_birth)[1:] @ states) - ratio * (1.0 - rho)

    log_birth = _root(length, -20.0, 20.0)
    return float(law(log_birth)[0]), math.exp(log_birth)


def heterogeneous_split(lam: float, rates: Sequence[float]) -> FloatArray:
    """The split of a Poisson stream over M/M/1 servers that has the least mean response time.

    lam_j = mu_j - sqrt(mu_j) (sum mu - lam) / sum sqrt(mu) over the servers that are used; servers too slow to be
    worth using are dropped one by one (Buzen and Chen 1974).

    Args:
        lam: Total arrival rate, below the sum of the rates.
        rates: Service rates, shape (n,).

    Returns:
        Arrival rates, shape (n,).
    """
    mu = np.asarray(rates, float)
    used = np.ones(len(mu), bool)
    while True:
        share = np.zeros(len(mu))
        roots = np.sqrt(mu[used])
        share[used] = mu[used] - roots * (mu[used].sum() - lam) / roots.sum()
        if (share[used] >= 0).all():
            return share
        used &= ~((share < 0) & (mu == mu[used].min()))


def split_response_time(split: Sequence[float] | FloatArray, rates: Sequence[float]) -> float:
    """Mean response time over M/M/1 servers that receive the given shares of a Poisson stream."""
    arrivals, mu = np.asarray(split, float), np.asarray(rates, float)
    return float((arrivals / (mu - arrivals)).sum() / arrivals.sum())


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=1e-13))
