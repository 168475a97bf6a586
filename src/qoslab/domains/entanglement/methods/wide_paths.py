"""Wide paths by expected throughput."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import PathPlan, Plan, View
from qoslab.domains.entanglement.routing.throughput import select_paths
from qoslab.domains.entanglement.routing.view import ends_of, slot_successes, swap_successes

__all__ = ["CITATION", "WidePaths"]

CITATION = """@inproceedings{shi2020concurrent,
  author = {Shi, Shouqian and Qian, Chen},
  title = {Concurrent Entanglement Routing for Quantum Networks: Model and Designs},
  booktitle = {ACM SIGCOMM},
  year = {2020}
}"""


@method(
    "entanglement",
    "wide_paths",
    summary="paths of several memories per hop, by expected throughput, as Q-CAST selects its major paths",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class WidePaths:
    """Q-CAST's choice of major paths, without its recovery paths: the most expected throughput first.

    Attributes:
        slot_s: Length of the slot in which a link's success is counted, s.
    """

    slot_s: Annotated[float, Field(gt=0)] = 0.01

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """Paths with their widths, in the order in which they were chosen."""
        success, swap = slot_successes(view, self.slot_s), swap_successes(view)
        chosen = select_paths(view.network, ends_of(view), success, swap, np.array(view.pairs, np.int64))
        return Plan(
            tuple(
                PathPlan(path.request, path.nodes, width=(path.width,) * (len(path.nodes) - 1))
                for path in chosen
            )
        )
