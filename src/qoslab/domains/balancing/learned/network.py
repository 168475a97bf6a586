"""A network that treats servers alike, evaluated in kernels: its weights are plain arrays, no torch is needed.

For inputs x_j of server j and fleet inputs z,

    h_j = relu(W1 x_j + b1),   g = mean over servers that are up of h_j,
    k_j = relu(W2 h_j + W3 (g, z) + b2),   (mu_j, log sigma_j) = W4 k_j + b4:

a deep set with one pooled context (Zaheer et al., Deep Sets, NeurIPS 2017). A permutation of servers permutes its
outputs, and it has no size of its own: one set of weights serves any number of servers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.learned.memories import INPUTS
from qoslab.domains.balancing.learned.weights import laid_out
from qoslab.engine.kernel import kernel

__all__ = ["FLEET", "HIDDEN", "SHAPES", "SIZE", "flat", "infer"]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

HIDDEN = 32
"""Width of both hidden layers."""
FLEET = 1
"""Fleet inputs z."""
SHAPES = {
    "w1": (INPUTS, HIDDEN),
    "b1": (HIDDEN,),
    "w2": (HIDDEN, HIDDEN),
    "w3": (HIDDEN + FLEET, HIDDEN),
    "b2": (HIDDEN,),
    "w4": (HIDDEN, 2),
    "b4": (2,),
}
"""Names and shapes of the weights, in the order in which `flat` lays them out."""
W1 = 0
B1 = W1 + INPUTS * HIDDEN
W2 = B1 + HIDDEN
W3 = W2 + HIDDEN * HIDDEN
B2 = W3 + (HIDDEN + FLEET) * HIDDEN
W4 = B2 + HIDDEN
B4 = W4 + HIDDEN * 2
SIZE = B4 + 2
"""Numbers in all weights."""


def flat(weights: Mapping[str, NDArray[np.generic]]) -> Reals:
    """The weights one after the other, as `infer` takes them, shape (SIZE,).

    Raises:
        BadInput: They are not those of this network.
    """
    return laid_out(weights, SHAPES)


@kernel
def infer(weights: Reals, inputs: Table, fleet: Reals, up: Ints, room: Table, out: Table) -> None:
    """Evaluate the network for all servers at once.

    Args:
        weights: From `flat`, shape (SIZE,).
        inputs: x, shape (INPUTS, n).
        fleet: z in the last `FLEET` places of (HIDDEN + FLEET,); the others are overwritten with g.
        up: 1 where a server may be chosen, shape (n,); at least one is.
        room: Overwritten, shape (2 HIDDEN, n).
        out: Overwritten with mu and log sigma, shape (2, n).
    """
    n = up.shape[0]
    many = 0
    for j in range(n):
        many += up[j]
    # The innermost loop runs over servers, so that the compiler makes vector code of it.
    for o in range(HIDDEN):
        for j in range(n):
            room[o, j] = weights[B1 + o]
        for i in range(INPUTS):
            w = weights[W1 + i * HIDDEN + o]
            for j in range(n):
                room[o, j] += w * inputs[i, j]
        total = 0.0
        for j in range(n):
            room[o, j] = room[o, j] if room[o, j] > 0.0 else 0.0
            total += room[o, j] if up[j] == 1 else 0.0
        fleet[o] = total / many
    for o in range(HIDDEN):
        base = weights[B2 + o]
        for i in range(HIDDEN + FLEET):
            base += weights[W3 + i * HIDDEN + o] * fleet[i]
        for j in range(n):
            room[HIDDEN + o, j] = base
        for i in range(HIDDEN):
            w = weights[W2 + i * HIDDEN + o]
            for j in range(n):
                room[HIDDEN + o, j] += w * room[i, j]
        for j in range(n):
            room[HIDDEN + o, j] = room[HIDDEN + o, j] if room[HIDDEN + o, j] > 0.0 else 0.0
    for o in range(2):
        for j in range(n):
            out[o, j] = weights[B4 + o]
        for i in range(HIDDEN):
            w = weights[W4 + i * 2 + o]
            for j in range(n):
                out[o, j] += w * room[HIDDEN + i, j]
