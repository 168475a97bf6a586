"""What a run leaves, and when it is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from qoslab.agents.message import FAR, FloatArray, largest
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.problems.coupled import Coupled
from qoslab.domains.optimization.problems.distance import Distance
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.smooth import Quadratic

__all__ = ["Trace", "grown", "require_measurable", "require_numbers", "spread", "unsettled"]

_GROWTH = 1e9

_FAR = 10.0


@dataclass(frozen=True, eq=False)
class Trace:
    """What a run left.

    Attributes:
        x: The agents' last state, shape (n, p) or (n, d).
        errors: Error at first and after each round, shape (rounds + 1,).
        messages: Messages sent.
        bytes: Their size.
        diverged: Whether it was stopped because the error grew without bound.
        path: States x of all agents by round, for the rounds that were kept.
    """

    x: FloatArray
    errors: FloatArray
    messages: int
    bytes: int
    diverged: bool
    path: Mapping[int, FloatArray] = field(default_factory=dict)


def grown(error: float, first: float) -> bool:
    """Whether an error has grown without bound since the first, or is no number."""
    return not (np.isfinite(error) and error <= _GROWTH * (1.0 + first))


def require_numbers(x: FloatArray, before: FloatArray | None, k: int) -> None:
    """Refuse decisions that are no numbers, where those of the round before were of ordinary size.

    Args:
        x: The agents' state after k rounds, shape (n, ...).
        before: That after k - 1 rounds; None where k is 0.
        k: Rounds.

    Raises:
        BadInput: The method gave a NaN; names round and agent. What comes of numbers past 1e100 is a divergence.
    """
    lost = np.isnan(x.reshape(len(x), -1)).any(axis=1)
    if not lost.any() or np.isinf(x).any() or (before is not None and largest(before) > FAR):
        return
    agent = int(np.argmax(lost))
    moment = "before the first round" if k == 0 else f"round {k - 1}"
    message = f"{moment}, agent {agent}: its state x became {x[agent].tolist()}"
    raise BadInput(Problem(field="method", message=message, hint="the method gave what is no number"))


def require_measurable(first: float) -> None:
    """Refuse a start whose error overflows: nothing after it could be called a growth.

    Raises:
        BadInput: The first error is no finite number.
    """
    if not np.isfinite(first):
        message = (
            f"agents start at a distance of {first:g} from the optimum: it overflows in double precision"
        )
        raise BadInput(Problem(field="scenario.start", message=message, hint="a start nearer to it"))


def unsettled(trace: Trace, decisions: FloatArray, costs: Costs | Coupled) -> bool:
    """Whether a run that was not stopped ends far beyond where it began and where its agents wanted to be.

    Steps that are too large need not diverge: where gradients are bounded, or decisions are kept in sets, errors go to
    and fro. Far is more than ten times the largest of the first error, the optimal decisions' own size, and the
    distance of the agents' own minimisers from the optimum, to which agents go before they agree.

    Args:
        trace: The run.
        decisions: Optimal decisions in the end, shape (n, p) or (n, d).
        costs: Costs of a shared decision, whose optimum is each row of `decisions`; or the problem of the agents' own
            decisions, whichever a method seeks: them or their prices.
    """
    last = float(trace.errors[-1])
    scale = max(float(trace.errors[0]), _rms(decisions))
    if trace.diverged or not last > _FAR * scale:
        return False
    return last > _FAR * max(scale, spread(costs, decisions)) > 0.0


def spread(costs: Costs | Coupled, optimum: FloatArray) -> float:
    """Root mean square distance of the agents' own minimisers from the optimum, or a bound below it.

    Exact where the minimisers are known: of `quadratic`, `median` and `rendezvous`, sets left out, and of own decisions
    (`dispatch`, `qos`) in the agents' sets, without the shared constraints. Of other smooth costs (`logistic`, `huber`,
    `file`) ||g_i(x*)|| / l_i is no more than the distance. Where a file's l_i is 0 or infinite it tells nothing, and
    counts as 0.

    Args:
        costs: Costs of a shared decision, or the problem of the agents' own.
        optimum: The optimum in every row, shape (n, p), or the agents' optimal decisions, shape (n, d).
    """
    if isinstance(costs, Coupled):
        return _rms(costs.respond(np.zeros_like(costs.offset)) - optimum)
    if isinstance(costs, Quadratic):
        return _rms(costs.target - optimum)
    if isinstance(costs, Median | Distance):
        return _rms(costs.point - optimum)
    bend = costs.smoothness()[:, None]
    told = np.isfinite(bend) & (bend > 0)
    return _rms(np.where(told, costs.gradient(optimum) / np.where(told, bend, 1.0), 0.0))


def _rms(rows: FloatArray) -> float:
    return float(np.sqrt((rows**2).sum(axis=1).mean()))
