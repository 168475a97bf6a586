# mypy: disable-error-code="no-any-return"
"""A recurrent network that treats servers alike, evaluated in kernels: its weights are plain arrays, without torch.

At every look, with x_j what the fixed memories say of server j (`memories.FIXED_INPUTS`) and fleet inputs z, gates say
how fast the gated memories of server j forget:

    f_j = relu(G1 x_j + c1),   u_j = G2 f_j + G3 (mean f, z) + c2,
    log rate_j = low + (high - low) sigmoid(u_j),   M_j <- exp(-rate_j completions) M_j + what is new:

a linear recurrence with gates that depend on its inputs, as in Martin and Cundy (Parallelizing Linear Recurrent Neural
Nets Over Sequence Length, ICLR 2018), in continuous time that is counted in completions. With y_j what all memories
say,

    h_j = relu(W1 y_j + b1),   k_j = relu(W2 h_j + W3 (mean h, z) + b2),   (mu_j, log sigma_j) = W4 k_j + b4:

deep sets with one pooled context (Zaheer et al., Deep Sets, NeurIPS 2017); means are taken over servers that are up. A
permutation of servers permutes memories and outputs, and nothing has a size of its own: one set of weights serves any
number of servers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.learned.memories import (
    FIXED_INPUTS,
    GATED,
    INPUTS,
    read_gated,
    read_off,
    remember,
    retain,
)
from qoslab.domains.balancing.learned.weights import laid_out
from qoslab.engine.kernel import kernel

__all__ = [
    "FLEET",
    "GATES",
    "HIDDEN",
    "LOG_RATES",
    "POOLED",
    "ROOM",
    "SHAPES",
    "SIZE",
    "flat",
    "gate",
    "infer",
    "step",
]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

HIDDEN = 32
"""Width of both hidden layers behind the memories."""
GATES = 16
"""Width of the gates' hidden layer."""
FLEET = 1
"""Fleet inputs z."""
LOG_RATES = (math.log(1.0 / 3000.0), math.log(1.0 / 2.0))
"""Logarithms of the slowest and fastest forgetting, per completion of the mean server."""
SHAPES = {
    "g1": (FIXED_INPUTS, GATES),
    "c1": (GATES,),
    "g2": (GATES, GATED),
    "g3": (GATES + FLEET, GATED),
    "c2": (GATED,),
    "w1": (INPUTS, HIDDEN),
    "b1": (HIDDEN,),
    "w2": (HIDDEN, HIDDEN),
    "w3": (HIDDEN + FLEET, HIDDEN),
    "b2": (HIDDEN,),
    "w4": (HIDDEN, 2),
    "b4": (2,),
}
"""Names and shapes of the weights, in the order in which `flat` lays them out."""
_STARTS = dict(
    zip(SHAPES, np.cumsum([0, *(math.prod(shape) for shape in SHAPES.values())]).tolist(), strict=False)
)
G1, C1, G2, G3, C2 = (_STARTS[name] for name in ("g1", "c1", "g2", "g3", "c2"))
W1, B1, W2, W3, B2, W4, B4 = (_STARTS[name] for name in ("w1", "b1", "w2", "w3", "b2", "w4", "b4"))
SIZE = B4 + 2
"""Numbers in all weights."""
ROOM = 2 * HIDDEN
"""Rows of room that a step needs."""
POOLED = HIDDEN + FLEET
"""Places that the pooled context needs; z stands in the last of them."""


def flat(weights: Mapping[str, NDArray[np.generic]]) -> Reals:
    """The weights one after the other, as kernels take them, shape (SIZE,).

    Raises:
        BadInput: They are not those of this network.
    """
    return laid_out(weights, SHAPES)


