"""Figures measured with MQNS (snapshot 278041c), and our rates and fidelities of the same chains against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.errors import MissingData
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.data import PeerNetwork, random_sixteen_networks
from qoslab.domains.entanglement.methods.shortest_path import Order, ShortestPath, swap_ranks
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.protocol import PathPlan, Plan, View
from qoslab.domains.entanglement.scenario import Architecture, EntanglementScenario

__all__ = [
    "RANDOM_SIXTEEN",
    "SIX_NODES",
    "TENTH_NETWORK",
    "THREE_NODES",
    "WAITS",
    "InstalledPaths",
    "Measured",
    "chain_scenario",
    "mean_and_error",
    "network_scenario",
    "outcomes",
    "random_sixteen",
    "six_nodes",
    "three_nodes",
    "together",
]

SIX_NODES_KM = (32.0, 18.0, 35.0, 16.0, 24.0)
_SOURCE = "MQNS 278041c, measured"
_Z = 3.5
"""Standard errors of the difference that are accepted in one row; chance exceeds them once in 2,000."""
_LINK_PAIRS = "link pairs, 16 nodes"


@dataclass(frozen=True)
class Measured:
    """What MQNS gave; `python -m benchmarks.entanglement_peers --only measured` runs it again.

    Attributes:
        seeds: How many runs.
        rate: Pairs per second, mean.
        rate_sd: Its standard deviation over seeds.
        fidelity: Mean fidelity of delivered pairs.
        fidelity_sd: Its standard deviation over seeds.
    """

    seeds: int
    rate: float
    rate_sd: float
    fidelity: float
    fidelity_sd: float


THREE_NODES = {
    0.002: Measured(20, 31.77, 2.86, 0.3833, 0.0046),
    0.005: Measured(20, 47.27, 3.49, 0.4982, 0.0131),
    0.010: Measured(20, 52.10, 3.41, 0.5800, 0.0118),
    0.020: Measured(20, 53.35, 3.52, 0.6702, 0.0135),
    0.050: Measured(20, 53.87, 4.88, 0.7991, 0.0083),
    0.100: Measured(20, 53.57, 5.13, 0.8764, 0.0060),
}
"""By coherence time, s: 32 and 18 km, one memory per end of a link, 3 s."""

SIX_NODES: dict[Order, Measured] = {
    "asap": Measured(10, 8.50, 1.87, 0.3478, 0.0134),
    "left_to_right": Measured(10, 14.43, 2.83, 0.2840, 0.0064),
    "right_to_left": Measured(10, 22.57, 1.39, 0.2990, 0.0053),
    "balanced": Measured(10, 18.73, 2.76, 0.2940, 0.0068),
    "balanced_mirrored": Measured(10, 23.63, 2.36, 0.3031, 0.0057),
}
"""By swap order: 32, 18, 35, 16 and 24 km, three memories per end of a link, coherence 10 ms, 3 s."""

WAITS = {
    "0.75": Measured(40, 90.90, 8.65, 0.8493, 0.0065),
    "0.7823": Measured(40, 90.92, 8.85, 0.8501, 0.0064),
    "0.8146": Measured(40, 90.97, 9.18, 0.8529, 0.0051),
    "0.8469": Measured(40, 90.05, 8.54, 0.8601, 0.0044),
    "0.8791": Measured(40, 86.67, 8.24, 0.8785, 0.0024),
    "0.8904": Measured(40, 83.05, 6.74, 0.8877, 0.0016),
    "0.9001": Measured(40, 69.47, 7.42, 0.8968, 0.0010),
    "0.9098": Measured(40, 2.12, 1.24, 0.9072, 0.0001),
}
"""By the fidelity that waits are to keep: the chain of `studies/entanglement/waits.toml`, 1 s, new pairs with equal
shares of the three errors."""

RANDOM_SIXTEEN = {
    2: ((63.0, 0.4914), (78.0, 0.4898), (79.0, 0.4922), (81.0, 0.4914), (85.0, 0.4905), (96.0, 0.4915)),
    3: ((20.0, 0.3350), (22.0, 0.3789), (25.0, 0.3692), (26.0, 0.3575), (28.0, 0.3565), (28.0, 0.3739)),
    4: ((6.0, 0.2992), (8.0, 0.3077), (8.0, 0.3179), (8.0, 0.3373), (12.0, 0.3066)),
    5: ((3.0, 0.2869),),
}
"""By hops of a request's path: pairs per second and mean fidelity of one run of 1 s each. Random networks of 16 nodes
and 20 links of 30 km, two memories per end of a link, coherence 5 ms, as soon as possible; nine networks of two
requests whose paths share no link. In a tenth they share one in opposite directions, and MQNS delivers nothing."""

TENTH_NETWORK = Measured(20, 97.85, 8.68, 0.4781, 0.0100)
"""Both requests of the tenth network where each has one of the two memories of the link that they share."""


def chain_scenario(
    lengths_km: Sequence[float],
    *,
    coherence_s: float = 0.01,
    horizon_s: float = 3.0,
    pairs: int = 1,
    swap_success: float = 0.5,
    architecture: Architecture = "dim_bk_sequence",
    state: str = "werner",
    compat: str = "mqns",
    selection: str = "first",
) -> EntanglementScenario:
    """A line of nodes n0, n1, ... and a request between its ends."""
    ends = [(f"n{hop}", f"n{hop + 1}", km) for hop, km in enumerate(lengths_km)]
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": float(km)} for a, b, km in ends]},
        "requests": [{"source": "n0", "target": f"n{len(ends)}"}],
        "horizon_s": horizon_s,
        "nodes": {"coherence_s": coherence_s, "swap_success": swap_success},
        "links": {"pairs": pairs, "architecture": architecture},
        "memory": {"compat": compat, "state": state, "selection": selection},
    }
    return EntanglementScenario.model_validate(raw)


def outcomes(
    scenario: EntanglementScenario, count: int, context: Context, order: Order = "asap"
) -> list[Outcome]:
    """Replicas of a chain with one order of swapping."""
    seeds = [Seed(0, "verify", "", replication) for replication in range(count)]
    return list(run(scenario, ShortestPath(order), seeds, context))


def mean_and_error(found: Sequence[Outcome], metric: str) -> tuple[float, float]:
    """Mean of a metric over the replicas that have it, and its standard error."""
    values = np.array([each.metrics[metric] for each in found if metric in each.metrics])
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def three_nodes(count: int, context: Context) -> Iterator[Check]:
    """Rate and fidelity at six coherence times."""
    for coherence, measured in THREE_NODES.items():
        context.check_time()
        found = outcomes(chain_scenario([32.0, 18.0], coherence_s=coherence), count, context)
        yield from _rows(f"3 nodes, coherence {coherence * 1e3:g} ms", measured, found)


def six_nodes(count: int, context: Context) -> Iterator[Check]:
    """Rate and fidelity under five orders of swapping."""
    for order, measured in SIX_NODES.items():
        context.check_time()
        found = outcomes(chain_scenario(SIX_NODES_KM, pairs=3), count, context, order)
        yield from _rows(f"6 nodes, {order}", measured, found)


@dataclass(frozen=True)
class InstalledPaths:
    """Paths that are given, swapped as soon as possible.

    Attributes:
        paths: The nodes of each request's path.
    """

    paths: tuple[tuple[str, ...], ...]

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """One path per request."""
        found = [tuple(view.network.index(node) for node in path) for path in self.paths]
        return Plan(
            tuple(
                PathPlan(place, path, swap_ranks("asap", len(path) - 2)) for place, path in enumerate(found)
            )
        )


def network_scenario(network: PeerNetwork) -> EntanglementScenario:
    """A random network as the peer had it; requests do not share memories."""
    links = [{"source": source, "target": target, "length_km": 30.0} for source, target in network.links]
    raw = {
        "network": {"links": links},
        "requests": [{"source": each.path[0], "target": each.path[-1]} for each in network.requests],
        "horizon_s": 1.0,
        "nodes": {"coherence_s": 0.005},
        "links": {"pairs": 2},
        "memory": {"compat": "mqns", "selection": "first"},
    }
    return EntanglementScenario.model_validate(raw)


def random_sixteen(count: int, context: Context) -> Iterator[Check]:
    """Requests in random networks of 16 nodes: one run each against the spread of ours.

    The networks themselves where their files are there; else paths of as many hops, which is what matters in those
    networks where no two requests share a link.
    """
    try:
        networks = random_sixteen_networks(context.dataset)
    except MissingData as error:
        yield from _by_hops(count, context)
        name = "the ten random networks of 16 nodes themselves"
        yield Check.not_run(name, _SOURCE, expected=None, note=str(error))
        return
    for network in networks:
        context.check_time()
        method = InstalledPaths(tuple(each.path for each in network.requests))
        seeds = [Seed(0, "verify", "", replication) for replication in range(count)]
        found = list(run(network_scenario(network), method, seeds, replace(context, keep_series=True)))
        shared = network.opposed()
        yield from _single(network, found) if shared is None else _tenth(network, shared, found)


def _by_hops(count: int, context: Context) -> Iterator[Check]:
    for hops, single in RANDOM_SIXTEEN.items():
        context.check_time()
        scenario = chain_scenario([30.0] * hops, pairs=2, coherence_s=0.005, horizon_s=1.0)
        found = outcomes(scenario, count, context)
        spread = [
            np.array([each.metrics[metric] for each in found if metric in each.metrics])
            for metric in ("rate_per_s", "fidelity")
        ]
        for place, figures in enumerate(single, 1):
            for what, ours, expected in zip(("rate", "fidelity"), spread, figures, strict=True):
                yield _in_spread(f"{what}, 16 nodes, request {place} of {hops} hops", expected, ours)


def _single(network: PeerNetwork, found: Sequence[Outcome]) -> Iterator[Check]:
    made = np.array([float(each.counters["pairs_created"]) for each in found])
    yield _in_spread(f"{_LINK_PAIRS}, network {network.name}", float(network.link_pairs), made)
    for place, request in enumerate(network.requests):
        own = [_fidelities(each, place) for each in found]
        where = f"16 nodes, network {network.name}, {request.path[0]} to {request.path[-1]}"
        rates = np.array([float(len(each)) for each in own])
        yield _in_spread(f"rate, {where}", request.rate_per_s, rates)
        means = np.array([float(each.mean()) for each in own if len(each)])
        yield _in_spread(f"fidelity, {where}", request.fidelity, means)


def _fidelities(outcome: Outcome, request: int) -> NDArray[np.float64]:
    """Fidelities of the pairs that a request got."""
    columns = outcome.series["deliveries"]
    own: NDArray[np.bool_] = np.asarray(columns["request"]) == request
    return np.asarray(columns["fidelity"], np.float64)[own]


def _tenth(network: PeerNetwork, shared: tuple[str, str], found: Sequence[Outcome]) -> Iterator[Check]:
    """The network that the peer cannot run with shared memories, with memories of each request's own in both."""
    note = (
        f"MQNS shares memories only between paths that use a link in one direction; on network {network.name}, where "
        f"{shared[0]}-{shared[1]} is used in both, it delivers nothing, so there is no run to compare with"
    )
    delivered = sum(each.rate_per_s for each in network.requests)
    name = f"rate, 16 nodes, network {network.name}, memories shared"
    yield Check.not_run(name, _SOURCE, expected=delivered, note=note)
    yield from _rows(f"16 nodes, network {network.name}, own memories", TENTH_NETWORK, found)


