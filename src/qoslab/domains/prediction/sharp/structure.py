"""What the encoder sees of a table: features and operators, per parameter and per kind of context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Codes, Known
from qoslab.domains.prediction.sharp.features import autoencoded, nmf_features
from qoslab.learning.sparse import Operator, bipartite_adjacency, group_mean, hypergraph

__all__ = ["ContextGraph", "Structure", "TaskGraph", "make_structure"]


@dataclass(frozen=True)
class TaskGraph:
    """One parameter's graphs; users are the first nodes.

    Attributes:
        features: Shape (users + services, rank).
        bipartite: Normalised adjacency of the user-service graph.
        users: User hypergraph, one hyperedge per service.
        services: Service hypergraph, one hyperedge per user.
    """

    features: Any
    bipartite: Operator
    users: Operator
    services: Operator


@dataclass(frozen=True)
class ContextGraph:
    """One kind of context (or all merged): codes of the nodes, shape (users + services, width), and its operator."""

    features: Any
    mean: Operator


@dataclass(frozen=True)
class Structure:
    """Everything fixed during training."""

    count: tuple[int, int]
    tasks: tuple[TaskGraph, ...]
    contexts: tuple[ContextGraph, ...]


def make_structure(
    torch: Any,
    known: Known,
    rank: int,
    *,
    renormalised: bool,
    merged: bool,
    contexts: bool,
    device: Any,
    context: Context,
) -> Structure:
    """Build features and operators from what is known.

    Args:
        torch: The torch module of a deterministic session.
        known: The table and its context.
        rank: Width of all features.
        renormalised: See `bipartite_adjacency`.
        merged: One graph over all kinds of context instead of one each.
        contexts: Whether context is used at all.
        device: Where the tensors lie.
        context: Its time limit is kept between tables, and between epochs of what encodes places.

    Raises:
        TimeLimitExceeded: The trial's time is over.
    """
    count = (known.users, known.services)
    like = torch.zeros(1, device=device)
    cache: dict[bytes, tuple[Operator, Operator, Operator]] = {}
    tasks = []
    for table in known.values:
        context.check_time()
        tasks.append(_task(torch, table, rank, renormalised, like, cache))
    graphs = _contexts(torch, known, rank, merged, like, context) if contexts else []
    return Structure(count, tuple(tasks), tuple(graphs))


def _task(
    torch: Any,
    table: NDArray[np.float64],
    rank: int,
    renormalised: bool,  # noqa: FBT001
    like: Any,
    cache: dict[bytes, tuple[Operator, Operator, Operator]],
) -> TaskGraph:
    mask = np.isfinite(table)
    key = np.packbits(mask).tobytes()  # parameters measured in the same cells share their operators
    if key not in cache:
        users, services = np.nonzero(mask)
        shape = (int(mask.shape[0]), int(mask.shape[1]))
        cache[key] = (
            bipartite_adjacency(users, services, shape, like, renormalised=renormalised),
            hypergraph(users, services, shape, like),
            hypergraph(services, users, shape[::-1], like),
        )
    features = torch.from_numpy(nmf_features(table, rank)).to(like)
    return TaskGraph(features, *cache[key])


def _contexts(
    torch: Any,
    known: Known,
    rank: int,
    merged: bool,  # noqa: FBT001
    like: Any,
    context: Context,
) -> list[ContextGraph]:
    found = []
    for users, services in _places(known):
        features = autoencoded(torch, users, services, rank, context).to(like)
        found.append(ContextGraph(features, group_mean(np.concatenate([users, services]), like)))
    if not merged or len(found) < 2:
        return found
    means = [graph.mean for graph in found]
    features = sum(graph.features for graph in found) / len(found)
    # A node sees the mean of what its groups of each kind show: the mean of the operators, not a union of edges.
    return [ContextGraph(features, lambda x: sum(mean(x) for mean in means) / len(means))]


def _places(known: Known) -> list[tuple[Codes, Codes]]:
    """Codes of users and of services for each kind of context; all unknown on a side that does not have it."""
    kinds = list(dict.fromkeys([*known.user_context, *known.service_context]))
    users, services = (np.full(count, -1, np.int64) for count in (known.users, known.services))
    return [
        (known.user_context.get(kind, users), known.service_context.get(kind, services)) for kind in kinds
    ]
