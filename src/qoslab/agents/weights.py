"""The three mixing matrices of a network, each made by a rule when a message first needs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from qoslab.agents.message import Mixing
from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.components import component_labels
from qoslab.graphs.mixing import (
    Shares,
    best_constant,
    column_stochastic,
    doubly_stochastic,
    lazy,
    max_degree,
    metropolis,
    row_stochastic,
)
from qoslab.graphs.network import Network
from qoslab.graphs.stochastic import check_mixing

__all__ = ["Doubly", "Rules", "Weights", "require_strong"]

Doubly = Literal["metropolis", "lazy_metropolis", "max_degree", "best_constant", "sinkhorn"]
"""How doubly stochastic weights are made; all but `sinkhorn` need an undirected network."""


@dataclass(frozen=True)
class Rules:
    """How each of the three matrices is made.

    Attributes:
        row: How an agent divides its weight among those it hears and itself.
        column: How an agent divides what it says among those who hear it and itself.
        doubly: Which doubly stochastic matrix.
        self_weight: What each agent keeps for itself in row and column weights; by the same rule as the others' where
            None. By the links' weights it must be given: nothing would be left for the agent itself.
        seed: Of random weights.
    """

    row: Shares = "uniform"
    column: Shares = "uniform"
    doubly: Doubly = "metropolis"
    self_weight: float | None = None
    seed: int = 0

    def row_of(self, network: Network) -> Any:
        """The row-stochastic matrix."""
        rng = np.random.default_rng([self.seed, 0])
        _require_positive(network, self.row)
        return row_stochastic(network, shares=self.row, self_weight=self.self_weight, rng=rng)

    def column_of(self, network: Network) -> Any:
        """The column-stochastic matrix."""
        rng = np.random.default_rng([self.seed, 1])
        _require_positive(network, self.column)
        return column_stochastic(network, shares=self.column, self_weight=self.self_weight, rng=rng)

    def doubly_of(self, network: Network) -> Any:
        """The doubly stochastic matrix.

        Raises:
            BadInput: The network is directed, and the rule is not `sinkhorn`.
        """
        if network.directed and self.doubly != "sinkhorn":
            message = f"{self.doubly} weights, which this method needs, take an undirected network; "
            hint = "weights = { doubly = 'sinkhorn' } in the scenario; or a method with row or column weights"
            message += f"{network.name!r} is directed"
            raise BadInput(Problem(field="scenario.network", message=message, hint=hint))
        if self.doubly == "lazy_metropolis":
            return lazy(metropolis(network))
        if self.doubly == "max_degree":
            return max_degree(network)
        if self.doubly == "best_constant":
            return best_constant(network)
        return doubly_stochastic(network) if self.doubly == "sinkhorn" else metropolis(network)


def _require_positive(network: Network, shares: Shares) -> None:
    if shares == "weight" and not (network.weight > 0).all():
        link = network.link_name(int(np.argmin(network.weight)))
        message = f"{link} has no positive weight: shares by the links' weights would cut it"
        raise BadInput(Problem(field="scenario.network", message=message))


@dataclass(frozen=True, eq=False)
class Weights:
    """Who puts how much weight on whom: `W[i, j]` of hearer i on speaker j, along the arc j -> i.

    By default row and column weights are uniform (1 over one more than the number heard, or of hearers), which an agent
    can choose alone; doubly stochastic ones are Metropolis weights, which need an undirected network.

    Attributes:
        network: The agents and who can say something to whom.
        own_row: A row-stochastic matrix to use instead.
        rules: How the matrices are made.
    """

    network: Network
    own_row: Any = None
    rules: Rules = Rules()

    @cached_property
    def row(self) -> Any:
        """Rows sum to 1, csr of shape (n, n).

        Raises:
            BadInput: `own_row` is not row-stochastic, or puts weight where there is no arc.
        """
        if self.own_row is None:
            return self.rules.row_of(self.network)
        return check_mixing(self.own_row, "row", self.network, field="weights")

    @cached_property
    def column(self) -> Any:
        """Columns sum to 1, csr of shape (n, n)."""
        return self.rules.column_of(self.network)

    @cached_property
    def doubly(self) -> Any:
        """Rows and columns sum to 1, csr of shape (n, n).

        Raises:
            BadInput: The network is directed, and the rule is not `sinkhorn`.
        """
        return self.rules.doubly_of(self.network)

    def of(self, mixing: Mixing) -> Any:
        """The matrix for a kind of mixing."""
        return {"row": lambda: self.row, "column": lambda: self.column, "doubly": lambda: self.doubly}[
            mixing
        ]()


def require_strong(network: Network) -> None:
    """Refuse a network on which some agent never hears of another, even through others.

    Raises:
        BadInput: The network is not strongly connected; names two agents without a way between them.
    """
    labels = component_labels(network, strong=True)
    if int(labels.max(initial=0)) == 0:
        return
    arcs = network.arcs
    crossing = np.flatnonzero(labels[arcs.tails] != labels[arcs.heads])
    if len(crossing):
        a, b = arcs.tails[crossing[0]], arcs.heads[crossing[0]]
        detail = f"{network.labels[b]!r} hears {network.labels[a]!r}, but there is no way back"
    else:
        a, b = np.flatnonzero(labels == 0)[0], np.flatnonzero(labels == 1)[0]
        detail = f"there is no way between {network.labels[a]!r} and {network.labels[b]!r}"
    message = f"network {network.name!r} is not strongly connected: {detail}"
    hint = "network.connected = 'strongly' draws again; network.component = 'largest_strong' keeps a part"
    raise BadInput(Problem(field="scenario.network", message=message, hint=hint))
