"""What messages of any method tell about private costs, to an adversary that knows all but these.

Threat model: the agents' costs are q_i ||x - c_i||^2 / 2 without sets. The adversary knows the method, its steps, the
weights, the start and every q_i; not the targets c_i, which it believes to be independent standard normal. It taps some
agents and catches each of their messages with a probability, unchanged. Rounds of a method are then affine in the
targets, so every number caught is a known linear form of them. Its best guess, linear or not, is the conditional mean,
and what it is left not knowing of an agent's target is the part beyond the span of the caught forms. Where a method's
messages are not affine in the targets (thresholds, medians, prices with a sign), or costs are others, that guess is not
defined by these formulas, and is refused. Derived here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.agents.rounds import Wire, rounds
from qoslab.agents.tap import Tap
from qoslab.core.errors import BadInput, Problem
from qoslab.core.method import method_name
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.adversaries import Private, gaussian_noise
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.scenario import example
from qoslab.domains.optimization.task import Task, own_of

__all__ = ["HORIZON", "Disclosure", "disclosure", "message_forms", "private_targets"]

HORIZON = 60
"""Rounds that a run is judged by: finding the forms takes n p runs of them. Later ones can only tell more."""

_RANK = 1e-9
"""Forms below this share of the largest are lost in the messages' double precision."""

_AFFINE = 1e-7


@dataclass(frozen=True)
class Disclosure:
    """What is left unknown of one agent's target, over simulated interceptions.

    Attributes:
        quotient: Mean square error of the best guess over that of who catches nothing, the protection quotient.
        standard_error: Of the quotient.
    """

    quotient: float
    standard_error: float


def message_forms(method: Any, task: Task, count: int) -> FloatArray:
    """The linear forms of the targets that messages are, found by running the method on unit vectors.

    Args:
        method: Any method for a shared decision.
        task: Quadratic costs without sets.
        count: Rounds.

    Returns:
        Shape (rounds, n, numbers of a message, n p): the last axis runs over agents, then entries.

    Raises:
        BadInput: The costs are others, or the messages are not affine in the targets.
    """
    costs = task.costs
    if not isinstance(costs, Quadratic) or costs.sets is not None or method.decision != "shared":
        message = "full knowledge is defined for shared decisions with quadratic costs without sets"
        raise BadInput(Problem(field="scenario.problem", message=message, hint="kind = 'quadratic'"))
    size = costs.target.size
    still = _transcript(method, task, np.zeros(size), count)
    forms = np.stack([_transcript(method, task, unit, count) - still for unit in np.eye(size)], axis=-1)
    other = np.random.default_rng(0).standard_normal(size)
    apart = np.abs(_transcript(method, task, other, count) - still - forms @ other).max()
    if not apart <= _AFFINE * max(1.0, float(np.abs(forms).max())):
        message = f"the messages of {method_name(method)} are not affine in the agents' targets"
        hint = "full knowledge is defined for methods with linear rounds"
        raise BadInput(Problem(field="method", message=message, hint=hint))
    return np.asarray(forms)


def _transcript(method: Any, task: Task, targets: FloatArray, count: int) -> FloatArray:
    """All that is said from a start at 0, shape (rounds, n, numbers)."""
    assert isinstance(task.costs, Quadratic)
    moved = replace(task, costs=replace(task.costs, target=targets.reshape(task.costs.target.shape)))
    own = own_of(moved, example(), Seed(), method.decision)
    kind, tap = method.message(own), Tap(tuple(range(task.n)))
    for _ in rounds(method, own, Wire(kind, task.weights, taps=[tap]), count):
        pass
    said = [tap.history(part.name).reshape(count, task.n, -1) for part in kind.parts]
    return np.concatenate(said, axis=2)


def disclosure(
    forms: FloatArray,
    agent: int,
    tapped: Sequence[int],
    interception: float,
    rng: np.random.Generator,
    *,
    trials: int = 200,
) -> Disclosure:
    """What the adversary is left not knowing of an agent's target.

    Args:
        forms: As `message_forms` gives them.
        agent: Whose target is guessed.
        tapped: Whose messages may be caught.
        interception: Probability of each catch, independent over rounds and tapped agents.
        rng: Source of interceptions.
        trials: Simulated runs, at least 2.
    """
    count, n, _, size = forms.shape
    width = size // n
    wanted = np.arange(agent * width, (agent + 1) * width)
    offered = forms[:, list(tapped)]
    largest = float(np.linalg.norm(offered, axis=3).max(initial=0.0))
    found = np.empty(trials)
    for trial in range(trials):
        rows = offered[rng.random((count, len(tapped))) < interception].reshape(-1, size)
        found[trial] = 1.0 - _known(rows, largest)[wanted].mean()
    return Disclosure(float(found.mean()), float(found.std(ddof=1) / np.sqrt(trials)))


def _known(rows: FloatArray, largest: float) -> FloatArray:
    """The share of each target's variance in the span of some forms, shape (n p,)."""
    if not len(rows) or largest == 0:
        return np.zeros(rows.shape[1])
    _, values, vectors = np.linalg.svd(rows, full_matrices=False)
    return np.asarray((vectors[values > _RANK * largest] ** 2).sum(axis=0))


def private_targets(
    curvature: FloatArray, epsilon: float, delta: float = 1e-5, reach: float = 1.0
) -> Private:
    """The Gaussian mechanism (Dwork and Roth 2014, theorem A.1) on every agent's target, then any method.

    Whatever is said afterwards is a function of the noisy targets, so every method keeps (epsilon, delta)-differential
    privacy for one entry of a target that may lie anywhere in an interval of length `reach`. The optimum moves to
    sum q_i (c_i + noise_i) / sum q_i: agents and adversary err alike, by s^2 sum q_i^2 / (sum q_i)^2 an entry.

    Args:
        curvature: q, shape (n,).
        epsilon: Privacy loss, in (0, 1).
        delta: Probability with which the promise may fail.
        reach: Length of the interval.
    """
    noise = gaussian_noise(epsilon, delta, reach)
    error = noise**2 * float((curvature**2).sum() / curvature.sum() ** 2)
    return Private(noise, error, error)
