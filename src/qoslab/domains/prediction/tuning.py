"""The same tuning budget for every method: parameters drawn around those it has, judged on hidden training cells."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.core.errors import BadInput, Problem
from qoslab.core.files import DiskFull, write_whole
from qoslab.core.located import read_toml, validate_dataclass
from qoslab.core.seeds import Seed
from qoslab.datasets.locate import resolver
from qoslab.domains.prediction.data import BoolArray, Known, Task, make_task
from qoslab.domains.prediction.metrics import errors
from qoslab.domains.prediction.model import completed
from qoslab.domains.prediction.study_file import files_of, method_of, methods_of, scenario_of
from qoslab.domains.prediction.targets import check_target, unwritable
from qoslab.learning.training import DivergedTraining

__all__ = ["Budget", "Trial", "draw", "hide", "tune", "tuned"]

_HIDDEN = 0.1
"""Share of the training cells that trials are judged on."""

_AT_MOST = 0.5
"""Share of a method's CPU time after which a drawn trial is stopped: one monster must not be the whole search."""


@dataclass(frozen=True)
class Budget:
    """What each method may spend; whichever ends first.

    Attributes:
        trials: Number of trials; the first is that of the parameters it has.
        cpu_s: CPU seconds after which no further trial is begun; a drawn trial may take half of them.
        spread: Largest factor between a drawn parameter and the one it has.
    """

    trials: int = 20
    cpu_s: float = 1800.0
    spread: float = 4.0


@dataclass(frozen=True)
class Trial:
    """One set of parameters.

    Attributes:
        method: The method with them.
        nmae: Error in the hidden training cells; infinite where it is lost: the method failed or took too long.
        cpu_s: CPU seconds that it took.
    """

    method: Any
    nmae: float
    cpu_s: float


class _TooDear(TimeLimitExceeded):
    """A trial took more CPU time than one may."""


@dataclass(frozen=True)
class _Watched(Context):
    """A context that ends what takes too much CPU time: how busy the machine is must not decide which trials are lost.

    Attributes:
        end_s: When, on the process's CPU clock.
    """

    end_s: float = math.inf

    def check_time(self) -> None:
        if time.process_time() > self.end_s:
            raise _TooDear
        super().check_time()


_LOST = (BadInput, ArithmeticError, np.linalg.LinAlgError, DivergedTraining, _TooDear)
"""What parameters that cannot be together, or not in time, end in."""


def tune(
    world: Path,
    *,
    method: Sequence[str] = (),
    trials: int = 20,
    cpu_min: float = 30.0,
    spread: float = 4.0,
    split: int = 0,
    to: Path | None = None,
) -> list[dict[str, Any]]:
    """Give every method the same budget of trials, and say what it gains.

    A tenth of the training cells is hidden; the first trial has the parameters of the file, the others draw every
    number around them, by up to `spread` times. The best trial and the first are then trained on all training cells and
    asked the cells that the scenario keeps back, which no trial has seen.

    Args:
        world: Study file; its [scenario] names the measurements, its [[method]] the methods and where they begin, one
            for each id.
        method: Ids of the methods; those of the file by default.
        trials: Trials for each method.
        cpu_min: CPU minutes for each method, after which no further trial is begun; one that takes half of them is
            stopped and lost, so that a method takes one and a half times as many at most, besides its first trial.
        spread: Largest factor between a parameter that is drawn and the one it began with.
        split: Number of the seed that draws which measurements are known.
        to: New file for the chosen parameters, as [[method]] of a study file.
    """
    _check(trials=trials, cpu_min=cpu_min, spread=spread, split=split)
    if to is not None:
        check_target(to)
    document = read_toml(world)
    names = list(dict.fromkeys(method)) or methods_of(document)
    if not names:
        raise BadInput(Problem(message="there is no [[method]]", path=world, field="method"))
    starts = {name: method_of(document, name) for name in names}
    seed, context = Seed(replication=split), Context(dataset=resolver())
    task = make_task(scenario_of(document), seed, context)
    budget = Budget(trials, 60 * cpu_min, spread)
    rows, chosen = [], {}
    for name, start in starts.items():
        found = list(tuned(start, task.known, budget, seed, context))
        best, row = _judged(task, found, seed, context)
        chosen[name] = _changed(best.method, start)
        rows.append({"method": name} | row | {"chosen": _words(chosen[name])})
    if to is not None:
        _keep(to, _toml(chosen, starts, files_of(document)), rows)
    return rows


