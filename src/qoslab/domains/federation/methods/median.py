"""Coordinate-wise median."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.strategy import Plain, Round, State

__all__ = ["Median"]

CITATION = """@inproceedings{yin2018byzantine,
  author = {Yin, Dong and Chen, Yudong and Ramchandran, Kannan and Bartlett, Peter},
  title = {{Byzantine}-Robust Distributed Learning: Towards Optimal Statistical Rates},
  booktitle = {ICML},
  year = {2018}
}"""


@method(
    "federation",
    "median",
    summary="the median of the updates, coordinate by coordinate",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Median(Plain):
    """x+ = x + median_i Delta_i in each coordinate; clients count alike. No parameters."""

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round; without answers the model stays."""
        if not len(seen.clients):
            return seen.model, state
        return seen.model + np.median(seen.updates, axis=0), state
