"""Which hardware figure to improve first: each one made better by some percent, on the same seeds, one at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.located import validate, validate_dataclass
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.core.toml_document import Located
from qoslab.core.toml_overrides import with_overrides
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.scenario import EntanglementScenario, LinkHardware, NodeHardware

__all__ = ["FIGURES", "Gain", "improved", "read_case", "sensitivities", "sensitivity"]

_Change = Callable[[float, float], float]


def _longer(value: float, by: float) -> float:
    return value * (1.0 + by)


def _likelier(value: float, by: float) -> float:
    return min(1.0, value * (1.0 + by))


def _less(value: float, by: float) -> float:
    return value * (1.0 - by)


def _purer(value: float, by: float) -> float:
    return 1.0 - (1.0 - value) * (1.0 - by)


def _more(value: float, by: float) -> int:
    return math.ceil(round(value * (1.0 + by), 9))


FIGURES: Mapping[str, tuple[type, _Change]] = {
    "coherence_s": (NodeHardware, _longer),
    "swap_success": (NodeHardware, _likelier),
    "swap_delay_s": (NodeHardware, _less),
    "gate_fidelity": (NodeHardware, _purer),
    "readout_fidelity": (NodeHardware, _purer),
    "source_efficiency": (NodeHardware, _likelier),
    "detector_efficiency": (NodeHardware, _likelier),
    "reset_s": (NodeHardware, _less),
    "attenuation_db_per_km": (LinkHardware, _less),
    "initial_fidelity": (LinkHardware, _purer),
    "false_herald": (LinkHardware, _less),
    "setup_s": (LinkHardware, _less),
    "pairs": (LinkHardware, _more),
    "memories": (NodeHardware, _more),
}
"""Hardware figures, whose they are, and what it means to improve one by a share: times and counts of memories grow,
probabilities grow up to 1, losses, dark counts, reset and set-up times fall, and a fidelity's distance from 1 falls."""


@dataclass(frozen=True)
class Gain:
    """What improving one figure gains.

    Attributes:
        figure: Its name, `nodes.` or `links.` before it.
        before: Its value, of what has no override.
        after: Its improved value.
        gain: Mean paired difference of the metric, in the metric's unit.
        low: Lower end of its 95 % interval by Student's law.
        high: Upper end.
        percent: Gain over the metric's mean before, %; NaN where that is 0.
    """

    figure: str
    before: float
    after: float
    gain: float
    low: float
    high: float
    percent: float


def improved(scenario: EntanglementScenario, figure: str, by: float) -> EntanglementScenario:
    """The scenario with one figure better, at every node or link, those with overrides too.

    Args:
        scenario: The scenario.
        figure: A key of `FIGURES`.
        by: The share, such as 0.1 for 10 %.
    """
    of, change = FIGURES[figure]
    common, special = ("nodes", "node_overrides") if of is NodeHardware else ("links", "link_overrides")

    def better(hardware: Any) -> Any:
        value = getattr(hardware, figure)
        return hardware if value is None else hardware.model_copy(update={figure: change(value, by)})

    overrides = tuple(
        each.model_copy(update={"hardware": better(each.hardware)}) for each in getattr(scenario, special)
    )
    return scenario.model_copy(update={common: better(getattr(scenario, common)), special: overrides})


def sensitivities(
    scenario: EntanglementScenario,
    method: Any,
    seeds: Sequence[Seed],
    *,
    by: float = 0.1,
    metric: str = "useful_rate_per_s",
    context: Context | None = None,
) -> list[Gain]:
    """What each hardware figure gains when it alone is improved, the largest gain first.

    The improved runs meet the same random numbers as the run before, so differences are paired. A figure that is as
    good as it can be is left out, and so is the number of memories where `by` is less than one of them. Each interval
    holds by itself with 95 %.

    Args:
        scenario: The scenario.
        method: The routing method.
        seeds: At least 2.
        by: The share by which a figure is improved, in (0, 1).
        metric: What is gained; the scenario's requests say which fidelity is useful.
        context: Services of the laboratory.
    """
    context = context or Context()
    base = _values(scenario, method, seeds, metric, context)
    gains = []
    for figure, (of, _) in FIGURES.items():
        part = "nodes" if of is NodeHardware else "links"
        better = improved(scenario, figure, by)
        if better == scenario:
            continue
        before, after = (_value(each, part, figure) for each in (scenario, better))
        # One memory more of two is no change by 10 %.
        if figure in ("pairs", "memories") and after > before * (1.0 + by) + 1e-9:
            continue
        difference = _values(better, method, seeds, metric, context) - base
        mean, half = float(difference.mean()), _half_width(difference)
        percent = 100.0 * mean / base.mean() if base.mean() else math.nan
        gains.append(Gain(f"{part}.{figure}", before, after, mean, mean - half, mean + half, float(percent)))
    return sorted(gains, key=lambda each: (-each.gain, each.figure))


def _value(scenario: EntanglementScenario, part: str, figure: str) -> float:
    """A figure of what has no override; the first override's where only some nodes have it."""
    special = scenario.node_overrides if part == "nodes" else scenario.link_overrides
    every = (getattr(scenario, part), *(each.hardware for each in special))
    return float(next(value for each in every if (value := getattr(each, figure)) is not None))


