"""What a path costs: the pluggable metric of every search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.csr import FloatArray
from qoslab.graphs.network import LinkField, Network

__all__ = ["Cost", "arc_costs"]

Cost = Literal["hops"] | LinkField | FloatArray | Callable[[Network], FloatArray]
"""`hops`, a column of the links, or one figure per link or per arc, given or computed from the network.

Costs add up along a path and are not negative; an infinite cost closes an arc. Metrics that multiply (fidelity,
success) are given as minus their logarithm.
"""


def arc_costs(network: Network, cost: Cost) -> FloatArray:
    """The cost of every arc, shape (a,).

    Raises:
        BadInput: A cost is unknown or negative, or there is not one per link or per arc.
    """
    arcs = network.arcs
    if isinstance(cost, str):
        by_link = np.ones(network.m) if cost == "hops" else network.require(cost)
    else:
        by_link = np.asarray(cost(network) if callable(cost) else cost, np.float64)
    if by_link.shape not in ((network.m,), arcs.link.shape):
        message = (
            f"costs of the shape {by_link.shape}, where there are {network.m} links and {len(arcs.link)} arcs"
        )
        raise BadInput(Problem(message=message, field="cost"))
    by_arc: FloatArray = by_link[arcs.link] if by_link.shape == (network.m,) else by_link
    wrong = np.flatnonzero(~(by_arc >= 0))
    if len(wrong):
        message = f"{network.link_name(int(arcs.link[wrong[0]]))} costs {by_arc[wrong[0]]:g}, not 0 or more"
        raise BadInput(Problem(message=message, field="cost"))
    return by_arc
