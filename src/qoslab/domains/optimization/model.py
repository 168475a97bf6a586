"""The run: rounds of messages until the last, judged against the central optimum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from qoslab.agents.channel import Channel
from qoslab.agents.program import Own, Program
from qoslab.agents.rounds import Wire, rounds
from qoslab.agents.tap import Tap
from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.method import method_name
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.apart import follow_apart, refuse_apart
from qoslab.domains.optimization.asymptotics import (
    Asymptotics,
    Predictable,
    predicted_rate,
    stability_limit,
)
from qoslab.domains.optimization.disclosure import HORIZON, disclosure, message_forms
from qoslab.domains.optimization.eavesdropping import scaled_quotient, scaled_state_quotient, state_leakage
from qoslab.domains.optimization.limits import UNTIMED
from qoslab.domains.optimization.metrics import decisions, error, judged, measured_rate
from qoslab.domains.optimization.oracle import central_cost
from qoslab.domains.optimization.privacy import made_private
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.problems.usercosts import UserCosts
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.settling import require_settling
from qoslab.domains.optimization.stability import require_stable
from qoslab.domains.optimization.steps import step_field
from qoslab.domains.optimization.stepsizes import judged_steps, quiet, round_alike
from qoslab.domains.optimization.task import Task, changing, make_task, own_of
from qoslab.domains.optimization.trace import Trace, grown, require_measurable, require_numbers, unsettled

__all__ = ["Method", "Trace", "follow", "prepare", "run"]

_SLICE = 200
_SHOWN = 400
_AGENTS = 6


class Method(Program, Protocol):
    """What a method of this domain offers beside what agents do in a round.

    Attributes:
        decision: `shared`: agents agree on one decision, of a coupled problem on its prices; `own`: each finds
            its own decision under shared constraints.
        projects: Whether it keeps to the agents' sets.

    It may have `divisor`, the part of its message that the first is to be divided by, one number, for the decision.
    """

    decision: ClassVar[str]
    projects: ClassVar[bool]


def follow(program: Method, task: Task, own: Own, wire: Wire, count: int, context: Context) -> Trace:
    """Run rounds and note the error after each; stops where it grows without bound."""
    errors: list[float] = []
    path: dict[int, Any] = {}
    kept = set(_shown(count).tolist()) if context.keep_series and task.coupled is not None else ()
    x = own.data.start
    # Rounds that overflow are told as a divergence, not as a warning.
    with np.errstate(over="ignore", invalid="ignore"):
        for k, state in enumerate(rounds(program, own, wire, count)):
            if k % _SLICE == 0:
                context.check_time()
            before, x = x if k else None, state["x"]
            require_numbers(x, before, k)
            errors.append(error(task.at(k), x, program.decision, f"{k} round{'s' * (k != 1)}"))
            require_measurable(errors[0])
            if k in kept:
                path[k] = x
            if grown(errors[-1], errors[0]):
                return Trace(x, np.array(errors), wire.messages, wire.bytes, diverged=True, path=path)
    return Trace(x, np.array(errors), wire.messages, wire.bytes, diverged=False, path=path)


def _shown(last: int) -> NDArray[np.int64]:
    """Rounds that figures show."""
    return np.unique(np.round(np.linspace(0, last, min(last + 1, _SHOWN))).astype(np.int64))


def prepare(program: Any, task: Task, *, refuse: bool, context: Context = UNTIMED) -> float | None:
    """The predicted rate, and every reason why a method cannot be used here, before it runs.

    Args:
        program: The method.
        task: What it is to work on.
        refuse: Whether a step size past the stability limit is refused.
        context: Where the time is checked.

    Returns:
        The factor by which the error falls in a round in the end; None where it is not predicted.

    Raises:
        BadInput: The method does not fit the problem or the network, or its step size is too large.
    """
    name = method_name(program)
    if program.decision == "own" and task.coupled is None:
        message = f"{name} finds decisions under shared constraints; this problem has one shared decision"
        hint = "problem.kind = 'dispatch' or 'qos', or another method"
        raise BadInput(Problem(field="method", message=message, hint=hint))
    projects = program.projects or (task.coupled is not None and getattr(program, "projects_prices", False))
    if program.decision == "shared" and task.costs.constrained and not projects:
        message = f"{name} does not keep to the agents' sets, or to prices that are not negative"
        hint = "projected_subgradient and dgd do"
        raise BadInput(Problem(field="method", message=message, hint=hint))
    needs = task.coupled is None and getattr(program, "needs_convexity", False)
    if needs and not task.costs.convexity().min() > 0:
        weak = int(np.argmin(task.costs.convexity()))
        message = (
            f"{name} needs strongly convex costs, and agent {weak}'s is not: at some prices its own minimum"
        )
        message += " is unbounded, or not the only one"
        raise BadInput(Problem(field="scenario.problem", message=message, hint="admm takes such costs"))
    if program.decision == "shared" and getattr(program, "needs_smoothness", False):
        _require_smooth(name, task)
    if not needs:
        _require_scale(program, task)
    prices = task.coupled is not None and not getattr(program, "predicts_prices", True)
    if prices or not isinstance(program, Predictable):
        return None
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    if near is None:
        return None
    rate = predicted_rate(program, near)
    if refuse and rate > 1.0 + 1e-6:
        limit = stability_limit(program, near, context)
        name = step_field(program)
        size = "step size" if name == "step" else name
        message = f"the {size} {program.scale(near):.6g} is past the stability limit"
        message += " here" if limit is None else f" {limit:.6g} here"
        where = "" if isinstance(task.costs, Quadratic) else "near the optimum "
        message += f": {where}the error would grow by {rate:.6g} in every round"
        hint = f"a smaller {name}; or unstable = 'run' in the scenario, to watch it"
        raise BadInput(Problem(field=f"method.{name}", message=message, hint=hint))
    return rate


def _require_smooth(name: str, task: Task) -> None:
    kinked = np.flatnonzero(np.isinf(task.costs.smoothness()))
    if len(kinked):
        message = (
            f"{name} needs smooth costs, and agent {kinked[0]}'s has kinks: with a constant step it ends "
        )
        message += "at a distance from the optimum"
        hint = "dgd, subgradient_push, projected_subgradient"
        # Answers of its own minimisation are closed forms of built-in costs alone.
        hint += " take" if isinstance(task.costs, UserCosts) else " and admm take"
        hint += " such costs"
        raise BadInput(Problem(field="scenario.problem", message=message, hint=hint))


def _require_scale(program: Any, task: Task) -> None:
    """Default steps go by how fast gradients change, where a user's costs show it."""
    name = step_field(program)
    if not isinstance(task.costs, UserCosts) or getattr(program, name, None) != 0:
        return
    if task.costs.smoothness().max() == 0:
        message = "no default to be had: no agent's gradient changes near 0 and near the optimum, "
        message += f"{task.optimum.tolist()}, or ever less towards them"
        hint = f"give problem.smoothness, or method.{name}"
        raise BadInput(Problem(field=f"method.{name}", message=message, hint=hint))


