"""Maglev hashing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.hashing import hash_bits
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.methods.ecmp import SALT, draw_salt
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Maglev", "fill_table"]

CITATION = """@inproceedings{eisenbud2016maglev,
  author = {Eisenbud, Daniel E. and Yi, Cheng and Contavalli, Carlo and Smith, Cody and Kononov, Roman and
    Mann-Hielscher, Eric and Cilingiroglu, Ardas and Cheyney, Bin and Shang, Wentao and Hosein, Jinnah Dylan},
  title = {Maglev: A Fast and Reliable Software Network Load Balancer},
  booktitle = {13th USENIX Symposium on Networked Systems Design and Implementation},
  pages = {523--535},
  year = {2016}
}"""

MADE_FOR, NEXT, TURN = range(3)
"""Rows of `mem`: which servers were up when the table was made, and scratch for making it."""


@kernel
def fill_table(
    table: NDArray[np.float64],
    weight: NDArray[np.float64],
    up: NDArray[np.int64],
    places: NDArray[np.float64],
    turn: NDArray[np.float64],
    salt: int,
) -> None:
    """Fill the lookup table: servers take turns and claim the next free place of their own permutation.

    Args:
        table: Shape (size,), size prime; gets numbers of servers. Left alone where no server is up.
        weight: Positive, shape (n,); a server has weight / largest weight turns in a round.
        up: 1 where a server takes part, shape (n,).
        places: Scratch, shape (n,).
        turn: Scratch, shape (n,).
        salt: Which hash functions make the permutations.
    """
    size, n = table.shape[0], up.shape[0]
    most = 0.0
    for j in range(n):
        places[j] = 0.0
        turn[j] = 0.0
        if up[j] == 1 and weight[j] > most:
            most = weight[j]
    if most == 0.0:
        return
    for k in range(size):
        table[k] = -1.0
    filled, rounds = 0, 0
    while True:
        rounds += 1
        for j in range(n):
            if up[j] == 0 or rounds * weight[j] < turn[j]:
                continue
            turn[j] += most
            offset = hash_bits(j, salt, 62) % size
            skip = hash_bits(j, salt + 1, 62) % (size - 1) + 1
            place = (offset + int(places[j]) * skip) % size
            while table[place] >= 0.0:
                places[j] += 1.0
                place = (offset + int(places[j]) * skip) % size
            table[place] = j
            places[j] += 1.0
            filled += 1
            if filled == size:
                return


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server at the flow's place in the table, which is made anew whenever the set of servers has changed."""
    salt = int(view.par[SALT])
    changed = False
    for j in range(view.up.shape[0]):
        if view.mem[MADE_FOR, j] != view.up[j]:
            changed = True
    if changed:
        fill_table(view.box, view.weight, view.up, view.mem[NEXT], view.mem[TURN], salt)
        for j in range(view.up.shape[0]):
            view.mem[MADE_FOR, j] = view.up[j]
    return int(view.box[hash_bits(view.flow, salt + 2, 62) % view.box.shape[0]])


def is_prime(number: int) -> bool:
    """Whether a number is prime, by trial division."""
    return number > 1 and all(number % k for k in range(2, int(number**0.5) + 1))


@balancer(
    "maglev",
    summary="consistent hashing by Maglev's lookup table",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Maglev(Policy):
    """Maglev hashing: a lookup table of prime size M in which every server has nearly the same number of places.

    Server j's permutation of the places is (offset_j + k skip_j) mod M, offset and skip from two hashes of j. In
    rounds, servers claim the first free place of their permutation until the table is full; a server of less weight
    sits out some rounds, as in Envoy. The table is made anew when servers come or go and changes little. All
    balancers have the same table.

    Attributes:
        table_size: size M of the table, a prime, much larger than the number of servers.
    """

    table_size: Annotated[int, Field(ge=3, le=5_000_011)] = 65_537

    def wire(self, site: Site) -> Wiring:
        """An empty table, to be filled at the first request."""
        if not is_prime(self.table_size):
            higher = next(k for k in range(self.table_size, 2 * self.table_size) if is_prime(k))
            message = f"table_size {self.table_size} is not prime"
            raise BadInput(Problem(message=message, field="table_size", hint=f"the next prime is {higher}"))
        mem = np.zeros((3, site.servers))
        mem[MADE_FOR] = -1.0
        return Wiring(route, par=[draw_salt(site)], mem=mem, box=np.zeros(self.table_size))
