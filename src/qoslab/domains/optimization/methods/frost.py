"""FROST: row-stochastic gradient tracking with step sizes that agents choose alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.agents.message import FloatArray
from qoslab.agents.program import Own
from qoslab.core.method import method
from qoslab.domains.optimization.asymptotics import Asymptotics
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking

__all__ = ["CITATION", "Frost"]

CITATION = """@article{xin2019frost,
  author = {Xin, Ran and Xi, Chenguang and Khan, Usman A.},
  title = {{FROST} -- Fast row-stochastic optimization with uncoordinated step-sizes},
  journal = {EURASIP Journal on Advances in Signal Processing},
  year = {2019}
}"""

_GOLDEN = 0.6180339887498949


@method(
    "optimization",
    "frost",
    summary="row-stochastic gradient tracking with uncoordinated step sizes",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Frost(RowStochasticTracking):
    """Row-stochastic gradient tracking in which agent i uses its own step size s_i = s (1 - u frac(i phi)).

    The golden ratio phi spreads the agents' choices evenly over the range, without chance.

    Attributes:
        step: s, the largest of them; 0 takes what the coordinated method takes.
        spread: u, from 0 (all alike: the coordinated method) up to 1.
    """

    spread: Annotated[float, Field(ge=0, le=1)] = 0.5

    def _steps(self, own: Own) -> FloatArray:
        return np.asarray(super()._steps(own) * self._choice(own.agents))

    def _choice(self, agents: NDArray[Any]) -> FloatArray:
        return np.asarray(1.0 - self.spread * np.modf(agents * _GOLDEN)[0])

    def _each(self, near: Asymptotics) -> FloatArray:
        return super()._each(near) * np.repeat(self._choice(np.arange(near.n)), near.dimension)