def _rows(what: str, measured: Measured, found: Sequence[Outcome]) -> Iterator[Check]:
    got, error = mean_and_error(found, "rate_per_s")
    theirs = measured.rate_sd / np.sqrt(measured.seeds)
    yield _row(f"rate per s, {what}", measured.rate, got, float(np.hypot(error, theirs)))
    got, error = mean_and_error(found, "fidelity")
    theirs = measured.fidelity_sd / np.sqrt(measured.seeds)
    yield _row(f"fidelity, {what}", measured.fidelity, got, float(np.hypot(error, theirs)))


def _in_spread(name: str, expected: float, ours: NDArray[np.float64]) -> Check:
    """One run of the peer, taken to be one more of ours."""
    error = float(ours.std(ddof=1)) * float(np.sqrt(1.0 + 1.0 / len(ours)))
    return _row(name, expected, float(ours.mean()), error)


def _row(name: str, expected: float, got: float, error: float) -> Check:
    slack = _Z * error
    note = f"z = {(got - expected) / error:+.2f}"
    return Check.within(
        name, _SOURCE, expected=expected, got=got, low=expected - slack, high=expected + slack, note=note
    )


def together(rows: Sequence[Check]) -> Check:
    """All rates and fidelities at once: the sum of their squared z is not among the largest 1 % of chance.

    Counts of link pairs are left out: runs that make more of them deliver more, and chi-squared wants independent rows.
    """
    from scipy.stats import chi2

    counted = [row for row in rows if row.status != "not run" and not row.name.startswith(_LINK_PAIRS)]
    squares = [float(row.note.removeprefix("z = ")) ** 2 for row in counted]
    most = float(chi2.ppf(0.99, len(squares)))
    return Check.within(
        f"sum of z squared over {len(squares)} rows",
        "chi-squared, 99 %",
        expected=float(len(squares)),
        got=sum(squares),
        low=0.0,
        high=most,
    )
