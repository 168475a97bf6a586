"""Random graphs from the literature, undirected and directed, drawn from a generator that is passed in."""

from __future__ import annotations

import numpy as np

from qoslab.core.errors import BadInput
from qoslab.graphs.csr import IntArray
from qoslab.graphs.network import Network

__all__ = [
    "barabasi_albert",
    "erdos_renyi",
    "k_in",
    "power_law",
    "random_regular",
    "random_tree",
    "scale_free",
    "watts_strogatz",
]

_ATTEMPTS = 1000


def _bernoulli(total: int, p: float, rng: np.random.Generator) -> IntArray:
    """Which of `total` independent trials succeed, by geometric jumps (Batagelj and Brandes 2005)."""
    if p >= 1:
        return np.arange(total)
    if p <= 0 or total == 0:
        return np.empty(0, np.int64)
    parts, at = [], -1
    while at < total:
        expected = (total - at) * p
        jumps = rng.geometric(p, int(expected + 4 * np.sqrt(expected) + 16))
        # A geometric variate may be as large as an int64; its sum must not wrap around.
        hits = at + np.cumsum(np.minimum(jumps, total + 1))
        parts.append(hits)
        at = int(hits[-1])
    found = np.concatenate(parts)
    return found[found < total]


def _pair_of(code: IntArray, n: int) -> tuple[IntArray, IntArray]:
    """Pairs i < j from their rank in the order (0,1), (0,2), (1,2), (0,3), ..., exactly."""
    high = ((1 + np.sqrt(1 + 8 * code.astype(np.float64))) / 2).astype(np.int64)
    high -= high * (high - 1) // 2 > code
    high += (high + 1) * high // 2 <= code
    return code - high * (high - 1) // 2, np.minimum(high, n - 1)


