"""Networks of a known shape: no chance in them, every figure of theirs has a closed form."""

from __future__ import annotations

from itertools import product

import numpy as np

from qoslab.graphs.network import Network

__all__ = [
    "complete",
    "dumbbell",
    "grid",
    "hypercube",
    "karate",
    "lollipop",
    "margulis",
    "path",
    "ring",
    "star",
    "tree",
]


def path(nodes: int) -> Network:
    """Nodes in a line: 0 - 1 - ... - n-1."""
    return Network.from_links(nodes, np.arange(nodes - 1), np.arange(1, nodes), name=f"path {nodes}")


def ring(nodes: int, neighbours: int = 1, *, directed: bool = False) -> Network:
    """A cycle in which every node is linked to its next `neighbours` nodes.

    Args:
        nodes: Number of nodes, above 2 * neighbours (directed: above neighbours).
        neighbours: Reach of the links.
        directed: Whether links point ahead only.
    """
    tail = np.tile(np.arange(nodes), neighbours)
    head = (tail + np.repeat(np.arange(1, neighbours + 1), nodes)) % nodes
    return Network.from_links(nodes, tail, head, directed=directed, name=f"ring {nodes}")


def star(leaves: int) -> Network:
    """Node 0 in the middle of `leaves` others."""
    middle = np.zeros(leaves, np.int64)
    return Network.from_links(leaves + 1, middle, np.arange(1, leaves + 1), name=f"star {leaves}")


def complete(nodes: int, *, directed: bool = False) -> Network:
    """A link between any two nodes; both ways where directed."""
    tail, head = np.nonzero(~np.eye(nodes, dtype=bool)) if directed else np.triu_indices(nodes, 1)
    return Network.from_links(nodes, tail, head, directed=directed, name=f"complete {nodes}")


def grid(rows: int, columns: int, *, wrap: bool = False, spacing_km: float = 1.0) -> Network:
    """A rectangular grid; node `row * columns + column`; with `wrap` a torus (both sides above 2).

    Lengths and positions follow the spacing; links that wrap around have its length too.
    """
    cell = np.arange(rows * columns).reshape(rows, columns)
    if wrap:
        ends = [(cell, np.roll(cell, -1, axis=axis)) for axis in (0, 1)]
    else:
        ends = [(cell[:-1], cell[1:]), (cell[:, :-1], cell[:, 1:])]
    tail, head = (np.concatenate([pair[side].ravel() for pair in ends]) for side in (0, 1))
    position = np.array([(c * spacing_km, r * spacing_km) for r, c in product(range(rows), range(columns))])
    kind = "torus" if wrap else "grid"
    name = f"{kind} {rows} x {columns}"
    return Network.from_links(rows * columns, tail, head, length_km=spacing_km, position=position, name=name)


def tree(branching: int, depth: int) -> Network:
    """A balanced tree: node 0 is the root, every node above the last level has `branching` children."""
    nodes = sum(branching**level for level in range(depth + 1))
    child = np.arange(1, nodes)
    name = f"tree {branching}^{depth}"
    return Network.from_links(nodes, (child - 1) // branching, child, name=name)


def dumbbell(senders: int, receivers: int | None = None, routers: int = 2) -> Network:
    """Hosts on both ends of a chain of routers that they all share: the classic bottleneck.

    Args:
        senders: Hosts `s0`, `s1`, ... on the first router.
        receivers: Hosts `d0`, `d1`, ... on the last router; as many as senders where not given.
        routers: Routers `r0`, `r1`, ... of the chain, at least 2.
    """
    receivers = senders if receivers is None else receivers
    names = [f"s{i}" for i in range(senders)] + [f"r{i}" for i in range(routers)]
    names += [f"d{i}" for i in range(receivers)]
    first, last = senders, senders + routers - 1
    tail = [*range(senders), *range(first, last), *[last] * receivers]
    head = [*[first] * senders, *range(first + 1, last + 1), *range(last + 1, last + 1 + receivers)]
    return Network.from_links(names, tail, head, name=f"dumbbell {senders}-{receivers}")


def hypercube(dimension: int) -> Network:
    """2^dimension nodes, linked where their numbers differ in one bit."""
    nodes = np.arange(2**dimension)
    bit = 1 << np.arange(dimension)
    tail, head = (part.ravel() for part in np.broadcast_arrays(nodes[:, None], nodes[:, None] ^ bit))
    keep = tail < head
    return Network.from_links(len(nodes), tail[keep], head[keep], name=f"hypercube {dimension}")


def lollipop(clique: int, tail: int) -> Network:
    """A complete graph of `clique` nodes with a path of `tail` further nodes on its last."""
    a, b = np.triu_indices(clique, 1)
    chain = np.arange(clique - 1, clique + tail - 1)
    name = f"lollipop {clique}+{tail}"
    return Network.from_links(clique + tail, np.append(a, chain), np.append(b, chain + 1), name=name)


def margulis(side: int) -> Network:
    """The Margulis-Gabber-Galil expander on side x side nodes, as a simple graph.

    Node (x, y) meets (x +- 2y, y), (x +- (2y + 1), y), (x, y +- 2x), (x, y +- (2x + 1)) modulo side; loops and
    repeated links of that 8-regular multigraph are left out (Gabber and Galil, JCSS 22, 1981).
    """
    x, y = (part.ravel() for part in np.mgrid[0:side, 0:side])
    ends = [((x + 2 * y + c) % side, y) for c in (0, 1)] + [(x, (y + 2 * x + c) % side) for c in (0, 1)]
    here = np.tile(x * side + y, len(ends))
    there = np.concatenate([a * side + b for a, b in ends])
    low, high = np.minimum(here, there), np.maximum(here, there)
    pairs = np.unique(np.stack([low, high], axis=1)[low < high], axis=0)
    return Network.from_links(side * side, pairs[:, 0], pairs[:, 1], name=f"margulis {side} x {side}")


def karate() -> Network:
    """Zachary's karate club: 34 members, 78 weighted friendships (J. Anthropol. Res. 33, 1977)."""
    import networkx as nx

    from qoslab.graphs.convert import from_networkx

    return from_networkx(nx.karate_club_graph(), name="karate")
