"""Writing a network file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.demands import make_demands
from qoslab.graphs.formats.edge_list import csv_text
from qoslab.graphs.formats.files import write_text
from qoslab.graphs.formats.graphml import graphml_text
from qoslab.graphs.formats.node_link import json_text
from qoslab.graphs.network import Network

__all__ = ["write_network"]

_WRITERS: dict[str, Callable[[Network], str]] = {
    ".json": json_text,
    ".graphml": graphml_text,
    ".csv": csv_text,
}


def _bare(network: Network) -> Network:
    return replace(
        network, position=np.full((network.n, 2), np.nan), attributes={}, demands=make_demands(), name=""
    )


def write_network(network: Network, path: Path | str, *, links_only: bool = False) -> None:
    """Write a network as node-link JSON, GraphML or CSV, whole or not at all.

    JSON and GraphML keep everything: reading them back gives an equal network. CSV keeps nodes and links.

    Args:
        network: The network.
        path: Its extension says which format to write.
        links_only: Leave out positions, attributes and demands.

    Raises:
        BadInput: An unknown extension, a folder that cannot be written to, or CSV that would lose something.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        hint = "known: " + ", ".join(_WRITERS)
        message = f"networks are not written as {path.suffix!r}"
        raise BadInput(Problem(path=path, message=message, hint=hint))
    write_text(path, writer(_bare(network) if links_only else network))
