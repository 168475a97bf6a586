"""Networks that change from round to round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.components import is_strongly_connected
from qoslab.graphs.csr import IntArray
from qoslab.graphs.network import Network
from qoslab.graphs.transform import without_links

__all__ = ["is_jointly_connected", "random_links", "rotating_links"]


def random_links(network: Network, p: float, rng: np.random.Generator) -> Iterator[Network]:
    """Each round, every link is up with probability p, independently of all else; without end.

    Raises:
        BadInput: p is no probability.
    """
    if not 0 <= p <= 1:
        raise BadInput(Problem(message=f"{p:g} is not between 0 and 1", field="p"))
    return _random(network, p, rng)


def _random(network: Network, p: float, rng: np.random.Generator) -> Iterator[Network]:
    while True:
        yield without_links(network, np.flatnonzero(rng.random(network.m) >= p))


def rotating_links(network: Network, rounds: int, rng: np.random.Generator) -> Iterator[Network]:
    """The links dealt out at random over `rounds` rounds, repeated without end.

    Any `rounds` rounds in a row hold every link once: of a strongly connected network, the sequence is
    B-connected with B = rounds, though no single round need be connected (Nedic and Olshevsky, TAC 60, 2015).

    Raises:
        BadInput: There is no round.
    """
    if rounds < 1:
        raise BadInput(Problem(message=f"{rounds} rounds: at least 1 is needed", field="rounds"))
    turn = rng.permutation(np.arange(network.m) % rounds)
    return cycle([without_links(network, np.flatnonzero(turn != k)) for k in range(rounds)])


def _union(networks: Sequence[Network]) -> Network:
    first = networks[0]
    ends: list[IntArray] = [np.stack([one.tail, one.head], axis=1) for one in networks]
    pairs = np.unique(np.concatenate(ends), axis=0)
    return Network.from_links(first.nodes, pairs[:, 0], pairs[:, 1], directed=first.directed)


def is_jointly_connected(networks: Sequence[Network], window: int) -> bool:
    """Whether the union of any `window` rounds in a row is strongly connected (B-connectivity).

    Args:
        networks: Rounds on the same nodes, at least `window` of them.
        window: B.

    Raises:
        ValueError: Fewer rounds than the window, or a window below 1.
    """
    if not 1 <= window <= len(networks):
        message = f"a window of {window} in {len(networks)} rounds"
        raise ValueError(message)
    starts = range(len(networks) - window + 1)
    return all(is_strongly_connected(_union(networks[k : k + window])) for k in starts)
