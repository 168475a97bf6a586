"""What is wrong with a table, told from pydantic's errors: one finding for each mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from qoslab.core.errors import did_you_mean
from qoslab.core.plain_words import expected, message_of, shown
from qoslab.core.schema_paths import Loc, Shape, Trail

__all__ = ["Finding", "findings"]

_UNKNOWN = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
_MISSING = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})
_FORM = frozenset(
    {"model_type", "model_attributes_type", "dataclass_type", "dict_type", "list_type", "tuple_type"}
)
_WRONG_KIND = 100


@dataclass(frozen=True)
class Finding:
    """One mistake.

    Attributes:
        path: What it is about, from the validated table on.
        message: What is wrong.
        hint: What would be right.
        of_key: Whether the key is wrong rather than its value.
    """

    path: Loc
    message: str
    hint: str | None = None
    of_key: bool = False


@dataclass(frozen=True)
class _Error:
    detail: Mapping[str, Any]
    trail: Trail

    def branch(self, depth: int) -> tuple[Loc, str | int] | None:
        """The path of the union at this depth of unions, and the branch; None where there is none."""
        path: list[str | int] = []
        for step in self.trail.steps:
            if step.kind == "branch":
                if depth == 0:
                    return tuple(path), step.part
                depth -= 1
            elif step.kind == "key":
                path.append(step.part)
        return None

    @property
    def kind(self) -> str:
        return str(self.detail["type"])


def findings(error: ValidationError, shape: Shape, values: Any) -> list[Finding]:
    """What is wrong, in the order of pydantic's errors.

    Args:
        error: What pydantic raised.
        shape: The type that was validated.
        values: What was validated.
    """
    listed = error.errors(include_url=False)
    errors = [_Error(detail, shape.trail(detail["loc"], values)) for detail in listed]
    kept = _without_cascades(_meant(errors, 0))
    return _without_renamed([finding for group in kept for finding in _told(group)], errors)


def _meant(errors: Sequence[_Error], depth: int) -> list[list[_Error]]:
    """Of each union the errors of the branch that was meant; those that say one thing together are grouped."""
    groups: dict[Any, list[_Error]] = {}
    for number, error in enumerate(errors):
        branch = error.branch(depth)
        groups.setdefault(number if branch is None else branch[0], []).append(error)
    kept: list[list[_Error]] = []
    for group in groups.values():
        if group[0].branch(depth) is None:
            kept.append(group)
            continue
        branches: dict[str | int, list[_Error]] = {}
        for error in group:
            at = error.branch(depth)
            branches.setdefault(at[1] if at else "", []).append(error)
        costs = {name: _distance(found, depth) for name, found in branches.items()}
        best = min(branches, key=lambda name: costs[name])
        kept += [group] if costs[best] >= _WRONG_KIND else _meant(branches[best], depth + 1)
    return kept


def _distance(errors: Sequence[_Error], depth: int) -> int:
    """How far a value is from a branch of a union."""
    total = 0
    for error in errors:
        at = error.branch(depth)
        whole = at is not None and len(error.trail.path) == len(at[0])
        # A table with an unknown name in it is a table all the same.
        if whole and error.kind != "union_tag_invalid" and expected(error.detail) is not None:
            return _WRONG_KIND
        if error.kind == "literal_error":
            total += 10
        elif error.kind in _UNKNOWN | _MISSING or error.kind in _FORM:
            total += 2
        else:
            total += 1
    return min(total, _WRONG_KIND - 1)


def _told(group: Sequence[_Error]) -> list[Finding]:
    first = group[0]
    if len(group) > 1:
        return [_either(group)]
    path, detail = first.trail.path, first.detail
    known = first.trail.known
    message = message_of(detail)
    if first.kind in _UNKNOWN:
        word = str(path[-1])
        hint = did_you_mean(word, known) if len(word) <= 100 else None
        return [
            Finding(path, message, hint or (None if known else "there is nothing to set here"), of_key=True)
        ]
    if first.kind in _MISSING:
        return [Finding(path, message, known.get(str(path[-1])))]
    if first.kind == "union_tag_not_found":
        key = str(detail["ctx"]["discriminator"]).strip("'")
        return [Finding((*path, key), message)]
    if first.kind == "union_tag_invalid":
        key = str(detail["ctx"]["discriminator"]).strip("'")
        return [
            Finding((*path, key), message, _close(detail["ctx"]["tag"], str(detail["ctx"]["expected_tags"])))
        ]
    if first.kind == "literal_error":
        return [Finding(path, message, _close(detail["input"], str(detail["ctx"]["expected"])))]
    return [Finding(path, message)]


def _either(group: Sequence[_Error]) -> Finding:
    """No branch of a union takes this kind of value: name all kinds that would do."""
    first = group[0]
    at = first.branch(0)
    path = at[0] if at else first.trail.path
    kinds = list(dict.fromkeys(expected(error.detail) or "something else" for error in group))
    if "a number" in kinds and "a whole number" in kinds:
        kinds.remove("a whole number")
    words = (error.detail["ctx"]["expected"] for error in group if error.kind == "literal_error")
    hint = next((found for one in words if (found := _close(first.detail["input"], str(one)))), None)
    return Finding(path, f"must be {' or '.join(kinds)}, is {shown(first.detail['input'])}", hint)


def _close(given: Any, expected_words: str) -> str | None:
    words = expected_words.split("'")[1::2]
    if not isinstance(given, str) or len(given) > 100 or not get_close_matches(given, words):
        return None
    return did_you_mean(given, words)


def _without_cascades(groups: list[list[_Error]]) -> list[list[_Error]]:
    """Drop `too short` of an array that is short only because some of its items are wrong."""
    broken = {group[0].trail.path[:n] for group in groups for n in range(len(group[0].trail.path))}
    return [group for group in groups if group[0].kind != "too_short" or group[0].trail.path not in broken]


def _without_renamed(found: list[Finding], errors: Sequence[_Error]) -> list[Finding]:
    """Drop `is missing` where an unknown key of the same table is that key misspelt: one mistake, one finding."""
    missing = {error.trail.path for error in errors if error.kind in _MISSING}
    renamed: set[Loc] = set()
    for finding in found:
        if finding.of_key and isinstance(finding.path[-1], str) and len(finding.path[-1]) <= 100:
            names = [str(path[-1]) for path in missing if path[:-1] == finding.path[:-1]]
            renamed.update(
                (*finding.path[:-1], name) for name in get_close_matches(finding.path[-1], names, n=1)
            )
    return [finding for finding in found if finding.path not in renamed or finding.message != "is missing"]
