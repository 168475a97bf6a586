"""Runs in which every agent is on its own, and holds nothing of the others' data."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from qoslab.agents.local import Watch, work_locally
from qoslab.agents.message import FloatArray
from qoslab.agents.program import Own
from qoslab.agents.ray import work_on_ray
from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.metrics import error
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.task import Task
from qoslab.domains.optimization.trace import Trace, grown

__all__ = ["MOST_PROCESSES", "follow_apart", "refuse_apart"]

MOST_PROCESSES = 128


def refuse_apart(scenario: OptimizationScenario, agents: int) -> None:
    """Refuse what agents on their own cannot do.

    Raises:
        BadInput: The scenario has a channel, links that come and go, or an eavesdropper; or too many agents.
    """
    table = scenario.channel
    wanted = {
        "channel": table.noise > 0 or table.loss > 0 or table.delay > 0,
        "link_up": scenario.link_up < 1,
        "eavesdropper": scenario.eavesdropper is not None,
    }
    field = f"agents = {scenario.agents!r}"
    problems = [
        Problem(
            field=f"scenario.{name}",
            message=f"is not offered with {field}: sockets neither lose nor change messages",
            hint="agents = 'arrays' simulates it",
        )
        for name, asked in wanted.items()
        if asked
    ]
    if agents > MOST_PROCESSES:
        message = f"{field} starts one process per agent: {agents} are more than {MOST_PROCESSES}"
        problems.append(Problem(field="scenario.agents", message=message, hint="agents = 'arrays'"))
    if problems:
        raise BadInput(problems)


def follow_apart(
    program: Any,
    task: Task,
    own: Own,
    count: int,
    context: Context,
    watch: Watch | None = None,
    *,
    on: Literal["local", "ray"] = "local",
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

    Raises:
        BadInput: What an agent said was not of the declared type, or its data gave no number.
        AgentsFail: An agent dies again and again.
        MissingExtra: Ray is asked for and not installed.
    """
    owns = [Own(np.array([i]), task.n, own.data.rows([i])) for i in range(task.n)]
    kind = program.message(own)
    work = work_on_ray if on == "ray" else work_locally
    walk = work(program, owns, kind, task.weights, count, watch=_watched(context, watch))
    errors, diverged = _errors(task, walk.x, program.decision)
    if walk.problems and not diverged:
        raise BadInput(list(walk.problems))
    last = len(errors) - 1
    messages = last * len(task.weights.network.arcs.heads) if kind.parts else 0
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
            errors.append(error(task.at(k), x, decision))
            if grown(errors[-1], errors[0]):
                return np.array(errors), True
    return np.array(errors), False
