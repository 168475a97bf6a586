"""Reading a network file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.formats.assemble import Reading, assemble
from qoslab.graphs.formats.draft import Draft
from qoslab.graphs.formats.edge_list import read_csv, read_edge_list
from qoslab.graphs.formats.gml import read_gml
from qoslab.graphs.formats.graphml import read_graphml
from qoslab.graphs.formats.node_link import read_node_link
from qoslab.graphs.network import Network

__all__ = ["FORMATS", "read_network"]

FORMATS: dict[str, Callable[[Path], Draft]] = {
    ".graphml": read_graphml,
    ".gml": read_gml,
    ".json": read_node_link,
    ".csv": read_csv,
    ".txt": read_edge_list,
    ".edges": read_edge_list,
    ".edgelist": read_edge_list,
}
"""Reader of each file name extension."""


def read_network(path: Path | str, reading: Reading = Reading()) -> Network:  # noqa: B008 - frozen
    """Read a network file; its extension says which format it has.

    Args:
        path: GraphML, GML, node-link JSON (networkx, topohub), CSV with a header (source, target and any of
            length_km, capacity, delay_s, weight) or a whitespace list of links (SNAP; `.txt`, `.edges`).
        reading: What the file leaves open.

    Raises:
        BadInput: Everything wrong with the file, each with line and field.
    """
    path = Path(path)
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        hint = "known: " + ", ".join(FORMATS)
        message = f"the extension {path.suffix!r} names no format of a network file"
        raise BadInput(Problem(path=path, message=message, hint=hint))
    return assemble(reader(path), reading)
