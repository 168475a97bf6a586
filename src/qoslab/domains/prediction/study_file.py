"""What commands take from a study file: its world, and the parameters of one of its methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qoslab.core.errors import BadInput, Problem
from qoslab.core.located import Located, validate, validate_dataclass
from qoslab.core.registry import registry
from qoslab.domains.prediction.scenario import PredictionScenario

__all__ = ["method_of", "methods_of", "scenario_of"]


def scenario_of(document: Located) -> PredictionScenario:
    """The scenario of a study file.

    Raises:
        BadInput: There is none, or it is wrong.
    """
    table = document.tree.get("scenario")
    if not isinstance(table, dict):
        raise BadInput(Problem(message="there is no [scenario]", path=document.path, field="scenario"))
    base = str(document.path.resolve().parent) if document.path else "."
    return validate(PredictionScenario, table, document, ("scenario",), context={"base": base})


def method_of(document: Located, name: str) -> Any:
    """A registered method with the parameters of the file's [[method]] of that id, else with its own.

    Raises:
        BadInput: There is no such method, or a parameter is wrong.
    """
    entry = registry.method("prediction", name)
    for place, table in enumerate(_tables(document)):
        if table.get("id") == name:
            values = {key: value for key, value in table.items() if key not in ("id", "label", "file")}
            return validate_dataclass(entry.cls, values, document, ("method", place))
    return entry.cls()


def methods_of(document: Located) -> list[str]:
    """The ids of the file's methods, each once."""
    return list(dict.fromkeys(str(table["id"]) for table in _tables(document) if "id" in table))


def _tables(document: Located) -> list[Mapping[str, Any]]:
    methods = document.tree.get("method")
    return (
        [table if isinstance(table, dict) else {} for table in methods] if isinstance(methods, list) else []
    )