def _values(
    scenario: EntanglementScenario, method: Any, seeds: Sequence[Seed], metric: str, context: Context
) -> np.ndarray:
    return np.array([outcome.metrics.get(metric, 0.0) for outcome in run(scenario, method, seeds, context)])


def _half_width(values: np.ndarray) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / math.sqrt(len(values)))


def sensitivity(
    path: Path,
    *,
    method: str = "",
    seeds: int = 20,
    percent: float = 10.0,
    metric: str = "useful_rate_per_s",
    set: tuple[str, ...] = (),
) -> list[dict[str, Any]]:
    """Which hardware figure, improved by 10 %, gains most rate above the wanted fidelity.

    Args:
        path: Study file: its scenario, and its first method unless another is named.
        method: Label or id of one of the file's methods.
        seeds: Runs of each scenario, on common random numbers.
        percent: By how much each figure is improved, one at a time.
        metric: What is to gain, such as key_rate_per_s.
        set: Values set from outside, such as scenario.nodes.coherence_s=0.01; needed for those that the file varies.
    """
    _check(seeds, percent, metric)
    scenario, chosen = read_case(path, method, set)
    runs = [Seed(0, "sensitivity", "", k) for k in range(seeds)]
    gains = sensitivities(scenario, chosen, runs, by=percent / 100.0, metric=metric)
    return [
        {
            "improve": each.figure,
            "from": each.before,
            "to": round(each.after, 9),
            "gain": round(each.gain, 6),
            "low": round(each.low, 6),
            "high": round(each.high, 6),
            "gain_percent": round(each.percent, 2) if math.isfinite(each.percent) else None,
        }
        for each in gains
    ]


def _check(seeds: int, percent: float, metric: str) -> None:
    known = {each.name for each in registry.domain("entanglement").metrics}
    problems = []
    if seeds < 2:
        problems.append(Problem(message=f"an interval needs 2 seeds or more, not {seeds}", field="seeds"))
    if not 0 < percent < 100:
        problems.append(Problem(message=f"{percent:g} is not between 0 and 100", field="percent"))
    if metric not in known:
        hint = did_you_mean(metric, known)
        problems.append(Problem(message=f"there is no metric {metric!r}", field="metric", hint=hint))
    if problems:
        raise BadInput(problems)


def read_case(path: Path, method: str, given: Sequence[str]) -> tuple[EntanglementScenario, Any]:
    """The scenario and one method of a study file, with values set from outside.

    Args:
        path: The file.
        method: Label or id of the method; the first where empty.
        given: Values as `key=value`.

    Raises:
        BadInput: The file cannot be read, varies a value, or lacks the method.
    """
    return _read(_document(path, given), method)


def _document(path: Path, given: Sequence[str]) -> Located:
    from qoslab.core.located import read_toml

    wrong = [text for text in given if "=" not in text]
    if wrong:
        message = f"{wrong[0]!r} sets nothing: it takes the form key=value"
        raise BadInput(Problem(message=message, field="set"))
    pairs = [text.partition("=") for text in given]
    return with_overrides(read_toml(path), {key.strip(): value for key, _, value in pairs})


def _read(document: Located, wanted: str) -> tuple[EntanglementScenario, Any]:
    """The scenario and the method of a study file."""
    tree = document.tree
    table = tree.get("scenario")
    if not isinstance(table, Mapping):
        raise BadInput(document.problem((), "there is no [scenario] table to improve"))
    varied = _grid(table, ("scenario",))
    if varied:
        message = "the file varies this value, and this command is about one scenario"
        key = ".".join(map(str, varied))
        raise BadInput(document.problem(varied, message, hint=f"choose one: --set {key}=VALUE"))
    scenario = validate(
        EntanglementScenario,
        table,
        document,
        ("scenario",),
        context={"base": document.path.parent if document.path else Path()},
    )
    methods = [each for each in tree.get("method", []) if isinstance(each, Mapping)]
    labels = [str(each.get("label", each.get("id"))) for each in methods]
    if not methods or (wanted and wanted not in labels):
        hint = did_you_mean(wanted, labels) if methods else "add [[method]] with its id"
        message = f"the file has no method {wanted!r}" if wanted else "the file names no method"
        raise BadInput(Problem(message=message, path=document.path, field="method", hint=hint))
    place = labels.index(wanted) if wanted else 0
    return scenario, _method(document, methods[place], ("method", place))


def _method(document: Located, table: Mapping[str, Any], at: tuple[str | int, ...]) -> Any:
    if "file" in table or _grid(table, at):
        message = "this command takes one method of the package, without a file or a grid"
        raise BadInput(document.problem(at, message))
    entry = registry.method("entanglement", str(table.get("id")).removeprefix("entanglement/"))
    params = {key: value for key, value in table.items() if key not in ("id", "label")}
    return validate_dataclass(entry.cls, params, document, at)


def _grid(node: Any, at: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Where the first `{ grid = [...] }` stands; empty where there is none."""
    if isinstance(node, Mapping):
        if set(node) == {"grid"}:
            return at
        items: Any = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    else:
        return ()
    for key, value in items:
        found = _grid(value, (*at, key))
        if found:
            return found
    return ()
