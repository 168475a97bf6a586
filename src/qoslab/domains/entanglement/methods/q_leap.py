"""The best path by fidelity, its links purified to an equal share of what is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import Plan, View
from qoslab.domains.entanglement.routing.fidelity import leap_path
from qoslab.domains.entanglement.routing.install import FidelityPaths

__all__ = ["CITATION", "QLeap"]

CITATION = """@article{li2022fidelity,
  author = {Li, Jian and Wang, Mingjun and Xue, Kaiping and Li, Ruidong and Yu, Nenghai and Sun, Qibin and Lu, Jun},
  title = {Fidelity-Guaranteed Entanglement Routing in Quantum Networks},
  journal = {IEEE Transactions on Communications},
  volume = {70},
  year = {2022}
}"""


@method(
    "entanglement",
    "q_leap",
    summary="the path of most fidelity, its links purified alike until it has what is wanted",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class QLeap(FidelityPaths):
    """Dijkstra by -ln w, then each link is raised to the h-th root of the need; requests take turns.

    A request that no path can serve at its fidelity gets none. What memories forget is not counted: `margin` is for it.

    Attributes:
        most_rounds: Most rounds of purification of a link.
        margin: Fidelity that is asked for above what the request wants.
        paths: Most paths of a request.
    """

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """The paths, each as wide as often as it was chosen."""
        return self.found(view, context, leap_path)