def run(scenario: Any, method: Any, seeds: Sequence[Seed], context: Context) -> Iterator[Outcome]:
    """Let the agents of each seed's instance work for `rounds` rounds."""
    for seed in seeds:
        context.check_time()
        yield _one(scenario, method, seed, context)


def _one(scenario: OptimizationScenario, method: Any, seed: Seed, context: Context) -> Outcome:
    task = make_task(scenario, seed, context)
    steady = scenario.link_up == 1.0
    told = steady and quiet(scenario)  # rates are those of rounds that are all alike
    refuse = scenario.unstable == "refuse" and steady and round_alike(scenario)
    rate = prepare(method, task, refuse=refuse, context=context)
    if task.later is not None:
        prepare(method, task.later, refuse=refuse, context=context)
        rate = None
    found = _oracle(scenario, task)
    noise = 0.0 if scenario.privacy is None else scenario.privacy.noise
    own = own_of(made_private(task, noise, seed), scenario, seed, method.decision)
    if scenario.judge_steps:
        found |= judged_steps(method, task, own, scenario, context)
    if scenario.unstable == "refuse" and (rate is None or not steady) and round_alike(scenario):
        require_stable(method, task, own, scenario.link_up, context)
    if refuse and hasattr(method, "first_step"):
        last = task.at(scenario.rounds)
        require_settling(method, last, method.first_step(own), scenario.rounds, context)
    table = scenario.channel
    channel = Channel(table.noise, table.loss, table.delay)
    weights = None if steady else changing(task, scenario.link_up, seed.generator("links"))
    kind = method.message(own)
    taps = _taps(scenario, task) if kind.parts else []
    if scenario.agents != "arrays":
        refuse_apart(scenario, task.n)
        trace = follow_apart(
            method,
            task,
            own,
            scenario.rounds,
            context,
            on=scenario.agents,
            weights=weights,
            channel=channel,
            rng=seed.generator("channel"),
            taps=taps,
        )
    else:
        wire = Wire(kind, weights or task.weights, channel, seed.generator("channel"), taps)
        trace = follow(method, task, own, wire, scenario.rounds, context)
    found |= (
        _leakage(scenario, task, method, taps[0], kind.parts[0].name) if taps and not trace.diverged else {}
    )
    found |= _disclosed(scenario, task, method, seed) if taps else {}
    return _outcome(scenario, task, method, trace, rate if told else None, context, found)


def _outcome(
    scenario: OptimizationScenario,
    task: Task,
    method: Any,
    trace: Trace,
    rate: float | None,
    context: Context,
    more: Mapping[str, float] | None = None,
) -> Outcome:
    metrics = _metrics(scenario, task, method, trace) | dict(more or {})
    if rate is not None:
        metrics["rate_predicted"] = rate
    last = len(trace.errors) - 1
    counters = {"rounds": last, "messages": trace.messages, "bytes": trace.bytes}
    counters["unsettled"] = int(_unsettled(trace, task.at(last)))
    series = _series(task, method, trace, rate) if context.keep_series else {}
    return Outcome(metrics, counters, series)


def _unsettled(trace: Trace, task: Task) -> bool:
    problem = task.costs if task.coupled is None else task.coupled
    return unsettled(trace, task.decisions, problem.when("after the last round"))


