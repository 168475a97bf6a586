"""Costs of the agents' own decisions from a user's file: one number each, in a box, under shared constraints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.capacity import Bowl
from qoslab.domains.optimization.problems.userfile import UserFile

__all__ = ["UserOwnCosts", "user_own_costs"]

_APART = 1e-5
_ROUNDING = 4.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class UserOwnCosts:
    """f_i(x) = cost(x, data_i) of a file, of one number in a box; never asked for outside it.

    Attributes:
        file: The functions and the agents' data.
        low: Lower ends of the boxes, shape (rows, 1).
        high: Upper ends, shape (rows, 1).
        convex: Constant of strong convexity of every cost.
    """

    file: UserFile
    low: FloatArray
    high: FloatArray
    convex: float

    def value(self, x: FloatArray) -> FloatArray:
        """Cost of each entry, shape (rows, 1)."""
        return self.file.value(x)[:, None]

    def gradient(self, x: FloatArray) -> FloatArray:
        """First derivatives, shape (rows, 1)."""
        return self.file.gradient(x)

    def curvature(self, x: FloatArray) -> FloatArray:
        """Second derivatives by central differences that stay in the box, at least `convex`; shape (rows, 1)."""
        width = np.minimum(_APART * (1.0 + np.abs(x)), 0.5 * (self.high - self.low))
        middle = np.clip(x, self.low + width, self.high - width)
        near = replace(self.file, moment=f"{self.file.moment}, for second derivatives")
        rise = near.gradient(middle + width) - near.gradient(middle - width)
        return np.asarray(np.maximum(rise / (2.0 * width), self.convex))

    def respond(self, slope: FloatArray) -> FloatArray:
        """The minimiser of f(x) + slope x in each box, to rounding: where the derivative changes its sign."""
        found = [self._least(row, float(one)) for row, one in enumerate(slope[:, 0])]
        return np.array(found, np.float64)[:, None]

    def bowl(self, slope: FloatArray) -> Bowl:
        """Refused: agents with capacities have costs of a known form.

        Raises:
            TypeError: Always.
        """
        message = f"costs of a file are no bowls, at slopes of shape {slope.shape} or any other"
        raise TypeError(message)

    def flattest(self, high: FloatArray) -> FloatArray:
        """The constant of strong convexity, shape (rows, 1)."""
        return np.full(high.shape, self.convex)

    def rows(self, agents: Any) -> UserOwnCosts:
        """Some agents' costs alone, with nothing of the others' data."""
        at = list(agents)
        return replace(self, file=self.file.rows(at), low=self.low[at], high=self.high[at])

    def when(self, moment: str) -> UserOwnCosts:
        """The same costs, whose faults are told with this moment."""
        return replace(self, file=replace(self.file, moment=moment))

    def _least(self, row: int, slope: float) -> float:
        from scipy.optimize import brentq

        if not np.isfinite(slope):
            return np.nan
        low, high = float(self.low[row, 0]), float(self.high[row, 0])

        def rise(x: float) -> float:
            return self.file.slope(row, x) + slope

        if rise(low) >= 0:
            return low
        if rise(high) <= 0:
            return high
        return float(brentq(rise, low, high, xtol=1e-15, rtol=_ROUNDING))


def user_own_costs(file: UserFile, low: FloatArray, high: FloatArray, convexity: float) -> UserOwnCosts:
    """The costs, once the ends of the boxes do not belie their convexity.

    Args:
        file: The functions and the agents' data.
        low: Lower ends of the boxes, shape (n, 1).
        high: Upper ends, shape (n, 1).
        convexity: The constant that is told.

    Raises:
        BadInput: A gradient rises by less over its box than a cost so convex has it rise; names the agent.
    """
    rise = (file.gradient(high) - file.gradient(low))[:, 0] / (high - low)[:, 0]
    short = np.flatnonzero(rise < convexity * (1.0 - 1e-9))
    if len(short):
        i = int(short[0])
        message = (
            f"agent {file.agents[i]}: over the box, {low[i, 0]:g} to {high[i, 0]:g}, the gradient rises by "
        )
        message += f"{rise[i]:.6g} a unit, so that no cost with a convexity of {convexity:g} has it"
        field = "scenario.problem.convexity"
        raise BadInput(Problem(field=field, message=message, path=Path(file.path)))
    return UserOwnCosts(file, low, high, convexity)
