"""Coordinate-wise trimmed mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.strategy import Plain, Round, State, floor_share

__all__ = ["TrimmedMean"]

CITATION = """@inproceedings{yin2018byzantine,
  author = {Yin, Dong and Chen, Yudong and Ramchandran, Kannan and Bartlett, Peter},
  title = {{Byzantine}-Robust Distributed Learning: Towards Optimal Statistical Rates},
  booktitle = {ICML},
  year = {2018}
}"""


@method(
    "federation",
    "trimmed_mean",
    summary="the mean of the updates without the extremes of each coordinate",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class TrimmedMean(Plain):
    """In each coordinate the largest and the smallest share of the updates are left out; the rest counts alike.

    Attributes:
        trim: Share left out at each end; of R updates, floor(trim R) are.
    """

    trim: Annotated[float, Field(ge=0, lt=0.5)] = 0.2

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round; without answers the model stays."""
        count = len(seen.clients)
        if not count:
            return seen.model, state
        cut = floor_share(self.trim, count)
        kept = np.sort(seen.updates, axis=0)[cut : count - cut]
        return seen.model + kept.mean(axis=0), state
