"""Whether the rounds of any method with a constant step are stable near the optimum: its own round as a linear map.

On f_i(x) = q_i ||x - c_i||^2 / 2 a round with a constant step is affine in what agents remember, once the auxiliary
averages that do not look at the decisions have come to rest, and the p entries do not look at each other. Its linear
part is what the method's own `hear` does with targets at 0 and without noise; it is stable where no eigenvalue lies
outside the unit circle. Where links come and go independently, the mean state moves by the same map with mean weights,
exactly: an eigenvalue outside lets the mean, and so the expected error, grow. The converse does not hold.

On other smooth costs the same is done with the second derivatives at the optimum, all p entries at once: the map is
then the derivative of a round there, and with an eigenvalue outside no run stays near the optimum. That is said of
methods that rest at the optimum; those whose step has to fall for it (they have a `power`, and no rate) rest beside it,
where costs bend otherwise, and are judged on quadratic costs alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray, Mixing
from qoslab.agents.program import Own, State
from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.asymptotics import Predictable
from qoslab.domains.optimization.bent import Bent, bent_at
from qoslab.domains.optimization.limits import ABOUT, CLOSE, UNTIMED, Limit, last_stable
from qoslab.domains.optimization.meanweights import mean_weights
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.steps import step_field
from qoslab.domains.optimization.task import Task
from qoslab.graphs.spectra import perron

__all__ = [
    "LinearRound",
    "growth",
    "growth_beyond",
    "largest_stable",
    "linear_round",
    "require_stable",
]

_DENSE = 400
"""Up to so many numbers all eigenvalues are found; beyond, those of largest modulus by Arnoldi's iteration."""

_MOST = 2000
"""More agents are not judged: row-stochastic methods remember n^2 numbers."""

_RESTARTS, _BASIS = 30, 40
"""At most about a thousand rounds."""

_RESIDUAL = 1e-8
"""Tolerance of Arnoldi's iteration: what it finds are eigenvalues of a map so near to the method's own."""

SLACK = 100.0 * _RESIDUAL
"""Eigenvalues 1 belong to what every round conserves; rounding moves them by less than this."""

_SCALES = (1e-3, 1.0, 1e3, 1e6)
"""Sizes of states, in those of the data, at which rounds are held to be linear."""


@dataclass(frozen=True, eq=False)
class LinearRound:
    """A round as a linear map on stacks of shape (parts, n, entries).

    Where no entry looks at another (`entries` is 1) a stack may have any number of columns, all treated alike.

    Attributes:
        method: The method.
        own: What agents know, with quadratic costs around 0.
        moving: Names of what the map acts on.
        resting: What else agents remember, at rest.
        mixing: Matrix of each part of the message.
        entries: Entries of a decision that look at each other.
        context: Where the time is checked, before every round.
    """

    method: Any
    own: Own
    moving: tuple[str, ...]
    resting: State
    mixing: dict[str, Any]
    entries: int = 1
    context: Context = field(default_factory=Context)

    @property
    def size(self) -> int:
        """Numbers that the map acts on."""
        return len(self.moving) * self.own.n * self.entries

    @property
    def dense(self) -> bool:
        """Whether all its eigenvalues are found."""
        return self.size <= _DENSE

    def state(self, stack: FloatArray, k: int = 1) -> State:
        """All that agents remember after a round."""
        own, costs = self.own, self.own.data.costs
        if isinstance(costs, Quadratic):
            costs = replace(costs, target=np.zeros((own.n, stack.shape[2])))
            own = replace(own, data=replace(own.data, costs=costs))
        state = self.resting | dict(zip(self.moving, stack, strict=True))
        said = self.method.say(state, own)
        heard = {
            name: said[name] if name in self.resting else np.asarray(matrix @ said[name])
            for name, matrix in self.mixing.items()
        }
        return dict(self.method.hear(state, heard, own, k))

    def __call__(self, stack: FloatArray, k: int = 1) -> FloatArray:
        """The stack after a round, of the same shape."""
        self.context.check_time()
        state = self.state(stack, k)
        return np.stack([state[name] for name in self.moving])

    def matrix(self) -> FloatArray:
        """The map as a matrix, shape (size, size)."""
        if self.entries == 1:
            stack = np.eye(self.size).reshape(len(self.moving), self.own.n, self.size)
            return np.asarray(self(stack).reshape(self.size, self.size))
        return np.stack([self.flat(unit) for unit in np.eye(self.size)], axis=1)

    def flat(self, vector: FloatArray) -> FloatArray:
        """The map on one vector of all numbers."""
        return self(vector.reshape(len(self.moving), self.own.n, self.entries)).ravel()

    def holds(self, scale: float = 1.0) -> bool:
        """Whether the rounds are linear, all alike from the second on, and leave at rest what is at rest.

        Linear means: sums and multiples of states give those of their rounds, at every size from a thousandth of the
        data's to a million times it, and no entry of a decision looks at another where `entries` is 1.

        Args:
            scale: Size of the data.
        """
        shape = (2, len(self.moving), self.own.n, self.entries)
        one, other = (
            np.random.default_rng(0).standard_normal(shape) * np.array([1.0, 3.0])[:, None, None, None]
        )
        first, second = self(one), self(other)
        near = 1e-9 * max(1.0, float(np.abs(first).max()))
        # Asked so that what is not a number, of a step beyond all bounds, is no linear map either.
        if not np.isfinite(first).all() or self(np.zeros_like(one)).any():
            return False
        if self.entries == 1:
            pair, apart = np.concatenate([one, other], axis=2), np.concatenate([first, second], axis=2)
            if not np.abs(self(pair) - apart).max() <= 10.0 * near:
                return False
        mixed, both = 2.0 * one - other, 2.0 * first - second
        for size in (scale * share for share in _SCALES):
            if not np.abs(self(size * mixed) - size * both).max() <= 10.0 * near * size:
                return False
        last = self.state(one, 10**9)
        if np.abs(np.stack([last[name] for name in self.moving]) - first).max() > near:
            return False
        return all(np.allclose(last[name], part, rtol=1e-9) for name, part in self.resting.items())


