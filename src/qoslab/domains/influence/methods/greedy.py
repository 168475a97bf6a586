"""Greedy choice of followers with rank-one updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qoslab.core.method import method
from qoslab.domains.influence.model import Opinions

__all__ = ["CITATION", "Greedy"]

CITATION = """@article{mai2019leader,
  author = {Mai, Van Sy and Abed, Eyad H.},
  title = {Optimizing Leader Influence in Networks Through Selection of Direct Followers},
  journal = {IEEE Transactions on Automatic Control},
  year = {2019}
}"""


@method(
    "influence",
    "greedy",
    summary="take the follower who removes most distance, again and again",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Greedy:
    """Greedy minimisation of the supermodular distance f(S).

    With P = A(S)^-1 the gain of agent i is, by Sherman and Morrison,
    a_i (c^T P e_i)(e_i^T P g) / (1 + a_i P_ii), c = 1/n; the best agent is taken and P updated by a rank-one
    correction: O(n^3 + K n^2). What is removed is at least 1 - (1 - 1/K)^K of the most that K followers can
    remove (Nemhauser, Wolsey and Fisher 1978). It has no parameters.
    """

    def select(self, opinions: Opinions, rng: np.random.Generator) -> Sequence[int]:  # noqa: ARG002
        """The followers in the order in which they are taken; ties go to the lower node."""
        inverse = np.linalg.inv(opinions.base)
        free = np.ones(len(opinions.gain), bool)
        chosen: list[int] = []
        for _ in range(opinions.followers):
            share = opinions.gain / (1.0 + opinions.gain * np.diag(inverse))
            removed = share * inverse.mean(axis=0) * (inverse @ opinions.competitor)
            best = int(np.argmax(np.where(free, removed, -np.inf)))
            inverse = inverse - share[best] * np.outer(inverse[:, best], inverse[best])
            free[best] = False
            chosen.append(best)
        return chosen
