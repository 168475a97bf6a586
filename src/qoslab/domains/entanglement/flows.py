"""What passes over each link: the columns of the map of a run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qoslab.core.outcome import Series
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import all_pairs

__all__ = ["flow_series", "places_of"]

FloatArray = NDArray[np.float64]


def flow_series(network: Network, load: FloatArray, users: set[int]) -> Series:
    """One row per link: its ends, where they stand, and the delivered pairs that were made over it.

    Args:
        network: The network.
        load: Delivered pairs per second over each link, shape (m,).
        users: Nodes that want pairs.

    Returns:
        Columns `source`, `target`, `x_from`, `y_from`, `x_to`, `y_to`, `geographic` (0 or 1), `user_from`, `user_to`
        (0 or 1) and `pairs_per_s`.
    """
    at, known = places_of(network)
    names = np.array(network.nodes)
    wants = np.isin(np.arange(network.n), sorted(users)).astype(np.int64)
    ends = {"from": network.tail, "to": network.head}
    return {
        "source": names[network.tail],
        "target": names[network.head],
        **{f"{axis}_{end}": at[nodes, k] for end, nodes in ends.items() for k, axis in enumerate("xy")},
        "geographic": np.full(network.m, int(known and network.geographic)),
        **{f"user_{end}": wants[nodes] for end, nodes in ends.items()},
        "pairs_per_s": load,
    }


def places_of(network: Network) -> tuple[FloatArray, bool]:
    """Where the nodes stand, and whether the network says so.

    Where it does not, distances in hops are drawn in the plane by classical multidimensional scaling.
    """
    if np.isfinite(network.position).all():
        return network.position, True
    far = all_pairs(network)
    far = np.where(np.isfinite(far), far, far[np.isfinite(far)].max() + 1.0)
    centre = np.eye(network.n) - 1.0 / network.n
    values, vectors = np.linalg.eigh(-0.5 * centre @ (far**2) @ centre)
    places = np.zeros((network.n, 2))
    for axis in range(min(2, network.n)):
        vector = vectors[:, -1 - axis]
        # An eigenvector's sign is free: the first node that is off the middle stands on the left.
        sign = -np.sign(vector[np.argmax(np.abs(vector) > 1e-9)])
        places[:, axis] = sign * vector * np.sqrt(max(0.0, values[-1 - axis]))
    return places, False
