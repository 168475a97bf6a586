"""The three mixing matrices of a network, each made when a message first needs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from qoslab.agents.message import Mixing
from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.components import component_labels
from qoslab.graphs.mixing import column_stochastic, metropolis, row_stochastic
from qoslab.graphs.network import Network
from qoslab.graphs.stochastic import check_mixing

__all__ = ["Weights", "require_strong"]


@dataclass(frozen=True, eq=False)
class Weights:
    """Who puts how much weight on whom: `W[i, j]` of hearer i on speaker j, along the arc j -> i.

    Uniform row and column weights (1 over one more than the number heard, or of hearers) are those an agent can
    choose alone; doubly stochastic ones are Metropolis weights, which need an undirected network.

    Attributes:
        network: The agents and who can say something to whom.
        own_row: A row-stochastic matrix to use instead of uniform weights.
    """

    network: Network
    own_row: Any = None

    @cached_property
    def row(self) -> Any:
        """Rows sum to 1, csr of shape (n, n).

        Raises:
            BadInput: `own_row` is not row-stochastic, or puts weight where there is no arc.
        """
        if self.own_row is None:
            return row_stochastic(self.network)
        return check_mixing(self.own_row, "row", self.network, field="weights")

    @cached_property
    def column(self) -> Any:
        """Columns sum to 1, csr of shape (n, n)."""
        return column_stochastic(self.network)

    @cached_property
    def doubly(self) -> Any:
        """Rows and columns sum to 1, csr of shape (n, n).

        Raises:
            BadInput: The network is directed.
        """
        return metropolis(self.network)

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
