"""Closed forms and bounds that `qoslab verify influence` and the tests hold the domain against."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.influence.methods.greedy import Greedy
from qoslab.domains.influence.model import FloatArray, Opinions, distance, make_opinions
from qoslab.domains.influence.scenario import InfluenceScenario

__all__ = ["complete_graph_distance", "greedy_share", "settled_by_simulation", "verify"]


def complete_graph_distance(n: int, contacts: int, followers: int, competitor: float, gain: float) -> float:
    """f(S) on the complete graph with equal weights, contacts and followers apart from each other.

    With m = n / (n - 1) and s the sum of the distances divided by n - 1, an agent of competitor weight g and
    leader weight a settles at (g + s) / (m + g + a); summing over the three kinds of agents fixes s.

    Args:
        n: Number of agents, at least 2.
        contacts: How many hear the competitor.
        followers: How many others follow the leader.
        competitor: g of a contact.
        gain: a of a follower.
    """
    m = n / (n - 1)
    rest = n - contacts - followers
    loss = (n - 1) - contacts / (m + competitor) - followers / (m + gain) - rest / m
    s = contacts * competitor / (m + competitor) / loss
    return s * (n - 1) / n


def greedy_share(followers: int) -> float:
    """The share of the best possible reduction that greedy reaches at least, 1 - (1 - 1/K)^K.

    Nemhauser, Wolsey and Fisher, Mathematical Programming 14 (1978), for monotone submodular functions.
    """
    return 1.0 - (1.0 - 1.0 / followers) ** followers


def settled_by_simulation(opinions: Opinions, followers: list[int], *, steps: int = 20_000) -> FloatArray:
    """Opinions' distances after many steps of the discrete dynamics, from opinion 0 everywhere; shape (n,).

    x_i <- (sum_j w_ij x_j + a_i u_i) / (1 + a_i u_i + g_i), the DeGroot form whose rest point is A(u)^-1 g.
    """
    gain = np.zeros_like(opinions.gain)
    gain[followers] = opinions.gain[followers]
    weights = np.eye(len(gain)) + np.diag(opinions.competitor) - opinions.base
    opinion = np.zeros_like(gain)
    for _ in range(steps):
        opinion = (weights @ opinion + gain) / (1.0 + gain + opinions.competitor)
    return 1.0 - opinion


def verify(*, quick: bool, context: Context) -> Iterator[Check]:
    """Check distances against the complete graph, the dynamics, and greedy against the best of all choices."""
    yield _complete_graph(context)
    context.check_time()
    yield _dynamics(context)
    context.check_time()
    yield _greedy_against_all(context, instances=5 if quick else 40)


def _complete_graph(context: Context) -> Check:
    opinions = make_opinions(_world(20, "complete", contacts=4), Seed(), context)
    others = [int(i) for i in np.flatnonzero(opinions.competitor == 0)[:3]]
    expected = complete_graph_distance(20, 4, 3, 1.0, 1.0)
    got = distance(opinions, others)
    return _close("distance on the complete graph, n = 20", "closed form, derived", expected, got, 1e-12)


def _dynamics(context: Context) -> Check:
    opinions = make_opinions(_world(25, "erdos_renyi", contacts=3), Seed(replication=1), context)
    got = float(settled_by_simulation(opinions, [0, 1]).mean())
    expected = distance(opinions, [0, 1])
    return _close("opinions simulated until they settle", "linear solve of A(u) e = g", expected, got, 1e-9)


def _greedy_against_all(context: Context, instances: int) -> Check:
    """The worst share of the best reduction over random instances small enough to try every choice."""
    shares = [_share(Seed(replication=i), context) for i in range(instances)]
    bound, worst = greedy_share(3), min(shares)
    return Check.within(
        f"greedy's share of the best reduction, worst of {instances}, K = 3",
        "Nemhauser, Wolsey and Fisher 1978; brute force",
        expected=bound,
        got=worst,
        low=bound,
        high=1.0 + 1e-12,
    )


def _share(seed: Seed, context: Context) -> float:
    opinions = make_opinions(_world(12, "erdos_renyi", contacts=2), seed, context)
    nothing = distance(opinions, [])
    best = min(distance(opinions, choice) for choice in combinations(range(12), 3))
    greedy = distance(opinions, Greedy().select(opinions, seed.generator("method")))
    return (nothing - greedy) / (nothing - best)


def _world(nodes: int, model: str, contacts: int) -> InfluenceScenario:
    generate: dict[str, object] = {"model": model, "nodes": nodes}
    if model == "erdos_renyi":
        generate |= {"p": 0.35, "directed": True}
    network = {"generate": generate, "connected": "strongly"}
    raw = {"network": network, "followers": 3, "competitor": {"contacts": contacts}}
    return InfluenceScenario.model_validate(raw)


def _close(name: str, source: str, expected: float, got: float, tolerance: float) -> Check:
    low, high = expected - tolerance, expected + tolerance
    return Check.within(name, source, expected=expected, got=got, low=low, high=high)