@kernel
def step(
    weights: Reals,
    memories: Table,
    lengths: Reals,
    new: Table,
    up: Ints,
    length_s: float,
    inputs: Table,
    pooled: Reals,
    room: Table,
    out: Table,
) -> float:
    """One step of the recurrence, and what the network says after it.

    Args:
        weights: From `flat`, shape (SIZE,).
        memories: Brought up to date, shape (20, n), see `memories.ROWS`.
        lengths: Brought up to date: discounted time of each fixed memory, s, shape (4,).
        new: Completions, busy time and request-seconds since the last step, shape (3, n).
        up: 1 where a server may be chosen, shape (n,); at least one is.
        length_s: Time since the last step, s.
        inputs: Overwritten with y, shape (24, n).
        pooled: z in the last place of (POOLED,); the others are overwritten.
        room: Overwritten, shape (ROOM, n).
        out: Overwritten with mu and log sigma, shape (2, n), unless nothing was seen yet.

    Returns:
        Completions that the longest fixed memory holds, per server that is up; 0 before every memory has one.
    """
    each = remember(memories, lengths, new, up, length_s)
    seen = read_off(memories, lengths, up, inputs)
    if seen > 0.0:
        gate(weights, inputs, pooled, up, room)
    else:
        room[:GATED] = 0.0  # nothing is forgotten before anything is known
    retain(memories, room[:GATED], new, each, length_s)
    if seen > 0.0:
        read_gated(memories, up, inputs)
        infer(weights, inputs, pooled, up, room, out)
    return seen


@kernel
def gate(weights: Reals, inputs: Table, pooled: Reals, up: Ints, room: Table) -> None:
    """Evaluate the gates of all servers at once.

    Args:
        weights: See `step`.
        inputs: x in the first rows, shape (24, n).
        pooled: See `step`.
        up: See `step`.
        room: Overwritten, the first two rows with the rates, per completion of the mean server, shape (ROOM, n).
    """
    n = up.shape[0]
    hidden = room[GATED : GATED + GATES]
    for o in range(GATES):
        for j in range(n):
            hidden[o, j] = weights[C1 + o]
    _add(weights, G1, inputs[:FIXED_INPUTS], hidden)
    _rectify(hidden)
    _pool(hidden, up, pooled)
    for o in range(GATED):
        base = _context(weights, G3, weights[C2 + o], pooled, GATES, o, GATED)
        for j in range(n):
            room[o, j] = base
    _add(weights, G2, hidden, room[:GATED])
    for o in range(GATED):
        for j in range(n):
            u = room[o, j] if room[o, j] > -30.0 else -30.0
            room[o, j] = math.exp(LOG_RATES[0] + (LOG_RATES[1] - LOG_RATES[0]) / (1.0 + math.exp(-u)))


@kernel
def infer(weights: Reals, inputs: Table, pooled: Reals, up: Ints, room: Table, out: Table) -> None:
    """Evaluate what follows the memories, for all servers at once.

    Args:
        weights: See `step`.
        inputs: y, shape (24, n).
        pooled: See `step`.
        up: See `step`.
        room: Overwritten, shape (ROOM, n).
        out: Overwritten with mu and log sigma, shape (2, n).
    """
    n = up.shape[0]
    first, second = room[:HIDDEN], room[HIDDEN : 2 * HIDDEN]
    for o in range(HIDDEN):
        for j in range(n):
            first[o, j] = weights[B1 + o]
    _add(weights, W1, inputs, first)
    _rectify(first)
    _pool(first, up, pooled)
    for o in range(HIDDEN):
        base = _context(weights, W3, weights[B2 + o], pooled, HIDDEN, o, HIDDEN)
        for j in range(n):
            second[o, j] = base
    _add(weights, W2, first, second)
    _rectify(second)
    for o in range(2):
        for j in range(n):
            out[o, j] = weights[B4 + o]
    _add(weights, W4, second, out)


@kernel
def _add(weights: Reals, start: int, given: Table, out: Table) -> None:
    """Add a layer's products; the innermost loop runs over servers, of which the compiler makes vector code."""
    for o in range(out.shape[0]):
        for i in range(given.shape[0]):
            w = weights[start + i * out.shape[0] + o]
            for j in range(given.shape[1]):
                out[o, j] += w * given[i, j]


@kernel
def _rectify(values: Table) -> None:
    for o in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[o, j] = values[o, j] if values[o, j] > 0.0 else 0.0


@kernel
def _pool(values: Table, up: Ints, pooled: Reals) -> None:
    """Means over servers that are up."""
    many = 0
    for j in range(up.shape[0]):
        many += up[j]
    for o in range(values.shape[0]):
        total = 0.0
        for j in range(up.shape[0]):
            total += values[o, j] if up[j] == 1 else 0.0
        pooled[o] = total / many


@kernel
def _context(
    weights: Reals, start: int, base: float, pooled: Reals, width: int, o: int, outputs: int
) -> float:
    """What the pooled means and z add to output o."""
    for i in range(width):
        base += weights[start + i * outputs + o] * pooled[i]
    return base + weights[start + width * outputs + o] * pooled[pooled.shape[0] - 1]