def erdos_renyi(nodes: int, p: float, rng: np.random.Generator, *, directed: bool = False) -> Network:
    """G(n, p): every link, or every arc, is there with probability p (Gilbert 1959). Takes O(n + m)."""
    name = f"erdos_renyi {nodes}"
    if directed:
        tail, rest = np.divmod(_bernoulli(nodes * (nodes - 1), p, rng), max(nodes - 1, 1))
        return Network.from_links(nodes, tail, rest + (rest >= tail), directed=True, name=name)
    low, high = _pair_of(_bernoulli(nodes * (nodes - 1) // 2, p, rng), nodes)
    return Network.from_links(nodes, low, high, name=name)


def watts_strogatz(nodes: int, neighbours: int, p: float, rng: np.random.Generator) -> Network:
    """A ring in which each link is moved to a random far end with probability p (Nature 393, 1998).

    Args:
        nodes: Number of nodes, above `neighbours`.
        neighbours: Degree of each node before links are moved, even.
        p: Probability of a move; the number of links stays nodes * neighbours / 2.
        rng: Source of randomness.
    """
    near: list[set[int]] = [set() for _ in range(nodes)]
    for step in range(1, neighbours // 2 + 1):
        for v in range(nodes):
            near[v].add((v + step) % nodes)
            near[(v + step) % nodes].add(v)
    for step in range(1, neighbours // 2 + 1):
        for v in np.flatnonzero(rng.random(nodes) < p).tolist():
            old = (v + step) % nodes
            if len(near[v]) >= nodes - 1 or old not in near[v]:
                continue
            new = int(rng.integers(nodes))
            while new == v or new in near[v]:
                new = int(rng.integers(nodes))
            near[v].remove(old)
            near[old].remove(v)
            near[v].add(new)
            near[new].add(v)
    return _from_sets(near, f"watts_strogatz {nodes}")


def _from_sets(near: list[set[int]], name: str) -> Network:
    pairs = [(v, w) for v, others in enumerate(near) for w in others if v < w]
    return Network.from_links(len(near), [a for a, _ in pairs], [b for _, b in pairs], name=name)


def barabasi_albert(nodes: int, links: int, rng: np.random.Generator) -> Network:
    """Growth by preferential attachment (Science 286, 1999), from a star of `links` leaves.

    Args:
        nodes: Number of nodes, above `links`.
        links: Links that each new node brings, to distinct nodes, with probability proportional to degree.
        rng: Source of randomness.
    """
    tail, head = [0] * links, list(range(1, links + 1))
    ends = tail + head
    for v in range(links + 1, nodes):
        chosen: dict[int, None] = {}
        while len(chosen) < links:
            chosen.setdefault(ends[int(rng.integers(len(ends)))])
        tail += list(chosen)
        head += [v] * links
        ends += [*chosen, *[v] * links]
    return Network.from_links(nodes, tail, head, name=f"barabasi_albert {nodes}")


def scale_free(
    nodes: int,
    rng: np.random.Generator,
    *,
    alpha: float = 0.41,
    beta: float = 0.54,
    delta_in: float = 0.2,
    delta_out: float = 0.0,
) -> Network:
    """Directed preferential attachment (Bollobas, Borgs, Chayes, Riordan, SODA 2003), loops and repeats erased.

    Starts from the cycle 0 -> 1 -> 2 -> 0. At each step, with probability `alpha` a new node points to one
    chosen by in-degree, with `beta` an arc joins one chosen by out-degree to one chosen by in-degree, else a
    node chosen by out-degree points to a new one. Degrees count repeats; `delta_in`, `delta_out` are added.
    """
    tail, head, n = [0, 1, 2], [1, 2, 0], 3
    while n < nodes:
        u, grows = rng.random(), n
        source = grows if u < alpha else _by_degree(tail, n, delta_out, rng)
        target = grows if u >= alpha + beta else _by_degree(head, n, delta_in, rng)
        n += u < alpha or u >= alpha + beta
        tail.append(source)
        head.append(target)
    pairs = sorted({(a, b) for a, b in zip(tail, head, strict=True) if a != b})
    ends = [a for a, _ in pairs], [b for _, b in pairs]
    return Network.from_links(n, *ends, directed=True, name=f"scale_free {nodes}")


def _by_degree(ends: list[int], n: int, delta: float, rng: np.random.Generator) -> int:
    # The end of a random arc is a node chosen by degree; the delta of all nodes together weighs n * delta.
    if rng.random() * (len(ends) + n * delta) < len(ends):
        return ends[int(rng.integers(len(ends)))]
    return int(rng.integers(n))


def power_law(
    nodes: int,
    exponent: float,
    rng: np.random.Generator,
    *,
    min_degree: int = 2,
    max_degree: int | None = None,
) -> Network:
    """Configuration model with degrees drawn from P(k) ~ k^-exponent, loops and repeats erased.

    Args:
        nodes: Number of nodes.
        exponent: Exponent of the degree distribution.
        rng: Source of randomness.
        min_degree: Least degree before erasure.
        max_degree: Largest degree; ceil(3 ln n) where not given.
    """
    top = int(np.ceil(3 * np.log(max(nodes, 2)))) if max_degree is None else max_degree
    degrees = np.arange(min_degree, min(max(top, min_degree), max(nodes - 1, min_degree)) + 1)
    share = degrees.astype(np.float64) ** -exponent
    drawn = rng.choice(degrees, size=nodes, p=share / share.sum())
    drawn[0] += drawn.sum() % 2  # stubs come in pairs
    pairs = rng.permutation(np.repeat(np.arange(nodes), drawn)).reshape(-1, 2)
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    simple = np.unique(np.stack([low, high], axis=1)[low < high], axis=0)
    return Network.from_links(nodes, simple[:, 0], simple[:, 1], name=f"power_law {nodes}")


def random_regular(nodes: int, degree: int, rng: np.random.Generator) -> Network:
    """A random graph in which every node has `degree` links (pairing with retries, Steger and Wormald 1999).

    Raises:
        BadInput: nodes * degree is odd, or degree is not below nodes.
    """
    if nodes * degree % 2 or degree >= nodes:
        message = f"no graph on {nodes} nodes has degree {degree} at each: an even product, degree < nodes"
        raise BadInput(message)
    for _ in range(_ATTEMPTS):
        pairs = _pairing(nodes, degree, rng)
        if pairs is not None:
            ends = [a for a, _ in pairs], [b for _, b in pairs]
            return Network.from_links(nodes, *ends, name=f"random_regular {nodes}")
    message = f"found no random graph on {nodes} nodes with degree {degree}"
    raise BadInput(message)


def _pairing(nodes: int, degree: int, rng: np.random.Generator) -> list[tuple[int, int]] | None:
    found: set[tuple[int, int]] = set()
    stubs = np.repeat(np.arange(nodes), degree)
    while len(stubs):
        left: list[int] = []
        for a, b in np.sort(rng.permutation(stubs).reshape(-1, 2), axis=1).tolist():
            if a == b or (a, b) in found:
                left += [a, b]
            else:
                found.add((a, b))
        ends = sorted(set(left))
        if left and all((a, b) in found for a in ends for b in ends if a < b):
            return None
        stubs = np.array(left, np.int64)
    return sorted(found)


def random_tree(nodes: int, rng: np.random.Generator, *, extra_links: int = 0) -> Network:
    """A uniformly random labelled tree (from its Pruefer sequence) and, on top, distinct random links.

    Args:
        nodes: Number of nodes.
        rng: Source of randomness.
        extra_links: Links beside those of the tree, as many as there is room for.
    """
    pairs = _pruefer(rng.integers(nodes, size=nodes - 2).tolist()) if nodes > 2 else [(0, 1)] * (nodes == 2)
    wanted = min(nodes * (nodes - 1) // 2, len(pairs) + extra_links)
    links = dict.fromkeys((min(pair), max(pair)) for pair in pairs)
    while len(links) < wanted:
        a, b = sorted(rng.integers(nodes, size=2).tolist())
        if a != b:
            links.setdefault((a, b))
    return Network.from_links(
        nodes, [a for a, _ in links], [b for _, b in links], name=f"random_tree {nodes}"
    )


def _pruefer(sequence: list[int]) -> list[tuple[int, int]]:
    n = len(sequence) + 2
    degree = np.bincount(sequence, minlength=n) + 1
    at = leaf = int(np.flatnonzero(degree == 1)[0])
    pairs = []
    for v in sequence:
        pairs.append((leaf, v))
        degree[v] -= 1
        if degree[v] == 1 and v < at:
            leaf = v
        else:
            at += 1 + int(np.argmax(degree[at + 1 :] == 1))
            leaf = at
    return [*pairs, (leaf, n - 1)]


def k_in(nodes: int, in_degree: int, rng: np.random.Generator, *, ring: bool = True) -> Network:
    """A digraph in which every node hears `in_degree` distinct others, chosen at random.

    Args:
        nodes: Number of nodes, above `in_degree`.
        in_degree: Arcs into each node.
        rng: Source of randomness.
        ring: Whether one of them comes from the node before, which makes the digraph strongly connected.
    """
    head = np.repeat(np.arange(nodes), in_degree)
    offset = np.empty((nodes, in_degree), np.int64)
    offset[:, :1] = nodes - 1
    free = nodes - 2 if ring else nodes - 1
    chosen = in_degree - 1 if ring else in_degree
    for v in range(nodes):
        offset[v, in_degree - chosen :] = 1 + rng.choice(free, size=chosen, replace=False, shuffle=False)
    tail = (head + offset.ravel()) % nodes
    return Network.from_links(nodes, tail, head, directed=True, name=f"k_in {nodes}")
