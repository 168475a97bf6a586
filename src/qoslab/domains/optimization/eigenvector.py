"""Each agent's estimate of the Perron vector of row-stochastic weights: y+ = A y, y_i(0) = e_i."""

from __future__ import annotations

import numpy as np

from qoslab.agents.message import FloatArray, Message
from qoslab.agents.program import Own, State

__all__ = ["first_estimate", "next_estimate", "own_share"]

_ULP = float(np.finfo(np.float64).eps)


def first_estimate(own: Own) -> State:
    """`y` = e_i, shape (rows, n), and `calm` = 0, shape (rows,): whether an agent's y has come to rest."""
    y = np.zeros((len(own.agents), own.n))
    y[np.arange(len(own.agents)), own.agents] = 1.0
    return {"y": y, "calm": np.zeros(len(own.agents))}


def next_estimate(state: State, heard: Message, own: Own) -> State:
    """`y` and `calm` after a round.

    y_i after k rounds is row i of A^k, so an agent whose y repeats has a left eigenvector to the eigenvalue 1, the
    Perron vector: it may keep it for good. A y that changes by one unit in the last place at most counts as
    repeating, for rounding lets some entries flip for ever. None of this holds where weights change or messages
    arrive late or not as they were sent, and then nobody stops.
    """
    calm, y = state["calm"], state["y"]
    if calm.all():
        return {"y": y, "calm": calm}
    fresh = heard["y"]
    if not own.data.steady:
        return {"y": fresh, "calm": calm}
    still = (calm > 0) | (np.abs(fresh - y) <= _ULP * fresh).all(axis=1)
    y = np.where(still[:, None], y, fresh)
    if still.all():
        y.setflags(write=False)
    return {"y": y, "calm": still.astype(np.float64)}


def own_share(y: FloatArray, own: Own) -> FloatArray:
    """y_ii, shape (rows,)."""
    return np.asarray(y[np.arange(len(own.agents)), own.agents])
