"""Cases of a study in words: `at load = 0.7 and 0.8`, `for load = 0.7 to 0.9`, `throughout`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from qoslab.report.evidence import Axis, Evidence
from qoslab.report.words import enumerate_words

__all__ = ["axis_value", "place", "places"]


def axis_value(value: Any) -> str:
    """A varied value as it stands in the study file: numbers short, text as it is."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else "none" if value is None else str(value)


def place(evidence: Evidence, case: int) -> str:
    """One case, such as `load = 0.8` or `load = 0.8, servers.count = 16`; empty where nothing varies."""
    values = evidence.cases[case].values
    return ", ".join(f"{name} = {axis_value(value)}" for name, value in values.items())


def places(evidence: Evidence, cases: Sequence[int], *, limit: int = 3) -> str:
    """Several cases with their preposition.

    Args:
        evidence: The evidence they belong to.
        cases: Indices of cases.
        limit: How many to list before `and 4 more`.

    Returns:
        Empty where nothing varies; else such as `at load = 0.7`, `for load = 0.7 to 0.9` or
        `at load = 0.7, 0.8 and 0.95`.
    """
    if not evidence.axes:
        return ""
    chosen = sorted(cases)
    alone = next((axis for axis in evidence.axes if _settled_by(evidence, axis, chosen)), None)
    if alone is not None:
        return _along(alone, [value for value in alone.values if value in _taken(evidence, alone, chosen)])
    return enumerate_words(list(_grouped(evidence, chosen)), limit=limit)


def _grouped(evidence: Evidence, cases: list[int]) -> Iterator[str]:
    """Cases on a grid of several axes: along the longest one, for each setting of the others."""
    axis = evidence.running_axis or evidence.axes[0]
    groups: dict[str, list[Any]] = {}
    for case in cases:
        values = dict(evidence.cases[case].values)
        own = values.pop(axis.name)
        within = ", ".join(f"{name} = {axis_value(value)}" for name, value in values.items())
        groups.setdefault(within, []).append(own)
    for within, taken in groups.items():
        yield f"{_along(axis, [value for value in axis.values if value in taken])} with {within}"


def _taken(evidence: Evidence, axis: Axis, cases: Sequence[int]) -> list[Any]:
    return [evidence.cases[case].values[axis.name] for case in cases]


def _settled_by(evidence: Evidence, axis: Axis, cases: list[int]) -> bool:
    """Whether these are all cases with some values of one axis, whatever the other axes say."""
    taken = _taken(evidence, axis, cases)
    return cases == [i for i, case in enumerate(evidence.cases) if case.values[axis.name] in taken]


def _along(axis: Axis, values: list[Any]) -> str:
    first = axis.values.index(values[0])
    if axis.numeric and len(values) > 2 and tuple(values) == axis.values[first : first + len(values)]:
        return f"for {axis.name} = {axis_value(values[0])} to {axis_value(values[-1])}"
    return f"at {axis.name} = " + enumerate_words([axis_value(value) for value in values], limit=6)
