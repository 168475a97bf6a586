"""Figures measured with MQNS (snapshot 278041c), and our rates and fidelities of the same chains against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.shortest_path import Order, ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.scenario import Architecture, EntanglementScenario

__all__ = [
    "SIX_NODES",
    "THREE_NODES",
    "Measured",
    "chain_scenario",
    "mean_and_error",
    "outcomes",
    "six_nodes",
    "three_nodes",
    "together",
]

SIX_NODES_KM = (32.0, 18.0, 35.0, 16.0, 24.0)
_SOURCE = "MQNS 278041c, measured"
_Z = 3.5
"""Standard errors of the difference that are accepted in one row; chance exceeds them once in 2,000."""


@dataclass(frozen=True)
class Measured:
    """What MQNS gave in seeds of 3 s each.

    Attributes:
        seeds: How many.
        rate: Pairs per second, mean.
        rate_sd: Its standard deviation over seeds.
        fidelity: Mean fidelity of delivered pairs.
        fidelity_sd: Its standard deviation over seeds; None where it was not written down.
    """

    seeds: int
    rate: float
    rate_sd: float
    fidelity: float
    fidelity_sd: float | None = None


THREE_NODES = {
    0.002: Measured(20, 31.77, 2.86, 0.3833),
    0.005: Measured(20, 47.27, 3.49, 0.4982),
    0.010: Measured(20, 52.10, 3.41, 0.5800, 0.0118),
    0.020: Measured(20, 53.35, 3.52, 0.6702),
    0.050: Measured(20, 53.87, 4.88, 0.7991),
    0.100: Measured(20, 53.57, 5.13, 0.8764),
}
"""By coherence time, s: 32 and 18 km, one memory per end of a link."""

SIX_NODES: dict[Order, Measured] = {
    "asap": Measured(10, 8.50, 1.87, 0.3478, 0.0134),
    "left_to_right": Measured(10, 14.43, 2.83, 0.2840, 0.0064),
    "right_to_left": Measured(10, 22.57, 1.39, 0.2990, 0.0053),
    "balanced": Measured(10, 18.73, 2.76, 0.2940, 0.0068),
    "balanced_mirrored": Measured(10, 23.63, 2.36, 0.3031, 0.0057),
}
"""By swap order: 32, 18, 35, 16 and 24 km, three memories per end of a link, coherence 10 ms."""


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


def _rows(what: str, measured: Measured, found: Sequence[Outcome]) -> Iterator[Check]:
    got, error = mean_and_error(found, "rate_per_s")
    theirs = measured.rate_sd / np.sqrt(measured.seeds)
    yield _row(f"rate per s, {what}", measured.rate, got, float(np.hypot(error, theirs)))
    got, error = mean_and_error(found, "fidelity")
    # a standard deviation that was not written down is taken to be ours
    sd = measured.fidelity_sd or error * np.sqrt(len(found))
    yield _row(
        f"fidelity, {what}", measured.fidelity, got, float(np.hypot(error, sd / np.sqrt(measured.seeds)))
    )


def _row(name: str, expected: float, got: float, error: float) -> Check:
    slack = _Z * error
    note = f"z = {(got - expected) / error:+.2f}"
    return Check.within(
        name, _SOURCE, expected=expected, got=got, low=expected - slack, high=expected + slack, note=note
    )


def together(rows: Sequence[Check]) -> Check:
    """All rows at once: the sum of their squared z is not among the largest 1 % of chance."""
    from scipy.stats import chi2

    squares = [float(row.note.removeprefix("z = ")) ** 2 for row in rows]
    most = float(chi2.ppf(0.99, len(squares)))
    return Check.within(
        f"sum of z squared over {len(squares)} rows",
        "chi-squared, 99 %",
        expected=float(len(squares)),
        got=sum(squares),
        low=0.0,
        high=most,
    )
