"""What commands take from a study file: its world, and the parameters of one of its methods."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qoslab.core.domain import load
from qoslab.core.errors import BadInput, Problem
from qoslab.core.located import Located, validate, validate_dataclass
from qoslab.core.method import RESERVED
from qoslab.core.registry import registry
from qoslab.domains.prediction.scenario import PredictionScenario

__all__ = ["files_of", "method_of", "methods_of", "scenario_of"]

_DOMAIN = "prediction"


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
    """A method with the parameters of the file's [[method]] of that id, else a registered one with its own.

    A user's own file, where the table names one, is executed, as `qoslab run` does.

    Raises:
        BadInput: There is no such method, several tables have its id, its file fails, or a parameter is wrong.
    """
    name = _plain(name)
    place = _place_of(document, name)
    if place is None:
        return registry.method(_DOMAIN, name).cls()
    file = files_of(document).get(name)
    cls = registry.method(_DOMAIN, name).cls if file is None else _of_file(file, name)
    values = {key: value for key, value in _tables(document)[place].items() if key not in RESERVED}
    return validate_dataclass(cls, values, document, ("method", place))


def methods_of(document: Located) -> list[str]:
    """The ids of the file's methods, each once."""
    return list(dict.fromkeys(_plain(table["id"]) for table in _tables(document) if "id" in table))


def files_of(document: Located) -> dict[str, Path]:
    """The user's own file of each method that has one, by the method's id."""
    base = document.path.parent if document.path else Path()
    return {
        _plain(table.get("id")): (base / str(table["file"])).expanduser().resolve()
        for table in _tables(document)
        if "file" in table
    }


def _place_of(document: Located, name: str) -> int | None:
    """Which [[method]] has that id, if any.

    Raises:
        BadInput: Several have it; the second is named.
    """
    places = [place for place, table in enumerate(_tables(document)) if _plain(table.get("id")) == name]
    if len(places) > 1:
        message = f"{len(places)} methods of the file have the id {name!r}: only one can be meant here"
        hint = "leave one of them in a copy of the file"
        raise BadInput(document.problem(("method", places[1], "id"), message, hint=hint))
    return places[0] if places else None


def _of_file(file: Path, name: str) -> type:
    cls: type = load("qoslab.study.userfile:entry_in")(file, _DOMAIN, name).cls
    return cls


def _plain(name: object) -> str:
    """An id without its domain, which a study file may leave out."""
    return str(name).removeprefix(f"{_DOMAIN}/")


def _tables(document: Located) -> list[Mapping[str, Any]]:
    methods = document.tree.get("method")
    return (
        [table if isinstance(table, dict) else {} for table in methods] if isinstance(methods, list) else []
    )
