"""New networks from old ones: a part of it, or the same with lengths, capacities and delays filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.components import component_labels, is_connected, is_strongly_connected
from qoslab.graphs.csr import FloatArray, IntArray
from qoslab.graphs.demands import make_demands
from qoslab.graphs.geo import distance_km
from qoslab.graphs.network import LINK_FIELDS, Network

__all__ = [
    "complete_links",
    "connected",
    "keep_component",
    "reverse",
    "subnetwork",
    "undirected",
    "without_links",
]


def connected(network: Network, *, strong: bool) -> bool:
    """Whether the network is connected, weakly or strongly."""
    return is_strongly_connected(network) if strong else is_connected(network)


def subnetwork(network: Network, nodes: IntArray) -> Network:
    """The network on some of the nodes, in their old order, with the links and demands between them."""
    kept = np.unique(np.asarray(nodes, np.int64))
    place = np.full(network.n, -1, np.int64)
    place[kept] = np.arange(len(kept))
    inside = (place[network.tail] >= 0) & (place[network.head] >= 0)
    asked = network.demands
    wanted = (place[asked.source] >= 0) & (place[asked.target] >= 0)
    columns = {name: [column[v] for v in kept] for name, column in network.attributes.items()}
    return Network.from_links(
        [network.nodes[v] for v in kept],
        place[network.tail[inside]],
        place[network.head[inside]],
        directed=network.directed,
        **{field: network.column(field)[inside] for field in LINK_FIELDS},
        position=network.position[kept],
        geographic=network.geographic,
        attributes=columns,
        demands=make_demands(place[asked.source[wanted]], place[asked.target[wanted]], asked.volume[wanted]),
        name=network.name,
    )


def keep_component(network: Network, *, strong: bool = False) -> Network:
    """The largest component; among equals the one with the earliest node."""
    labels = component_labels(network, strong=strong)
    if not len(labels) or labels.max() == 0:
        return network
    return subnetwork(network, np.flatnonzero(labels == np.bincount(labels).argmax()))


def _with_links(
    network: Network, tail: IntArray, head: IntArray, *, directed: bool, rows: IntArray
) -> Network:
    return Network.from_links(
        network.nodes,
        tail,
        head,
        directed=directed,
        **{field: network.column(field)[rows] for field in LINK_FIELDS},
        position=network.position,
        geographic=network.geographic,
        attributes=network.attributes,
        demands=network.demands,
        name=network.name,
    )


def without_links(network: Network, links: IntArray) -> Network:
    """The network without some of its links, given by index."""
    rows = np.setdiff1d(np.arange(network.m), links)
    return _with_links(network, network.tail[rows], network.head[rows], directed=network.directed, rows=rows)


def reverse(network: Network) -> Network:
    """Every arc the other way round; an undirected network is its own reverse."""
    if not network.directed:
        return network
    return _with_links(network, network.head, network.tail, directed=True, rows=np.arange(network.m))


def undirected(network: Network) -> Network:
    """The same links without directions; of two opposite arcs the one from the lower node gives the values."""
    if not network.directed:
        return network
    low, high = np.minimum(network.tail, network.head), np.maximum(network.tail, network.head)
    order = np.lexsort((network.tail > network.head, high, low))
    pairs = np.stack([low, high], axis=1)[order]
    first = np.ones(len(order), bool)
    first[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    rows = order[first].astype(np.int64)
    return _with_links(network, low[rows], high[rows], directed=False, rows=rows)


def _lengths(network: Network, how: Literal["given", "missing", "positions"]) -> FloatArray:
    if how == "given":
        return network.length_km
    ends = network.position[network.tail], network.position[network.head]
    measured = distance_km(*ends, geographic=network.geographic)
    lengths = np.where(np.isnan(network.length_km), measured, network.length_km)
    lengths = measured if how == "positions" else lengths
    unknown = np.flatnonzero(np.isnan(lengths))
    if how == "positions" and len(unknown):
        message = f"{len(unknown)} links end at a node without a position, such as {network.link_name(int(unknown[0]))}"
        raise BadInput(
            Problem(message=message, field="network.lengths", hint="lengths = 'missing' leaves those")
        )
    return lengths


def complete_links(
    network: Network,
    *,
    lengths: Literal["given", "missing", "positions"] = "given",
    length_factor: float = 1.0,
    default_length_km: float | None = None,
    default_capacity: float | None = None,
    default_delay_s: float | None = None,
    speed_km_per_s: float | None = None,
) -> Network:
    """Fill in what the links of a network lack.

    Args:
        network: The network.
        lengths: Measure lengths between positions: never, where they are unknown, or always.
        length_factor: Multiplies the lengths so found; fibre runs some 1.2 to 1.5 times the straight line.
        default_length_km: Length of the links that then have none.
        default_capacity: Capacity of the links that have none.
        default_delay_s: Delay of the links that have none.
        speed_km_per_s: Delay of the links that have none is their length over this speed.

    Raises:
        BadInput: Lengths shall come from positions that are unknown, or delays from lengths that are.
    """

    def filled(column: FloatArray, default: FloatArray | float | None) -> FloatArray:
        return column if default is None else np.where(np.isnan(column), default, column)

    length = filled(_lengths(network, lengths) * length_factor, default_length_km)
    with_length = replace(network, length_km=length, capacity=filled(network.capacity, default_capacity))
    delay = filled(network.delay_s, default_delay_s)
    if speed_km_per_s is not None and np.isnan(delay).any():
        delay = filled(delay, with_length.require("length_km") / speed_km_per_s)
    done = replace(with_length, delay_s=delay)
    for column in (done.length_km, done.capacity, done.delay_s):
        column.flags.writeable = False
    return done
