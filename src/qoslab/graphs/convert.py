"""To networkx and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from qoslab.graphs.formats.assemble import Reading, assemble
from qoslab.graphs.formats.draft import LINK_KEYS, Draft, LinkRow
from qoslab.graphs.formats.nodes import node_row
from qoslab.graphs.network import LINK_FIELDS, Network

__all__ = ["from_networkx", "to_networkx"]


def from_networkx(graph: Any, *, name: str | None = None, reading: Reading = Reading()) -> Network:  # noqa: B008
    """A network from a networkx graph: nodes by `str`, attributes as in a node-link file.

    Args:
        graph: `Graph`, `DiGraph`, or their multigraphs (see `Reading.parallel`).
        name: What the network is called; the graph's own name where not given.
        reading: What the graph leaves open.

    Raises:
        BadInput: As for a file of the same content.
    """
    draft = Draft(None, name=str(graph.name) if name is None else name, lists_nodes=True)
    draft.directed, draft.multigraph = bool(graph.is_directed()), bool(graph.is_multigraph())
    for node, values in graph.nodes(data=True):
        plain = {str(key): list(v) if isinstance(v, tuple | np.ndarray) else v for key, v in values.items()}
        draft.nodes.append(node_row(draft, str(node), None, plain, f"node {node!r}"))
    for a, b, values in graph.edges(data=True):
        known = {key: value for key, value in values.items() if key in LINK_KEYS}
        draft.links.append(
            LinkRow(str(a), str(b), None, draft.link_values(known, None, f"edge {a!r}, {b!r}"))
        )
    return assemble(draft, reading)


def to_networkx(network: Network) -> Any:
    """A networkx `Graph` or `DiGraph` on node indices, with the known link fields and `name` of each node."""
    import networkx as nx

    graph = nx.DiGraph(name=network.name) if network.directed else nx.Graph(name=network.name)
    graph.add_nodes_from((v, {"name": label}) for v, label in enumerate(network.labels))
    columns = {field: network.column(field).tolist() for field in LINK_FIELDS}
    for k, (a, b) in enumerate(zip(network.tail.tolist(), network.head.tolist(), strict=True)):
        figures = {field: column[k] for field, column in columns.items() if column[k] == column[k]}
        graph.add_edge(a, b, **figures)
    return graph
