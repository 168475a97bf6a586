"""Runs in which every agent is on its own, and holds nothing of the others' data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from qoslab.agents.channel import Channel
from qoslab.agents.local import Watch, work_locally
from qoslab.agents.message import FloatArray
from qoslab.agents.program import Own
from qoslab.agents.ray import work_on_ray
from qoslab.agents.tap import Tap
from qoslab.agents.weights import Weights
from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.metrics import error
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.task import Task
from qoslab.domains.optimization.trace import Trace, grown, require_measurable, require_numbers

__all__ = ["MOST_PROCESSES", "follow_apart", "refuse_apart"]

MOST_PROCESSES = 128


def refuse_apart(scenario: OptimizationScenario, agents: int) -> None:
    """Refuse what agents on their own cannot do.

    Raises:
        BadInput: There are too many agents.
    """
    field = f"agents = {scenario.agents!r}"
    if agents > MOST_PROCESSES:
        message = f"{field} starts one process per agent: {agents} are more than {MOST_PROCESSES}"
        raise BadInput(Problem(field="scenario.agents", message=message, hint="agents = 'arrays'"))


def follow_apart(
    program: Any,
    task: Task,
    own: Own,
    count: int,
    context: Context,
    watch: Watch | None = None,
    *,
    on: Literal["local", "ray"] = "local",
    weights: Callable[[int], Weights] | None = None,
    channel: Channel | None = None,
    rng: np.random.Generator | None = None,
    taps: Sequence[Tap] = (),
) -> Trace:
    """Let agents work in processes or Ray actors of their own; the same trace as on arrays.

    Args:
        program: The method.
        task: What it works on.
        own: What all agents know; each is given its own row.
        count: Rounds.
        context: Its time limit holds.
        watch: Sees process ids and progress.
        on: Processes of this machine, or actors of a Ray cluster.
        weights: The weights of each round where they change; the task's in all of them otherwise.
        channel: What happens to messages on the way.
        rng: Source of noise and losses.
        taps: Who listens.

    Raises:
        BadInput: What an agent said was not of the declared type, or its data gave no number.
        AgentsFail: An agent dies again and again.
        MissingExtra: Ray is asked for and not installed.
    """
    owns = [Own(np.array([i]), task.n, own.data.rows([i])) for i in range(task.n)]
    kind = program.message(own)
    work = work_on_ray if on == "ray" else work_locally
    arcs: list[int] = []

    def counted(k: int) -> Weights:
        context.check_time()  # All rounds' weights are made before an agent starts.
        found = task.weights if weights is None else weights(k)
        arcs.append(len(found.network.arcs.heads))
        return found

    over = task.weights if weights is None else counted
    seen = _watched(context, watch)
    walk = work(program, owns, kind, over, count, channel=channel, rng=rng, taps=taps, watch=seen)
    errors, diverged = _errors(task, walk.x, program.decision)
    if walk.problems and not diverged:
        raise BadInput(list(walk.problems))
    last = len(errors) - 1
    carried = last * len(task.weights.network.arcs.heads) if weights is None else sum(arcs[:last])
    messages = carried if kind.parts else 0
    path = {k: walk.x[k] for k in range(last + 1)} if context.keep_series and task.coupled is not None else {}
    return Trace(walk.x[last], errors, messages, messages * kind.bytes, diverged, path)


def _watched(context: Context, watch: Watch | None) -> Watch:
    def seen(*progress: Any) -> None:
        context.check_time()
        if watch is not None:
            watch(*progress)

    return seen


def _errors(task: Task, walk: FloatArray, decision: str) -> tuple[FloatArray, bool]:
    """Errors up to the last round, or to the round at which a run on arrays is stopped."""
    errors: list[float] = []
    with np.errstate(over="ignore", invalid="ignore"):
        for k, x in enumerate(walk):
            require_numbers(x, walk[k - 1] if k else None, k)
            errors.append(error(task.at(k), x, decision, f"{k} round{'s' * (k != 1)}"))
            require_measurable(errors[0])
            if grown(errors[-1], errors[0]):
                return np.array(errors), True
    return np.array(errors), False
