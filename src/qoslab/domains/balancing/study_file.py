"""Study files as this domain's own commands read them: one scenario, and values that were set from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qoslab.core.domain import load
from qoslab.core.errors import BadInput, Problem
from qoslab.core.located import Located, read_toml, with_overrides

__all__ = ["overrides", "read_study"]


def overrides(given: Sequence[str], seeds: str) -> dict[str, str]:
    """What `--set NAME=VALUE` gave, by name.

    Args:
        given: Each `NAME=VALUE`.
        seeds: Why `study.seeds` cannot be set: what the command runs on instead.

    Raises:
        BadInput: One has no name or no equals sign, or is `study.seeds`.
    """
    pairs = [text.partition("=") for text in given]
    wrong = [text for text, (name, equals, _) in zip(given, pairs, strict=True) if not (name and equals)]
    if wrong:
        raise BadInput([Problem(message=f"--set {text}: not of the form name=value") for text in wrong])
    found = {name.strip(): value.strip() for name, _, value in pairs}
    if "study.seeds" in found:
        message, hint = f"--set study.seeds: {seeds}", "say how many: --seeds 20"
        raise BadInput(Problem(message=message, hint=hint))
    return found


def read_study(
    file: Path, settings: Mapping[str, str], varied: frozenset[str] = frozenset()
) -> tuple[Located, Any]:
    """Read a study file that speaks of one scenario of this domain.

    Args:
        file: The study file.
        settings: Values set from outside, by dotted name.
        varied: Values of the scenario that the caller sets itself: a grid of them does not matter.

    Returns:
        The file's contents with these values, and the study.

    Raises:
        BadInput: It is no study of this domain, something in it is wrong, or there is a grid of another value.
    """
    path = Path(file)
    document = with_overrides(read_toml(path), settings)
    about = document.tree.get("study")
    if not isinstance(about, Mapping) or about.get("domain") != "balancing":
        raise BadInput(Problem(message="is no study of the domain balancing", path=path))
    # By its path, as a plug-in would: no module of a domain imports the room that reads study files.
    study = load("qoslab.study.study:Study").from_file(file, settings)
    _refuse_grids(study.scenarios, varied, path)
    return document, study


def _refuse_grids(scenarios: Sequence[Any], free: frozenset[str], path: Path) -> None:
    """A command runs on one scenario: of what it does not vary itself, one value has to be chosen."""
    values: dict[str, list[Any]] = {}
    for case in scenarios:
        for name, value in case.varied.items():
            if name not in free and value not in values.setdefault(name, []):
                values[name].append(value)
    if values:
        raise BadInput(
            Problem(
                message=f"the scenario has a grid of {name}",
                path=path,
                field=f"scenario.{name}",
                hint=f"choose one value: --set scenario.{name}={each[0]}",
            )
            for name, each in values.items()
        )