def _oracle(scenario: OptimizationScenario, task: Task) -> dict[str, float]:
    """The central optimum, and its cost by a convex solver where that is asked for."""
    last = task.at(scenario.rounds)
    found = {"cost_optimal": last.cost}
    if scenario.oracle == "cvxpy":
        found["cost_oracle"] = central_cost(last.costs if last.coupled is None else last.coupled)
    return found


def _taps(scenario: OptimizationScenario, task: Task) -> list[Tap]:
    who = scenario.eavesdropper
    if who is None:
        return []
    if who.agent >= task.n:
        message = f"there is no agent {who.agent}: the network has {task.n}"
        raise BadInput(Problem(field="scenario.eavesdropper.agent", message=message))
    return [Tap((who.agent,))]


def _leakage(
    scenario: OptimizationScenario, task: Task, method: Any, tap: Tap, first: str
) -> dict[str, float]:
    """What is left unknown of the last state; where states are noisy for privacy, of the true optimum."""
    who = scenario.eavesdropper
    assert who is not None
    path = tap.history(first)[:, 0]
    path = path.reshape(len(path), -1)
    states = path if scenario.privacy is None else path / _divisor(method, tap)
    secret = path[-1] if scenario.privacy is None else task.optimum
    prior = float((secret**2).sum())
    if prior == 0 or (scenario.privacy is not None and method.decision != "shared"):
        return {}
    return {
        "protection_of_states": state_leakage(states, who.interception, secret) / prior,
        "protection_of_states_scaled": scaled_state_quotient(states, who.interception, secret),
        "protection_of_innovations": scaled_quotient(path, who.interception, secret),
    }


def _divisor(method: Any, tap: Tap) -> Any:
    """What a column-stochastic method's states are divided by, which it sends beside them; else 1."""
    name = getattr(method, "divisor", None)
    return 1.0 if name is None else tap.history(name)


def _disclosed(scenario: OptimizationScenario, task: Task, method: Any, seed: Seed) -> dict[str, float]:
    who = scenario.eavesdropper
    assert who is not None
    if who.knows == "nothing":
        return {}
    forms = message_forms(method, task, min(scenario.rounds, HORIZON))
    rng = seed.generator("interception")
    found = disclosure(forms, who.agent, (who.agent,), who.interception, rng).quotient
    # Of a standard normal target the forms tell the noisy one; noise of variance s^2 hides s^2 / (1 + s^2) of it.
    noise = 0.0 if scenario.privacy is None else scenario.privacy.noise
    return {"protection_of_target": 1.0 - (1.0 - found) / (1.0 + noise**2)}


def _metrics(scenario: OptimizationScenario, task: Task, method: Any, trace: Trace) -> dict[str, float]:
    found = {"diverged": float(trace.diverged)}
    # What a run that was stopped had sent by then is no cost to compare: the sooner it failed, the less. It is counted.
    if trace.diverged:
        return found
    found |= {"messages": float(trace.messages), "bytes": float(trace.bytes)}
    found |= judged(task.at(len(trace.errors) - 1), trace.x, method.decision)
    before = trace.errors if task.later is None else trace.errors[: task.turn]
    for name, errors in (("tolerance", before), ("renegotiate", trace.errors[len(before) :])):
        # Decisions of which nothing is said are never agreed anew, wherever they happen to be.
        silent = name == "renegotiate" and trace.messages == 0
        arrived = np.flatnonzero(errors <= scenario.tolerance)
        if len(arrived) and not silent:
            found[f"rounds_to_{name}"] = float(arrived[0])
    measured = measured_rate(before)
    if measured is not None:
        found["rate"] = measured
    return found


def _series(task: Task, method: Any, trace: Trace, rate: float | None) -> dict[str, dict[str, Any]]:
    last = len(trace.errors) - 1
    shown = _shown(last)
    predicted = np.full(len(shown), np.nan)
    if rate is not None and rate < 1 and trace.errors[0] > 0:
        # Drawn through the error half-way down, in the logarithm, where the slowest part rules already.
        floor = max(float(trace.errors.min()), 1e-12)
        middle = int(np.argmax(trace.errors <= np.sqrt(trace.errors[0] * floor)))
        predicted = trace.errors[middle] * rate ** (shown - middle).astype(np.float64)
    found = {"convergence": {"round": shown, "error": trace.errors[shown], "predicted": predicted}}
    if trace.path:
        found["decisions"] = _decisions(task, method, trace)
    return found


def _decisions(task: Task, method: Any, trace: Trace) -> dict[str, Any]:
    """Decisions of the first agents, round by round, beside the optimal ones."""
    rounds = np.fromiter(trace.path, np.int64)
    taken = np.stack([decisions(task.at(k), x, method.decision)[:_AGENTS] for k, x in trace.path.items()])
    best = np.stack([task.at(k).decisions[:_AGENTS] for k in trace.path])
    at, agent, entry = (index.ravel() for index in np.indices(taken.shape))
    columns = {"round": rounds[at], "agent": agent, "entry": entry}
    return columns | {"decision": taken.ravel(), "optimal": best.ravel()}
