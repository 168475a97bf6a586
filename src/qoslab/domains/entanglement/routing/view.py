"""Figures of a view as arrays, in the order of its network's links and nodes."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qoslab.domains.entanglement.links import single_pair_rate
from qoslab.domains.entanglement.protocol import View
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.states import werner_factor, werner_of_fidelity
from qoslab.domains.entanglement.storage import read_errors
from qoslab.graphs.costs import Cost

__all__ = [
    "Metric",
    "ends_of",
    "link_rates",
    "link_times",
    "link_werners",
    "most_memories",
    "path_cost",
    "slot_successes",
    "swap_delays",
    "swap_successes",
    "swap_werners",
]

FloatArray = NDArray[np.float64]

Metric = Literal["hops", "length_km", "time", "success", "fidelity"]
"""What makes a path short; see `path_cost`."""


def ends_of(view: View) -> list[Ends]:
    """The users of each request, by node index.

    Raises:
        BadInput: A request names a node that the network does not have.
    """
    network = view.network
    return [Ends(network.index(each.source), network.index(each.target)) for each in view.requests]


def link_rates(view: View) -> FloatArray:
    """Mean pairs per second of one memory pair of each link, shape (m,)."""
    return np.array([single_pair_rate(timing) for timing in view.timings])


def link_times(view: View, memories: ArrayLike) -> FloatArray:
    """Mean time to a pair of two neighbours, s, infinite where there is no link, shape (n, n), symmetric.

    Args:
        view: The network.
        memories: Memories of each link that make pairs, shape (m,).
    """
    network = view.network
    times = np.full((network.n, network.n), np.inf)
    with np.errstate(divide="ignore"):
        found = 1.0 / (link_rates(view) * np.asarray(memories))
    times[network.tail, network.head] = times[network.head, network.tail] = found
    return times


def link_werners(view: View) -> FloatArray:
    """Werner parameter of a new pair of each link, dark counts included, shape (m,)."""
    return np.array([werner_of_fidelity(timing.fidelity) for timing in view.timings])


def most_memories(view: View) -> list[int]:
    """Most pairs of memories of each link, however nodes with totals assign theirs.

    Between two such nodes what the lesser has; at one, what the link declares and that node has; else what the link
    declares.
    """
    found = []
    for link, pairs in enumerate(view.declared or view.pairs):
        ends = view.hardware[int(view.network.tail[link])], view.hardware[int(view.network.head[link])]
        totals = [node.memories for node in ends if node.memories is not None]
        found.append(min(totals) if len(totals) == 2 else min([pairs, *totals]))
    return found


def path_cost(view: View, metric: Metric) -> Cost:
    """What a path costs: the sum over its links of the metric's figure.

    1 per hop; the length in km; the mean time to a pair of all of the link's memories together, s; -ln of the success
    of an attempt; or -ln of the Werner parameter of a new pair, infinite where that is 0.
    """
    if metric == "time":
        return np.asarray(1.0 / (link_rates(view) * np.array(view.pairs)))
    if metric == "success":
        return np.asarray(-np.log([timing.success for timing in view.timings]))
    if metric == "fidelity":
        werner = link_werners(view)
        return np.where(werner > 0.0, -np.log(np.maximum(werner, 1e-300)) + 0.0, np.inf)
    return metric


def slot_successes(view: View, slot_s: float) -> FloatArray:
    """Probability that one memory pair of each link has a pair after a slot, 1 - (1 - p)^attempts, shape (m,)."""
    attempts = np.array([max(1, int(slot_s / timing.interval_s)) for timing in view.timings])
    return np.asarray(1.0 - (1.0 - np.array([timing.success for timing in view.timings])) ** attempts)


def swap_successes(view: View) -> FloatArray:
    """Success of a swap at each node, shape (n,)."""
    return np.array([each.swap_success for each in view.hardware])


def swap_delays(view: View) -> FloatArray:
    """How long a swap takes at each node, s, shape (n,)."""
    return np.array([each.swap_delay_s for each in view.hardware])


def swap_werners(view: View) -> list[float]:
    """What a swap at each node multiplies a Werner parameter by: its gate's and its two read-outs' noise."""
    errors, found = np.zeros(4), []
    for node in view.hardware:
        read_errors(node.readout_fidelity, errors)
        found.append(node.gate_fidelity * werner_factor(errors))
    return found