def linear_round(
    method: Any, task: Task, own: Own, up: float = 1.0, context: Context = UNTIMED
) -> LinearRound | None:
    """The linear part of a method's rounds; None where they are not affine, change with the round or are not judged.

    Args:
        method: Any method of this domain.
        task: What it works on.
        own: What all agents know.
        up: The probability that a link is up in a round; mean rounds are meant where it is below 1.
        context: Where the time is checked, in all that is asked of the map.
    """
    around = _around(method, task, up)
    if around is None:
        return None
    entries = around.dimension
    start = np.zeros((task.n, entries))
    scale = _scale(own.data.start, task.optimum, getattr(task.costs, "target", start))
    data = replace(own.data, costs=around, start=start, measurements=None, change=None)
    own = replace(own, data=data)
    kinds: dict[str, Mixing] = {part.name: part.mixing for part in method.message(own).parts}
    mixing = {name: _mixing(task, kind, up) for name, kind in kinds.items()}
    begun = method.start(own)
    moving = tuple(name for name, part in begun.items() if part.shape == start.shape and not part.any())
    averages = [name for name in kinds if name in begun and name not in moving]
    # Averages that others are divided by make mean rounds unknown: the mean of a ratio is no ratio of means.
    if any(matrix is None for matrix in mixing.values()) or (up < 1 and averages):
        return None
    resting = {name: part for name, part in begun.items() if name not in moving}
    resting |= {name: _rest(begun[name], mixing[name], kinds[name]) for name in averages}
    if "calm" in resting:
        resting["calm"] = np.ones(task.n)
    found = LinearRound(method, own, moving, resting, mixing, entries, context)
    return found if moving and found.holds(scale) else None


def _around(method: Any, task: Task, up: float) -> Quadratic | Bent | None:
    """The costs near their optimum, around 0: of one entry where they are quadratic and no entry looks at another."""
    costs = task.costs
    if method.decision != "shared" or task.n > _MOST:
        return None
    if isinstance(costs, Quadratic):
        return None if costs.constrained else Quadratic(None, costs.curvature, np.zeros((task.n, 1)))
    prices = task.coupled is not None and not getattr(method, "predicts_prices", True)
    # Where links come and go agents need not rest at the optimum, from which the derivatives are.
    beside = hasattr(method, "power") and not isinstance(method, Predictable)
    if prices or up < 1 or beside:
        return None
    return bent_at(costs, task.optimum)


def _scale(*parts: FloatArray) -> float:
    """The largest number among the data; 1 where all are 0."""
    largest = max(float(np.abs(part).max(initial=0.0)) for part in parts)
    return largest if 0.0 < largest < np.inf else 1.0


def _mixing(task: Task, kind: Mixing, up: float) -> Any:
    return task.weights.of(kind) if up == 1 else mean_weights(task.weights, kind, up)


def _rest(start: FloatArray, matrix: Any, kind: Mixing) -> FloatArray:
    """Where averaging ends: the limit of W^k y."""
    if kind == "column":
        right = perron(matrix.T).reshape(-1, *[1] * (start.ndim - 1))
        return np.asarray(right * start.sum(axis=0))
    return np.broadcast_to(perron(matrix) @ start, start.shape).copy()


def growth(round_: LinearRound) -> float | None:
    """The largest modulus of an eigenvalue, 1 for what is conserved included.

    Returns:
        None where the map is large and Arnoldi's iteration found no eigenvalue outside the unit circle in about a
        thousand rounds: it may be stable, or unstable by too little to be seen.
    """
    if round_.dense:
        return float(np.abs(np.linalg.eigvals(round_.matrix())).max())
    return growth_beyond(round_.flat, round_.size)


