"""What to do with the method that is best: the commands of its domain, with this study's own values in them."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator
from typing import Any

import numpy as np

from qoslab.core.registry import registry
from qoslab.report.amounts import name
from qoslab.report.evidence import Evidence
from qoslab.report.source import ResultsLike, study_file

__all__ = ["uses"]


def uses(results: ResultsLike, evidence: Evidence, best: int) -> Iterator[tuple[str, str]]:
    """Purposes and commands for a method, from its domain's `next_steps`.

    A step whose command names `{study}`, `{method}`, `{metric}`, `{limit}` or `{set}` is left out where the study
    cannot fill it in: it has no file, its metric is not to be kept low, or a value of its grids cannot be written as
    one word.
    """
    steps = registry.domain(evidence.domain).next_steps
    ident = evidence.methods[best].ident
    values = _values(results, evidence, best)
    own = [step for step in steps if step[0] == ident]
    for step in own or [step for step in steps if step[0] == "*"]:
        command, purpose = step[1], step[2] if len(step) == 3 else "To put {method} to work"
        label = name(evidence, best)
        if "{" not in command:
            yield purpose.replace("{method}", label), command
        elif values is not None:
            yield _filled(purpose, {**values, "method": label}), _filled(command, values)


def _filled(text: str, values: dict[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return " ".join(text.split())


def _values(results: ResultsLike, evidence: Evidence, best: int) -> dict[str, str] | None:
    """What stands for the names in braces, in the last case in which the method has values; None if one is missing."""
    if evidence.metric.direction != "lower" or not getattr(results.study, "file", None):
        return None
    means = [_mean(evidence.values[case, best]) for case in range(len(evidence.cases))]
    places = [case for case, mean in enumerate(means) if math.isfinite(mean) and mean > 0]
    if not places:
        return None
    settings = dict(results.study.overrides)
    for axis, value in evidence.cases[places[-1]].values.items():
        word = _word(value)
        if word is None:
            return None
        settings[f"scenario.{axis}"] = word
    return {
        "study": shlex.quote(study_file(results)),
        "method": shlex.quote(name(evidence, best)),
        "metric": evidence.metric.name,
        # Rounded up to three figures: what was measured meets it.
        "limit": f"{1.006 * means[places[-1]]:.3g}",
        "set": " ".join(f"--set {shlex.quote(f'{key}={value}')}" for key, value in settings.items()),
    }


def _mean(values: Any) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _word(value: Any) -> str | None:
    """A value of a grid as `--set` takes it; None for a table."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return json.dumps(list(value)) if all(isinstance(item, str | int | float) for item in value) else None
    return json.dumps(value) if isinstance(value, int | float) else None
