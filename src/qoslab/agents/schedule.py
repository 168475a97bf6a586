"""Weights of every round by arc: what each agent has to be told of a network whose links come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.agents.message import FloatArray, MessageType
from qoslab.agents.weights import Weights

__all__ = ["Schedule"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """Weights by round and arc, over all arcs that are ever up; one row where they never change.

    Attributes:
        n: Agents.
        arcs: Arcs of the first round's network.
        heads: Hearer of each arc, rising; then by speaker.
        tails: Speaker of each arc.
        first: Its place among the arcs of the first round's network; only for one that never changes.
        up: 1 where an arc is up, else 0; shape (rounds, arcs).
        share: By part, the weight of an arc; 0 where it is down, shape (rounds, arcs).
        kept: By part, what each agent keeps for itself, shape (rounds, n).
    """

    n: int
    arcs: int
    heads: NDArray[np.int64]
    tails: NDArray[np.int64]
    first: NDArray[np.int64]
    up: FloatArray
    share: dict[str, FloatArray]
    kept: dict[str, FloatArray]

    @classmethod
    def of(cls, weights: Weights | Callable[[int], Weights], kind: MessageType, count: int) -> Schedule:
        """The schedule of a number of rounds; weights that change are asked for once each, in order."""
        steady = isinstance(weights, Weights)
        rounds = [_round(weights, kind, k) for k in range(1 if steady else count)]
        n, first = rounds[0].n, rounds[0].keys
        every = np.unique(np.concatenate([one.keys for one in rounds]))
        at = [np.searchsorted(every, one.keys) for one in rounds]
        up = np.zeros((len(rounds), len(every)))
        share = {part.name: np.zeros_like(up) for part in kind.parts}
        for k, one in enumerate(rounds):
            up[k, at[k]] = 1.0
            for name, value in one.share.items():
                share[name][k, at[k]] = value
        kept = {part.name: np.stack([one.kept[part.name] for one in rounds]) for part in kind.parts}
        order = np.argsort(first, kind="stable")
        places = order[np.searchsorted(first[order], every)] if steady else np.zeros(0, np.int64)
        return cls(n, len(first), every // n, every % n, places, up, share, kept)


@dataclass(frozen=True, eq=False)
class _Round:
    """One round's arcs, as hearer times n plus speaker, and its weights on them."""

    n: int
    keys: NDArray[np.int64]
    share: dict[str, FloatArray]
    kept: dict[str, FloatArray]


def _round(weights: Weights | Callable[[int], Weights], kind: MessageType, k: int) -> _Round:
    now = weights if isinstance(weights, Weights) else weights(k)
    n, arcs = now.network.n, now.network.arcs
    matrices = {part.name: now.of(part.mixing) for part in kind.parts}
    share = {name: np.asarray(matrix[arcs.heads, arcs.tails]).ravel() for name, matrix in matrices.items()}
    kept = {name: matrix.diagonal() for name, matrix in matrices.items()}
    return _Round(n, arcs.heads * n + arcs.tails, share, kept)
