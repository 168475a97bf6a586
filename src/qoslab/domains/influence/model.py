"""Opinions under two leaders, and the run function.

Agent i holds opinion x_i in [0, 1] and listens to its neighbours with weights w_ij that sum to one; a direct
follower of the leader (opinion 1) gives it the relative weight a_i, a contact of the competitor (opinion 0)
the relative weight g_i. In continuous time dx/dt = -(L + diag(g) + diag(a u)) x + a u with L = I - W. The
settled distance e = 1 - x solves A(u) e = g with A(u) = L + diag(g) + diag(a u), a nonsingular M-matrix as
soon as every agent reaches a leader; a set of followers is judged by f(u) = mean(e).

This is our reference instance of the problem of Mai and Abed, "Optimizing leader influence in networks through
selection of direct followers" (IEEE Transactions on Automatic Control, 2019): its abstract states two leaders,
one of them with fixed followers, and a supermodular objective; the equations here are derived from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.influence.scenario import InfluenceScenario
from qoslab.graphs.network import Network
from qoslab.graphs.spec import build

__all__ = ["Opinions", "Selection", "distance", "make_opinions", "run"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Opinions:
    """One instance of the problem.

    Attributes:
        network: Who listens to whom.
        base: A(0) = L + diag(g), shape (n, n).
        competitor: g, shape (n,), not negative.
        gain: a, shape (n,), positive: the weight each agent would give the leader.
        followers: How many direct followers the leader may have.
    """

    network: Network
    base: FloatArray
    competitor: FloatArray
    gain: FloatArray
    followers: int


class Selection(Protocol):
    """What a method of this domain offers."""

    def select(self, opinions: Opinions, rng: np.random.Generator) -> Sequence[int]:
        """The followers' nodes in the order in which they are chosen, each once, at most `followers`."""
        ...


def make_opinions(scenario: InfluenceScenario, seed: Seed, context: Context) -> Opinions:
    """The instance that a seed draws: its network and the competitor's contacts.

    Raises:
        BadInput: More followers or contacts than agents, or an agent that hears no leader however it listens.
    """
    network = build(scenario.network, seed.generator("network"), dataset=context.dataset)
    contacts = _contacts(scenario, network, seed)
    competitor = np.zeros(network.n)
    competitor[contacts] = scenario.competitor.weight
    if scenario.followers > network.n:
        message = f"{scenario.followers} followers are wanted of {network.n} agents"
        raise BadInput(Problem(message=message, field="scenario.followers"))
    base = _laplacian(network) + np.diag(competitor)
    _check_reach(network, contacts)
    gain = np.full(network.n, scenario.weight)
    return Opinions(network, base, competitor, gain, scenario.followers)


def distance(opinions: Opinions, followers: Sequence[int]) -> float:
    """f(S): the mean settled distance from the leader's opinion, solved afresh."""
    matrix = opinions.base.copy()
    chosen = np.asarray(followers, np.int64)
    matrix[chosen, chosen] += opinions.gain[chosen]
    return float(np.linalg.solve(matrix, opinions.competitor).mean())


def run(scenario: Any, method: Any, seeds: Sequence[Seed], context: Context) -> Iterator[Outcome]:
    """Choose followers on each seed's instance and measure where opinions settle."""
    for seed in seeds:
        context.check_time()
        opinions = make_opinions(scenario, seed, context)
        chosen = [int(node) for node in method.select(opinions, seed.generator("method"))]
        _check_choice(opinions, chosen)
        yield _outcome(opinions, chosen, keep=context.keep_series)


def _outcome(opinions: Opinions, chosen: list[int], *, keep: bool) -> Outcome:
    before, after = distance(opinions, []), distance(opinions, chosen)
    matrix = opinions.base + np.diag(np.bincount(chosen, minlength=len(opinions.gain)) * opinions.gain)
    metrics = {
        "distance": after,
        "distance_removed": 1.0 - after / before,
        "settling_rate_per_s": float(np.linalg.eigvals(matrix).real.min()),
    }
    return Outcome(metrics, {"followers": len(chosen)}, {"choice": _choice(opinions, chosen)} if keep else {})


def _choice(opinions: Opinions, chosen: list[int]) -> dict[str, NDArray[Any]]:
    left = [distance(opinions, chosen[:k]) for k in range(len(chosen) + 1)]
    return {"rank": np.arange(len(left)), "node": np.array([-1, *chosen]), "distance": np.array(left)}


def _contacts(scenario: InfluenceScenario, network: Network, seed: Seed) -> IntArray:
    count = scenario.competitor.contacts
    if count > network.n:
        message = f"{count} contacts are wanted of {network.n} agents"
        raise BadInput(Problem(message=message, field="scenario.competitor.contacts"))
    if scenario.competitor.placement == "random":
        return seed.generator("competitor").choice(network.n, count, replace=False)
    return np.argsort(-network.in_degree, kind="stable")[:count]


def _laplacian(network: Network) -> FloatArray:
    """L = I - W, where W divides each agent's weights by their sum; who hears nobody keeps its own opinion."""
    weights = np.zeros((network.n, network.n))
    weights[network.arcs.tails, network.arcs.heads] = network.weight[network.arcs.link]
    totals = weights.sum(axis=1, keepdims=True)
    weights = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
    return np.asarray(np.diag((totals[:, 0] > 0).astype(float)) - weights)


def _check_reach(network: Network, contacts: IntArray) -> None:
    """Every agent must hear the competitor in the end; A(0) is then nonsingular and f(empty) = 1 at most."""
    heard = np.zeros(network.n, bool)
    heard[contacts] = True
    for _ in range(network.n):
        wider = heard.copy()
        np.logical_or.at(wider, network.arcs.tails, heard[network.arcs.heads])
        if (wider == heard).all():
            break
        heard = wider
    if not heard.all():
        node = network.nodes[int(np.flatnonzero(~heard)[0])]
        message = f"agent {node!r} hears the competitor through nobody, so its opinion never settles"
        hint = "use a strongly connected network, or more competitor contacts"
        raise BadInput(Problem(message=message, field="scenario.network", hint=hint))


def _check_choice(opinions: Opinions, chosen: list[int]) -> None:
    n = len(opinions.gain)
    if (
        len(set(chosen)) != len(chosen)
        or len(chosen) > opinions.followers
        or not all(0 <= i < n for i in chosen)
    ):
        message = f"a method chose {chosen}: at most {opinions.followers} different agents of 0..{n - 1} are allowed"
        raise BadInput(message)
