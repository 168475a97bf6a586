"""Krum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.strategy import Plain, Round, State, floor_share

__all__ = ["Krum"]

CITATION = """@inproceedings{blanchard2017machine,
  author = {Blanchard, Peva and El Mhamdi, El Mahdi and Guerraoui, Rachid and Stainer, Julien},
  title = {Machine Learning with Adversaries: {Byzantine} Tolerant Gradient Descent},
  booktitle = {NeurIPS},
  year = {2017}
}"""


@method(
    "federation",
    "krum",
    summary="the update that is closest to its neighbours",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Krum(Plain):
    """Score of i: the sum of its R - f - 2 smallest squared distances from other updates; the lowest are averaged.

    With keep = 1 this is Krum, above it Multi-Krum. f = floor(malicious R); at least one neighbour counts.

    Attributes:
        malicious: Share of a round's clients that may attack, f / R.
        keep: How many updates are averaged.
    """

    malicious: Annotated[float, Field(ge=0, lt=0.5)] = 0.2
    keep: Annotated[int, Field(ge=1)] = 1

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round; without answers the model stays."""
        count = len(seen.clients)
        if not count:
            return seen.model, state
        near = max(count - floor_share(self.malicious, count) - 2, 1)
        apart = np.square(seen.updates[:, None] - seen.updates).sum(axis=-1)
        scores = np.sort(apart, axis=1)[:, 1 : near + 1].sum(axis=1)
        kept = np.argsort(scores, kind="stable")[: self.keep]
        return seen.model + seen.updates[kept].mean(axis=0), state
