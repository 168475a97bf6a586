"""The network: nodes with positions and attributes, links with length, capacity and delay, demands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import numpy as np

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.graphs.csr import Arcs, FloatArray, Incoming, IntArray, compile_arcs, incoming_arcs
from qoslab.graphs.demands import Demands, make_demands
from qoslab.graphs.validation import network_problems

__all__ = ["LINK_FIELDS", "Attribute", "LinkField", "Network"]

Attribute = str | int | float | bool | None
"""What a node's attribute may be; None where a node lacks it."""

LinkField = Literal["length_km", "capacity", "delay_s", "weight"]
LINK_FIELDS: tuple[LinkField, ...] = ("length_km", "capacity", "delay_s", "weight")

_NO_DEMANDS = make_demands()


def _column(value: Any, m: int, default: float) -> FloatArray:
    column = np.asarray(default if value is None else value, np.float64)
    return _plain(np.broadcast_to(column, (m,)) if column.ndim == 0 else column)


def _plain(array: FloatArray) -> FloatArray:
    # One zero and one NaN only, so that equal networks have equal bytes.
    return np.where(np.isnan(array), np.nan, array + 0.0)


def _places(position: Any, n: int) -> FloatArray:
    if position is None:
        return np.full((n, 2), np.nan)
    found = _plain(np.asarray(position, np.float64))
    if found.ndim == 2:
        found[np.isnan(found).any(axis=1)] = np.nan
    return found


def _columns(attributes: Mapping[str, Sequence[Attribute]]) -> dict[str, tuple[Attribute, ...]]:
    columns = {name: tuple(values) for name, values in sorted(attributes.items())}
    return {name: values for name, values in columns.items() if any(value is not None for value in values)}


