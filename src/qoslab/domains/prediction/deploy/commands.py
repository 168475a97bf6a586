"""`qoslab prediction train|evaluate|select|export|serve`: a model from measurements, and what it is good for."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, MissingData, Problem, did_you_mean
from qoslab.core.located import read_toml
from qoslab.core.seeds import Seed
from qoslab.datasets.locate import resolver
from qoslab.domains.prediction.data import BoolArray, Known, Task, make_task, without_timeouts
from qoslab.domains.prediction.deploy import edge
from qoslab.domains.prediction.deploy.kept import KeptModel, load_model, save_model
from qoslab.domains.prediction.deploy.live import Live, Unknown
from qoslab.domains.prediction.deploy.making import Making, make_model
from qoslab.domains.prediction.deploy.origin import check_words, ids_of, task_of
from qoslab.domains.prediction.deploy.taken import open_desk
from qoslab.domains.prediction.metrics import calibration, errors
from qoslab.domains.prediction.protocol import seed_of_round
from qoslab.domains.prediction.readers import read
from qoslab.domains.prediction.scenario import PredictionScenario, larger_of
from qoslab.domains.prediction.selection import Limit, binding
from qoslab.domains.prediction.study_file import method_of, methods_of, scenario_of
from qoslab.domains.prediction.targets import check_target, unwritable

__all__ = ["evaluate", "export", "select", "serve", "train"]

Rows = list[dict[str, Any]]

_DEFAULT = "boosted_factors"
"""Method of a file that names none."""

_FIRST = 10
"""Services that each user is given when promises are judged."""


def train(
    world: Path,
    *,
    to: Path,
    method: str | None = None,
    split: int = 0,
    level: float = 0.9,
    folds: int = 20,
    rounds: int | None = None,
    everything: bool = False,
) -> Rows:
    """Train a method, calibrate its intervals on cells hidden from it, and keep the model.

    Args:
        world: Study file; its [scenario] names the measurements, its [[method]] of that id the parameters.
        to: New folder for the model.
        method: The method; it is trained once more than there are rounds. Without a name the file's only [[method]], or
            boosted_factors where it has none.
        split: Number of the seed that draws which measurements are known.
        level: Probability that intervals promise.
        folds: Folds that the known measurements are dealt into.
        rounds: Folds that are hidden for calibration, one after the other; by default as many as hide 1,000 cells, at
            most five.
        everything: Learn from all measurements, and keep none back for `evaluate`.
    """
    _check(level=level, folds=folds, rounds=rounds, split=split)
    check_target(to)
    document = read_toml(world)
    scenario = scenario_of(document)
    method = method or _only(methods_of(document))
    chosen = method_of(document, method)
    known = _everything(scenario, split) if everything else _task(scenario, split).known
    larger = larger_of(scenario.larger_is_better, known.parameters)
    users, services = ids_of(scenario, known)
    check_words(known, users, services)
    making = Making(
        level=level,
        folds=folds,
        rounds=rounds,
        seed=split,
        scenario=None if everything else scenario.model_dump(mode="json"),
        users=users,
        services=services,
        larger_is_better=larger,
    )
    made = make_model(known, method, chosen, making, Context(dataset=resolver()), _progress())
    try:
        save_model(to, made)
    except OSError as error:
        raise unwritable(to, error) from None
    return [
        {
            "model": str(to),
            "method": method,
            "users": known.users,
            "services": known.services,
            "cold": _cold(known),
            "measurements": int(np.isfinite(known.values).any(axis=0).sum()),
            "better": ", ".join(f"{name} {_better(name, larger)}" for name in known.parameters),
            "mbytes": round(_bytes(to) / 1e6, 2),
        }
    ]


def evaluate(model: Path, *, at_most: Sequence[str] = (), at_least: Sequence[str] = ()) -> Rows:
    """Errors and coverage of a model on measurements of its scenario that it was not trained on.

    Refused where these have changed since the training: another draw would ask cells that the model learned from.
    It is the model as it was trained: what `serve` took in since may be what is asked, and does not count.

    `coverage_95` is the binomial interval of the coverage, for cells that miss independently of each other.

    With limits: whether they are met as often as `select` says, over all asked cells by what was said, and over the
    ten services that each user would be given first. `counted` is what would be said without the correction.

    Args:
        model: The model's folder.
        at_most: Upper limits, PARAMETER=VALUE.
        at_least: Lower limits, PARAMETER=VALUE.
    """
    kept = load_model(model)
    names = kept.about.parameters
    limits = _bounds(at_most, at_least, names)
    task = task_of(kept)
    if limits:
        return _promises(Live(kept), limits, task)
    values, lower, upper = _tables(kept)
    found = errors(names, values, task.truth, task.test)
    found |= calibration(names, (lower, upper), task.truth, task.test)
    metrics = ("mae", "rmse", "nmae", "coverage", "interval_width")
    return [
        {"parameter": name, "better": _better(name, kept.about.larger_is_better)}
        | {metric: round(found[f"{metric}[{name}]"], 4) for metric in metrics}
        | {"coverage_95": _binomial(found[f"coverage[{name}]"], int(asked.sum()))}
        | {"level": kept.about.level, "asked": int(asked.sum())}
        for name, asked in zip(names, task.test, strict=True)
    ]


def select(
    model: Path,
    user: str,
    *,
    at_most: Sequence[str] = (),
    at_least: Sequence[str] = (),
    k: int = 10,
    journal: Path | None = None,
) -> Rows:
    """The k services that most probably meet all limits for a user, with that probability and the predictions.

    Services that cannot meet them are left out; where they leave fewer than k, `left_out` counts them.
    Measurements that the model's server took in count, as they do there. `judged_by` names the hidden cells among
    which the probability is counted, or the copula where they are few.

    Args:
        model: The model's folder.
        user: The user's id.
        at_most: Upper limits, PARAMETER=VALUE.
        at_least: Lower limits, PARAMETER=VALUE.
        k: How many services.
        journal: Folder of measurements that `serve` took in; MODEL/measurements by default.
    """
    if journal is not None and not journal.is_dir():
        raise BadInput(Problem(message=f"there is no folder {str(journal)!r}", field="journal"))
    live = open_desk(load_model(model), journal or model / "measurements").live
    names = live.about.parameters
    limits = _bounds(at_most, at_least, names)
    if not limits:
        raise BadInput(Problem(message="there is no limit", field="at_most", hint="such as --at-most rt=1.5"))
    if k < 1:
        raise BadInput(Problem(message="must be at least 1", field="k"))
    try:
        found = live.best(user, limits, k)
        left_out = live.left_out(len(found), k)
        if not found:
            message = f"no service meets these limits for user {user!r}: each of {left_out} has probability 0"
            raise BadInput(Problem(message=message, field="at_most" if at_most else "at_least"))
        answer = live.answer(user, [name for name, _ in found])
    except Unknown as error:
        hint = did_you_mean(user, live.users) or f"the model knows {len(live.users)} users"
        raise BadInput(Problem(message=str(error), field="user", hint=hint)) from None
    return [
        {"service": name, "probability": round(probability, 4), "judged_by": live.joint(limits).basis}
        | {p: float(f"{answer.values[i, n]:.4g}") for i, p in enumerate(names)}
        | {
            f"{p} {100 * live.about.level:.6g}%": f"{answer.lower[i, n]:.4g} to {answer.upper[i, n]:.4g}"
            for i, p in enumerate(names)
        }
        | ({"left_out": left_out} if left_out else {})
        for n, (name, probability) in enumerate(found)
    ]


def export(model: Path, *, to: Path, rank: int = 32) -> Rows:
    """Write a model as ONNX graphs, in float32 and with factors of eight bits, and say what that costs.

    Errors and coverage are left out, and the column `not_judged` says why, where the measurements that the model keeps
    back are not on this machine.

    Args:
        model: The model's folder.
        to: New folder for float32.onnx, int8.onnx and ids.json.
        rank: Factors of the table that are kept.
    """
    check_target(to)
    kept = load_model(model)
    judge = _judge(kept)
    graphs = edge.export_model(kept, to, rank)
    users, services = len(kept.about.users), len(kept.about.services)
    names = ("one_us", "one_cpu_us", "of_1000_us", "of_1000_cpu_us")
    rows: Rows = [{"graph": "model", "mbytes": round(_bytes(model) / 1e6, 3)} | dict.fromkeys(names)]
    tables = {"model": _tables(kept)}
    for name, data in graphs.items():
        session = edge.open_graph(data)
        spent = [us for batch in (1, 1000) for us in edge.latency_us(session, users, services, batch, 200)]
        times = {label: round(us, 1) for label, us in zip(names, spent, strict=True)}
        rows.append({"graph": name, "mbytes": round(len(data) / 1e6, 3)} | times)
        tables[name] = _graph_tables(session, users, services)
    return [row | judge(*tables[row["graph"]]) for row in rows]


def serve(
    model: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    journal: Path | None = None,
    rate_per_s: float = 500.0,
    max_body_kib: int = 256,
) -> int:
    """Answer queries over HTTP and take in measurements; see /openapi.json.

    Args:
        model: The model's folder.
        host: Address to listen on; only this machine by default. There is no login: put a proxy before another.
        port: Port; 0 takes a free one and says which.
        journal: Folder of measurements taken in; MODEL/measurements by default. They are taken in again at a start.
        rate_per_s: Requests per second that one address may make.
        max_body_kib: Largest body of a request, KiB.
    """
    if not 0 <= port <= 65535:
        raise BadInput(Problem(message="must be from 0 to 65535", field="port"))
    if not rate_per_s > 0:
        raise BadInput(Problem(message="must be positive", field="rate_per_s"))
    if not 1 <= max_body_kib <= 65536:
        raise BadInput(Problem(message="must be from 1 to 65536", field="max_body_kib"))
    from qoslab.domains.prediction.deploy.server import run_server

    folder = journal or model / "measurements"
    return run_server(load_model(model), folder, host, port, rate_per_s, max_body_kib << 10)


def _check(*, level: float, folds: int, rounds: int | None, split: int) -> None:
    problems = [
        Problem(message=message, field=field)
        for field, wrong, message in (
            ("level", not 0.5 <= level < 1, "must be from 0.5 to below 1"),
            ("folds", not 2 <= folds <= 100, "must be from 2 to 100"),
            (
                "rounds",
                rounds not in (None, *range(1, folds + 1)),
                f"must be from 1 to folds, which is {folds}",
            ),
            ("split", split < 0, "must not be negative"),
        )
        if wrong
    ]
    if problems:
        raise BadInput(problems)


def _progress() -> Callable[[str], None]:
    """Says on a terminal which step has begun, and when; nothing where nobody watches."""
    start = time.monotonic()

    def begun(step: str) -> None:
        if sys.stderr.isatty():
            print(f"{time.monotonic() - start:.0f} s: {step}", file=sys.stderr, flush=True)

    return begun


def _only(methods: Sequence[str]) -> str:
    """The method of a study file that is meant where none is named."""
    if len(methods) > 1:
        message = f"the file has {len(methods)} methods, {', '.join(methods)}: which one?"
        raise BadInput(Problem(message=message, field="method", hint=f"such as --method {methods[0]}"))
    return methods[0] if methods else _DEFAULT


def _task(scenario: PredictionScenario, split: int) -> Task:
    return make_task(scenario, Seed(replication=split), Context(dataset=resolver()))


def _binomial(share: float, count: int) -> str:
    """Ends of the exact 95 % interval of a share of independent cells (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    inside = round(share * count)
    low = float(betaincinv(inside, count - inside + 1, 0.025)) if inside else 0.0
    high = float(betaincinv(inside + 1, count - inside, 0.975)) if inside < count else 1.0
    return f"{low:.4f} to {high:.4f}"


def _better(name: str, larger: Sequence[str]) -> str:
    return "higher" if name in larger else "lower"


def _cold(known: Known) -> str:
    """How many users and services are listed without a known measurement."""
    users, services = (int(side.sum()) for side in known.cold)
    words = (f"{users} user" + "s" * (users != 1), f"{services} service" + "s" * (services != 1))
    return ", ".join(words) if users or services else "none"


def _everything(scenario: PredictionScenario, split: int) -> Known:
    seed = seed_of_round(scenario, Seed(replication=split))
    whole = read(scenario.data, seed, Context(dataset=resolver()))
    return without_timeouts(whole, scenario.timeouts)


def _tables(kept: KeptModel) -> tuple[Any, Any, Any]:
    """Predictions and ends of intervals for all trained users and services, shape (P, users, services)."""
    live = Live(kept)
    services = list(live.services)
    answers = [live.answer(user, services) for user in live.users]
    values, lower, upper = (
        np.stack([getattr(answer, part) for answer in answers], axis=1)
        for part in ("values", "lower", "upper")
    )
    return values, lower, upper


def _promises(live: Live, limits: Sequence[Limit], task: Task) -> Rows:
    """How often limits are met, by the probability that was said, and for those chosen first; and what was counted."""
    limits = binding(limits)
    asked = _asked(live.about.parameters, limits, task)
    counted = np.stack([live.shares(user, limits) for user in live.users])
    said = live.correction(limits).of(counted)
    met = np.ones(asked.shape, bool)
    for limit in limits:
        values = task.truth[limit.parameter]
        met &= values <= limit.value if limit.at_most else values >= limit.value
    first = np.zeros(asked.shape, bool)
    for user, (chances, open_) in enumerate(zip(said, asked, strict=True)):
        first[user, np.argsort(-np.where(open_, chances, -1.0), kind="stable")[:_FIRST]] = True
    edges = np.linspace(0, 1, 11)
    groups = [
        (f"{low:.0%} to {high:.0%}", (said >= low) & ((said < high) | (high == 1)))
        for low, high in itertools.pairwise(edges)
    ]
    rows = []
    for name, inside in (*groups, ("all", asked), (f"first {_FIRST} of each user", first)):
        here = inside & asked
        if here.any():
            tables = {"said": said, "counted": counted, "met": met}
            shares = {label: round(float(table[here].mean()), 4) for label, table in tables.items()}
            rows.append({"services": name} | shares | {"cells": int(here.sum())})
    return rows


def _asked(names: Sequence[str], limits: Sequence[Limit], task: Task) -> BoolArray:
    """The asked cells of which it is known whether they meet all limits, shape (users, services).

    Raises:
        BadInput: There are none.
    """
    limited = sorted({limit.parameter for limit in limits})
    asked = np.asarray(task.test[limited].all(axis=0))
    if not asked.any():
        together = " and ".join(repr(names[p]) for p in limited)
        message = (
            f"no cell that is asked was measured in {together} together: nothing says whether limits are met"
        )
        hint = "give a limit on one of them alone"
        field = "at_most" if limits[0].at_most else "at_least"
        raise BadInput(Problem(message=message, field=field, hint=hint))
    return asked


def _graph_tables(session: Any, users: int, services: int) -> tuple[Any, Any, Any]:
    """The same from an ONNX graph."""
    found = [
        edge.predict(session, np.full(services, user, np.int64), np.arange(services)) for user in range(users)
    ]
    values, lower, upper = (np.stack([one[part] for one in found], axis=1) for part in range(3))
    return values, lower, upper


def _judge(kept: KeptModel) -> Callable[[Any, Any, Any], dict[str, Any]]:
    """What says errors and coverage on what the model's scenario keeps back, or why it cannot."""
    if kept.about.scenario is None:
        return lambda *_: {}
    try:
        task = task_of(kept)
    except (BadInput, MissingData) as error:
        reason = str(error).splitlines()[0]
        return lambda *_: {"not_judged": reason}
    names = kept.about.parameters

    def judge(values: Any, lower: Any, upper: Any) -> dict[str, Any]:
        found = errors(names, values, task.truth, task.test)
        found |= calibration(names, (lower, upper), task.truth, task.test)
        rounded = {f"mae[{p}]": round(found[f"mae[{p}]"], 4) for p in names}
        return rounded | {"coverage": round(found["coverage"], 4)}

    return judge


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _bounds(at_most: Sequence[str], at_least: Sequence[str], names: Sequence[str]) -> list[Limit]:
    """Limits in words as such, refused where no value meets both ends of a parameter."""
    upper = _limits(at_most, names, at_most=True)
    lower = _limits(at_least, names, at_most=False)
    problems = [
        Problem(
            message=f"no {names[low.parameter]!r} is at least {low.value:g} and at most {high.value:g}",
            field="at_least",
        )
        for low, high in itertools.product(lower, upper)
        if low.parameter == high.parameter and low.value > high.value
    ]
    if problems:
        raise BadInput(problems)
    return [*upper, *lower]


def _limits(words: Sequence[str], names: Sequence[str], *, at_most: bool) -> list[Limit]:
    field = "at_most" if at_most else "at_least"
    found = []
    for word in words:
        name, _, value = word.rpartition("=") if "=" in word else (word, "", "")  # names may have one, too
        if name not in names:
            hint = did_you_mean(name, names) or f"parameters are {', '.join(names)}"
            raise BadInput(Problem(message=f"there is no parameter {name!r}", field=field, hint=hint))
        try:
            number = float(value)
        except ValueError:
            number = np.nan
        if not np.isfinite(number):
            message = f"{word!r} is no limit; it is PARAMETER=VALUE with a number"
            raise BadInput(Problem(message=message, field=field))
        found.append(Limit(list(names).index(name), number, at_most))
    return found
