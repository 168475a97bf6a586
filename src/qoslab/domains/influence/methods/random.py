"""Followers by lot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qoslab.core.method import method
from qoslab.domains.influence.model import Opinions

__all__ = ["Random"]


@method("influence", "random", summary="draw the followers by lot", origin="ours")
@dataclass(frozen=True)
class Random:
    """Uniformly drawn followers: what any choice must beat. No parameters."""

    def select(self, opinions: Opinions, rng: np.random.Generator) -> Sequence[int]:
        """The followers in the order of the draw."""
        return [int(node) for node in rng.choice(len(opinions.gain), opinions.followers, replace=False)]
