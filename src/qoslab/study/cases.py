"""What a study puts together: scenarios and methods, each under the label of its rows."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qoslab.core.located import validate_dataclass
from qoslab.core.method import Trainable
from qoslab.core.registry import registry
from qoslab.core.scenario import Scenario
from qoslab.study import userfile

__all__ = [
    "FromFile",
    "Given",
    "Kept",
    "MethodCase",
    "MethodSource",
    "ScenarioCase",
    "importable",
    "params_of",
    "wants_training",
]


@dataclass(frozen=True)
class ScenarioCase:
    """One scenario of a study.

    Attributes:
        label: Such as `load=0.8`; empty where no grid varies the scenario.
        varied: The varied values by their dotted path.
        scenario: The scenario.
    """

    label: str
    varied: Mapping[str, Any]
    scenario: Scenario


@dataclass(frozen=True)
class Given:
    """A method that is at hand as an instance: registered, or of a class from a notebook."""

    method: Any

    def build(self) -> Any:
        """The method."""
        return self.method

    @property
    def file(self) -> None:
        """No file."""
        return


@dataclass(frozen=True)
class FromFile:
    """A method in a user's file: every process that needs it executes the file itself.

    Attributes:
        file: The file, absolute.
        domain: The study's domain.
        name: The method's name in the file.
        params: Its parameters as the study file has them.
    """

    file: Path
    domain: str
    name: str
    params: Mapping[str, Any]

    def build(self) -> Any:
        """The method.

        Raises:
            BadInput: The file fails, has no such method, or a parameter is wrong.
        """
        cls = userfile.entry_in(self.file, self.domain, self.name).cls
        return validate_dataclass(cls, dict(self.params))


@dataclass(frozen=True)
class Kept:
    """A method of results that are read back: what the journal knows of it.

    Attributes:
        file: The results' own copy of the user's file; None for a registered method.
        domain: The study's domain.
        name: The method's name.
        params: Its parameters.
    """

    file: Path | None
    domain: str
    name: str
    params: Mapping[str, Any]

    def build(self) -> Any:
        """The method.

        Raises:
            BadInput: It is not registered here, its file fails, or it has other parameters by now.
        """
        if self.file is not None:
            return FromFile(self.file, self.domain, self.name, self.params).build()
        return validate_dataclass(registry.method(self.domain, self.name).cls, dict(self.params))


MethodSource = Given | FromFile | Kept


@dataclass(frozen=True)
class MethodCase:
    """One method of a study.

    Attributes:
        label: Its name in rows and report.
        id: `DOMAIN/METHOD`.
        varied: The varied parameters by name.
        source: Where a process gets the instance from.
    """

    label: str
    id: str
    varied: Mapping[str, Any]
    source: MethodSource

    def build(self) -> Any:
        """The method's instance.

        Raises:
            BadInput: Its file fails, or a parameter is wrong.
        """
        return self.source.build()


def wants_training(method: Any) -> bool:
    """Whether a method's weights are to be trained by the study."""
    return getattr(method, "weights", None) == "train" and isinstance(method, Trainable)


def importable(method: Any) -> bool:
    """Whether another process could import the method's class by its name."""
    cls = type(method)
    if cls.__module__ in {"__main__", "__mp_main__"}:
        return False
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is cls


def params_of(source: MethodSource) -> dict[str, Any]:
    """A method's parameters by name."""
    if not isinstance(source, Given):
        return dict(source.params)
    return {f.name: getattr(source.method, f.name) for f in dataclasses.fields(source.method) if f.init}
