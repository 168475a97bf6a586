"""Weighted-cost multipath: a table of buckets in proportion to weights."""

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

__all__ = ["Wcmp", "apportioned"]

CITATION = """@inproceedings{zhou2014wcmp,
  author = {Zhou, Junlan and Tewari, Malveeka and Zhu, Min and Kabbani, Abdul and Poutievski, Leon and
    Singh, Arjun and Vahdat, Amin},
  title = {{WCMP}: Weighted Cost Multipathing for Improved Fairness in Data Centers},
  booktitle = {Proceedings of the Ninth European Conference on Computer Systems},
  year = {2014}
}"""

TABLE = 1
"""Where the table begins in `par`."""


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server in the flow's bucket, or in the next bucket whose server is up."""
    buckets = view.par.shape[0] - TABLE
    bucket = hash_bits(view.flow, int(view.par[SALT]), 62) % buckets
    for _ in range(buckets):
        j = int(view.par[TABLE + bucket])
        if view.up[j] == 1:
            return j
        bucket = bucket + 1 if bucket + 1 < buckets else 0
    return 0


def apportioned(weight: NDArray[np.float64], seats: int) -> NDArray[np.int64]:
    """Seats by weight, by largest remainders, ties to the lower server.

    Args:
        weight: Positive, shape (n,).
        seats: How many seats there are.

    Returns:
        Seats of each, shape (n,), each within 1 of its exact share.
    """
    exact = np.asarray(weight) * (seats / float(np.sum(weight)))
    given = np.floor(exact).astype(np.int64)
    order = np.argsort(given - exact, kind="stable")
    given[order[: seats - int(given.sum())]] += 1
    return given


@balancer(
    "wcmp",
    summary="the server in the flow's bucket of a table filled by weight",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Wcmp(Policy):
    """Weighted-cost multipath: the flow's hash is an index into a table that holds each server in proportion to weight.

    Buckets are apportioned by largest remainders and shuffled. Where a bucket's server is not up, the next bucket
    counts, so that its load spreads over all others. With a new flow for each request this is a weighted lot.

    Attributes:
        buckets: size of the table; shares of requests are within 1 / buckets of the weights' shares.
    """

    buckets: Annotated[int, Field(ge=1, le=2**24)] = 4096

    def wire(self, site: Site) -> Wiring:
        """The table, the same for all balancers."""
        seats = apportioned(site.weight, self.buckets)
        if seats.min() == 0:
            short = int(np.argmin(site.weight))
            message = f"{self.buckets} buckets leave server {short} without one"
            raise BadInput(Problem(message=message, field="buckets", hint="take more buckets"))
        table = np.repeat(np.arange(site.servers), seats)
        site.generator("table").shuffle(table)
        return Wiring(route, par=[draw_salt(site), *table.tolist()])
