"""Random networks in the plane: nodes uniform in a square, links by distance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qoslab.graphs.csr import FloatArray
from qoslab.graphs.geo import distance_km
from qoslab.graphs.network import Network

__all__ = ["random_geometric", "waxman"]


def _by_distance(
    position: FloatArray, linked: Callable[[FloatArray], np.typing.NDArray[np.bool_]], name: str
) -> Network:
    """Links between the pairs i < j that `linked` picks from their distances, row by row in O(n) memory."""
    tails, heads, lengths = [], [], []
    for v in range(len(position) - 1):
        distance = distance_km(position[v], position[v + 1 :], geographic=False)
        near = np.flatnonzero(linked(distance))
        tails.append(np.full(len(near), v))
        heads.append(near + v + 1)
        lengths.append(distance[near])
    empty = [np.empty(0)]
    return Network.from_links(
        len(position),
        np.concatenate(tails or empty).astype(np.int64),
        np.concatenate(heads or empty).astype(np.int64),
        length_km=np.concatenate(lengths or empty),
        position=position,
        name=name,
    )


def random_geometric(
    nodes: int, radius_km: float, rng: np.random.Generator, *, side_km: float = 1.0
) -> Network:
    """Nodes uniform in a square, linked where they are at most `radius_km` apart."""
    position = rng.random((nodes, 2)) * side_km
    return _by_distance(position, lambda distance: distance <= radius_km, f"random_geometric {nodes}")


def waxman(
    nodes: int, rng: np.random.Generator, *, alpha: float = 0.4, beta: float = 0.1, side_km: float = 1.0
) -> Network:
    """Nodes uniform in a square, linked with probability alpha exp(-d / (beta L)) (Waxman, JSAC 6, 1988).

    Args:
        nodes: Number of nodes.
        rng: Source of randomness.
        alpha: Probability of a link between nodes at the same place. Some authors exchange the two letters.
        beta: Reach of the links, as a share of L, the largest distance between any two nodes.
        side_km: Side of the square.
    """
    position = rng.random((nodes, 2)) * side_km
    reach = beta * max(
        (float(distance_km(p, position, geographic=False).max()) for p in position), default=1.0
    )

    def linked(distance: FloatArray) -> np.typing.NDArray[np.bool_]:
        return rng.random(len(distance)) < alpha * np.exp(-distance / max(reach, 1e-300))

    return _by_distance(position, linked, f"waxman {nodes}")
