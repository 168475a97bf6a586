"""Followers by their number of listeners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qoslab.core.method import method
from qoslab.domains.influence.model import Opinions

__all__ = ["Degree"]


@method(
    "influence",
    "degree",
    summary="take the agents with most listeners",
    origin="ours",
)
@dataclass(frozen=True)
class Degree:
    """The agents with the largest in-degree, a common rule of thumb; ties to the lower node. No parameters."""

    def select(self, opinions: Opinions, rng: np.random.Generator) -> Sequence[int]:  # noqa: ARG002
        """The followers, most listeners first."""
        order = np.argsort(-opinions.network.in_degree, kind="stable")
        return [int(node) for node in order[: opinions.followers]]