@dataclass(frozen=True, eq=False)
class Network:
    """A simple graph with what a network of the real world adds to it. Made by `Network.from_links`.

    Links stand in canonical order: sorted by (tail, head), and tail < head where the network is undirected.
    All arrays are read-only. An unknown length, capacity or delay is NaN; see `require`.

    Attributes:
        nodes: Identifier of each node, unique; its place is the node's index.
        tail: First end of each link, shape (m,).
        head: Second end of each link, shape (m,).
        directed: Whether a link can be used from tail to head only.
        length_km: Length of each link, shape (m,).
        capacity: Capacity of each link, in the unit of the demands, shape (m,).
        delay_s: Propagation delay of each link, shape (m,).
        weight: Weight of each link, 1 where nothing else is said, shape (m,).
        position: Longitude and latitude in degrees, or x and y in km, shape (n, 2); NaN where unknown.
        geographic: Whether positions are longitude and latitude.
        attributes: Further columns of the nodes, by name, each of length n.
        demands: Demands between nodes.
        name: What the network is called.
    """

    nodes: tuple[str, ...]
    tail: IntArray
    head: IntArray
    directed: bool
    length_km: FloatArray
    capacity: FloatArray
    delay_s: FloatArray
    weight: FloatArray
    position: FloatArray
    geographic: bool
    attributes: Mapping[str, tuple[Attribute, ...]]
    demands: Demands
    name: str

    @classmethod
    def from_links(
        cls,
        nodes: Sequence[str] | int,
        tail: Sequence[int] | IntArray,
        head: Sequence[int] | IntArray,
        *,
        directed: bool = False,
        length_km: Any = None,
        capacity: Any = None,
        delay_s: Any = None,
        weight: Any = None,
        position: Any = None,
        geographic: bool = False,
        attributes: Mapping[str, Sequence[Attribute]] | None = None,
        demands: Demands = _NO_DEMANDS,
        name: str = "",
    ) -> Network:
        """A network from its links, validated.

        Args:
            nodes: Identifiers, or how many nodes there are: they are then called "0", "1", ...
            tail: Node index of each link's first end.
            head: Node index of each link's second end.
            directed: Whether a link can be used from tail to head only.
            length_km: One value for all links, one per link, or None for unknown; so are the next two.
            capacity: Capacities.
            delay_s: Delays.
            weight: Weights; 1 by default.
            position: Shape (n, 2), or None for unknown.
            geographic: Whether positions are longitude and latitude.
            attributes: Further columns of the nodes.
            demands: Demands between node indices.
            name: What the network is called.

        Raises:
            BadInput: Unknown nodes, self loops, parallel links, repeated or unusable identifiers, negative or
                infinite numbers, columns of the wrong length: all that is found, at once.
        """
        names = tuple(str(i) for i in range(nodes)) if isinstance(nodes, int) else tuple(nodes)
        m = len(tail)
        network = cls(
            nodes=names,
            tail=np.array(tail, np.int64).reshape(-1),
            head=np.array(head, np.int64).reshape(-1),
            directed=directed,
            length_km=_column(length_km, m, np.nan),
            capacity=_column(capacity, m, np.nan),
            delay_s=_column(delay_s, m, np.nan),
            weight=_column(weight, m, 1.0),
            position=_places(position, len(names)),
            geographic=geographic,
            attributes=_columns(attributes or {}),
            demands=demands,
            name=name,
        )
        problems = network_problems(network)
        if problems:
            raise BadInput(problems)
        return network._canonical()

    def _canonical(self) -> Network:
        tail, head = self.tail, self.head
        if not self.directed:
            tail, head = np.minimum(tail, head), np.maximum(tail, head)
        order = np.lexsort((head, tail))
        columns: dict[str, Any] = {field: self.column(field)[order] for field in LINK_FIELDS}
        network = replace(self, tail=tail[order], head=head[order], **columns)
        for array in (network.tail, network.head, network.position, *columns.values()):
            array.flags.writeable = False
        return network

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    @property
    def m(self) -> int:
        """Number of links: arcs where the network is directed, edges where it is not."""
        return len(self.tail)

    @cached_property
    def arcs(self) -> Arcs:
        """The arcs by tail, for kernels and searches."""
        return compile_arcs(self.n, self.tail, self.head, directed=self.directed)

    @cached_property
    def incoming(self) -> Incoming:
        """The arcs by head."""
        return incoming_arcs(self.arcs)

    @property
    def out_degree(self) -> IntArray:
        """Number of arcs out of each node, shape (n,); the degree where the network is undirected."""
        return np.diff(self.arcs.indptr)

    @property
    def in_degree(self) -> IntArray:
        """Number of arcs into each node, shape (n,)."""
        return np.diff(self.incoming.indptr)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What a person calls each node: its attribute `name` or `label`, else its identifier."""
        column = self.attributes.get("name") or self.attributes.get("label") or self.nodes
        return tuple(str(label) if label else node for label, node in zip(column, self.nodes, strict=True))

    @cached_property
    def _index(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for i, label in enumerate(self.labels):
            found[label] = -1 if label in found else i
        return found | {node: i for i, node in enumerate(self.nodes)}

    def index(self, node: str) -> int:
        """Index of a node by its identifier or, where that is unique, by its label.

        Raises:
            BadInput: No node is called so, or several are.
        """
        index = self._index.get(node)
        if index is None:
            message = f"network {self.name!r} has no node {node!r}"
            raise BadInput(Problem(message=message, hint=did_you_mean(node, self._index)))
        if index < 0:
            same = ", ".join(repr(self.nodes[i]) for i, label in enumerate(self.labels) if label == node)
            raise BadInput(Problem(message=f"several nodes are called {node!r}", hint=f"use one of {same}"))
        return index

    def column(self, field: LinkField) -> FloatArray:
        """A column of the links by its name, NaN where unknown, shape (m,)."""
        found: FloatArray = getattr(self, field)
        return found

    def require(self, field: LinkField) -> FloatArray:
        """A column of the links in which nothing is unknown, shape (m,).

        Raises:
            BadInput: Some links lack it.
        """
        column = self.column(field)
        unknown = np.flatnonzero(np.isnan(column))
        if len(unknown):
            shown = ", ".join(self.link_name(int(k)) for k in unknown[:3])
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            hints = {
                "length_km": "give it in the file, or set lengths = 'positions' or default_length_km",
                "delay_s": "give it in the file, or set propagation_speed_km_per_s",
            }
            hint = hints.get(field, f"give it in the file, or set default_{field}")
            message = f"{field} is unknown for {shown}{more} of network {self.name!r}"
            raise BadInput(Problem(message=message, field=f"network.{field}", hint=hint))
        return column

    def link_name(self, link: int) -> str:
        """A link in words, such as `Berlin - Hamburg` or `a -> b`."""
        between = " -> " if self.directed else " - "
        return f"{self.labels[self.tail[link]]}{between}{self.labels[self.head[link]]}"

    def _key(self) -> tuple[Any, ...]:
        arrays = (self.tail, self.head, *map(self.column, LINK_FIELDS), self.position, *self.demands)
        words = (self.nodes, self.directed, self.geographic, self.name, sorted(self.attributes.items()))
        return repr(words), *(array.tobytes() for array in arrays)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all that the network says, in hexadecimal."""
        digest = sha256()
        for part in self._key():
            data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "little") + data)
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        kind = "directed" if self.directed else "undirected"
        counts = f"{self.n} nodes, {self.m} {kind} links, {len(self.demands.source)} demands"
        return f"<Network {self.name!r}: {counts}>"