def tuned(start: Any, known: Known, budget: Budget, seed: Seed, context: Context) -> Iterator[Trial]:
    """The trials of one method, the first with the parameters it has.

    Args:
        start: The method; where it fails with its own parameters, so does the search.
        known: All training cells.
        budget: What may be spent.
        seed: Draws the hidden cells, the parameters and the method's own chance: the same for every method and trial.
        context: Time limit and data.
    """
    hidden = hide(known, seed)
    inner = replace(known, values=np.where(hidden, np.nan, known.values))
    rng = seed.generator("parameters")
    spent = 0.0
    for number in range(budget.trials):
        if spent >= budget.cpu_s:
            return
        begun = time.process_time()
        candidate, watched = start, context
        try:
            if number:
                candidate = draw(start, budget.spread, rng)
                watched = _Watched(**vars(context), end_s=begun + _AT_MOST * budget.cpu_s)
            nmae = _nmae(candidate, inner, known.values, hidden, seed, watched)
        except _LOST:
            if not number:
                raise
            nmae = math.inf
        trial = Trial(candidate, nmae, time.process_time() - begun)
        spent += trial.cpu_s
        yield trial


def hide(known: Known, seed: Seed) -> BoolArray:
    """Which training cells trials are judged on, shape (P, users, services): a tenth, the same of all parameters.

    Raises:
        BadInput: A parameter has none among them, or only such, or they are all zero.
    """
    cells = np.isfinite(known.values)
    hidden = np.asarray(cells & (seed.generator("hidden").random(cells.shape[1:]) < _HIDDEN))
    for name, table, before, chosen in zip(known.parameters, known.values, cells, hidden, strict=True):
        if not 0 < chosen.sum() < before.sum():
            message = f"{name!r} has {before.sum()} training cells: too few to hide a tenth of them"
            raise BadInput(Problem(message=message, field="scenario"))
        if not table[chosen].any():
            message = f"all hidden cells of {name!r} are 0: errors have no mean to be measured by"
            raise BadInput(Problem(message=message, field="scenario"))
    return hidden


def draw(method: Any, spread: float, rng: np.random.Generator) -> Any:
    """The method with every number that is not zero multiplied by a factor between 1 / spread and spread, log-uniform.

    A share, which has bounds 0 and 1, has its odds multiplied. Whole numbers are rounded, bounds of the parameters
    hold. Words and switches stay: they make another method.

    Raises:
        BadInput: The method refuses the numbers together.
    """
    hints = get_type_hints(type(method), include_extras=True)
    values = {field.name: getattr(method, field.name) for field in fields(method)}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value == 0:
            continue
        factor = spread ** rng.uniform(-1, 1)
        values[name] = _moved(value, factor, _bounds(hints[name]))
    return validate_dataclass(type(method), values)


def _moved(value: float, factor: float, bounds: tuple[float, float]) -> float:
    low, high = bounds
    if isinstance(value, int):
        moved = max(round(value * factor), math.ceil(low) if low > -math.inf else round(value * factor))
        return moved if moved <= high else math.floor(high)
    if (round(low, 9), round(high, 9)) == (0, 1) and 0 < value < 1:
        odds = value / (1 - value) * factor
        rest = float(
            f"{1 / (1 + odds):.3g}"
        )  # three digits of what is left, or a share near one would become it
        return float(f"{1 - rest:.6g}") if 0 < rest < 1 else value
    return float(min(max(float(f"{value * factor:.3g}"), low), high))


def _bounds(hint: Any) -> tuple[float, float]:
    """Least and largest value that an annotation, or any number of a union of them, allows, as far as it says."""
    if get_origin(hint) in {Union, UnionType}:
        numbers = [_bounds(kind) for kind in get_args(hint) if _number(kind)]
        return min((low for low, _ in numbers), default=-math.inf), max(
            (high for _, high in numbers), default=math.inf
        )
    low, high = -math.inf, math.inf
    for part in getattr(hint, "__metadata__", ()):
        for limit in getattr(part, "metadata", (part,)):
            low = max(low, getattr(limit, "ge", low))
            high = min(high, getattr(limit, "le", high))
            if hasattr(limit, "gt"):
                low = max(low, math.nextafter(limit.gt, math.inf))
            if hasattr(limit, "lt"):
                high = min(high, math.nextafter(limit.lt, -math.inf))
    return low, high