def growth_beyond(apply: Callable[[FloatArray], FloatArray], size: int) -> float | None:
    """The largest modulus of an eigenvalue outside the unit circle that Arnoldi's iteration finds; None for none.

    Args:
        apply: A linear map on vectors.
        size: Their length.
    """
    values = _outermost(apply, size)
    outside = np.abs(values[np.abs(values) > 1.0 + _slack(values)])
    return float(outside.max()) if len(outside) else None


def _slack(values: FloatArray) -> FloatArray:
    """How far from an eigenvalue of modulus 1 a value with the tolerance's residual may lie.

    With a small step what is conserved and the agents' mean share an eigenvalue next to 1, double with one vector
    (EXTRA, DEXTRA), and modes that mix slowly come in pairs about it. A residual r moves one of a pair by r over their
    distance, and by the root of r where they are nearer than that. A hundred residuals, for maps that are not normal.
    """
    return np.asarray(SLACK / np.clip(np.abs(values - 1.0), np.sqrt(SLACK), 1.0))


def _outermost(apply: Callable[[FloatArray], FloatArray], size: int) -> FloatArray:
    """Eigenvalues of largest modulus, those of them that the iteration found."""
    from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigs

    # A fixed start, and fixed draws where the iteration starts anew, make the last digits the same each time.
    start = np.random.default_rng(0).standard_normal(size)
    operator = LinearOperator((size, size), matvec=apply, dtype=np.float64)
    more: dict[str, Any] = {
        "k": 4,
        "which": "LM",
        "ncv": _BASIS,
        "maxiter": _RESTARTS,
        "tol": _RESIDUAL,
        "v0": start,
    }
    if "rng" in inspect.signature(eigs).parameters:
        more["rng"] = np.random.default_rng(0)
    try:
        return np.asarray(eigs(operator, return_eigenvectors=False, **more))
    except ArpackNoConvergence as error:
        return np.asarray(error.eigenvalues)
    except ArpackError:
        return np.empty(0)


def largest_stable(
    method: Any,
    task: Task,
    own: Own,
    high: float,
    up: float = 1.0,
    *,
    precision: float = CLOSE,
    context: Context = UNTIMED,
) -> Limit | None:
    """Where stability ends, between a step and the first of its halves, quarters, .. that is stable.

    Args:
        method: A method with `step`.
        task: What it works on.
        own: What all agents know.
        high: A step; it is doubled while it is stable.
        up: The probability that a link is up in a round.
        precision: To which it is told where eigenvalues take Arnoldi's iteration; 1e-4 where all are found.
        context: Where the time is checked.

    Returns:
        None where it is not judged, or all or none of 20 halves or doubles are stable.
    """
    if not is_dataclass(method) or not hasattr(method, "step"):
        return None
    first = linear_round(_with_step(method, high), task, own, up, context)
    if first is None:
        return None

    def beyond(step: float) -> float:
        return (growth(replace(first, method=_with_step(method, step))) or 0.0) / (1.0 + SLACK)

    precision = 1e-4 if first.dense else precision
    step = last_stable(beyond, high, reach=2.0**20, precision=precision)
    return None if step is None else Limit(step, None if first.dense else precision)


def _with_step(method: Any, step: float) -> Any:
    return replace(method, step=step)


def require_stable(method: Any, task: Task, own: Own, up: float = 1.0, context: Context = UNTIMED) -> None:
    """Refuse a constant step whose rounds are unstable near the optimum.

    Args:
        method: Any method of this domain.
        task: What it works on.
        own: What all agents know.
        up: The probability that a link is up in a round.
        context: Where the time is checked.

    Raises:
        BadInput: The error would grow without bound; names the limit where it is found.
    """
    round_ = linear_round(method, task, own, up, context)
    found = None if round_ is None else growth(round_)
    if found is None or found <= 1.0 + SLACK:
        return
    step = method.scale(own.data) if hasattr(method, "scale") else getattr(method, "step", 0.0)
    more: dict[str, Any] = {"precision": ABOUT, "context": context}
    limit = largest_stable(method, task, own, step, up, **more) if step > 0 else None
    where = "outside of the stable ones" if limit is None else f"past the stability limit {limit}"
    what = "the error" if up == 1 else "the mean error"
    what = what if isinstance(task.costs, Quadratic) else f"near the optimum {what}"
    name = step_field(method)
    size = "step size" if name == "step" else name
    message = f"the {size} {step:.6g} is {where} here: {what} would grow by {found:.6g} in every round"
    hint = f"another {name}, mostly a smaller one; or unstable = 'run' in the scenario, to watch it"
    raise BadInput(Problem(field=f"method.{name}", message=message, hint=hint))
