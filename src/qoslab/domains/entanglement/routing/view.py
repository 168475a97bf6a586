"""Figures of a view as arrays, in the order of its network's links and nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.links import single_pair_rate
from qoslab.domains.entanglement.protocol import View
from qoslab.domains.entanglement.routing.throughput import Ends

__all__ = ["ends_of", "link_rates", "slot_successes", "swap_successes"]

FloatArray = NDArray[np.float64]


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


def slot_successes(view: View, slot_s: float) -> FloatArray:
    """Probability that one memory pair of each link has a pair after a slot, 1 - (1 - p)^attempts, shape (m,)."""
    attempts = np.array([max(1, int(slot_s / timing.interval_s)) for timing in view.timings])
    return np.asarray(1.0 - (1.0 - np.array([timing.success for timing in view.timings])) ** attempts)


def swap_successes(view: View) -> FloatArray:
    """Success of a swap at each node, shape (n,)."""
    return np.array([each.swap_success for each in view.hardware])
