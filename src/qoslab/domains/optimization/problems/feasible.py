"""Whether a coupled problem has a solution at all, by linear programs (HiGHS)."""

from __future__ import annotations

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.coupled import Coupled

__all__ = ["require_feasible"]

_CUTS = 60
_CLOSE = 1e-9


def require_feasible(coupled: Coupled) -> None:
    """Refuse a problem without feasible decisions.

    Capacities are cut out of the boxes by tangents (Kelley, J. SIAM 8, 1960): a program that is empty with some of
    them is empty with the sets themselves.

    Raises:
        BadInput: No decisions in the agents' sets satisfy the shared constraints.
    """
    x, cuts, bounds = _point(coupled, [], []), [], []
    for _ in range(_CUTS):
        capacity = coupled.capacity
        if capacity is None or capacity.overload(x) <= _CLOSE:
            return
        for i in np.flatnonzero(capacity.used(x) > capacity.spare * (1.0 + _CLOSE)):
            # c / y >= c / x - (c / x^2) (y - x), so that 2 used(x) - sum (c / x^2) y <= C.
            row = np.zeros(x.shape)
            row[i] = -capacity.weight[i] / x[i] ** 2
            cuts.append(row.ravel())
            bounds.append(float(capacity.spare[i] - 2.0 * (capacity.weight[i] / x[i]).sum()))
        x = _point(coupled, cuts, bounds)


def _point(coupled: Coupled, cuts: list[FloatArray], bounds: list[float]) -> FloatArray:
    from scipy.optimize import linprog

    flat = coupled.share.transpose(1, 0, 2).reshape(coupled.offset.shape[1], -1)
    bound = coupled.offset.sum(axis=0)
    box = np.column_stack([coupled.low.ravel(), coupled.high.ravel()])
    table = {"A_eq": flat, "b_eq": bound} if coupled.equality else {"A_ub": flat, "b_ub": bound}
    if cuts:
        more = [table["A_ub"], *cuts] if "A_ub" in table else cuts
        table["A_ub"] = np.vstack(more)
        table["b_ub"] = np.append(table.get("b_ub", np.zeros(0)), bounds)
    # Large budgets take least of every capacity: the search for a point starts there.
    found = linprog(-np.ones(flat.shape[1]), bounds=box, **table)
    if found.status == 2:
        where = "boxes" if coupled.capacity is None else "boxes and capacities"
        message = (
            f"the feasible set is empty: no decisions in the agents' {where} satisfy the shared constraints"
        )
        raise BadInput(Problem(field="scenario.problem", message=message))
    return np.asarray(found.x, np.float64).reshape(coupled.low.shape)
