"""The path and purification of least memories that keep the fidelity a request wants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.methods.q_leap import CITATION
from qoslab.domains.entanglement.protocol import Plan, View
from qoslab.domains.entanglement.routing.fidelity import cheapest_path
from qoslab.domains.entanglement.routing.install import FidelityPaths

__all__ = ["QPath"]


@method(
    "entanglement",
    "q_path",
    summary="paths of least memories that keep the wanted fidelity, links purified where it pays",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class QPath(FidelityPaths):
    """Path and rounds of purification of each link together, by the fewest memories; requests take turns.

    A request that no path can serve at its fidelity gets none. What memories forget is not counted: `margin` is for it.

    Attributes:
        most_rounds: Most rounds of purification of a link.
        margin: Fidelity that is asked for above what the request wants.
        paths: Most paths of a request.
    """

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """The paths, each as wide as often as it was chosen."""
        return self.found(view, context, cheapest_path)