def _number(hint: Any) -> bool:
    """Whether an annotation is that of a number, plain or with limits."""
    return (get_args(hint)[0] if hasattr(hint, "__metadata__") else hint) in {int, float}


def _nmae(
    method: Any, learned: Known, truth: np.ndarray, asked: BoolArray, seed: Seed, context: Context
) -> float:
    return _errors(method, learned, truth, asked, seed, context)["nmae"]


def _errors(
    method: Any, learned: Known, truth: np.ndarray, asked: BoolArray, seed: Seed, context: Context
) -> dict[str, float]:
    found = completed(method, learned, seed.stream("method"), context)
    return errors(learned.parameters, found.values, truth, asked)


def _judged(task: Task, found: Sequence[Trial], seed: Seed, context: Context) -> tuple[Trial, dict[str, Any]]:
    """The best trial, and what tuning cost and gave, in hidden training cells and in those that nobody saw.

    A trial whose method fails with all training cells is passed over; the first one's must not.
    """
    first = _errors(found[0].method, task.known, task.truth, task.test, seed, context)
    best, after = found[0], first
    for trial in sorted(found, key=lambda trial: trial.nmae):
        if trial is found[0]:
            break
        try:
            best, after = trial, _errors(trial.method, task.known, task.truth, task.test, seed, context)
            break
        except _LOST:
            continue
    row: dict[str, Any] = {
        "trials": len(found),
        "lost": sum(math.isinf(trial.nmae) for trial in found),
        "cpu_s": round(sum(trial.cpu_s for trial in found), 1),
        "hidden_nmae": round(found[0].nmae, 4),
        "hidden_nmae_tuned": round(best.nmae, 4),
        "nmae": round(first["nmae"], 4),
        "nmae_tuned": round(after["nmae"], 4),
    }
    return best, row | {f"mae_tuned[{p}]": round(after[f"mae[{p}]"], 4) for p in task.known.parameters}


def _changed(method: Any, start: Any) -> dict[str, Any]:
    names = [field.name for field in fields(method)]
    return {name: getattr(method, name) for name in names if getattr(method, name) != getattr(start, name)}


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in values.items()) or "as it was"


def _keep(to: Path, text: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what was found; what took hours is said where it cannot be written."""
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        write_whole(to, text.encode())
    except (OSError, DiskFull) as error:
        print(*(json.dumps(row) for row in rows), "", text, sep="\n", file=sys.stderr, flush=True)
        raise error if isinstance(error, DiskFull) else unwritable(to, error) from None


def _toml(chosen: dict[str, dict[str, Any]], starts: dict[str, Any], files: Mapping[str, Path]) -> str:
    """The chosen parameters, and those of the file that differ from the method's own."""
    blocks = []
    for name, values in chosen.items():
        own = {"file": str(files[name])} if name in files else {}
        kept = own | _changed(starts[name], type(starts[name])()) | values
        blocks.append(
            "\n".join(["[[method]]", f'id = "{name}"', *(f"{k} = {_plain(v)}" for k, v in kept.items())])
        )
    return "\n\n".join(blocks) + "\n"


def _plain(value: Any) -> str:
    return json.dumps(value)  # numbers, words and switches stand in TOML as in JSON


def _check(*, trials: int, cpu_min: float, spread: float, split: int) -> None:
    problems = [
        Problem(message=message, field=field)
        for field, wrong, message in (
            ("trials", not 1 <= trials <= 10_000, "must be from 1 to 10,000"),
            ("cpu_min", not cpu_min > 0, "must be positive"),
            ("spread", not 1 <= spread <= 1000, "must be from 1 to 1000"),
            ("split", split < 0, "must not be negative"),
        )
        if wrong
    ]
    if problems:
        raise BadInput(problems)
