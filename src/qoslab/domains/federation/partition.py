"""Who holds which samples.

Every function shuffles *indices* and looks labels up through them; labels are never shuffled on their own, which
would undo the division (samples and labels would no longer belong together, and every skew would look alike).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.federation.network import FloatArray, IntArray
from qoslab.domains.federation.scenario import Dirichlet, Iid, Quantity, Shards

__all__ = ["divide", "heterogeneity"]

_TRIES = 1000


def divide(
    rule: Dirichlet | Shards | Quantity | Iid, labels: IntArray, clients: int, rng: np.random.Generator
) -> list[IntArray]:
    """Divide samples among clients.

    Args:
        rule: How.
        labels: Classes, shape (n,).
        clients: N.
        rng: Source of chance.

    Returns:
        N arrays of indices into `labels`; together they hold each index once.

    Raises:
        BadInput: There are fewer samples than shards or clients, or no division of 1,000 gives every client enough.
    """
    if isinstance(rule, Dirichlet):
        return _drawn(rule.min_samples, clients, lambda: _by_class(rule.alpha, labels, clients, rng))
    if isinstance(rule, Quantity):
        return _drawn(rule.min_samples, clients, lambda: _by_amount(rule.beta, len(labels), clients, rng))
    pieces = clients * (rule.per_client if isinstance(rule, Shards) else 1)
    if pieces > len(labels):
        message = f"{len(labels)} samples cannot be cut into {pieces} pieces"
        raise BadInput(Problem(message=message, field="scenario.clients", hint="use fewer clients"))
    order = rng.permutation(len(labels))
    if isinstance(rule, Iid):
        return list(np.array_split(order, clients))
    shards = np.array_split(order[np.argsort(labels[order], kind="stable")], pieces)
    dealt = rng.permutation(pieces).reshape(clients, rule.per_client)
    return [np.concatenate([shards[k] for k in hand]) for hand in dealt]


def heterogeneity(labels: IntArray, parts: list[IntArray], classes: int) -> float:
    """Mean total variation between a client's mix of classes and everyone's, each client weighted by its samples.

    0: all mixes are alike; 1 - 1 / C: every client has one of C equally frequent classes.
    """
    counts = np.stack([np.bincount(labels[part], minlength=classes) for part in parts]).astype(float)
    sizes, everyone = counts.sum(axis=1), counts.sum(axis=0) / counts.sum()
    mixes = counts[sizes > 0] / sizes[sizes > 0, None]
    distances = 0.5 * np.abs(mixes - everyone).sum(axis=1)
    return float(distances @ sizes[sizes > 0] / sizes.sum())


def _drawn(least: int, clients: int, draw: Callable[[], list[IntArray]]) -> list[IntArray]:
    for _ in range(_TRIES):
        parts = draw()
        if min(len(part) for part in parts) >= least:
            return parts
    message = f"no division of {_TRIES} gave each of {clients} clients {least} samples"
    hint = "use fewer clients or a larger concentration; min_samples = 0 lets clients be empty and sit out"
    raise BadInput(Problem(message=message, field="scenario.partition.min_samples", hint=hint))


def _by_class(alpha: float, labels: IntArray, clients: int, rng: np.random.Generator) -> list[IntArray]:
    hands: list[list[IntArray]] = [[] for _ in range(clients)]
    for kind in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == kind))
        for hand, piece in zip(hands, _cut(members, _shares(alpha, clients, rng)), strict=True):
            hand.append(piece)
    return [np.concatenate(hand) for hand in hands]


def _by_amount(beta: float, samples: int, clients: int, rng: np.random.Generator) -> list[IntArray]:
    return _cut(rng.permutation(samples), _shares(beta, clients, rng))


def _shares(concentration: float, clients: int, rng: np.random.Generator) -> FloatArray:
    return rng.dirichlet(np.full(clients, concentration))


def _cut(members: IntArray, shares: FloatArray) -> list[IntArray]:
    """Cut where the running sum of the shares says; what rounding leaves over falls to the next, nothing is lost."""
    ends = np.floor(np.cumsum(shares)[:-1] * len(members) + 0.5).astype(np.int64)
    return [np.asarray(piece) for piece in np.split(members, np.minimum(ends, len(members)))]
